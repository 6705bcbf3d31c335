//! Parents and children: the start of a child run, its end told to its parent, a cancel handed on.
//!
//! What happened to one is told to the other within the same batch, so no crash comes between them.

use holdfast_contract::list::{ListOut as _, StoredList};
use holdfast_journal::lists::{ListReader, ListWriter};
use holdfast_kernel::event::{Event, Initiator};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::RunId;
use holdfast_kernel::payload::Payload;
use holdfast_kernel::reopen::{self, Selection};
use holdfast_kernel::state::OutputsState;
use holdfast_kernel::status::Outcome;
use holdfast_kernel::value::Value;

use std::sync::Arc;

use crate::input::{Child, ChildFound, Ended};
use crate::output::Refusal;
use crate::scope::unreadable;
use crate::turn::{Drive, Intake};

impl Drive {
    /// Hands on what is to be told between parents and children, until nothing is left.
    pub(crate) fn tell_relatives(&mut self) {
        while let Some((run, event)) = self.to_relatives.pop_front() {
            // A child that is not queued yet is told by its parent's next look.
            if self.runs.contains_key(&run) {
                self.happened(run, event);
            }
        }
    }

    /// The host looked after a child run.
    pub(crate) fn child(&mut self, child: Child) {
        let Child { parent, step, item, run, found } = child;
        let refused = |failure| Event::ChildRefused { step, item, failure };
        let is_wanted = self.admits(parent, &refused(gone()));
        if !is_wanted || self.runs.contains_key(&run) {
            return;
        }
        let stops = self.runs.get(&parent).is_some_and(|active| active.state.phase.is_stopping());
        match found {
            // A parent that ends starts nothing more.
            _ if stops => self.happened(parent, refused(gone())),
            _ if self.intake == Intake::Draining => {}
            ChildFound::Refused(failure) => self.happened(parent, refused(failure)),
            ChildFound::New(submit) => {
                self.queue_new(submit.request, submit.stored, submit.program);
            }
            ChildFound::Ended(ended) => self.continue_child(parent, *ended, refused),
        }
    }

    fn continue_child(
        &mut self,
        parent: RunId,
        ended: Ended,
        refused: impl FnOnce(Failure) -> Event,
    ) {
        match reopen::plan(&ended.program.definition, &ended.state, Selection::All) {
            Ok(redo) => self.reopen(ended, parent.to_string(), redo),
            Err(reason) => {
                let run = ended.state.run();
                let message =
                    format!("the child run {run} cannot go on: {}", Refusal::from(reason));
                let failure = Failure::with_unknown_effect(Class::Permanent, message);
                self.happened(parent, refused(failure));
            }
        }
    }

    /// Tells the parent of a run how it ended, if it has one.
    pub(crate) fn tell_parent(&mut self, run: RunId, outcome: Outcome) {
        let Some(active) = self.runs.get(&run) else { return };
        let Initiator::Parent { run: parent, step, item } = active.state.request.initiator else {
            return;
        };
        let outputs = match &active.state.outputs {
            Some(OutputsState::Known(payload)) => Some(payload.clone()),
            Some(OutputsState::Failed(_)) | None => None,
        };
        let event = match self.adopted(run, parent, outputs) {
            Ok(output) => Event::ChildFinished { step, item, outcome, output },
            Err(failure) => Event::ChildRefused { step, item, failure },
        };
        self.to_relatives.push_back((parent, event));
    }

    /// The outputs of a child, stored with its parent.
    fn adopted(
        &self,
        child: RunId,
        parent: RunId,
        outputs: Option<Payload>,
    ) -> Result<Payload, Failure> {
        let Some(outputs) = outputs else { return Ok(Payload::empty()) };
        let value = self.payloads.load(child, &outputs).map_err(|error| unreadable(&error))?;
        let value = self.adopted_value(child, parent, value)?;
        self.payloads.keep(parent, value).map_err(|error| unreadable(&error))
    }

    fn adopted_value(&self, child: RunId, parent: RunId, value: Value) -> Result<Value, Failure> {
        if let Some(list) = StoredList::from_value(&value) {
            return self.adopted_list(child, parent, &list);
        }
        let adopt = |value| self.adopted_value(child, parent, value);
        Ok(match value {
            Value::List(list) => {
                Value::List(list.into_iter().map(adopt).collect::<Result<_, _>>()?)
            }
            Value::Map(map) => {
                let map = map.into_iter().map(|(key, value)| Ok((key, adopt(value)?)));
                Value::Map(map.collect::<Result<_, Failure>>()?)
            }
            plain @ (Value::None
            | Value::Boolean(_)
            | Value::Integer(_)
            | Value::Number(_)
            | Value::Text(_)) => plain,
        })
    }

    fn adopted_list(
        &self,
        child: RunId,
        parent: RunId,
        list: &StoredList,
    ) -> Result<Value, Failure> {
        let reader = ListReader::<Value>::open(Arc::clone(&self.payloads), child, list)
            .map_err(|error| error.failure())?;
        let mut writer = Box::new(ListWriter::new(Arc::clone(&self.payloads), parent));
        for place in 0..reader.count() {
            let value = reader.get(place).map_err(|error| error.failure())?;
            writer.push(self.adopted_value(child, parent, value)?)?;
        }
        Ok(writer.finish()?.as_value())
    }
}

fn gone() -> Failure {
    Failure::without_effect(Class::Cancelled, "the run was cancelled before its child was queued")
}
