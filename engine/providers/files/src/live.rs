//! What stands at a path now, as one digest: what a plan was computed from, and what a restore wants.
//!
//! Never part of it: the time of access and of change, the inode, the number of links, and of a folder all
//! times, since what happens in it changes them.

use std::fs::File;
use std::io::{self, Read as _};

use holdfast_contract::entry::{EntryKind, Metadata};
use holdfast_kernel::id::Digest;
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::capture::{look, open_file};
use crate::metadata::{attributes_of, kind_of, metadata_of};
use crate::root::{FilesTarget, Refused};

/// How much of a file is read at once.
const PART: usize = 128 * 1024;

impl FilesTarget {
    /// The digest of what stands at a path; none if nothing does.
    ///
    /// # Errors
    /// It cannot be read, or the permit was withdrawn.
    pub fn live(
        &self,
        path: &[u8],
        permitted: &dyn Fn() -> bool,
    ) -> Result<Option<Digest>, Refused> {
        let inner = &self.inner;
        let failed = |source: io::Error| Refused::Io {
            doing: format!("reading {}", inner.place(path)),
            source,
        };
        let seen = match look(inner, path) {
            Ok(seen) => seen,
            // Something that is no folder on the way: there is nothing at this path.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(Errno::XDEV) => {
                let path = inner.place(path);
                return Err(Refused::NoPath { path });
            }
            Err(errno) => return Err(failed(errno.into())),
        };
        let kind = kind_of(&seen.folder, &seen.name, &seen.stat);
        let kind = kind.map_err(|errno| failed(errno.into()))?;
        let mut metadata = metadata_of(&seen.stat);
        let attributes = attributes_of(&seen.folder, &seen.name);
        metadata.attributes = attributes.map_err(|errno| failed(errno.into()))?;
        let content = match kind {
            EntryKind::File { .. } => {
                let file = open_file(inner, path).map_err(failed)?;
                Some(sha256(file, permitted)?.map_err(failed)?)
            }
            EntryKind::Folder
            | EntryKind::Symlink { .. }
            | EntryKind::Pipe
            | EntryKind::Socket
            | EntryKind::BlockDevice { .. }
            | EntryKind::CharacterDevice { .. } => None,
        };
        Ok(Some(digest_of(&kind, &metadata, content)))
    }
}

/// The SHA-256 of a file to its end; the outer error is the withdrawn permit.
fn sha256(mut file: File, permitted: &dyn Fn() -> bool) -> Result<io::Result<Digest>, Refused> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; PART];
    loop {
        if !permitted() {
            return Err(Refused::Cancelled);
        }
        let count = match file.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Ok(Err(error)),
        };
        match buffer.get(..count) {
            Some(part) if count > 0 => hash.update(part),
            Some(_) | None => return Ok(Ok(Digest::from_bytes(hash.finalize().into()))),
        }
    }
}

/// The digest of an entry with this SHA-256 of its content: the same for a live one and a kept one.
pub fn digest_of(kind: &EntryKind, metadata: &Metadata, content: Option<Digest>) -> Digest {
    let is_folder = *kind == EntryKind::Folder;
    let is_link = matches!(kind, EntryKind::Symlink { .. });
    let detail = match kind {
        EntryKind::Symlink { target } => target.clone(),
        EntryKind::BlockDevice { device } | EntryKind::CharacterDevice { device } => {
            device.to_le_bytes().to_vec()
        }
        EntryKind::File { .. } | EntryKind::Folder | EntryKind::Pipe | EntryKind::Socket => {
            Vec::new()
        }
    };
    // The system gives every link the same mode, whatever was asked for.
    let mode = if is_link { 0 } else { metadata.mode };
    let time = if is_folder {
        Vec::new()
    } else {
        let modified = metadata.modified;
        let nanoseconds = modified.nanoseconds.to_le_bytes();
        [&modified.seconds.to_le_bytes()[..], &nanoseconds].concat()
    };
    let numbers = [mode, metadata.user, metadata.group].map(u32::to_le_bytes).concat();
    let size = kind.size().to_le_bytes();
    let content = content.map(|digest| digest.bytes().to_vec()).unwrap_or_default();
    let mut parts: Vec<&[u8]> =
        vec![b"holdfast file", kind.name().as_bytes(), &detail, &numbers, &time, &size, &content];
    for (name, value) in &metadata.attributes {
        parts.extend([&name[..], value]);
    }
    Digest::of_parts(&parts)
}
