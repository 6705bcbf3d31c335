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

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::io::Cursor;

    use rustic_core::repofile::{Metadata, NodeType};
    use rustic_core::{ReadSource, ReadSourceEntry, RusticResult};

    use crate::archive::archive;
    use crate::open::{Repository, always};

    /// One file that announces another size than it has, as a stream of unknown length would.
    struct Stream {
        announced: u64,
    }

    impl ReadSource for Stream {
        type Open = Cursor<&'static [u8]>;
        type Iter = std::iter::Once<RusticResult<ReadSourceEntry<Self::Open>>>;

        fn size(&self) -> RusticResult<Option<u64>> {
            Ok(None)
        }

        fn entries(&self) -> Self::Iter {
            let meta = Metadata { size: self.announced, ..Metadata::default() };
            let node = Node::new_node(OsStr::new("dump"), NodeType::File, meta);
            let open = Some(Cursor::new(&b"eight by"[..]));
            std::iter::once(Ok(ReadSourceEntry { path: "dump".into(), node, open }))
        }
    }

    fn refusal(announced: u64) -> Option<String> {
        let home = tempfile::tempdir().unwrap();
        let repository = Repository::create(&home.path().join("r"), "x").unwrap();
        let session = repository.session(&always()).unwrap();
        let index = session.indexed().unwrap();
        let snapshot = archive(&session, &index, &Stream { announced }, &[]).unwrap();
        let index = session.indexed().unwrap();
        check(&index, &snapshot, |_, _| {}).err().map(|refused| refused.to_string())
    }

    #[test]
    fn a_file_whose_size_is_not_that_of_its_content_is_refused() {
        assert_eq!(refusal(8), None);
        assert_eq!(refusal(0).as_deref(), Some("dump is damaged: it has 8 of 0 bytes"));
        assert_eq!(refusal(9).as_deref(), Some("dump is damaged: it has 8 of 9 bytes"));
    }
}
