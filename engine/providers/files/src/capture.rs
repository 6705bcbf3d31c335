//! A unit as a source of entries: what the repository stores.
//!
//! A file is opened when its turn comes, gives at most the bytes of its first look, and is looked at again
//! after the last one.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use holdfast_contract::entry::{
    Entry, EntryKind, EntrySource, Found, LeftOut, OpenContent, ReadContent, Settled, TreePath,
};
use rustix::fs::{AtFlags, FileType, OFlags, Stat, fstat, statat};
use rustix::io::Errno;

use crate::beneath::{FOLDER, open_beneath};
use crate::metadata::{attributes_of, kind_of, metadata_of, same_state, size_of};
use crate::root::{FilesTarget, Inner};
use crate::scan::{Scan, Seen, Sight};
use holdfast_contract::unit::Range;

/// The entries of one unit.
#[derive(Clone, Debug)]
pub struct UnitSource {
    inner: Arc<Inner>,
    range: Range,
}

impl FilesTarget {
    /// The entries whose paths lie in a range.
    pub fn source(&self, range: Range) -> UnitSource {
        UnitSource { inner: Arc::clone(&self.inner), range }
    }
}

impl EntrySource for UnitSource {
    fn entries(&self) -> Box<dyn Iterator<Item = Found> + Send> {
        let inner = Arc::clone(&self.inner);
        let scan = Scan::new(&self.inner, &self.range);
        Box::new(scan.flat_map(move |sight| match sight {
            Sight::Seen(seen) => found(&inner, &seen),
            Sight::Unreadable(left_out) => vec![Found::LeftOut(left_out)],
            // The inventory lists these once.
            Sight::Ruled(_) => Vec::new(),
        }))
    }

    fn again(&self, path: &[u8]) -> Found {
        let looked = look(&self.inner, path);
        match looked.map(|seen| found(&self.inner, &seen)) {
            // An attribute that could not be read was listed in the first look.
            Ok(found) => found.into_iter().next().unwrap_or_else(|| gone(path)),
            Err(Errno::NOENT) => gone(path),
            Err(errno) => Found::LeftOut(LeftOut {
                path: path.to_vec(),
                reason: io::Error::from(errno).to_string(),
            }),
        }
    }
}

fn gone(path: &[u8]) -> Found {
    Found::LeftOut(LeftOut {
        path: path.to_vec(),
        reason: "it was removed while it was read".to_owned(),
    })
}

/// Looks at one path.
pub(crate) fn look(inner: &Arc<Inner>, path: &[u8]) -> Result<Seen, Errno> {
    let (folder, name) = match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default()),
        None => (&[][..], path),
    };
    let folder = open_beneath(inner.root(), folder, FOLDER)?;
    let stat = if name.is_empty() {
        fstat(&folder)?
    } else {
        statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?
    };
    Ok(Seen { path: path.to_vec(), folder: Arc::new(folder), name: name.to_vec(), stat })
}

/// The entry of what was seen, with what of it could not be read after it.
fn found(inner: &Arc<Inner>, seen: &Seen) -> Vec<Found> {
    let left_out = |reason: String| Found::LeftOut(LeftOut { path: seen.path.clone(), reason });
    let kind = match kind_of(&seen.folder, &seen.name, &seen.stat) {
        Ok(kind) => kind,
        Err(Errno::NOENT) => return Vec::new(),
        Err(errno) => return vec![left_out(io::Error::from(errno).to_string())],
    };
    let mut metadata = metadata_of(&seen.stat);
    let mut after = None;
    match attributes_of(&seen.folder, &seen.name) {
        Ok(attributes) => metadata.attributes = attributes,
        Err(Errno::NOENT) => {}
        Err(errno) => {
            let reason = io::Error::from(errno);
            after = Some(left_out(format!("its extended attributes cannot be read: {reason}")));
        }
    }
    let content: Option<Box<dyn OpenContent>> = if matches!(kind, EntryKind::File { .. }) {
        Some(Box::new(Closed {
            inner: Arc::clone(inner),
            path: seen.path.clone(),
            first: seen.stat,
        }))
    } else {
        None
    };
    let entry = Entry { path: seen.path.clone(), kind, metadata, content };
    std::iter::once(Found::Entry(entry)).chain(after).collect()
}

/// A file that was looked at and not opened yet.
struct Closed {
    inner: Arc<Inner>,
    path: TreePath,
    first: Stat,
}

impl OpenContent for Closed {
    fn open(self: Box<Self>) -> io::Result<Box<dyn ReadContent>> {
        let file = open_file(&self.inner, &self.path)?;
        Ok(Box::new(Open { left: size_of(&self.first), first: self.first, file }))
    }
}

/// Opens a regular file for reading, without touching its time of access where we may.
pub(crate) fn open_file(inner: &Inner, path: &[u8]) -> io::Result<File> {
    // Something else may stand there by now, and a pipe must not make us wait.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = match open_beneath(inner.root(), path, flags | OFlags::NOATIME) {
        // Only the owner may ask for that.
        Err(Errno::PERM) => open_beneath(inner.root(), path, flags)?,
        opened => opened?,
    };
    let stat = fstat(&opened)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
        return Ok(opened.into());
    }
    Err(io::Error::other("it is no file any more"))
}

struct Open {
    file: File,
    first: Stat,
    left: u64,
}

impl Read for Open {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let (into, _) = buffer.split_at_mut(wanted);
        let count = self.file.read(into)?;
        self.left -= count as u64;
        Ok(count)
    }
}

impl ReadContent for Open {
    fn settle(&mut self) -> io::Result<Settled> {
        let now = fstat(&self.file)?;
        Ok(if same_state(&self.first, &now) { Settled::Unchanged } else { Settled::Changed })
    }
}
