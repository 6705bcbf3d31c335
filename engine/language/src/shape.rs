//! The table of all keys: which there are at each place, of what type, and what they are for.
//!
//! The checker in [`check`] reads it, and so will the editor schema. What values mean together is not
//! decided here.

pub(crate) mod check;

use holdfast_kernel::wellformed::MAX_STEPS;

/// A place in the file that is a map with fixed keys.
#[derive(Debug)]
pub(crate) struct Place {
    /// What it is called in messages, with its article.
    pub name: &'static str,
    /// Its keys, in the order of the documentation.
    pub keys: &'static [Key],
}

/// A key of a place.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Whether it must be there.
    pub need: Need,
}

/// Whether a key must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It must.
    Required,
    /// It may.
    Optional,
    /// The language has it, this version does not.
    NotBuilt,
}

/// What a key takes.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// An id: `[a-z][a-z0-9_]*`.
    Name,
    /// The name of a workflow, as `files/backup`.
    WorkflowName,
    /// The name of an environment variable.
    Variable,
    /// Anything that has no template; checked with what it belongs to.
    Literal,
    /// Anything, templates allowed inside.
    Template,
    /// A bare expression.
    Condition,
    /// `true` or `false`.
    Boolean,
    /// A whole number in this range.
    Integer(i128, i128),
    /// A number in this range.
    Number(f64, f64),
    /// A number of items or a percentage.
    Share,
    /// A duration.
    Duration,
    /// An address that is called, or the map of [`SECRET`] that says where it is found.
    Address,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of these.
    List(&'static Kind),
    /// A map with free keys of the first kind and values of the second.
    Map(&'static Kind, &'static Kind),
    /// A map with fixed keys.
    Place(&'static Place),
    /// The steps.
    Steps,
    /// A fan-out: a list, or the map of [`FOR_EACH`].
    FanOut,
    /// The steps at the end: a list, or the map of [`FINALLY`].
    Finally,
}

const fn key(name: &'static str, kind: Kind, need: Need) -> Key {
    Key { name, kind, need }
}

pub(crate) const fn required(name: &'static str, kind: Kind) -> Key {
    key(name, kind, Need::Required)
}

pub(crate) const fn optional(name: &'static str, kind: Kind) -> Key {
    key(name, kind, Need::Optional)
}

/// A key of the language that is refused by name until it is built.
pub(crate) const fn not_built(name: &'static str) -> Key {
    key(name, Kind::Literal, Need::NotBuilt)
}

/// The words of `operation`.
pub(crate) const OPERATIONS: &[&str] =
    &["inventory", "backup", "preview", "restore", "verify", "maintenance"];

/// The words of `run_when`.
pub(crate) const RUN_WHEN: &[&str] = &["ok", "clean", "done", "failed"];

/// The words of `retry.when`: the classes that actions give.
pub(crate) const CLASSES: &[&str] = &[
    "transient",
    "throttled",
    "timeout",
    "permanent",
    "conflict",
    "not_found",
    "auth",
    "invalid",
    "dependency",
    "rejected",
];

/// The words of an input's `type`.
pub(crate) const INPUT_TYPES: &[&str] = &[
    "string",
    "integer",
    "number",
    "boolean",
    "duration",
    "list",
    "map",
    "target",
    "backup_set",
    "plan",
];

/// The words of an input's `items`: the types a list can have.
pub(crate) const ITEM_TYPES: &[&str] =
    &["string", "integer", "number", "boolean", "duration", "map"];

/// The words of `concurrency.when_full`.
pub(crate) const WHEN_FULL: &[&str] = &["queue", "reject"];

/// The words of a schedule's `overlap`.
pub(crate) const OVERLAP: &[&str] = &["skip", "queue_one", "queue_all", "allow"];

/// The words of a schedule's `catch_up`.
pub(crate) const CATCH_UP: &[&str] = &["none", "latest", "all"];

const EFFECTS: &[&str] = &["pure", "idempotent", "keyed", "probed", "once"];

const MANY: i128 = 2_000_000;

/// The top of the file.
pub(crate) static WORKFLOW: Place = Place {
    name: "a workflow",
    keys: &[
        required("holdfast", Kind::Literal),
        required("name", Kind::WorkflowName),
        required("operation", Kind::Word(OPERATIONS)),
        optional("description", Kind::Text),
        optional("labels", Kind::Map(&Kind::Text, &Kind::Text)),
        optional("inputs", Kind::Map(&Kind::Name, &Kind::Place(&INPUT))),
        optional("target", Kind::Template),
        optional("object", Kind::Template),
        optional("repository", Kind::Name),
        optional("secrets", Kind::Map(&Kind::Name, &Kind::Place(&SECRET))),
        optional("on", Kind::Place(&ON)),
        optional("timeout", Kind::Duration),
        optional("defaults", Kind::Place(&DEFAULTS)),
        optional("dedupe", Kind::Place(&DEDUPE)),
        optional("concurrency", Kind::Place(&CONCURRENCY)),
        required("steps", Kind::Steps),
        optional("finally", Kind::Finally),
        optional("outputs", Kind::Map(&Kind::Name, &Kind::Template)),
    ],
};

/// An input's declaration.
pub(crate) static INPUT: Place = Place {
    name: "an input",
    keys: &[
        required("type", Kind::Word(INPUT_TYPES)),
        optional("required", Kind::Boolean),
        optional("default", Kind::Literal),
        optional("items", Kind::Word(ITEM_TYPES)),
        optional("unordered", Kind::Boolean),
        optional("enum", Kind::List(&Kind::Literal)),
        optional("pattern", Kind::Text),
        optional("min", Kind::Literal),
        optional("max", Kind::Literal),
        optional("description", Kind::Text),
    ],
};

/// A secret's reference.
pub(crate) static SECRET: Place = Place {
    name: "a secret",
    keys: &[
        optional("env", Kind::Variable),
        optional("file", Kind::Text),
        optional("command", Kind::List(&Kind::Text)),
    ],
};

/// What starts a run without a person.
pub(crate) static ON: Place =
    Place { name: "`on`", keys: &[required("schedule", Kind::List(&Kind::Place(&SCHEDULE)))] };

/// A schedule.
pub(crate) static SCHEDULE: Place = Place {
    name: "a schedule",
    keys: &[
        required("id", Kind::Name),
        required("cron", Kind::Text),
        optional("timezone", Kind::Text),
        optional("inputs", Kind::Map(&Kind::Name, &Kind::Literal)),
        optional("overlap", Kind::Word(OVERLAP)),
        optional("catch_up", Kind::Word(CATCH_UP)),
        optional("catch_up_window", Kind::Duration),
        optional("jitter", Kind::Duration),
        optional("expect_success_within", Kind::Duration),
        optional("accept_partial", Kind::Boolean),
        optional("heartbeat_url", Kind::Address),
    ],
};

/// The workflow's defaults for its steps.
pub(crate) static DEFAULTS: Place = Place {
    name: "`defaults`",
    keys: &[optional("timeout", Kind::Duration), optional("retry", Kind::Place(&RETRY))],
};

/// When a failed attempt is followed by another.
pub(crate) static RETRY: Place = Place {
    name: "`retry`",
    keys: &[
        optional("attempts", Kind::Integer(1, 1_000)),
        optional("delay", Kind::Duration),
        optional("backoff", Kind::Number(1.0, 100.0)),
        optional("max_delay", Kind::Duration),
        optional("max_elapsed", Kind::Duration),
        optional("when", Kind::List(&Kind::Word(CLASSES))),
    ],
};

/// What makes another submit the same request.
pub(crate) static DEDUPE: Place =
    Place { name: "`dedupe`", keys: &[required("key", Kind::Template)] };

/// Which runs a run does not go on beside.
pub(crate) static CONCURRENCY: Place = Place {
    name: "`concurrency`",
    keys: &[
        required("group", Kind::Template),
        optional("limit", Kind::Integer(1, 10_000)),
        optional("when_full", Kind::Word(WHEN_FULL)),
    ],
};

/// `finally` as a map; as a list it is its steps.
pub(crate) static FINALLY: Place = Place {
    name: "`finally`",
    keys: &[required("steps", Kind::Steps), optional("timeout", Kind::Duration)],
};

/// A step.
pub(crate) static STEP: Place = Place {
    name: "a step",
    keys: &[
        required("id", Kind::Name),
        optional("uses", Kind::Text),
        optional("workflow", Kind::WorkflowName),
        optional("description", Kind::Text),
        optional("with", Kind::Map(&Kind::Text, &Kind::Template)),
        optional("env", Kind::Map(&Kind::Variable, &Kind::Template)),
        optional("needs", Kind::List(&Kind::Name)),
        optional("run_when", Kind::Word(RUN_WHEN)),
        optional("if", Kind::Condition),
        optional("for_each", Kind::FanOut),
        optional("retry", Kind::Place(&RETRY)),
        optional("timeout", Kind::Duration),
        optional("continue_on_error", Kind::Boolean),
        optional("effect", Kind::Word(EFFECTS)),
    ],
};

/// A fan-out.
pub(crate) static FOR_EACH: Place = Place {
    name: "`for_each`",
    keys: &[
        required("items", Kind::Template),
        optional("key", Kind::Template),
        optional("as", Kind::Name),
        optional("where", Kind::Condition),
        optional("stage", Kind::Template),
        optional("batch", Kind::Integer(1, 10_000)),
        optional("max_parallel", Kind::Template),
        optional("max_failed", Kind::Share),
        optional("min_items", Kind::Integer(0, MANY)),
        optional("fail_fast", Kind::Boolean),
    ],
};

/// The most steps, as a number for messages.
pub(crate) const STEP_LIMIT: usize = MAX_STEPS;

impl Place {
    /// The key of this name.
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The names of its keys, for "did you mean".
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }
}

impl Kind {
    /// What it is called in messages.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Text | Self::Name | Self::WorkflowName | Self::Variable => "text",
            Self::Literal | Self::Template => "a value",
            Self::Condition => "an expression",
            Self::Boolean => "`true` or `false`",
            Self::Integer(..) => "a whole number",
            Self::Number(..) => "a number",
            Self::Share => "a number or a percentage such as `10%`",
            Self::Duration => "a duration such as `15m`",
            Self::Address => "an address or where it is found",
            Self::Word(_) => "a word",
            Self::List(_) | Self::Steps => "a list",
            Self::Map(..) | Self::Place(_) => "a map",
            Self::FanOut | Self::Finally => "a list or a map",
        }
    }
}

/// Whether a text is an id: `[a-z][a-z0-9_]*`, at most 64 bytes.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// Whether a text is a workflow's name: words of letters, digits and `_`, with `-`, `.` or `/` between.
pub(crate) fn is_workflow_name(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    text.len() <= 128 && text.split(['-', '.', '/']).all(word)
}

/// Whether a text can be an environment variable's name.
pub(crate) fn is_variable(text: &str) -> bool {
    text.len() <= 256
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use holdfast_kernel::tick::{CatchUp, Overlap};

    use super::*;

    #[test]
    fn the_words_of_a_schedule_are_those_of_the_engine() {
        assert_eq!(OVERLAP, Overlap::ALL.map(Overlap::word));
        assert_eq!(CATCH_UP, CatchUp::ALL.map(CatchUp::word));
    }
}
