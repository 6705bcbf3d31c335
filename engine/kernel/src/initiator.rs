//! Who asks for runs: people, steps of other runs, ticks of schedules.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString as _};

use serde::{Deserialize, Serialize};

use crate::id::{Instant, ItemIndex, RunId, StepIndex};
use crate::tick::{Overlap, ScheduleName};

/// Who asked for a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initiator {
    /// A person, by name.
    User(String),
    /// A step of another run.
    Parent {
        /// The run.
        run: RunId,
        /// The step.
        step: StepIndex,
        /// The item.
        item: ItemIndex,
    },
    /// A tick of a schedule.
    Tick {
        /// The schedule.
        schedule: ScheduleName,
        /// The nominal instant of the tick.
        tick: Instant,
        /// How the run goes beside others of the schedule.
        overlap: Overlap,
        /// Who started it by hand; none: the schedule did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
}

impl Initiator {
    /// The name it is shown by.
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            Self::User(name) | Self::Tick { by: Some(name), .. } => Cow::Borrowed(name),
            Self::Parent { run, .. } => Cow::Owned(run.to_string()),
            Self::Tick { schedule, by: None, .. } => Cow::Owned(format!("schedule {schedule}")),
        }
    }

    /// The schedule whose tick it is.
    pub const fn schedule(&self) -> Option<&ScheduleName> {
        match self {
            Self::User(_) | Self::Parent { .. } => None,
            Self::Tick { schedule, .. } => Some(schedule),
        }
    }

    /// The schedule whose runs go on one after the other.
    pub const fn turn(&self) -> Option<&ScheduleName> {
        match self {
            Self::Tick { schedule, overlap, .. } if overlap.is_in_turn() => Some(schedule),
            Self::User(_) | Self::Parent { .. } | Self::Tick { .. } => None,
        }
    }

    /// The run that asked, if one did.
    pub const fn parent(&self) -> Option<RunId> {
        match self {
            Self::User(_) | Self::Tick { .. } => None,
            Self::Parent { run, .. } => Some(*run),
        }
    }
}
