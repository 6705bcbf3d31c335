//! What an expression may see of a run, read from its state and its payload file.

use std::sync::Arc;

use holdfast_contract::evaluate::Scope;
use holdfast_contract::list::{ListedItem, StoredList};
use holdfast_journal::lists::ListReader;
use holdfast_journal::payloads::Payloads;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{ItemIndex, RunId, StepIndex};
use holdfast_kernel::payload::Payload;
use holdfast_kernel::state::RunState;
use holdfast_kernel::value::Value;

/// The scope of a question asked within a turn: it sees no results of items and no secrets.
pub struct TurnScope<'a> {
    /// The run's definition.
    pub definition: &'a Definition,
    /// Its state.
    pub state: &'a RunState,
    /// The payload files.
    pub payloads: &'a Arc<Payloads>,
}

impl Scope for TurnScope<'_> {
    fn definition(&self) -> &Definition {
        self.definition
    }

    fn state(&self) -> &RunState {
        self.state
    }

    fn run_url(&self) -> String {
        String::new()
    }

    fn load(&self, payload: &Payload) -> Result<Value, Failure> {
        self.payloads.load(self.state.run(), payload).map_err(|error| unreadable(&error))
    }

    fn elements<'a>(
        &'a self,
        list: &StoredList,
    ) -> Box<dyn Iterator<Item = Result<Value, Failure>> + 'a> {
        elements(self.payloads, self.state.run(), list)
    }

    fn item(&self, step: StepIndex, item: ItemIndex) -> Result<ListedItem, Failure> {
        listed_item(self.payloads, self.state, step, item)
    }

    fn results<'a>(
        &'a self,
        _step: StepIndex,
    ) -> Box<dyn Iterator<Item = Result<Value, Failure>> + 'a> {
        let message = "results of items are read after they are filed";
        Box::new(std::iter::once(Err(Failure::without_effect(Class::Internal, message))))
    }

    fn secret(&self, name: &str) -> Result<String, Failure> {
        let message = format!("cannot read the secret `{name}` outside of an attempt");
        Err(Failure::without_effect(Class::Expression, message))
    }
}

/// The elements of a stored list, read as they are asked for.
pub fn elements<'a>(
    payloads: &Arc<Payloads>,
    run: RunId,
    list: &StoredList,
) -> Box<dyn Iterator<Item = Result<Value, Failure>> + 'a> {
    match ListReader::<Value>::open(Arc::clone(payloads), run, list) {
        Ok(reader) => Box::new(
            (0..reader.count())
                .map(move |place| reader.get(place).map_err(|error| error.failure())),
        ),
        Err(error) => Box::new(std::iter::once(Err(error.failure()))),
    }
}

/// The item of a fan-out's list at this place.
///
/// # Errors
/// Class `internal`: the step has no list, or it cannot be read.
pub fn listed_item(
    payloads: &Arc<Payloads>,
    state: &RunState,
    step: StepIndex,
    item: ItemIndex,
) -> Result<ListedItem, Failure> {
    let list = state.step(step).and_then(|step| {
        let directory = step.items.list?;
        Some(StoredList { directory, count: step.items.total })
    });
    let Some(list) = list else {
        return Err(Failure::without_effect(Class::Internal, "the step has no list"));
    };
    let reader = ListReader::<ListedItem>::open(Arc::clone(payloads), state.run(), &list)
        .map_err(|error| error.failure())?;
    reader.get(item.0).map_err(|error| error.failure())
}

/// The failure of a payload that could not be read: the state directory is damaged or the disk fails.
pub fn unreadable(error: &dyn std::error::Error) -> Failure {
    Failure::without_effect(Class::Internal, format!("cannot read what the run stored: {error}"))
}
