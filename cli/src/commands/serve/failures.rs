//! Which attempts and items of a run failed, and how: a warning for each.
//!
//! An attempt that is its item's last is told as the item's end, so that nothing is told twice.

use std::collections::BTreeMap;
use std::fmt;

use holdfast_journal::query::Reader;
use holdfast_kernel::event::{Answer, Event, Next, Question};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{AttemptId, ItemIndex, Millis, RunId, StepIndex};
use holdfast_kernel::status::Outcome;

use super::known::Known;
use crate::time;

/// Whether an event has to do with what fails, or with the names of it.
pub(super) const fn matters(event: &Event) -> bool {
    matches!(
        event,
        Event::ItemsListed { .. }
            | Event::AttemptStarted { .. }
            | Event::AttemptSucceeded { .. }
            | Event::AttemptFailed { .. }
            | Event::AttemptLost { .. }
            | Event::AttemptInterrupted { .. }
            | Event::ItemEnded { .. }
            | Event::ApprovalRejected { .. }
            | Event::ChildRefused { .. }
            | Event::ChildFinished { outcome: Outcome::Failed(_), .. }
            | Event::Evaluated { answer: Answer::Failed(_), .. }
    )
}

/// The failures of one commit of a run.
pub(super) struct Failures<'a> {
    run: RunId,
    known: &'a mut Known,
    reader: &'a Reader,
    /// Attempts that failed, before it is known what comes of it.
    open: BTreeMap<(StepIndex, ItemIndex), (AttemptId, &'a Failure)>,
}

impl<'a> Failures<'a> {
    pub(super) const fn new(run: RunId, known: &'a mut Known, reader: &'a Reader) -> Self {
        Self { run, known, reader, open: BTreeMap::new() }
    }

    /// Takes what happened, in its order.
    pub(super) fn take(&mut self, event: &'a Event) {
        match event {
            Event::ItemsListed { step, listing } => {
                self.known.listed(*step, listing.list, listing.total);
            }
            Event::AttemptStarted { attempt, step, items } => {
                self.known.started(*attempt, *step, items);
            }
            Event::AttemptSucceeded { attempt, item, .. } => {
                self.known.landed(*attempt, *item);
            }
            Event::AttemptFailed { attempt, item, failure } => {
                if let Some(step) = self.known.landed(*attempt, *item) {
                    self.open.insert((step, *item), (*attempt, failure));
                }
            }
            Event::AttemptLost { attempt, failure } => {
                let Some(flight) = self.known.over(*attempt) else { return };
                let (step, items) = (flight.step, flight.items.into_iter());
                self.open.extend(items.map(|item| ((step, item), (*attempt, failure))));
            }
            // The process ended, and its attempts with it: nothing failed yet.
            Event::AttemptInterrupted { attempt, .. } => drop(self.known.over(*attempt)),
            Event::RetryScheduled { step, item, next, wait } => {
                if let Some((attempt, failure)) = self.open.remove(&(*step, *item)) {
                    let place = (Some(*step), Some(*item), Some(attempt));
                    self.tell(place, failure, &what_comes(*next, *wait));
                }
            }
            Event::ItemEnded { step, item, failure, .. } => {
                let attempt = self.open.remove(&(*step, *item)).map(|(attempt, _)| attempt);
                self.tell((Some(*step), Some(*item), attempt), failure, "");
            }
            Event::ApprovalRejected { step, item, failure, .. }
            | Event::ChildRefused { step, item, failure } => {
                self.tell((Some(*step), Some(*item), None), failure, "");
            }
            Event::ChildFinished { step, item, outcome: Outcome::Failed(reason), .. } => {
                let message = format!("the child run failed: {}", reason.word());
                let failure = Failure::without_effect(Class::Permanent, message);
                self.tell((Some(*step), Some(*item), None), &failure, "");
            }
            Event::Evaluated { question, answer: Answer::Failed(failure) } => {
                let (step, item) = place_of(*question);
                self.tell((step, item, None), failure, "");
            }
            _ => {}
        }
    }

    /// Tells of the attempts whose items wait for something else: a target is asked what became of them.
    pub(super) fn tell_rest(mut self) {
        for ((step, item), (attempt, failure)) in std::mem::take(&mut self.open) {
            self.tell((Some(step), Some(item), Some(attempt)), failure, "");
        }
    }

    fn tell(
        &self,
        (step, item, attempt): (Option<StepIndex>, Option<ItemIndex>, Option<AttemptId>),
        failure: &Failure,
        after: &str,
    ) {
        let (run, workflow) = (self.run, self.known.workflow());
        let key = step.zip(item).and_then(|at| self.known.item(self.reader, run, at));
        let place = Place {
            step: step.and_then(|step| self.known.step(step)),
            item: key.as_deref(),
            attempt: attempt.map(|AttemptId(number)| number),
        };
        let Place { step, item, attempt } = place;
        let class = failure.class.word();
        tracing::warn!(
            %run,
            workflow,
            step,
            item,
            attempt,
            class,
            "{run}{place} failed: {failure}{after}"
        );
    }
}

/// What of a run something is about.
#[derive(Clone, Copy)]
struct Place<'a> {
    step: Option<&'a str>,
    item: Option<&'a str>,
    attempt: Option<u64>,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(step) = self.step {
            write!(f, " {step}")?;
        }
        if let Some(item) = self.item {
            write!(f, "[{item}]")?;
        }
        match self.attempt {
            Some(attempt) => write!(f, "#{attempt}"),
            None => Ok(()),
        }
    }
}

const fn place_of(question: Question) -> (Option<StepIndex>, Option<ItemIndex>) {
    match question {
        Question::Gate(step) | Question::Items(step) => (Some(step), None),
        Question::Pause(step, item) | Question::Approval(step, item) => (Some(step), Some(item)),
        Question::Outputs => (None, None),
    }
}

fn what_comes(next: Next, wait: Millis) -> String {
    let what = match next {
        Next::Attempt => "it is tried again",
        Next::Probe => "the target is asked again",
    };
    match wait {
        Millis::ZERO => format!("; {what}"),
        wait => format!("; {what} in {}", time::length(wait)),
    }
}
