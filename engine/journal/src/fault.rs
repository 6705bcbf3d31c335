//! What can be wrong with a file of the state: with the disk, or with what it holds.
//!
//! The words for people stand here once, for the journal and the store alike. Who found it and what was being
//! done is said by whoever passes it on.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::codec::Damaged;

/// Why a file cannot be used.
#[derive(Debug, Error)]
pub enum FileFault {
    /// The disk failed.
    #[error("{} cannot be read or written: {cause}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the disk said.
        cause: io::Error,
    },
    /// The file is not what was written.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Another process has it.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
}

impl FileFault {
    /// A row or a record that is not what was written.
    pub(crate) fn damaged(path: &Path, row: &str, damage: &Damaged) -> Self {
        Self::Damaged { path: path.to_owned(), what: format!("{row}: {damage}") }
    }

    /// Whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Disk { cause, .. } => is_full(cause),
            Self::Damaged { .. } | Self::InUse { .. } => false,
        }
    }

    /// What to do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Disk { .. } => {
                "Make the disk readable and writable with free space, and start again."
            }
            Self::Damaged { .. } => {
                "Nothing was changed. Put the whole state directory back from a copy, or move it away \
                 and start with an empty one; sealed backup sets are in the repository and stay."
            }
            Self::InUse { .. } => {
                "Talk to the process that owns this state directory, or end it first."
            }
        }
    }
}

/// Whether an error says that there is no space left.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
