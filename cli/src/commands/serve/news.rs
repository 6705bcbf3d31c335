//! What the service says of the executor's news, told after the commit: runs, steps, failures, ticks, channels.
//!
//! It has a thread of its own. Neither names that are read from the store nor a slow reader of the log hold up a run;
//! what it is too slow for is missed, and that is told.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use holdfast_journal::commit::Batch;
use holdfast_journal::outbox::OutboxChange;
use holdfast_journal::query::{Loaded, Reader};
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::Event;
use holdfast_kernel::id::{RunId, StepIndex};
use holdfast_kernel::state::StepPhase;
use holdfast_kernel::status::{Counts, Outcome, Reason, RunStatus, StepEnd};
use holdfast_runtime::feed::News;
use holdfast_runtime::space::SpaceChange;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::failures::{self, Failures};
use super::known::Known;
use super::schedules;
use crate::output::counted;
use crate::time;
use crate::watch::words;

/// Says what happens, until the executor has ended. It blocks.
pub(super) fn tell(mut news: Receiver<News>, reader: Reader) {
    let mut teller = Teller { reader, runs: BTreeMap::new() };
    loop {
        match news.blocking_recv() {
            Ok(news) => teller.tell(&news),
            Err(RecvError::Lagged(missed)) => {
                // What is remembered of runs may be wrong by now.
                teller.runs.clear();
                tracing::warn!(
                    missed,
                    "The log was too slow and leaves out what happened: `holdfast runs` and `holdfast ticks` have it."
                );
            }
            Err(RecvError::Closed) => return,
        }
    }
}

struct Teller {
    reader: Reader,
    /// The runs that go on.
    runs: BTreeMap<RunId, Known>,
}

impl Teller {
    fn tell(&mut self, news: &News) {
        match news {
            News::Committed(batch) => self.committed(batch),
            News::Step { run, definition, step, phase, counts } => {
                self.step((*run, definition), *step, *phase, counts);
            }
            News::Ended { run, outcome } => self.ended(*run, *outcome),
            News::Quarantined { run, reason } => {
                let workflow = self.known(*run).workflow();
                let class = Reason::Internal.word();
                tracing::error!(
                    %run,
                    workflow,
                    class,
                    "{run} was stopped by a bug in holdfast: {reason}"
                );
            }
            News::Space(SpaceChange::Low) => tracing::warn!(
                "The disk with the state directory has too little free space: no attempt starts until there is more \
                 than `limits.reserve_mib`."
            ),
            News::Space(SpaceChange::Enough) => {
                tracing::info!("There is enough free space again: attempts start.");
            }
            // Attempts tell what they say by themselves.
            News::Line { .. } | News::Progress { .. } => {}
        }
    }

    /// What is known of a run; what is not is read from the store.
    fn known(&mut self, run: RunId) -> &mut Known {
        match self.runs.entry(run) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Known::load(&self.reader, run)),
        }
    }

    fn committed(&mut self, batch: &Batch) {
        let record = batch.sequence;
        let events = || batch.entries.iter().map(|(_, events)| events.len()).sum::<usize>();
        tracing::debug!(record, "record {record} is durable, with {}", counted(events(), "event"));
        batch.schedules.iter().for_each(schedules::tell);
        batch.outbox.iter().for_each(tell_of_channel);
        for (run, events) in &batch.entries {
            self.happened(*run, events);
        }
    }

    fn happened(&mut self, run: RunId, events: &[Event]) {
        for event in events {
            match event {
                Event::RunQueued(_) => {
                    self.queued(run, Known::load(&self.reader, run).told_in_full());
                }
                Event::RunReopened { .. } => self.queued(run, Known::load(&self.reader, run)),
                Event::RunStarted => {
                    tell_of_run(run, self.known(run).workflow(), RunStatus::Running, None);
                }
                _ => {}
            }
        }
        if events.iter().any(failures::matters) {
            self.known(run);
            let Some(known) = self.runs.get_mut(&run) else { return };
            let mut failures = Failures::new(run, known, &self.reader);
            for event in events {
                failures.take(event);
            }
            failures.tell_rest();
        }
    }

    fn queued(&mut self, run: RunId, known: Known) {
        tell_of_run(run, known.workflow(), RunStatus::Queued, None);
        self.runs.insert(run, known);
    }

    fn step(
        &mut self,
        (run, definition): (RunId, &Arc<Definition>),
        step: StepIndex,
        phase: StepPhase,
        counts: &Counts,
    ) {
        let known = self.known(run);
        match phase {
            StepPhase::Final(end) => {
                if known.ended.insert(step) {
                    tell_of_step(run, definition, (step, end), counts);
                }
            }
            StepPhase::Pending
            | StepPhase::Gating
            | StepPhase::Listing
            | StepPhase::Running
            | StepPhase::Halting => {
                known.ended.remove(&step);
            }
        }
    }

    /// A run has ended: what changed with its end is not in memory any more, the store has it.
    fn ended(&mut self, run: RunId, outcome: Outcome) {
        let known = self.runs.remove(&run);
        let loaded = self.reader.load(run).ok().flatten();
        let workflow = loaded.as_ref().map(|loaded| loaded.definition.name.clone());
        if let (Some(known), Some(loaded)) = (known, &loaded) {
            tell_of_last_steps(run, &known, loaded);
        }
        tell_of_run(run, workflow.as_deref(), outcome.status(), outcome.reason());
    }
}

fn tell_of_last_steps(run: RunId, known: &Known, loaded: &Loaded) {
    for ((step, _), state) in loaded.definition.numbered().zip(&loaded.state.steps) {
        if let StepPhase::Final(end) = state.phase
            && !known.ended.contains(&step)
        {
            tell_of_step(run, &loaded.definition, (step, end), &state.items.counts);
        }
    }
}

fn tell_of_run(run: RunId, workflow: Option<&str>, status: RunStatus, reason: Option<Reason>) {
    let (word, reason) = (status.word(), reason.map(Reason::word));
    tracing::info!(%run, workflow, status = word, reason, "{run} {word}");
}

fn tell_of_step(
    run: RunId,
    definition: &Definition,
    (step, end): (StepIndex, StepEnd),
    counts: &Counts,
) {
    let Some(of) = definition.step(step) else { return };
    let (id, workflow) = (of.id.as_str(), definition.name.as_str());
    let counts = of.for_each.is_some().then_some(counts);
    let count = |which: fn(&Counts) -> u32| counts.map(which);
    let ended = words(StepPhase::Final(end), counts).unwrap_or_default();
    tracing::info!(
        %run,
        workflow,
        step = id,
        status = end.word(),
        total = count(|counts| counts.total),
        succeeded = count(|counts| counts.succeeded),
        partial = count(|counts| counts.partial),
        failed = count(|counts| counts.failed),
        unknown = count(|counts| counts.unknown),
        untried = count(|counts| counts.untried),
        skipped = count(|counts| counts.skipped),
        "{run} {id}: {ended}"
    );
}

fn tell_of_channel(change: &OutboxChange) {
    match change {
        OutboxChange::Failed { channel, places, error, again, .. } => {
            let (name, again) = (channel.as_str(), time::utc(*again));
            tracing::warn!(
                channel = name,
                messages = places.len(),
                "The channel {name} cannot deliver: {error}. It is tried again at {again}."
            );
        }
        OutboxChange::GivenUp { channel, places, error, refused: _ } => {
            let (name, messages) = (channel.as_str(), places.len());
            let counted = counted(messages, "message");
            tracing::warn!(
                channel = name,
                messages,
                "The channel {name} gives up {counted}: {error}."
            );
        }
        OutboxChange::Delivered { channel, places } => {
            let (name, messages) = (channel.as_str(), places.len());
            tracing::debug!(channel = name, messages, "the channel {name} delivered");
        }
        OutboxChange::Routed { .. } => {}
    }
}
