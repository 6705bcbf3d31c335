//! Parents and children: the start of a child run, its end told to its parent, a cancel handed on.
//!
//! What happened to one is told to the other within the same batch, so no crash comes between them.

use holdfast_contract::list::{ListOut as _, StoredList};
use holdfast_journal::lists::{ListReader, ListWriter};
use holdfast_kernel::event::{Event, Initiator};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::RunId;
use holdfast_kernel::payload::Payload;
use holdfast_kernel::reopen::{self, NotReopenable, Selection};
use holdfast_kernel::state::{OutputsState, Phase, RunState};
use holdfast_kernel::status::Outcome;
use holdfast_kernel::value::Value;

use std::sync::Arc;

use crate::input::{Child, ChildFound, Ended};
use crate::output::Refusal;
use crate::scope::unreadable;
use crate::turn::{Drive, Intake, Told};

/// Why a child is not queued that does not want to wait for its group.
fn rejected(group: &Refusal) -> Failure {
    Failure::without_effect(Class::Rejected, format!("the child run was rejected: {group}"))
}

impl Drive {
    /// Hands on what is to be told between parents and children, until nothing is left.
    pub(crate) fn tell_relatives(&mut self) {
        while let Some(Told { run, of, event }) = self.to_relatives.pop_front() {
            let cancels = matches!(event, Event::CancelRequested { .. });
            if cancels && !self.runs.contains_key(&run) {
                self.end_unborn(of, run);
            } else if cancels || self.waits_for(run, of, &event) {
                self.happened(run, event);
            }
        }
    }

    /// Whether a run waits for this child where the event says: an earlier child of the same item may end late.
    fn waits_for(&self, parent: RunId, child: RunId, event: &Event) -> bool {
        let (Event::ChildFinished { step, item, .. }
        | Event::ChildRefused { step, item, .. }
        | Event::ChildIdle { step, item, .. }) = event
        else {
            return false;
        };
        let step = self.runs.get(&parent).and_then(|active| active.state.step(*step));
        let open = step.and_then(|step| step.items.open.get(item));
        open.is_some_and(|open| open.stage.child() == Some(child))
    }

    /// Tells the parent of a run that it began or ended to wait for people and nothing else.
    pub(crate) fn tell_idleness(&mut self, run: RunId) {
        let Some(active) = self.runs.get_mut(&run) else { return };
        let idle = active.state.idle_since.is_some();
        if active.told_idle == idle {
            return;
        }
        active.told_idle = idle;
        if let Initiator::Parent { run: parent, step, item } = active.state.request.initiator {
            let event = Event::ChildIdle { step, item, idle };
            self.to_relatives.push_back(Told { run: parent, of: run, event });
        }
    }

    /// A child that is cancelled before it was queued is never queued: whatever still looks after it comes late.
    fn end_unborn(&mut self, parent: RunId, child: RunId) {
        let Some(active) = self.runs.get(&parent) else { return };
        let steps = active.program.definition.numbered().zip(&active.state.steps);
        let place = steps.into_iter().find_map(|((index, _), step)| {
            let mut open = step.items.open.iter();
            let found = open.find(|(_, open)| open.stage.child() == Some(child));
            found.map(|(item, _)| (index, *item))
        });
        if let Some((step, item)) = place {
            self.happened(parent, Event::ChildRefused { step, item, failure: gone() });
        }
    }

    /// The host looked after a child run.
    pub(crate) fn child(&mut self, child: Child) {
        let Child { parent, step, item, run, found } = child;
        let refused = |failure| Event::ChildRefused { step, item, failure };
        let is_wanted = self.admits(parent, &refused(gone()));
        if !is_wanted {
            return;
        }
        if let Some(active) = self.runs.get(&run) {
            // It goes on by itself already.
            if active.state.idle_since.is_some() {
                self.happened(parent, Event::ChildIdle { step, item, idle: true });
            }
            return;
        }
        let stops = self.runs.get(&parent).is_some_and(|active| active.state.phase.is_stopping());
        match found {
            // A parent that ends starts nothing more.
            _ if stops => self.happened(parent, refused(gone())),
            _ if self.intake == Intake::Draining => {}
            // It was read before it was forgotten.
            ChildFound::Ended(_) if self.forgotten.contains(&run) => {
                self.happened(parent, refused(gone()));
            }
            ChildFound::Refused(failure) => self.happened(parent, refused(failure)),
            ChildFound::New(submit) => {
                if let Err(error) = submit.program.definition.check() {
                    let message = format!("the child run cannot be run: {error}");
                    let failure = Failure::without_effect(Class::Invalid, message);
                    return self.happened(parent, refused(failure));
                }
                if let Some(group) = self.full_group(&submit.request) {
                    return self.happened(parent, refused(rejected(&group)));
                }
                self.queue_new(submit.request, submit.stored, submit.program);
            }
            ChildFound::Ended(ended) => self.continue_child(parent, *ended, refused),
        }
    }

    /// A child that ended goes on with what is not ok. One in which nothing can go on ended as it ended: it may
    /// have gone on without its parent, which hears of it now.
    fn continue_child(
        &mut self,
        parent: RunId,
        ended: Ended,
        refused: impl FnOnce(Failure) -> Event,
    ) {
        match reopen::plan(&ended.program.definition, &ended.state, Selection::All) {
            // It waits for its group even if a new one would not: what it left in doubt stays its own.
            Ok(redo) => self.reopen(ended, parent.to_string(), redo),
            Err(
                NotReopenable::NothingToDo | NotReopenable::OnlyUnknown | NotReopenable::Active,
            ) => match ended.state.phase {
                Phase::Finished(outcome) => {
                    self.to_relatives.extend(self.end_for_parent(&ended.state, outcome));
                }
                Phase::Queued
                | Phase::Granted
                | Phase::Running
                | Phase::Stopping(_)
                | Phase::Finally(_)
                | Phase::StoppingFinally { .. } => self.happened(parent, refused(lost())),
            },
        }
    }

    /// Tells the parent of a run how it ended, if it has one.
    pub(crate) fn tell_parent(&mut self, run: RunId, outcome: Outcome) {
        let Some(active) = self.runs.get(&run) else { return };
        let told = self.end_for_parent(&active.state, outcome);
        self.to_relatives.extend(told);
    }

    /// What the parent of a run is told about its end.
    fn end_for_parent(&self, state: &RunState, outcome: Outcome) -> Option<Told> {
        let Initiator::Parent { run: parent, step, item } = state.request.initiator else {
            return None;
        };
        let run = state.run();
        let outputs = match &state.outputs {
            Some(OutputsState::Known(payload)) => Some(payload.clone()),
            Some(OutputsState::Failed(_)) | None => None,
        };
        let adopted = match outcome {
            // Nobody reads the outputs of what failed.
            Outcome::Failed(_) => Ok(Payload::empty()),
            Outcome::Succeeded | Outcome::Partial => self.adopted(run, parent, outputs),
        };
        let in_doubt = state.is_in_doubt() || self.quarantined.contains_key(&run);
        let event = match adopted {
            Ok(output) => Event::ChildFinished { step, item, outcome, output, in_doubt },
            Err(failure) => Event::ChildRefused { step, item, failure },
        };
        Some(Told { run: parent, of: run, event })
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

/// A child that the store has as active and nobody drives: better told than waited for until the run's timeout.
fn lost() -> Failure {
    let message = "a bug in holdfast: the child run is stored as active, and nobody drives it";
    Failure::with_unknown_effect(Class::Internal, message)
}
