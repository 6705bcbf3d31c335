//! What stands at a path now, as one digest: what a plan was computed from, and what a restore wants.
//!
//! Never part of it: the time of access and of change, the inode, the number of links, and of a folder all
//! times, since what happens in it changes them. What is kept is known by the parts it is stored in, so a
//! live file is hashed in the same parts, and nothing of the set has to be read to compare them.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;

use holdfast_contract::entry::{EntryKind, FileTime, Metadata};
use holdfast_contract::provider::{KeptEntry, Part};
use holdfast_kernel::id::Digest;
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::capture::{look, open_file};
use crate::diff::SHORT;
use crate::metadata::{attributes_of, kind_of, metadata_of};
use crate::root::{FilesTarget, Inner, Refused};
use crate::scan::Seen;

/// How much of a file is read at once.
const PART: usize = 128 * 1024;

/// What was found at a path.
#[derive(Clone, Debug)]
pub struct Looked {
    /// What it is.
    pub kind: EntryKind,
    /// What the file system says about it.
    pub metadata: Metadata,
    /// Its digest.
    pub digest: Digest,
    /// How like what is wanted it is.
    pub likeness: Likeness,
    /// The content of a short file, as its digest was made of it.
    pub content: Option<Vec<u8>>,
}

/// How like what is wanted something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// The same.
    Wanted,
    /// The same but for what may not be ours to set: owner, attributes that are not the user's, and parts of a
    /// second.
    Nearly,
    /// Something else, or nothing is wanted.
    Other,
}

impl FilesTarget {
    /// What stands at a path, compared with what is wanted there; none if nothing does.
    ///
    /// # Errors
    /// It cannot be read, or the permit was withdrawn.
    pub fn live(
        &self,
        path: &[u8],
        wanted: Option<&KeptEntry>,
        permitted: &dyn Fn() -> bool,
    ) -> Result<Option<Looked>, Refused> {
        live(&self.inner, path, wanted, permitted)
    }
}

/// The same, for an open target.
pub(crate) fn live(
    inner: &Arc<Inner>,
    path: &[u8],
    wanted: Option<&KeptEntry>,
    permitted: &dyn Fn() -> bool,
) -> Result<Option<Looked>, Refused> {
    match look(inner, path) {
        Ok(seen) => looked(inner, &seen, wanted, permitted).map(Some),
        // Something that is no folder on the way: there is nothing at this path.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(Errno::XDEV) => Err(Refused::NoPath { path: inner.place(path) }),
        Err(errno) => Err(unreadable(inner, path, errno.into())),
    }
}

fn unreadable(inner: &Inner, path: &[u8], source: io::Error) -> Refused {
    Refused::Io { doing: format!("reading {}", inner.place(path)), source }
}

/// What was seen, with its digest.
pub(crate) fn looked(
    inner: &Arc<Inner>,
    seen: &Seen,
    wanted: Option<&KeptEntry>,
    permitted: &dyn Fn() -> bool,
) -> Result<Looked, Refused> {
    let failed = |source: io::Error| unreadable(inner, &seen.path, source);
    let kind = kind_of(&seen.folder, &seen.name, &seen.stat);
    let kind = kind.map_err(|errno| failed(errno.into()))?;
    let mut metadata = metadata_of(&seen.stat);
    let attributes = attributes_of(&seen.folder, &seen.name);
    metadata.attributes = attributes.map_err(|errno| failed(errno.into()))?;
    let mut content = None;
    if matches!(kind, EntryKind::File { .. }) {
        let file = open_file(inner, &seen.path).map_err(failed)?;
        let same = wanted.filter(|wanted| wanted.kind == kind);
        let parts = same.map(|wanted| wanted.parts.as_slice()).filter(|parts| parts.len() > 1);
        content = Some(hashed(file, parts.unwrap_or_default(), permitted)?.map_err(failed)?);
    }
    let digest = digest_of(&kind, &metadata, content.as_ref().map(|content| content.whole));
    let likeness = wanted.map_or(Likeness::Other, |wanted| {
        likeness(&kind, &metadata, content.as_ref().map(|content| content.in_parts), wanted)
    });
    let content = content.and_then(|content| content.short);
    Ok(Looked { kind, metadata, digest, likeness, content })
}

fn likeness(
    kind: &EntryKind,
    metadata: &Metadata,
    content: Option<Digest>,
    wanted: &KeptEntry,
) -> Likeness {
    let wanted_content = content_of(wanted);
    if digest_of(kind, metadata, content) == wanted_digest(wanted) {
        return Likeness::Wanted;
    }
    // Some file systems keep times by the second or two.
    let apart = metadata.modified.seconds.abs_diff(wanted.metadata.modified.seconds);
    let time = |own: FileTime| if apart < 2 { FileTime::default() } else { own };
    let settable = |metadata: &Metadata| {
        let modified = time(metadata.modified);
        let mut settable = Metadata { user: 0, group: 0, modified, ..metadata.clone() };
        settable.attributes.retain(|name, _| name.starts_with(b"user."));
        settable
    };
    let (is, should) = (settable(metadata), settable(&wanted.metadata));
    let is_near = digest_of(kind, &is, content) == digest_of(&wanted.kind, &should, wanted_content);
    if is_near { Likeness::Nearly } else { Likeness::Other }
}

/// The digest of what a set has at a path.
pub fn wanted_digest(entry: &KeptEntry) -> Digest {
    digest_of(&entry.kind, &entry.metadata, content_of(entry))
}

fn content_of(entry: &KeptEntry) -> Option<Digest> {
    let is_file = matches!(entry.kind, EntryKind::File { .. });
    is_file.then(|| match entry.parts.as_slice() {
        [] => Digest::of_bytes(b""),
        [part] => part.digest,
        parts => in_parts(parts.iter().map(|part| part.digest)),
    })
}

/// The digest of a content that is stored in several parts.
fn in_parts(parts: impl Iterator<Item = Digest>) -> Digest {
    let parts: Vec<Digest> = parts.collect();
    let mut all: Vec<&[u8]> = vec![b"holdfast parts"];
    all.extend(parts.iter().map(|part| &part.bytes()[..]));
    Digest::of_parts(&all)
}

/// A content, hashed whole and in the parts of another.
struct Hashed {
    whole: Digest,
    in_parts: Digest,
    /// The content itself, if it is short.
    short: Option<Vec<u8>>,
}

/// Hashes a file to its end; the outer error is the withdrawn permit.
fn hashed(
    mut file: File,
    parts: &[Part],
    permitted: &dyn Fn() -> bool,
) -> Result<io::Result<Hashed>, Refused> {
    let mut whole = Sha256::new();
    let mut cut = CutAt { parts, left: 0, open: Sha256::new(), digests: Vec::new() };
    cut.left = cut.next_length();
    let mut buffer = vec![0; PART];
    let mut short = Some(Vec::new());
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
            Some(bytes) if count > 0 => {
                whole.update(bytes);
                let fits = |short: &Vec<u8>| (short.len() + bytes.len()) as u64 <= SHORT;
                short = short.filter(fits);
                if let Some(short) = &mut short {
                    short.extend_from_slice(bytes);
                }
                if !parts.is_empty() {
                    cut.take(bytes);
                }
            }
            Some(_) | None => {
                let whole = Digest::from_bytes(whole.finalize().into());
                let in_parts = if parts.is_empty() { whole } else { cut.end() };
                return Ok(Ok(Hashed { whole, in_parts, short }));
            }
        }
    }
}

/// Hashes bytes in parts of given lengths.
struct CutAt<'a> {
    parts: &'a [Part],
    /// How much of the open part is to come.
    left: u64,
    open: Sha256,
    digests: Vec<Digest>,
}

impl CutAt<'_> {
    fn next_length(&self) -> u64 {
        self.parts.get(self.digests.len()).map_or(u64::MAX, |part| part.bytes)
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            let (now, later) = bytes.split_at(length);
            self.open.update(now);
            self.left -= length as u64;
            bytes = later;
            if self.left == 0 {
                self.close();
            }
        }
    }

    fn close(&mut self) {
        let open = std::mem::replace(&mut self.open, Sha256::new());
        self.digests.push(Digest::from_bytes(open.finalize().into()));
        self.left = self.next_length();
    }

    fn end(mut self) -> Digest {
        if self.digests.len() < self.parts.len() {
            self.close();
        }
        in_parts(self.digests.into_iter())
    }
}

/// The digest of an entry with this digest of its content.
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
