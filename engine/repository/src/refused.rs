//! Why the repository did not do what it was asked to, and which class of failure that is.
//!
//! The one place where errors of `rustic_core` are read. Their `Debug` and `Display` carry backtraces, so
//! only their form for logs is used.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use holdfast_kernel::failure::{Class, Failure};
use rustic_core::RusticError;

/// Why the repository did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is nothing there.
    #[error("there is no repository at {}", path.display())]
    NotThere {
        /// Where one was looked for.
        path: PathBuf,
    },
    /// Somebody else's files are there.
    #[error("{} is in use for something else: {reason}", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// No key file opens with this password.
    #[error("the password does not open the repository at {}", path.display())]
    WrongPassword {
        /// The repository.
        path: PathBuf,
    },
    /// Somebody else works on the repository.
    #[error("the repository is locked by {by}")]
    Locked {
        /// Who: a process, or a lock file of restic with its path.
        by: String,
    },
    /// The permit was withdrawn.
    #[error("it was cancelled")]
    Cancelled,
    /// The disk is full.
    #[error("the disk with the repository is full")]
    DiskFull,
    /// A file of the repository cannot be trusted.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// Which file of the repository, or which entry of a set.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Entries of the source did not arrive.
    #[error("{count} entries did not arrive whole, the first is {first}")]
    Lost {
        /// How many.
        count: usize,
        /// The first of them with the reason.
        first: String,
    },
    /// There is no such set.
    #[error("there is no backup set {id}")]
    NoSet {
        /// Its id.
        id: String,
    },
    /// There is no such path in a set.
    #[error("the backup set has no {path}")]
    NoPath {
        /// The path.
        path: String,
    },
    /// A unit that is to be sealed was never captured.
    #[error("the unit with the effect key {effect} was not captured by this run")]
    NoUnit {
        /// Its effect key.
        effect: String,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Reading or writing failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried, with the path.
        doing: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Anything else that went wrong below.
    #[error("{0}")]
    Below(String),
}

impl Refused {
    /// A failed call of the system.
    pub(crate) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        if is_full(&source) {
            return Self::DiskFull;
        }
        Self::Io { doing: doing.into(), source }
    }

    /// The same, as a closure for `map_err`.
    pub(crate) fn doing(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::io(what, source)
    }

    /// What an error of the library means.
    pub(crate) fn below(error: Box<RusticError>) -> Self {
        if io_source(&error).is_some_and(is_full) {
            return Self::DiskFull;
        }
        Self::Below(fragment(&error))
    }

    /// What an error of the library means that came up while reading this.
    pub(crate) fn damaged(what: impl Into<String>) -> impl FnOnce(Box<RusticError>) -> Self {
        |error| Self::Damaged { what: what.into(), reason: fragment(&error) }
    }

    const fn class(&self) -> Class {
        match self {
            Self::NotThere { .. } | Self::NoSet { .. } | Self::NoPath { .. } => Class::NotFound,
            Self::WrongPassword { .. } => Class::Auth,
            Self::Locked { .. } => Class::Transient,
            Self::Cancelled => Class::Cancelled,
            Self::Occupied { .. }
            | Self::Damaged { .. }
            | Self::NoUnit { .. }
            | Self::Invalid(_) => Class::Invalid,
            Self::DiskFull | Self::Lost { .. } | Self::Io { .. } | Self::Below(_) => {
                Class::Dependency
            }
        }
    }

    const fn wrote_nothing(&self) -> bool {
        matches!(
            self,
            Self::NotThere { .. }
                | Self::NoSet { .. }
                | Self::NoPath { .. }
                | Self::WrongPassword { .. }
                | Self::Locked { .. }
                | Self::Occupied { .. }
                | Self::NoUnit { .. }
                | Self::Invalid(_)
        )
    }
}

impl From<holdfast_tree::Refused> for Refused {
    fn from(refused: holdfast_tree::Refused) -> Self {
        Self::io(refused.doing, refused.source)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let message = refused.to_string();
        if refused.wrote_nothing() {
            Self::without_effect(refused.class(), message)
        } else {
            Self::with_unknown_effect(refused.class(), message)
        }
    }
}

/// The library's form for logs as one line that fits after a colon.
pub(crate) fn fragment(error: &RusticError) -> String {
    let text = error.display_log();
    let text = text.strip_prefix("Error: ").unwrap_or(&text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn io_source(error: &RusticError) -> Option<&io::Error> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return Some(io);
        }
        next = cause.source();
    }
    None
}

/// Whether the system says that there is no space left, or no quota.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_kernel::failure::Effect;
    use rustic_core::ErrorKind;

    fn check(refused: Refused, class: Class, effect: Effect) {
        let failure = Failure::from(refused);
        assert_eq!((failure.class, failure.effect), (class, effect), "{failure}");
    }

    #[test]
    fn a_refusal_has_the_class_that_says_what_helps() {
        let path = PathBuf::from("/r");
        check(Refused::WrongPassword { path: path.clone() }, Class::Auth, Effect::None);
        check(Refused::NotThere { path }, Class::NotFound, Effect::None);
        check(Refused::Cancelled, Class::Cancelled, Effect::Unknown);
        check(Refused::DiskFull, Class::Dependency, Effect::Unknown);
        let by = "process 7".to_owned();
        check(Refused::Locked { by }, Class::Transient, Effect::None);
    }

    #[test]
    fn no_backtrace_of_the_library_reaches_a_message() {
        let error = RusticError::with_source(
            ErrorKind::Backend,
            "Failed to open `{path}`.\nPlease check.",
            io::Error::other("broken"),
        )
        .attach_context("path", "/r/data");
        let message = Refused::below(error).to_string();
        assert_eq!(
            message,
            "Failed to open `/r/data`. Please check. (kind: related to backend error): caused by: broken"
                .replace("backend error", "the backend"),
        );
    }

    #[test]
    fn a_full_disk_is_known_however_deep_it_is_wrapped() {
        let full = io::Error::from_raw_os_error(28);
        let error = RusticError::with_source(ErrorKind::InputOutput, "writing", full);
        let outer = RusticError::with_source(ErrorKind::Backend, "archiving", error);
        assert!(matches!(Refused::below(outer), Refused::DiskFull));
    }
}
