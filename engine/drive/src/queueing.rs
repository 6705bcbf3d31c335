//! What each active run has or asks for: slots of the process and of its group, and a hold on its target.
//!
//! Derived from the states whenever it is asked for. A child run is covered by what its ancestors have.

use std::collections::BTreeMap;

use holdfast_kernel::event::Initiator;
use holdfast_kernel::id::RunId;
use holdfast_kernel::queue::{Explain, Hold, Holder, Obstacle, hold_of, line_up};
use holdfast_kernel::state::{RunState, Slots};

use crate::turn::{Active, Drive};

/// The ancestors of each child run, its parent first.
pub(crate) type Families = BTreeMap<RunId, Vec<RunId>>;

impl Drive {
    /// The ancestors of every active run that has some.
    pub(crate) fn families(&self) -> Families {
        let mut families = Families::new();
        let of =
            self.started.iter().copied().chain(self.queued_children.iter().map(|(_, run)| *run));
        for run in of {
            let ancestors = self.ancestors(run);
            if !ancestors.is_empty() {
                families.insert(run, ancestors);
            }
        }
        families
    }

    /// The active ancestors of a run, its parent first.
    pub(crate) fn ancestors(&self, run: RunId) -> Vec<RunId> {
        let parent = |run: RunId| self.runs.get(&run)?.state.request.initiator.parent();
        // An ancestor that is not active has nothing that would cover it.
        let is_active = |run: &RunId| self.runs.contains_key(run);
        std::iter::successors(parent(run), |run| parent(*run)).take_while(is_active).collect()
    }

    /// Whether what covers a run is there: no ancestor that waits for it has yet to get its slots back. One that ends
    /// gets none any more, and one that does not wait for this run covers nothing of it.
    pub(crate) fn is_covered(&self, run: RunId) -> bool {
        let mut below = run;
        while let Some(above) = self.waiting_for(below) {
            if above.phase.is_live() && above.slots == Slots::GivenBack {
                return false;
            }
            below = above.run();
        }
        true
    }

    /// The parent of a run, if it goes on and waits for it.
    fn waiting_for(&self, run: RunId) -> Option<&RunState> {
        let Initiator::Parent { run: parent, step, item } =
            self.runs.get(&run)?.state.request.initiator
        else {
            return None;
        };
        let state = &self.runs.get(&parent)?.state;
        let open = state.step(step)?.items.open.get(&item)?;
        (open.stage.child() == Some(run)).then_some(state)
    }

    /// What a run that has started has.
    pub(crate) fn holds<'a>(&'a self, run: RunId, families: &'a Families) -> Option<Holder<'a>> {
        let active = self.runs.get(&run)?;
        Some(Holder { slots: active.state.slots, hold: held(active), ..holder(active, families) })
    }

    /// What a run in the queue asks for. One that comes back after a person answered may still have its hold.
    pub(crate) fn asks_for<'a>(&'a self, run: RunId, families: &'a Families) -> Option<Holder<'a>> {
        let active = self.runs.get(&run)?;
        let has_hold = active.state.phase.is_live() && held(active) != Hold::None;
        let hold = if has_hold { Hold::None } else { hold_of(active.program.definition.operation) };
        Some(Holder { hold, ..holder(active, families) })
    }

    /// What is in the way of the runs that wait for their slots.
    pub fn obstacles(&self) -> Vec<(RunId, Obstacle)> {
        let families = self.families();
        let started = self.started.iter().filter_map(|run| self.holds(*run, &families));
        let queued = self.queued_children.iter().chain(&self.queued);
        let queued = queued.filter_map(|(_, run)| self.asks_for(*run, &families));
        line_up(started, queued, self.limits.runs as usize, Explain::Yes).1
    }
}

fn holder<'a>(active: &'a Active, families: &'a Families) -> Holder<'a> {
    let request = &active.state.request;
    Holder {
        run: request.run,
        target: request.target.as_ref().map(|target| target.identity.as_str()),
        hold: hold_of(active.program.definition.operation),
        group: request.group.as_ref(),
        turn: request.initiator.turn(),
        slots: Slots::Held,
        ancestors: families.get(&request.run).map(Vec::as_slice).unwrap_or_default(),
    }
}

/// The hold of a run that has started: it is given back with the slots, unless the run has written.
fn held(active: &Active) -> Hold {
    let RunState { slots, has_written, .. } = active.state;
    if slots == Slots::Held || has_written {
        hold_of(active.program.definition.operation)
    } else {
        Hold::None
    }
}
