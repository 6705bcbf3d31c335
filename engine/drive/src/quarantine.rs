//! Runs that the kernel cannot go on with: a bug in it stops one run and no other.
//!
//! Such a run decides nothing more. It is ended from outside once its attempts are over, as failed, visibly.

use std::collections::BTreeSet;

use holdfast_kernel::event::Event;
use holdfast_kernel::id::{AttemptId, RunId};
use holdfast_kernel::status::{Outcome, Reason};

use crate::output::Output;
use crate::turn::Drive;

impl Drive {
    /// The kernel cannot go on with a run. It is ended from outside once its attempts are over.
    pub(crate) fn quarantine(&mut self, run: RunId, reason: String) {
        let Some(active) = self.runs.get(&run) else { return };
        let in_flight: BTreeSet<AttemptId> = active.state.in_flight.keys().copied().collect();
        self.output(Output::Quarantined { run, reason });
        self.quarantined.insert(run, in_flight);
        self.end_quarantined(run);
    }

    pub(crate) fn quarantined_happened(&mut self, run: RunId, event: &Event) {
        let over = match event {
            Event::AttemptSucceeded { attempt, .. }
            | Event::AttemptFailed { attempt, .. }
            | Event::AttemptLost { attempt, .. }
            | Event::AttemptInterrupted { attempt, .. } => *attempt,
            _ => return,
        };
        if let Some(open) = self.quarantined.get_mut(&run) {
            open.remove(&over);
        }
        self.end_quarantined(run);
    }

    /// Ends a quarantined run whose attempts are over, and forgets it.
    fn end_quarantined(&mut self, run: RunId) {
        if !self.quarantined.get(&run).is_some_and(BTreeSet::is_empty) {
            return;
        }
        let outcome = Outcome::Failed(Reason::Internal);
        self.record(run, vec![Event::RunFinished { outcome }]);
        self.quarantined.remove(&run);
        if let Some(active) = self.runs.remove(&run) {
            self.claims.remove(&active.state.request.dedupe_key);
            self.queued.remove(&(active.state.queued_at, run));
        }
        self.started.remove(&run);
        self.output(Output::Ended { run, outcome });
    }
}
