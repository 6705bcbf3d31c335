//! What is remembered of a run while it goes on, so that what is said of it has names.
//!
//! It decides nothing, and is read anew from the store where something was missed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_contract::list::StoredList;
use holdfast_journal::query::Reader;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::id::{AttemptId, ItemIndex, RunId, StepIndex};
use holdfast_kernel::payload::Reference;
use holdfast_kernel::state::{InFlight, StepPhase};

/// What is remembered of a run. One that cannot be read has no names.
#[derive(Default)]
pub(super) struct Known {
    definition: Option<Arc<Definition>>,
    lists: BTreeMap<StepIndex, StoredList>,
    flights: BTreeMap<AttemptId, InFlight>,
    /// The steps of which it need not be told that they have ended.
    pub(super) ended: BTreeSet<StepIndex>,
}

impl Known {
    /// What the store says of a run. Steps that have ended by now are not told of.
    pub(super) fn load(reader: &Reader, run: RunId) -> Self {
        let Some(loaded) = reader.load(run).ok().flatten() else { return Self::default() };
        let mut known = Self { flights: loaded.state.in_flight, ..Self::default() };
        for ((step, _), state) in loaded.definition.numbered().zip(&loaded.state.steps) {
            known.listed(step, state.items.list, state.items.total);
            if matches!(state.phase, StepPhase::Final(_)) {
                known.ended.insert(step);
            }
        }
        known.definition = Some(loaded.definition);
        known
    }

    /// The same of a run that has just been queued: all of it is told, however far it is by now.
    #[must_use]
    pub(super) fn told_in_full(mut self) -> Self {
        self.ended.clear();
        self
    }

    /// The name of its workflow.
    pub(super) fn workflow(&self) -> Option<&str> {
        self.definition.as_ref().map(|definition| definition.name.as_str())
    }

    /// The id of a step.
    pub(super) fn step(&self, step: StepIndex) -> Option<&str> {
        self.definition.as_ref()?.step(step).map(|step| step.id.as_str())
    }

    /// The key of an item; none for a step without a fan-out.
    pub(super) fn item(
        &self,
        reader: &Reader,
        run: RunId,
        at: (StepIndex, ItemIndex),
    ) -> Option<String> {
        let (step, item) = at;
        let listed = reader.listed(run, self.lists.get(&step)?, item).ok();
        listed.map(|listed| listed.key)
    }

    /// A step has a list.
    pub(super) fn listed(&mut self, step: StepIndex, list: Option<Reference>, count: u32) {
        let list = list.map(|directory| StoredList { directory, count });
        self.lists.extend(list.map(|list| (step, list)));
    }

    /// An attempt was started.
    pub(super) fn started(&mut self, attempt: AttemptId, step: StepIndex, items: &[ItemIndex]) {
        let items = items.iter().copied().collect();
        self.flights.insert(attempt, InFlight { step, items });
    }

    /// An attempt has ended for one of its items: its step.
    pub(super) fn landed(&mut self, attempt: AttemptId, item: ItemIndex) -> Option<StepIndex> {
        let flight = self.flights.get_mut(&attempt)?;
        let step = flight.step;
        flight.items.remove(&item);
        if flight.items.is_empty() {
            self.flights.remove(&attempt);
        }
        Some(step)
    }

    /// An attempt has ended for all the items that were left of it.
    pub(super) fn over(&mut self, attempt: AttemptId) -> Option<InFlight> {
        self.flights.remove(&attempt)
    }
}
