//! A workflow as the engine runs it: checked, lowered from YAML, pinned to a run by its digest.
//!
//! The kernel never reads an expression: it knows them by number and asks the host for their values.
//! How they are written down is the language's matter. Lowering fills in every default.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::failure::Class;
use crate::id::{Digest, ExpressionId, Millis, StepIndex};
use crate::value::Value;

/// A workflow, ready to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// The workflow's name: its identity.
    pub name: String,
    /// What kind of work it is.
    pub operation: Operation,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// For people and filters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The declared inputs and secrets, in the language's own stored form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declarations: Option<Value>,
    /// What the run reads or writes; evaluated at submit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<ExpressionId>,
    /// What of the target it is about; evaluated at submit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ExpressionId>,
    /// What names an equal request in place of object and inputs; evaluated at submit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedupe_key: Option<ExpressionId>,
    /// Which runs it does not run beside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// The repository it works with; none: the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// How long a run may take from its start, down time included.
    pub timeout: Millis,
    /// Where the declared secrets are to be found; never the secrets themselves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretReference>,
    /// The steps, in the order of the file; those of `finally` come last.
    pub steps: Vec<Step>,
    /// The second graph, which starts when all other steps are final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finally: Option<Finally>,
    /// The map of outputs, evaluated when every step is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<ExpressionId>,
    /// Every expression and template, in the language's own stored form.
    pub expressions: Vec<Value>,
}

/// The second graph of a workflow: the steps from `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finally {
    /// Its first step.
    pub first: StepIndex,
    /// How long it may take from its own start.
    pub timeout: Millis,
}

/// A group of runs of which only so many go on at once, over all workflows that name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    /// The template of the group's name; evaluated at submit.
    pub group: ExpressionId,
    /// How many of the group may go on at once; at least 1.
    pub limit: u32,
    /// What becomes of a run that finds the group full.
    pub when_full: WhenFull,
}

/// What becomes of a run whose group is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// It waits, first come, first served.
    Queue,
    /// Its submit is refused.
    Reject,
}

/// Where a secret is to be found; never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretReference {
    /// An environment variable.
    Env(String),
    /// A file.
    File(String),
    /// A program with its arguments, which prints it.
    Command(Vec<String>),
}

/// What kind of work a workflow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Lists what a target has.
    Inventory,
    /// Captures and seals.
    Backup,
    /// Computes a plan.
    Preview,
    /// Applies a plan.
    Restore,
    /// Reads a backup set back.
    Verify,
    /// Everything else.
    Maintenance,
}

impl Operation {
    /// Every operation, in the order of the language's table.
    pub const ALL: [Self; 6] = [
        Self::Inventory,
        Self::Backup,
        Self::Preview,
        Self::Restore,
        Self::Verify,
        Self::Maintenance,
    ];

    /// The word used in YAML and on pages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Backup => "backup",
            Self::Preview => "preview",
            Self::Restore => "restore",
            Self::Verify => "verify",
            Self::Maintenance => "maintenance",
        }
    }

    /// Whether a workflow of this operation may have a step that writes this.
    pub const fn allows(self, writes: Writes) -> bool {
        !matches!((self, writes), (Self::Inventory | Self::Preview, Writes::Target))
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One step of a workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its id, unique in the workflow.
    pub id: String,
    /// What it does.
    pub work: Work,
    /// The steps it waits for, ascending.
    pub needs: Vec<StepIndex>,
    /// The steps that wait for it, ascending: `needs` turned round.
    pub needed_by: Vec<StepIndex>,
    /// Which ends of the steps before it let it run.
    pub run_when: RunWhen,
    /// The bare expression of `if`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<ExpressionId>,
    /// Its fan-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<ForEach>,
    /// When a failed attempt is followed by another.
    pub retry: RetryPolicy,
    /// How long one attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Millis>,
    /// Whether its failure counts as ok for what comes after.
    pub on_failure: OnFailure,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Runs an action in attempts.
    Action(ActionUse),
    /// Waits, without an attempt and without a place.
    Pause {
        /// The duration's template; its value is a duration.
        duration: ExpressionId,
    },
    /// Waits for a person, without an attempt and without a place. The step's timeout is how long.
    Approval {
        /// The template map of `with`; its value is what is asked.
        with: Option<ExpressionId>,
    },
    /// Runs another workflow as a run of its own.
    Child(ChildUse),
}

/// The use of a workflow by a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChildUse {
    /// The workflow's name.
    pub workflow: String,
    /// The definition that its runs are pinned to.
    pub definition: Digest,
    /// The most that any step of it, or of its own children, writes.
    pub writes: Writes,
    /// The template map of `with`: its inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<ExpressionId>,
}

/// The use of an action by a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionUse {
    /// The action's name, `backup_set.seal`.
    pub action: String,
    /// The version of its spec that the workflow was checked against.
    pub version: u32,
    /// What an unknown effect of it allows; the step's own promise included.
    pub effect: EffectClass,
    /// What it writes.
    pub writes: Writes,
    /// Whether its attempts take one of the target's places.
    pub on_target: bool,
    /// The template map of `with`, rendered when an attempt starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<ExpressionId>,
    /// The template map of `env`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<ExpressionId>,
}

/// What an unknown effect allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectClass {
    /// Reads only.
    Pure,
    /// Repeating is harmless.
    Idempotent,
    /// Passes the effect key to the target, which de-duplicates.
    Keyed,
    /// Can ask the target whether the effect is there.
    Probed,
    /// Cannot tell.
    Once,
}

impl EffectClass {
    /// Every class, from the most to the least lenient.
    pub const ALL: [Self; 5] =
        [Self::Pure, Self::Idempotent, Self::Keyed, Self::Probed, Self::Once];

    /// The word used in YAML and on pages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Idempotent => "idempotent",
            Self::Keyed => "keyed",
            Self::Probed => "probed",
            Self::Once => "once",
        }
    }
}

/// What an action writes, from nothing to the target itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Writes {
    /// Nothing.
    Nothing,
    /// The repository.
    Repository,
    /// Files of this machine.
    Local,
    /// Something elsewhere that is no target.
    Outside,
    /// The run's target.
    Target,
}

impl Writes {
    /// The word used in YAML and on pages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Repository => "repository",
            Self::Local => "local",
            Self::Outside => "outside",
            Self::Target => "target",
        }
    }
}

/// Which ends of the transitive needs let a step run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunWhen {
    /// None failed or blocked.
    Ok,
    /// All succeeded or were skipped, and none that is needed directly was skipped.
    Clean,
    /// Always, but after a cancel or a run timeout.
    Done,
    /// One failed.
    Failed,
}

/// What a step's failure means for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It fails the run.
    Fail,
    /// `continue_on_error: true`: it counts as ok for `run_when: ok`, and the run is partial at best.
    Continue,
}

/// A step's fan-out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForEach {
    /// The template of the list.
    pub items: ExpressionId,
    /// The template of an item's key; none: the language's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ExpressionId>,
    /// The bare expression of `where`.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<ExpressionId>,
    /// The template of an item's stage; none: the language's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<ExpressionId>,
    /// The template of `max_parallel`; none: 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<ExpressionId>,
    /// The name of the loop variable.
    #[serde(rename = "as")]
    pub variable: String,
    /// How many ready items one attempt takes at most; at least 1.
    pub batch: u32,
    /// How many failed items make the whole step failed when exceeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_failed: Option<Share>,
    /// Fewer items than this fail the step.
    pub min_items: u32,
    /// Whether the step stops once too many items failed.
    pub fail_fast: bool,
}

/// A number of items: a count, or a percentage of all, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// So many.
    Count(u32),
    /// So many of a hundred.
    Percent(u32),
}

impl Share {
    /// The number of items it is of `total`.
    pub fn of(self, total: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let share = u64::from(total) * u64::from(percent) / 100;
                u32::try_from(share).unwrap_or(u32::MAX)
            }
        }
    }
}

/// When a failed attempt is followed by another, and after how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// How many attempts there may be, the first one counted; at least 1.
    pub attempts: u32,
    /// The longest wait before the second attempt.
    pub delay: Millis,
    /// What each further wait is multiplied by, in thousandths.
    pub backoff_thousandths: u32,
    /// The longest any wait may be.
    pub max_delay: Millis,
    /// No further attempt starts this long after the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_elapsed: Option<Millis>,
    /// The classes of failures that are worth another attempt, ascending.
    pub when: Vec<Class>,
}

impl RetryPolicy {
    /// One attempt and no more, with the language's defaults for everything else.
    pub fn once() -> Self {
        Self {
            attempts: 1,
            delay: Millis::seconds(2),
            backoff_thousandths: 2_000,
            max_delay: Millis::seconds(60),
            max_elapsed: None,
            when: [Class::Transient, Class::Throttled, Class::Timeout].into(),
        }
    }
}

impl Definition {
    /// The step with this index.
    pub fn step(&self, index: StepIndex) -> Option<&Step> {
        self.steps.get(index.place())
    }

    /// The step with this id.
    pub fn step_named(&self, id: &str) -> Option<(StepIndex, &Step)> {
        self.numbered().find(|(_, step)| step.id == id)
    }

    /// Every step with its index, in list order.
    pub fn numbered(&self) -> impl Iterator<Item = (StepIndex, &Step)> {
        (0..).map(StepIndex).zip(&self.steps)
    }

    /// SHA-256 of its stored form, as the host wrote it: what a run is pinned to.
    pub fn digest_of(stored: &[u8]) -> Digest {
        Digest::of_bytes(stored)
    }

    /// The steps of the main graph, in list order.
    pub fn main_steps(&self) -> impl Iterator<Item = StepIndex> {
        (0..self.first_of_finally().0).map(StepIndex)
    }

    /// The steps of `finally`, in list order.
    pub fn finally_steps(&self) -> impl Iterator<Item = StepIndex> {
        (self.first_of_finally().0..self.count()).map(StepIndex)
    }

    /// Whether a step belongs to `finally`.
    pub fn is_of_finally(&self, index: StepIndex) -> bool {
        index >= self.first_of_finally()
    }

    fn first_of_finally(&self) -> StepIndex {
        self.finally.map_or(StepIndex(self.count()), |finally| finally.first)
    }

    fn count(&self) -> u32 {
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX)
    }

    /// The steps that need no other.
    pub fn roots(&self) -> impl Iterator<Item = StepIndex> {
        self.numbered().filter(|(_, step)| step.needs.is_empty()).map(|(index, _)| index)
    }
}

impl Step {
    /// How many ready items one attempt takes at most.
    pub fn batch(&self) -> u32 {
        self.for_each.as_ref().map_or(1, |fan_out| fan_out.batch)
    }

    /// The action it uses, if it uses one.
    pub fn action(&self) -> Option<&ActionUse> {
        match &self.work {
            Work::Action(action) => Some(action),
            Work::Pause { .. } | Work::Approval { .. } | Work::Child(_) => None,
        }
    }

    /// The most that the step may write.
    pub fn writes(&self) -> Writes {
        match &self.work {
            Work::Action(action) => action.writes,
            Work::Child(child) => child.writes,
            Work::Pause { .. } | Work::Approval { .. } => Writes::Nothing,
        }
    }
}
