//! Follows runs: a line for each change of a step or a run, ending in the status word.

use std::collections::BTreeMap;

use holdfast_kernel::id::{RunId, StepIndex};
use holdfast_kernel::state::{Phase, StepPhase};
use holdfast_kernel::status::{Counts, Outcome};
use holdfast_runtime::feed::News;
use holdfast_service::wire::news::{Family, Told, open_children, told};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::access::Access;
use crate::commands::waits::{Place, place_of};
use crate::live::LiveView;
use crate::output::{Output, counted};
use crate::progress::ProgressLine;

/// Tells what happens to runs of this process.
pub(crate) struct Watch {
    news: Receiver<News>,
    access: Access,
    teller: Teller,
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
        access: Access,
        output: Output,
        several: Several,
    ) -> Self {
        Self { news, access, teller: Teller::new(output, several) }
    }

    /// What the store of this process says.
    pub(crate) const fn access(&self) -> &Access {
        &self.access
    }

    /// Tells what happens until a run has ended, and returns how; none if the executor ended before.
    pub(crate) async fn until_ended(&mut self, run: RunId) -> Option<Outcome> {
        let open = |run| {
            let loaded = self.access.load(run).ok();
            loaded.map(|loaded| open_children(&loaded.state)).unwrap_or_default()
        };
        let mut family = Family::new(run, open);
        self.teller.draw(&self.access, run);
        loop {
            let ended = match self.news.recv().await {
                Ok(News::Ended { run: of, outcome }) if of == run => {
                    self.teller.tell_last(&self.access, run);
                    Some(outcome)
                }
                Ok(news) => {
                    let told = told(&news);
                    let of_run = told.iter().filter(|one| family.wants(one));
                    of_run.for_each(|one| self.teller.tell(&self.access, one));
                    None
                }
                // Too slow to hear everything: the store knows whether the run has ended.
                Err(RecvError::Lagged(_)) => ended(&self.access, run),
                Err(RecvError::Closed) => return ended(&self.access, run),
            };
            if ended.is_some() {
                return ended;
            }
        }
    }

    /// Tells what happens until no run is active; `active` are those that were. Whether that came before the
    /// executor ended.
    pub(crate) async fn until_idle(&mut self, mut active: Vec<RunId>) -> bool {
        while !active.is_empty() {
            match self.news.recv().await {
                Ok(news) => {
                    self.tell_all(&news, &mut active);
                }
                Err(RecvError::Lagged(_)) => {
                    active.retain(|run| ended(&self.access, *run).is_none());
                }
                Err(RecvError::Closed) => {
                    return active.iter().all(|run| ended(&self.access, *run).is_some());
                }
            }
        }
        true
    }
}

impl Watch {
    /// Tells news, and keeps count of who is active.
    fn tell_all(&mut self, news: &News, active: &mut Vec<RunId>) {
        for one in &told(news) {
            self.tell_of(one, active);
        }
    }

    fn tell_of(&mut self, told: &Told, active: &mut Vec<RunId>) {
        match told {
            Told::Ended { run, .. } => active.retain(|of| of != run),
            // Children too, unless they have ended already.
            Told::Queued { run } if !active.contains(run) => active.push(*run),
            _ => {}
        }
        self.teller.tell(&self.access, told);
    }
}

/// How a run ended, as the store has it.
pub(crate) fn ended(access: &Access, run: RunId) -> Option<Outcome> {
    match access.load(run).ok()?.state.phase {
        Phase::Finished(outcome) => Some(outcome),
        Phase::Queued
        | Phase::Granted
        | Phase::Running
        | Phase::Stopping(_)
        | Phase::Finally(_)
        | Phase::StoppingFinally { .. } => None,
    }
}

/// Turns what happened into lines.
pub(crate) struct Teller {
    output: Output,
    /// The words told last of each step.
    told: BTreeMap<(RunId, StepIndex), String>,
    several: Several,
    progress: ProgressLine,
    /// The steps of the run that is followed, on a terminal.
    view: Option<LiveView>,
    /// The ids of steps, for progress that only has their numbers.
    ids: BTreeMap<(RunId, StepIndex), String>,
}

/// Where a step is.
#[derive(Clone, Copy)]
struct Now<'a> {
    id: &'a str,
    fans_out: bool,
    phase: StepPhase,
    counts: &'a Counts,
}

impl Teller {
    pub(crate) fn new(output: Output, several: Several) -> Self {
        let progress = ProgressLine::new(output.moves());
        let (told, ids) = (BTreeMap::new(), BTreeMap::new());
        Self { output, told, several, progress, view: None, ids }
    }

    /// Draws the steps of a run from here on, if there is a terminal that may move.
    pub(crate) fn draw(&mut self, access: &Access, run: RunId) {
        if !self.output.moves() || self.view.as_ref().is_some_and(|view| view.run() == run) {
            return;
        }
        if let Ok(loaded) = access.load(run) {
            self.view = Some(LiveView::new(run, &loaded.definition, &loaded.state));
        }
    }

    /// Tells one thing that happened.
    pub(crate) fn tell(&mut self, access: &Access, told: &Told) {
        if let Told::Step { run, step, id, .. } = told {
            self.ids.insert((*run, *step), id.clone());
        }
        if self.view.as_mut().is_some_and(|view| view.tell(told)) {
            return;
        }
        match told {
            Told::Step { run, step, id, fans_out, phase, counts } => {
                let now = Now { id, fans_out: *fans_out, phase: *phase, counts };
                self.tell_step(*run, *step, now);
            }
            Told::Ended { run, outcome } => {
                self.tell_last(access, *run);
                self.told.retain(|(of, _), _| of != run);
                self.line(*run, outcome.status().word());
            }
            Told::Asked { run, step, item, ask } => {
                let text = if ask.text.is_empty() { "" } else { ask.text.as_str() };
                let line = format!("waits for an approval: {text}");
                self.line(*run, line.trim_end_matches([':', ' ']));
                let place = place_of(access, *run, Place::Numbered(*step, *item));
                self.line(*run, &format!("to answer: holdfast approve {place}"));
            }
            Told::DiskFull => self.aside(
                "paused: disk full. The disk with the state directory has too little free space; no attempt starts until there is more than `limits.reserve_mib` of the configuration asks for.",
            ),
            Told::DiskFree => self.aside("There is space again: going on."),
            Told::Stopped { run, reason } => {
                self.line(*run, &format!("a bug in holdfast stopped the run: {reason}"));
            }
            Told::Progress { run, step, progress } => {
                let id = self.ids.get(&(*run, *step)).cloned().unwrap_or_default();
                self.progress.moved(*run, *step, &id, progress);
            }
            Told::Watching { run } => self.aside(&format!("Following {run}.")),
            Told::Queued { .. } | Told::Child { .. } | Told::Line { .. } | Told::Missed => {}
        }
    }

    fn tell_step(&mut self, run: RunId, step: StepIndex, now: Now<'_>) {
        if let Some(view) = self.view.as_mut().filter(|view| view.run() == run) {
            return view.step(step, now.phase, now.counts);
        }
        if matches!(now.phase, StepPhase::Final(_)) {
            self.progress.ended(run, step);
        } else if now.fans_out {
            self.progress.counted(run, step, now.id, now.counts);
        }
        let Some(words) = words(now.phase, now.fans_out.then_some(now.counts)) else { return };
        let last = self.told.insert((run, step), words.clone());
        if last.as_ref() != Some(&words) {
            self.line(run, &format!("{}: {words}", now.id));
        }
    }

    /// What changed with the end of a run: it is not in memory any more, the store has it.
    pub(crate) fn tell_last(&mut self, access: &Access, run: RunId) {
        let Ok(loaded) = access.load(run) else { return };
        for (step, definition) in loaded.definition.numbered() {
            let Some(state) = loaded.state.step(step) else { continue };
            let now = Now {
                id: &definition.id,
                fans_out: definition.for_each.is_some(),
                phase: state.phase,
                counts: &state.items.counts,
            };
            self.tell_step(run, step, now);
        }
        // What it shows stays.
        drop(self.view.take_if(|view| view.run() == run));
    }

    fn line(&self, run: RunId, line: &str) {
        match self.several {
            Several::No => self.aside(line),
            Several::Yes => self.aside(&format!("{run} {line}")),
        }
    }

    /// Says something above what is drawn.
    fn aside(&self, line: &str) {
        match &self.view {
            Some(view) => view.aside(|| self.output.talk(line)),
            None => self.progress.aside(|| self.output.talk(line)),
        }
    }
}

/// A step's state in words; none while nothing is to be told.
pub(crate) fn words(phase: StepPhase, counts: Option<&Counts>) -> Option<String> {
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
        (total, []) => counted(total, "item"),
        (total, parts) => format!("{}: {}", counted(total, "item"), parts.join(", ")),
    }
}
