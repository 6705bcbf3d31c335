//! What the expressions of an attempt may see: the run, the results of items, and secrets.
//!
//! Made after the commit of the attempt's start, so everything it may refer to is durable and can be read.

use std::cell::RefCell;
use std::sync::Arc;

use holdfast_contract::evaluate::Scope;
use holdfast_contract::list::{ListedItem, StoredList};
use holdfast_contract::secret::Mask;
use holdfast_drive::scope::{elements, unreadable};
use holdfast_journal::items::result_value;
use holdfast_journal::payloads::Payloads;
use holdfast_journal::query::Reader;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{ItemIndex, StepIndex};
use holdfast_kernel::payload::Payload;
use holdfast_kernel::state::RunState;
use holdfast_kernel::value::Value;

/// Reads secrets by the names that workflows and targets declare.
pub trait Secrets: Send + Sync {
    /// The value of a secret that the definition declares.
    ///
    /// # Errors
    /// Class `auth`: it is not declared, not there, or could not be read.
    fn read(&self, definition: &Definition, name: &str) -> Result<String, Failure>;
}

/// The scope of an attempt.
pub struct AttemptScope<'a> {
    /// The run's definition.
    pub definition: &'a Definition,
    /// Its state.
    pub state: &'a RunState,
    /// The payload files.
    pub payloads: &'a Arc<Payloads>,
    /// What was filed or committed.
    pub reader: &'a Reader,
    /// Where secrets come from.
    pub secrets: &'a dyn Secrets,
    /// Every secret that was read, to be masked in whatever comes back.
    pub mask: RefCell<Mask>,
}

impl Scope for AttemptScope<'_> {
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
        let items = self.state.step(step).map(|step| &step.items);
        let Some((directory, count)) = items.and_then(|items| Some((items.list?, items.total)))
        else {
            return Err(Failure::without_effect(Class::Internal, "the step has no list"));
        };
        let list = StoredList { directory, count };
        self.reader.listed(self.state.run(), &list, item).map_err(|error| unreadable(&error))
    }

    fn results<'a>(
        &'a self,
        step: StepIndex,
    ) -> Box<dyn Iterator<Item = Result<Value, Failure>> + 'a> {
        let run = self.state.run();
        let results = self.reader.results(self.state, step);
        Box::new(results.map(move |view| {
            let value = view.and_then(|view| result_value(self.payloads, run, &view));
            value.map_err(|error| unreadable(&error))
        }))
    }

    fn secret(&self, name: &str) -> Result<String, Failure> {
        let secret = self.secrets.read(self.definition, name)?;
        self.mask.borrow_mut().add(&secret);
        Ok(secret)
    }
}
