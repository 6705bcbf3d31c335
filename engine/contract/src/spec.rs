//! What an action says of itself: one table from which checks, help, docs and editor schema are made.
//!
//! A spec is data. It does not run anything and does not know which crate its action lives in.

use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};

/// Everything an author or the engine must know of an action.
#[derive(Clone, Debug)]
pub struct ActionSpec {
    /// The name in `uses:`, `backup_set.seal`.
    pub name: &'static str,
    /// Raised when the meaning of its inputs or outputs changes.
    pub version: u32,
    /// What an unknown effect of it allows, unless the step promises more.
    pub effect: EffectClass,
    /// What it writes.
    pub writes: Writes,
    /// Whether it works on the run's target.
    pub target: TargetUse,
    /// Whether one attempt can take several items.
    pub batch: Batch,
    /// Whether the workflow's `defaults` reach it, and the language's: `timeout: 5m`, five attempts.
    pub defaults: Defaults,
    /// What `run_when` is where the step does not say.
    pub run_when: RunWhen,
    /// Whether the step may have `env`.
    pub env: Env,
    /// Whether it takes one item of a fan-out: `with.item` is then the loop variable unless given.
    pub item: ItemUse,
    /// What it takes in `with`, in the order of its documentation.
    pub inputs: &'static [Field],
    /// What `steps.X.output` has.
    pub outputs: &'static [Field],
    /// One line for people.
    pub summary: &'static str,
    /// Remarks for the documentation, in full sentences.
    pub remarks: &'static str,
    /// A step that uses it, as YAML.
    pub example: &'static str,
}

/// Whether an action works on a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetUse {
    /// It has nothing to do with a target.
    None,
    /// On the run's target.
    Run,
}

/// Whether one attempt can take several items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// One item an attempt.
    Refused,
    /// As many as the step's `batch` says.
    Allowed,
}

/// Whether the workflow's `defaults` reach an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defaults {
    /// Its attempt is one piece of work at a target: they do.
    Reach,
    /// It ends with the run and is tried once unless the step says otherwise.
    DoNotReach,
}

/// Whether a step with this action may have `env`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Env {
    /// It may.
    Taken,
    /// It may not.
    Refused,
}

/// Whether an action takes one item of a fan-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemUse {
    /// It does, as `with.item`.
    Taken,
    /// It does not.
    None,
}

/// One input or output.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its key.
    pub name: &'static str,
    /// What it is.
    pub shape: Shape,
    /// Whether it must be given, or is always there.
    pub presence: Presence,
    /// Whether a template of it may read `secrets`.
    pub secrets: Secrets,
    /// One line for people.
    pub doc: &'static str,
}

/// Whether a field must be given, or is always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It must be given; an output always has it, though it may be none where its shape says so.
    Required,
    /// It may be left out.
    Optional,
}

/// Whether a template may read `secrets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// It may.
    Allowed,
    /// It may not.
    Refused,
}

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Anything.
    Any,
    /// Text on one line: a name, a path.
    String,
    /// Text of any length.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A duration: `15m`.
    Duration,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of these.
    List(&'static Shape),
    /// A map with any keys.
    Map,
    /// A map with these keys: an item of a list.
    Record(&'static [Field]),
    /// A target of the configuration.
    Target,
    /// A backup set, by its id; has `.id` and `.target`.
    BackupSet,
    /// A plan, by its digest; has `.id` and `.target`.
    Plan,
    /// An item of a fan-out, as its action listed it.
    Item,
    /// The ids of steps before this one.
    Steps,
    /// This, or none.
    OrNone(&'static Shape),
}

impl Field {
    /// A field that must be given, or is always there.
    pub const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { name, shape, presence: Presence::Required, secrets: Secrets::Refused, doc }
    }

    /// A field that may be left out.
    pub const fn optional(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { presence: Presence::Optional, ..Self::required(name, shape, doc) }
    }

    /// The same field, whose template may read `secrets`.
    #[must_use]
    pub const fn with_secrets(self) -> Self {
        Self { secrets: Secrets::Allowed, ..self }
    }
}

impl ActionSpec {
    /// The input with this name.
    pub fn input(&self, name: &str) -> Option<&'static Field> {
        self.inputs.iter().find(|field| field.name == name)
    }

    /// The output with this name.
    pub fn output(&self, name: &str) -> Option<&'static Field> {
        self.outputs.iter().find(|field| field.name == name)
    }
}

impl Shape {
    /// What it is called in messages and in the table of actions.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::String => "string",
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Duration => "duration",
            Self::Word(_) => "word",
            Self::List(_) => "list",
            Self::Map | Self::Record(_) => "map",
            Self::Target => "target",
            Self::BackupSet => "backup_set",
            Self::Plan => "plan",
            Self::Item => "item",
            Self::Steps => "step ids",
            Self::OrNone(shape) => shape.name(),
        }
    }
}
