//! Checks a tree before anything refers to it: every entry is there, whole, and every blob is indexed.
//!
//! It reads trees and the index, no content; the packs are read back apart from this.

use holdfast_contract::entry::{EntryKind, TreePath, shown};
use rustic_core::repofile::{Node, SnapshotFile};

use crate::node::kind_of;
use crate::open::Full;
use crate::read::Walk;
use crate::refused::Refused;

/// What a tree holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Regular files.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Links, pipes, sockets and devices.
    pub others: u64,
    /// Bytes of content.
    pub bytes: u64,
}

impl Counts {
    /// Counts one entry more.
    pub(crate) fn add(&mut self, kind: &EntryKind) {
        match kind {
            EntryKind::File { size } => {
                self.files += 1;
                self.bytes += size;
            }
            EntryKind::Folder => self.folders += 1,
            EntryKind::Symlink { .. }
            | EntryKind::Pipe
            | EntryKind::Socket
            | EntryKind::BlockDevice { .. }
            | EntryKind::CharacterDevice { .. } => self.others += 1,
        }
    }

    /// Both together.
    #[must_use]
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            files: self.files + other.files,
            folders: self.folders + other.folders,
            others: self.others + other.others,
            bytes: self.bytes + other.bytes,
        }
    }

    /// Whether a tree that holds `self` holds all of `wanted`: it may have folders that lead to it.
    pub(crate) const fn holds(&self, wanted: &Self) -> bool {
        self.files == wanted.files
            && self.others == wanted.others
            && self.bytes == wanted.bytes
            && self.folders >= wanted.folders
    }
}

/// Walks a tree, hands each entry to `seen`, and gives what it holds.
pub(crate) fn check(
    index: &Full,
    snapshot: &SnapshotFile,
    mut seen: impl FnMut(&TreePath, &EntryKind),
) -> Result<Counts, Refused> {
    let mut counts = Counts::default();
    for found in Walk::new(index, snapshot.tree, &[])? {
        let (path, node) = found?;
        whole(index, &path, &node)?;
        let kind = kind_of(&node);
        counts.add(&kind);
        seen(&path, &kind);
    }
    Ok(counts)
}

/// Refuses a file whose blobs are not all in the index, or are not as long together as it says.
pub(crate) fn whole(index: &Full, path: &[u8], node: &Node) -> Result<(), Refused> {
    if !node.is_file() {
        return Ok(());
    }
    let damaged = |reason: String| Refused::Damaged { what: shown(path), reason };
    let mut bytes = 0;
    for blob in node.content.iter().flatten() {
        let Ok(entry) = index.get_index_entry(blob) else {
            return Err(damaged(format!("the index has no blob {}", &*blob.to_hex())));
        };
        bytes += u64::from(entry.data_length());
    }
    if bytes == node.meta.size {
        return Ok(());
    }
    Err(damaged(format!("it has {bytes} of {} bytes", node.meta.size)))
}
