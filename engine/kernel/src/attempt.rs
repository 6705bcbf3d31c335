//! The machine of one item: what its attempts, probes, waits and ends do to it.
//!
//! The table of its transitions stands above the `match` that implements it.

use core::ops::Range;

use crate::definition::Writes;
use crate::event::{Completeness, Event, Next, ProbeAnswer, Timer};
use crate::failure::{Class, Effect, Failure};
use crate::fold::{Change, Corrupt, Folding, corrupt};
use crate::id::{AttemptId, ItemIndex, Millis, StepIndex};
use crate::state::{Asked, InFlight, Items, OpenItem, OpenStage, Slots};

impl Folding<'_> {
    /// Folds one of the events that are about items.
    ///
    /// | item is | event | item is then |
    /// |---|---|---|
    /// | queued, due | `AttemptStarted` | running |
    /// | queued | `Evaluated` pause | sleeping; without a duration ended, failed |
    /// | running | `AttemptNoted` | running |
    /// | running | `AttemptSucceeded` | ended, succeeded or partial |
    /// | running | `AttemptFailed`, `AttemptLost`, `AttemptInterrupted` | settling |
    /// | settling | `EffectProbed` | done: ended, succeeded; else settling |
    /// | settling | `RetryScheduled` | due without a wait, else waiting |
    /// | settling, waiting, due, sleeping, awaiting | `ItemEnded` | ended, failed or unknown |
    /// | waiting | `TimerFired` | due, or settling if a probe comes |
    /// | sleeping | `TimerFired` | ended, succeeded |
    /// | queued | `ApprovalRequested` | awaiting; `Evaluated` with a failure: ended, failed |
    /// | awaiting | `ApprovalGiven` | ended, succeeded |
    /// | awaiting | `ApprovalRejected`, `TimerFired` | ended, failed |
    /// | queued, due | `ChildStarted` | child |
    /// | child | `ChildIdle` | child, which waits for people or does not |
    /// | child | `ChildFinished`, `ChildRefused` | ended, as the child ended |
    /// | ended, unknown | `EffectResolved` | step open: succeeded or due; else resolved, until a retry |
    ///
    /// Everything else is refused.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the fold hands these alone in")]
    pub(crate) fn item_event(&mut self, event: &Event) -> Result<(), Corrupt> {
        match event {
            Event::AttemptStarted { attempt, step, items } => {
                self.attempt_started(*attempt, *step, items)
            }
            Event::AttemptNoted { attempt, item, note } => {
                let open = self.running(*attempt, *item)?.1;
                open.note = Some(note.clone());
                open.deaths = 0;
                Ok(())
            }
            Event::AttemptSucceeded { attempt, item, output, completeness } => {
                let step = self.running(*attempt, *item)?.0;
                self.leave_attempt(*attempt, *item)?;
                self.end_well(step, *item, output, *completeness)
            }
            Event::AttemptFailed { attempt, item, failure } => {
                self.attempt_ended(*attempt, *item, failure, Deaths::Reset)
            }
            Event::AttemptLost { attempt, failure } => {
                self.attempt_ended_for_all(*attempt, failure, Deaths::Reset)
            }
            Event::AttemptInterrupted { attempt, death } => {
                let deaths = match death {
                    crate::event::Death::Clean => Deaths::Reset,
                    crate::event::Death::Unclean => Deaths::Count,
                };
                self.attempt_ended_for_all(*attempt, &Failure::interrupted(*death), deaths)
            }
            Event::EffectProbed { step, item, answer } => self.probed(*step, *item, answer),
            Event::RetryScheduled { step, item, next, wait } => {
                self.retry_scheduled(*step, *item, *next, *wait)
            }
            Event::ItemEnded { step, item, end, failure } => {
                self.item_ended(*step, *item, *end, failure)
            }
            Event::TimerFired { timer: Timer::Item(step, item) } => self.item_woke(*step, *item),
            Event::EffectResolved { step, item, verdict, by: _ } => {
                self.resolved(*step, *item, verdict)
            }
            Event::ApprovalRequested { .. }
            | Event::ApprovalGiven { .. }
            | Event::ApprovalRejected { .. }
            | Event::ChildStarted { .. }
            | Event::ChildIdle { .. }
            | Event::ChildFinished { .. }
            | Event::ChildRefused { .. } => self.wait_event(event),
            _ => corrupt("an event is not about an item"),
        }
    }

    fn attempt_started(
        &mut self,
        attempt: AttemptId,
        index: StepIndex,
        items: &[ItemIndex],
    ) -> Result<(), Corrupt> {
        let at = self.at;
        Self::expect(attempt == self.state.next_attempt, "an attempt is out of order")?;
        let live = self.state.phase.is_live() && self.state.slots == Slots::Held;
        Self::expect(live, "an attempt started while none may")?;
        Self::expect(!items.is_empty(), "an attempt started without items")?;
        let (definition, step) = self.step(index)?;
        let writes = definition.writes() == Writes::Target;
        for item in items {
            let mut open = take_startable(&mut step.items, *item)?;
            open.attempts += 1;
            open.first_at = open.first_at.or(Some(at));
            open.stage = OpenStage::Running(attempt);
            step.items.open.insert(*item, open);
        }
        step.items.in_flight += 1;
        self.state.has_written |= writes;
        let items = items.iter().copied().collect();
        self.state.in_flight.insert(attempt, InFlight { step: index, items });
        self.state.next_attempt = AttemptId(attempt.0 + 1);
        self.state.cursor = index;
        self.touch(index)
    }

    /// The step and the open item of an attempt in flight.
    fn running(
        &mut self,
        attempt: AttemptId,
        item: ItemIndex,
    ) -> Result<(StepIndex, &mut OpenItem), Corrupt> {
        let Some(step) = self.state.in_flight.get(&attempt).map(|flight| flight.step) else {
            return corrupt("an event names an attempt that is not in flight");
        };
        let open = self.step(step)?.1.items.open.get_mut(&item);
        match open {
            Some(open) if open.stage == OpenStage::Running(attempt) => Ok((step, open)),
            _ => corrupt("an event names an item that its attempt does not have"),
        }
    }

    /// Takes an item off its attempt; the attempt is over with its last one.
    fn leave_attempt(&mut self, attempt: AttemptId, item: ItemIndex) -> Result<(), Corrupt> {
        let Some(flight) = self.state.in_flight.get_mut(&attempt) else {
            return corrupt("an attempt is not in flight");
        };
        flight.items.remove(&item);
        if flight.items.is_empty() {
            let step = flight.step;
            self.state.in_flight.remove(&attempt);
            self.step(step)?.1.items.in_flight -= 1;
        }
        Ok(())
    }

    fn attempt_ended_for_all(
        &mut self,
        attempt: AttemptId,
        failure: &Failure,
        deaths: Deaths,
    ) -> Result<(), Corrupt> {
        let Some(flight) = self.state.in_flight.get(&attempt).cloned() else {
            return corrupt("an event names an attempt that is not in flight");
        };
        for item in flight.items {
            self.attempt_ended(attempt, item, failure, deaths)?;
        }
        Ok(())
    }

    fn attempt_ended(
        &mut self,
        attempt: AttemptId,
        item: ItemIndex,
        failure: &Failure,
        deaths: Deaths,
    ) -> Result<(), Corrupt> {
        let (step, open) = self.running(attempt, item)?;
        if failure.class != Class::Interrupted {
            open.counted += 1;
        }
        open.deaths = match deaths {
            Deaths::Reset => 0,
            Deaths::Count => open.deaths + 1,
        };
        let (failure, effect) = (failure.clone(), failure.effect);
        open.stage = OpenStage::Settling { failure, effect, asked: Asked::No };
        if effect == Effect::Unknown {
            self.step(step)?.1.items.doubts.set(span(item), ());
        }
        self.leave_attempt(attempt, item)?;
        self.changes.push(Change::Settling(step, item));
        self.touch(step)
    }

    fn probed(
        &mut self,
        index: StepIndex,
        item: ItemIndex,
        answer: &ProbeAnswer,
    ) -> Result<(), Corrupt> {
        let open = self.open(index, item)?;
        let OpenStage::Settling { effect, asked, .. } = &mut open.stage else {
            return corrupt("an effect was probed that is not being settled");
        };
        open.failed_probes =
            if matches!(answer, ProbeAnswer::Failed(_)) { open.failed_probes + 1 } else { 0 };
        match answer {
            ProbeAnswer::Done(output) => {
                return self.end_well(index, item, output, Completeness::Whole);
            }
            ProbeAnswer::Absent => {
                (*effect, *asked) = (Effect::None, Asked::Answered);
                self.step(index)?.1.items.doubts.clear(span(item));
            }
            ProbeAnswer::Partial(note) => {
                *asked = Asked::Answered;
                open.note = Some(note.clone());
            }
            ProbeAnswer::Unknown => *asked = Asked::CannotTell,
            ProbeAnswer::Failed(_) => *asked = Asked::Failed,
        }
        self.changes.push(Change::Settling(index, item));
        Ok(())
    }

    fn retry_scheduled(
        &mut self,
        index: StepIndex,
        item: ItemIndex,
        next: Next,
        wait: Millis,
    ) -> Result<(), Corrupt> {
        let until = self.at.plus(wait);
        let (_, step) = self.step(index)?;
        let Some(open) = step.items.open.get_mut(&item) else {
            return corrupt("a retry was scheduled for an item that is not open");
        };
        let OpenStage::Settling { failure, effect, .. } = &open.stage else {
            return corrupt("a retry was scheduled for an item that is not being settled");
        };
        let (failure, effect) = (failure.clone(), *effect);
        if wait == Millis::ZERO && next == Next::Attempt {
            open.stage = OpenStage::Due { failure: Some(failure) };
            step.items.due.insert(item);
            return self.touch(index);
        }
        open.stage = OpenStage::Waiting { failure, effect, next, until };
        self.changes.push(Change::Waiting(index, item));
        Ok(())
    }

    fn open(&mut self, step: StepIndex, item: ItemIndex) -> Result<&mut OpenItem, Corrupt> {
        match self.step(step)?.1.items.open.get_mut(&item) {
            Some(open) => Ok(open),
            None => corrupt("an event names an item that is not open"),
        }
    }
}

/// The one item, as a range.
pub(crate) fn span(ItemIndex(item): ItemIndex) -> Range<u32> {
    item..item + 1
}

/// What an end of an attempt does to the number of deaths in a row.
#[derive(Clone, Copy)]
enum Deaths {
    Reset,
    Count,
}

/// Takes an item that may start out of the queue or from among the due ones.
pub(crate) fn take_startable(items: &mut Items, item: ItemIndex) -> Result<OpenItem, Corrupt> {
    if items.due.remove(&item) {
        return match items.open.remove(&item) {
            Some(open) => Ok(open),
            None => corrupt("an item is due that is not open"),
        };
    }
    if items.queue.get(item.0).is_none() {
        return corrupt("an item started that may not");
    }
    items.queue.clear(span(item));
    let note = items.notes.remove(&item);
    Ok(OpenItem::new(OpenStage::Due { failure: None }, note))
}
