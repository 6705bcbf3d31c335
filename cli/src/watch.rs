//! Follows runs in the foreground: a line for each change of a step or a run, ending in the status word.

use std::collections::BTreeMap;

use holdfast_journal::query::Reader;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::id::{RunId, StepIndex};
use holdfast_kernel::state::StepPhase;
use holdfast_kernel::status::{Counts, Outcome};
use holdfast_runtime::feed::News;
use holdfast_runtime::space::SpaceChange;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::output::Output;
use crate::progress::ProgressLine;

/// Tells what happens to runs.
pub(crate) struct Watch {
    news: Receiver<News>,
    reader: Reader,
    output: Output,
    /// The words told last of each step.
    told: BTreeMap<(RunId, StepIndex), String>,
    several: Several,
    progress: ProgressLine,
    /// The ids of steps, for progress that only has their numbers.
    ids: BTreeMap<(RunId, StepIndex), String>,
}

/// Whether lines name their run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Several {
    /// One run is followed.
    No,
    /// Lines name their run.
    Yes,
}

impl Watch {
    /// Tells news from here on.
    pub(crate) fn new(
        news: Receiver<News>,
        reader: Reader,
        output: Output,
        several: Several,
    ) -> Self {
        let progress = ProgressLine::new(output.moves());
        let (told, ids) = (BTreeMap::new(), BTreeMap::new());
        Self { news, reader, output, told, several, progress, ids }
    }

    /// Tells what happens until a run has ended, and returns how; none if the executor ended before.
    pub(crate) async fn until_ended(&mut self, run: RunId) -> Option<Outcome> {
        loop {
            let ended = match self.news.recv().await {
                Ok(News::Ended { run: of, outcome }) if of == run => {
                    self.tell_last(run);
                    Some(outcome)
                }
                Ok(news) => {
                    self.tell(&news);
                    None
                }
                // Too slow to hear everything: the store knows whether the run has ended.
                Err(RecvError::Lagged(_)) => self.ended(run),
                Err(RecvError::Closed) => return self.ended(run),
            };
            if ended.is_some() {
                return ended;
            }
        }
    }

    /// Tells what happens until no run is active; `active` are those that were.
    pub(crate) async fn until_idle(&mut self, mut active: Vec<RunId>) {
        while !active.is_empty() {
            match self.news.recv().await {
                Ok(news) => {
                    let ended = matches!(news, News::Ended { .. }).then(|| news.run()).flatten();
                    active.retain(|run| Some(*run) != ended);
                    self.tell(&news);
                }
                Err(RecvError::Lagged(_)) => active.retain(|run| self.ended(*run).is_none()),
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// How a run ended, as the store has it.
    fn ended(&self, run: RunId) -> Option<Outcome> {
        let loaded = self.reader.load(run).ok().flatten()?;
        match loaded.state.phase {
            holdfast_kernel::state::Phase::Finished(outcome) => Some(outcome),
            holdfast_kernel::state::Phase::Queued
            | holdfast_kernel::state::Phase::Granted
            | holdfast_kernel::state::Phase::Running
            | holdfast_kernel::state::Phase::Stopping(_) => None,
        }
    }

    fn tell(&mut self, news: &News) {
        match news {
            News::Step { run, definition, step, phase, counts } => {
                self.tell_step(*run, definition, *step, (*phase, counts));
            }
            News::Ended { run, outcome } => {
                self.tell_last(*run);
                self.told.retain(|(of, _), _| of != run);
                self.line(*run, outcome.status().word());
            }
            News::Space(SpaceChange::Low) => self.output.talk(
                "paused: disk full. The disk with the state directory has too little free space; no attempt starts until there is more than `limits.reserve_mib` of the configuration asks for.",
            ),
            News::Space(SpaceChange::Enough) => self.output.talk("There is space again: going on."),
            News::Quarantined { run, reason } => {
                self.line(*run, &format!("a bug in holdfast stopped the run: {reason}"));
            }
            News::Progress { run, step, progress } => {
                let id = self.ids.get(&(*run, *step)).cloned().unwrap_or_default();
                self.progress.moved(*run, *step, &id, progress);
            }
            News::Committed(_) => {}
        }
    }

    fn tell_step(
        &mut self,
        run: RunId,
        definition: &Definition,
        step: StepIndex,
        (phase, counts): (StepPhase, &Counts),
    ) {
        let Some(of) = definition.step(step) else { return };
        self.ids.insert((run, step), of.id.clone());
        if matches!(phase, StepPhase::Final(_)) {
            self.progress.ended(run, step);
        } else if of.for_each.is_some() {
            self.progress.counted(run, step, &of.id, counts);
        }
        let Some(words) = words(phase, of.for_each.as_ref().map(|_| counts)) else { return };
        let last = self.told.insert((run, step), words.clone());
        if last.as_ref() != Some(&words) {
            self.line(run, &format!("{}: {words}", of.id));
        }
    }

    /// What changed with the end of a run: it is not in memory any more, the store has it.
    fn tell_last(&mut self, run: RunId) {
        let Ok(Some(loaded)) = self.reader.load(run) else { return };
        for (step, _) in loaded.definition.numbered() {
            let Some(state) = loaded.state.step(step) else { continue };
            let now = (state.phase, &state.items.counts);
            self.tell_step(run, &loaded.definition, step, now);
        }
    }

    fn line(&self, run: RunId, line: &str) {
        self.progress.aside(|| match self.several {
            Several::No => self.output.talk(line),
            Several::Yes => self.output.talk(format!("{run} {line}")),
        });
    }
}

/// A step's state in words; none while nothing is to be told.
fn words(phase: StepPhase, counts: Option<&Counts>) -> Option<String> {
    match phase {
        StepPhase::Pending | StepPhase::Gating => None,
        StepPhase::Listing | StepPhase::Running | StepPhase::Halting => Some("running".to_owned()),
        StepPhase::Final(end) => Some(match counts {
            Some(counts) => format!("{} ({})", end.word(), of_items(counts)),
            None => end.word().to_owned(),
        }),
    }
}

/// Counts in words: `12 items: 10 succeeded, 2 failed`.
pub(crate) fn of_items(counts: &Counts) -> String {
    let parts = [
        (counts.succeeded, "succeeded"),
        (counts.partial, "partial"),
        (counts.failed, "failed"),
        (counts.unknown, "unknown"),
        (counts.untried, "untried"),
        (counts.skipped, "skipped"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    match (counts.total, parts.as_slice()) {
        (total, []) => format!("{total} items"),
        (total, parts) => format!("{total} items: {}", parts.join(", ")),
    }
}
