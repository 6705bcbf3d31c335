//! What people see when a command cannot do what it was asked: what, why, and what to do.
//!
//! One kind for each exit code, and one match from kind to code.

use std::fmt;
use std::process::ExitCode;

use holdfast_kernel::status::{Outcome, Reason};

/// Why a command ends without doing what it was asked.
#[derive(Debug)]
pub(crate) struct Error {
    /// What kind.
    pub(crate) kind: Kind,
    /// A full sentence.
    pub(crate) message: String,
    /// What to do, in full sentences.
    pub(crate) hints: Vec<String>,
}

/// The kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What was asked makes no sense, or a file is not valid.
    Usage,
    /// A request was rejected.
    Rejected,
    /// The state cannot be reached or used.
    Unavailable,
    /// A bug in holdfast.
    Internal,
}

impl Error {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new() }
    }

    /// What was asked makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// A request was rejected.
    pub(crate) fn rejected(message: impl Into<String>) -> Self {
        Self::new(Kind::Rejected, message)
    }

    /// The state cannot be reached or used.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    /// A bug in holdfast.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// The same error with one more hint.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The exit code.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::Usage => 2,
            Kind::Rejected => 5,
            Kind::Unavailable => 69,
            Kind::Internal => 70,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The exit code of a run's end.
pub(crate) fn code_of(outcome: Outcome) -> ExitCode {
    ExitCode::from(match outcome {
        Outcome::Succeeded => 0,
        Outcome::Partial => 3,
        Outcome::Failed(Reason::Cancelled) => 4,
        Outcome::Failed(Reason::Internal) => 70,
        Outcome::Failed(Reason::Timeout | Reason::QueueTimeout | Reason::StepFailed) => 1,
    })
}
