//! The course of a whole run: how it is stopped, cancelled and killed, when `finally` starts, and when it only
//! waits for people.
//!
//! The fold of the events that are about no step of their own. What follows from them is in [`crate::stop`].

use crate::event::CancelKind;
use crate::fold::{Change, Corrupt, Folding, corrupt};
use crate::id::{Instant, Millis, StepIndex};
use crate::state::{Cancel, Phase, RunState, Slots};
use crate::status::StopCause;

use crate::definition::Definition;

impl Folding<'_> {
    /// The run only waits for people: its slots are free for others.
    pub(crate) fn hold_released(&mut self) -> Result<(), Corrupt> {
        // Its slots may be given back already: it waited to go on with them, and now waits for people again.
        let fits = self.state.idle_since.is_none() && self.state.only_awaits();
        Self::expect(fits, "a run gave its slots back that does not only wait for people")?;
        self.state.slots = Slots::GivenBack;
        self.state.idle_since = Some(self.at);
        self.changes.push(Change::Idle);
        Ok(())
    }

    /// Notes the end of the time in which the run only waited for people.
    pub(crate) fn end_idleness(&mut self) {
        let Some(since) = self.state.idle_since.filter(|_| !self.state.only_awaits()) else {
            return;
        };
        let waited = self.at.since(since);
        self.state.idle_since = None;
        self.state.idle_for = Millis(self.state.idle_for.0.saturating_add(waited.0));
        self.changes.push(Change::Resumed);
    }

    pub(crate) fn finally_started(&mut self) -> Result<(), Corrupt> {
        Self::expect(self.state.open_steps == 0, "`finally` started with a step open")?;
        let main = match self.state.phase {
            Phase::Running => None,
            Phase::Stopping(cause) => Some(cause),
            Phase::Queued
            | Phase::Granted
            | Phase::Finally(_)
            | Phase::StoppingFinally { .. }
            | Phase::Finished(_) => return corrupt("`finally` started out of turn"),
        };
        self.state.phase = Phase::Finally(main);
        self.state.finally_at = Some(self.at);
        self.state.idle_for = Millis::ZERO;
        self.changes.push(Change::FinallyStarted);
        for index in self.definition.finally_steps() {
            self.open_gate(index)?;
        }
        Ok(())
    }

    /// Somebody wants the run to end.
    ///
    /// | the run is | asked | then |
    /// |---|---|---|
    /// | queued, running | cancel, kill | its main graph stops |
    /// | running, its main graph is final | cancel, for the first time | nothing: it is as good as in `finally` |
    /// | stopping because its time passed | cancel | it counts as cancelled |
    /// | in `finally` | cancel, for the first time | nothing |
    /// | in `finally` | cancel again, kill | `finally` stops |
    /// | stopping | cancel again, kill | `finally` does not start |
    pub(crate) fn cancel_requested(&mut self, how: CancelKind) -> Result<(), Corrupt> {
        Self::expect(!self.state.is_finished(), "a run was cancelled that had ended")?;
        let wanted = match (how, self.state.cancel) {
            (CancelKind::Kill, _) => Cancel::Kill,
            (CancelKind::Cancel, None) => Cancel::Main,
            (CancelKind::Cancel, Some(earlier)) => earlier.max(Cancel::All),
        };
        self.state.cancel = Some(wanted);
        let main_is_final = self.state.open_steps == 0;
        if self.state.phase == Phase::Stopping(StopCause::Timeout) && !main_is_final {
            self.state.phase = Phase::Stopping(StopCause::Cancelled);
        }
        let stops = match self.state.phase {
            Phase::Queued => true,
            Phase::Running => {
                !main_is_final || (wanted >= Cancel::All && self.state.open_finally > 0)
            }
            Phase::Finally(_) => wanted >= Cancel::All,
            Phase::Granted
            | Phase::Stopping(_)
            | Phase::StoppingFinally { .. }
            | Phase::Finished(_) => false,
        };
        if stops {
            self.stop(StopCause::Cancelled)?;
        }
        if wanted == Cancel::Kill {
            self.changes.push(Change::Killed);
        } else if wanted == Cancel::All && !stops {
            self.changes.push(Change::CancelledAgain);
        }
        Ok(())
    }

    /// No step of the graph that goes on starts any more.
    pub(crate) fn stop(&mut self, cause: StopCause) -> Result<(), Corrupt> {
        let main_is_final = self.state.open_steps == 0;
        let phase = match (&self.state.phase, cause) {
            (Phase::Running, StopCause::Cancelled) if main_is_final => {
                Phase::StoppingFinally { main: None, cause }
            }
            (Phase::Queued, StopCause::QueueTimeout | StopCause::Cancelled)
            | (Phase::Running, StopCause::Timeout | StopCause::Cancelled) => Phase::Stopping(cause),
            (Phase::Finally(main), StopCause::Timeout | StopCause::Cancelled) => {
                Phase::StoppingFinally { main: *main, cause }
            }
            (
                Phase::Queued
                | Phase::Granted
                | Phase::Running
                | Phase::Stopping(_)
                | Phase::Finally(_)
                | Phase::StoppingFinally { .. }
                | Phase::Finished(_),
                _,
            ) => return corrupt("a run stopped that could not"),
        };
        self.state.phase = phase;
        self.changes.push(Change::Stopped(cause));
        for (index, _) in self.definition.numbered() {
            self.touch(index)?;
        }
        Ok(())
    }
}

impl RunState {
    /// Whether `finally` is to run once the main graph is final: the run ever started, and nobody said no.
    pub(crate) fn wants_finally(&self) -> bool {
        self.started_at.is_some() && self.cancel.is_none_or(|cancel| cancel == Cancel::Main)
    }

    /// What is left of the time of the graph that goes on; none if no time runs.
    pub(crate) fn time_left(&self, definition: &Definition, at: Instant) -> Option<Millis> {
        let (from, length) = match self.phase {
            Phase::Running => (self.started_at?, definition.timeout),
            Phase::Finally(_) => (self.finally_at?, definition.finally?.timeout),
            Phase::Queued
            | Phase::Granted
            | Phase::Stopping(_)
            | Phase::StoppingFinally { .. }
            | Phase::Finished(_) => return None,
        };
        let length = length.0.saturating_add(self.idle_for.0);
        self.idle_since.is_none().then(|| Millis(length.saturating_sub(at.since(from).0)))
    }

    /// The steps that a stop of the graph that goes on blocks, besides those of the graph itself: all of
    /// `finally`, if it is not to run.
    pub(crate) fn is_blocked_by_stop(&self, definition: &Definition, step: StepIndex) -> bool {
        !definition.is_of_finally(step)
            || matches!(self.phase, Phase::StoppingFinally { .. })
            || !self.wants_finally()
    }
}
