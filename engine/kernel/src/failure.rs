//! What a failure is: its class, its message, and whether the effect may have happened all the same.
//!
//! These are stored as they are, so they hold no secrets: messages are masked before they get here.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::id::Millis;

/// The class of a failure: what `retry.when` chooses by, and what people filter by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// May go away by itself: a reset connection, a 503.
    Transient,
    /// The target asked for fewer requests.
    Throttled,
    /// Took longer than it was given.
    Timeout,
    /// Will not go away by itself.
    Permanent,
    /// The live object is not as it was seen.
    Conflict,
    /// The object is not there.
    NotFound,
    /// The credentials are missing, refused or not enough.
    Auth,
    /// The input is not what the action takes.
    Invalid,
    /// Something this action depends on failed.
    Dependency,
    /// A person said no, or did not answer in time.
    Rejected,
    /// An expression could not be evaluated.
    Expression,
    /// The attempt was cut short by the end of our own process.
    Interrupted,
    /// It cannot be known whether the effect happened; a person decides.
    UnknownEffect,
    /// The process died three times with this attempt in flight.
    CrashLoop,
    /// The run was cancelled while the attempt was in flight.
    Cancelled,
    /// A bug in holdfast.
    Internal,
}

impl Class {
    /// Every class, in the order of the language's table.
    pub const ALL: [Self; 16] = [
        Self::Transient,
        Self::Throttled,
        Self::Timeout,
        Self::Permanent,
        Self::Conflict,
        Self::NotFound,
        Self::Auth,
        Self::Invalid,
        Self::Dependency,
        Self::Rejected,
        Self::Expression,
        Self::Interrupted,
        Self::UnknownEffect,
        Self::CrashLoop,
        Self::Cancelled,
        Self::Internal,
    ];

    /// The word used in YAML, events and pages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::Timeout => "timeout",
            Self::Permanent => "permanent",
            Self::Conflict => "conflict",
            Self::NotFound => "not_found",
            Self::Auth => "auth",
            Self::Invalid => "invalid",
            Self::Dependency => "dependency",
            Self::Rejected => "rejected",
            Self::Expression => "expression",
            Self::Interrupted => "interrupted",
            Self::UnknownEffect => "unknown_effect",
            Self::CrashLoop => "crash_loop",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whether the effect of an attempt that did not succeed may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing left the process, or the target refused it.
    None,
    /// It may have happened.
    Unknown,
}

/// A stored failure of an attempt, a probe or an evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure.
    pub class: Class,
    /// A lower-case fragment that fits after "cannot …:"; masked.
    pub message: String,
    /// Whether the effect may have happened.
    pub effect: Effect,
    /// How long the target asked to be left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Millis>,
    /// The target's own id of the request, for its support desk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Failure {
    /// A failure after which it is certain that nothing happened outside.
    pub fn without_effect(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            effect: Effect::None,
            retry_after: None,
            request_id: None,
        }
    }

    /// A failure after which the effect may have happened.
    pub fn with_unknown_effect(class: Class, message: impl Into<String>) -> Self {
        Self { effect: Effect::Unknown, ..Self::without_effect(class, message) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.class)
    }
}
