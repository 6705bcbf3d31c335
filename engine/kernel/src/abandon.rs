//! Ending a run that the kernel itself could not go on with: a bug, told as `failed`, `internal`.
//!
//! The host ends it from outside once its attempts are over. Whatever was open is left so that a `retry`
//! after an upgrade is safe: what may have happened stays in doubt, what never started is untried.

use crate::definition::EffectClass;
use crate::event::BlockCause;
use crate::failure::{Class, Effect, Failure};
use crate::fold::{Corrupt, Folding, leave_untried};
use crate::id::ItemIndex;
use crate::state::{Mark, OpenItem, OpenStage, Phase, StepPhase, StepState};
use crate::status::{Outcome, Reason, StepEnd};

impl Folding<'_> {
    /// Folds the end of a run that could not go on.
    pub(crate) fn abandoned(&mut self) -> Result<(), Corrupt> {
        Self::expect(!self.state.is_finished(), "a run ended twice")?;
        for (index, _) in self.definition.numbered() {
            let (definition, step) = self.step(index)?;
            let class = definition.action().map_or(EffectClass::Pure, |action| action.effect);
            if step.phase.end().is_none() {
                abandon(step, class);
            }
        }
        self.state.in_flight.clear();
        self.state.ready.clear();
        self.state.open_steps = 0;
        self.state.open_finally = 0;
        self.state.awaiting = 0;
        self.state.idle_since = None;
        self.state.phase = Phase::Finished(Outcome::Failed(Reason::Internal));
        Ok(())
    }
}

fn abandon(step: &mut StepState, class: EffectClass) {
    let started = matches!(step.phase, StepPhase::Running | StepPhase::Halting);
    leave_untried(&mut step.items);
    for (item, open) in core::mem::take(&mut step.items.open) {
        abandon_item(step, class, item, open);
    }
    step.items.due.clear();
    step.items.in_flight = 0;
    if started {
        let message = "a bug in holdfast stopped the run";
        step.failure.get_or_insert_with(|| Failure::with_unknown_effect(Class::Internal, message));
    }
    let end = if started { StepEnd::Failed } else { StepEnd::Blocked(BlockCause::Cancelled) };
    step.phase = StepPhase::Final(end);
}

fn abandon_item(step: &mut StepState, class: EffectClass, item: ItemIndex, open: OpenItem) {
    let items = &mut step.items;
    let span = item.0..item.0 + 1;
    if matches!(open.stage, OpenStage::Running(_) | OpenStage::Child { .. }) {
        items.doubts.set(span.clone(), ());
    }
    let mark = match (items.doubt(item), class) {
        (Effect::None, _) => Mark::Failed,
        (Effect::Unknown, EffectClass::Once) => Mark::Unknown,
        (
            Effect::Unknown,
            EffectClass::Pure | EffectClass::Idempotent | EffectClass::Keyed | EffectClass::Probed,
        ) => Mark::FailedInDoubt,
    };
    if mark == Mark::Unknown {
        items.counts.unknown += 1;
    } else {
        items.counts.failed += 1;
    }
    if let Some(note) = open.note {
        items.notes.insert(item, note);
    }
    items.not_ok.set(span, mark);
}
