//! What happens to runs, as it is told to people over the socket: the executor's news with names instead of
//! definitions.

use std::collections::BTreeSet;

use holdfast_contract::attempt::Progress;
use holdfast_kernel::event::{ApprovalAsk, Event};
use holdfast_kernel::id::{ItemIndex, RunId, StepIndex};
use holdfast_kernel::state::{RunState, StepPhase};
use holdfast_kernel::status::{Counts, Outcome};
use holdfast_runtime::feed::News;
use holdfast_runtime::space::SpaceChange;
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// A step is where it was not before, or its counts changed.
    Step {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// Its id.
        id: String,
        /// Whether it fans out.
        fans_out: bool,
        /// Where it is.
        phase: StepPhase,
        /// How many items came to what.
        counts: Counts,
    },
    /// How far an attempt is.
    Progress {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// How far.
        progress: Progress,
    },
    /// A person is asked.
    Asked {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemIndex,
        /// What.
        ask: ApprovalAsk,
    },
    /// A run was queued, anew or to go on.
    Queued {
        /// The run.
        run: RunId,
    },
    /// A child run was queued.
    Child {
        /// The run.
        run: RunId,
        /// Its child.
        child: RunId,
    },
    /// A run has ended.
    Ended {
        /// The run.
        run: RunId,
        /// How.
        outcome: Outcome,
    },
    /// The disk with the state directory is nearly full.
    DiskFull,
    /// There is space again.
    DiskFree,
    /// A bug stopped a run.
    Stopped {
        /// The run.
        run: RunId,
        /// What went wrong.
        reason: String,
    },
    /// A line of the log of a run's attempts.
    Line {
        /// The run.
        run: RunId,
        /// The line.
        line: String,
    },
    /// From here on everything of the run is told.
    Watching {
        /// The run.
        run: RunId,
    },
    /// Some news were missed: the store knows what became of the runs.
    Missed,
}

impl Told {
    /// The run it is about, if it is about one.
    pub const fn run(&self) -> Option<RunId> {
        match self {
            Self::DiskFull | Self::DiskFree | Self::Missed => None,
            Self::Step { run, .. }
            | Self::Progress { run, .. }
            | Self::Asked { run, .. }
            | Self::Queued { run }
            | Self::Child { run, .. }
            | Self::Ended { run, .. }
            | Self::Stopped { run, .. }
            | Self::Watching { run }
            | Self::Line { run, .. } => Some(*run),
        }
    }
}

/// A run that is followed, with its descendants: they may ask people something too.
#[derive(Clone, Debug)]
pub struct Family {
    run: RunId,
    members: BTreeSet<RunId>,
}

impl Family {
    /// A run and those of its descendants that go on; `open` says the children of a run that do.
    pub fn new(run: RunId, open: impl Fn(RunId) -> Vec<RunId>) -> Self {
        let (mut members, mut left) = (BTreeSet::new(), vec![run]);
        while let Some(member) = left.pop() {
            if members.insert(member) {
                left.extend(open(member));
            }
        }
        Self { run, members }
    }

    /// Whether whoever follows the run is told this.
    pub fn wants(&mut self, told: &Told) -> bool {
        match told {
            Told::Child { run, child } if self.members.contains(run) => {
                self.members.insert(*child);
                *run == self.run
            }
            Told::Asked { run, .. } => self.members.contains(run),
            told => told.run().is_none_or(|run| run == self.run),
        }
    }
}

/// The children of a run that go on.
pub fn open_children(state: &RunState) -> Vec<RunId> {
    let open = state.steps.iter().flat_map(|step| step.items.open.values());
    open.filter_map(|open| open.stage.child()).collect()
}

/// What of the executor's news people are told.
pub fn told(news: &News) -> Vec<Told> {
    match news {
        News::Committed(batch) => {
            let entries = batch.entries.iter();
            let events = entries.flat_map(|(run, events)| events.iter().map(|event| (*run, event)));
            events.filter_map(|(run, event)| told_of(run, event)).collect()
        }
        News::Step { run, definition, step, phase, counts } => {
            let Some(of) = definition.step(*step) else { return Vec::new() };
            vec![Told::Step {
                run: *run,
                step: *step,
                id: of.id.clone(),
                fans_out: of.for_each.is_some(),
                phase: *phase,
                counts: *counts,
            }]
        }
        News::Progress { run, step, progress } => {
            vec![Told::Progress { run: *run, step: *step, progress: progress.clone() }]
        }
        News::Ended { run, outcome } => vec![Told::Ended { run: *run, outcome: *outcome }],
        News::Space(SpaceChange::Low) => vec![Told::DiskFull],
        News::Space(SpaceChange::Enough) => vec![Told::DiskFree],
        News::Quarantined { run, reason } => {
            vec![Told::Stopped { run: *run, reason: reason.clone() }]
        }
        News::Line { run, line } => vec![Told::Line { run: *run, line: line.clone() }],
    }
}

fn told_of(run: RunId, event: &Event) -> Option<Told> {
    match event {
        Event::ApprovalRequested { step, item, ask } => {
            Some(Told::Asked { run, step: *step, item: *item, ask: (**ask).clone() })
        }
        Event::RunQueued(_) | Event::RunReopened { .. } => Some(Told::Queued { run }),
        Event::ChildStarted { run: child, .. } => Some(Told::Child { run, child: *child }),
        _ => None,
    }
}
