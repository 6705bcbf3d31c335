//! Removes from an exported folder what its set does not have.
//!
//! Every name is looked at and opened beneath the folder it stands in, links are never followed: nothing outside is
//! removed, whoever works beside us. What the set has at a place is kept there, but for a folder where it has none.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use holdfast_contract::entry::{EntryKind, TreePath};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, fstat, openat, unlinkat};
use rustix::io::Errno;

use crate::gate::Permit;
use crate::read::OpenSet;
use crate::refused::Refused;

/// How a folder is opened: itself, never what a link in its place points to.
const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A folder that is being gone through.
struct Open {
    folder: OwnedFd,
    path: TreePath,
    /// What in it was not looked at yet.
    names: Vec<Vec<u8>>,
    /// Whether it goes itself, once it is empty.
    is_doomed: bool,
}

impl Open {
    fn new(folder: OwnedFd, path: TreePath, is_doomed: bool) -> Result<Self, Refused> {
        let names = names(folder.as_fd()).map_err(called("listing a folder"))?;
        Ok(Self { folder, path, names, is_doomed })
    }
}

impl OpenSet {
    /// Removes the entries of `to` that the set does not have, and gives how many those are.
    pub(crate) fn remove_extras(&self, to: &Path, permit: &Permit) -> Result<u64, Refused> {
        let root =
            rustix::fs::open(to, FOLDER, Mode::empty()).map_err(called("opening a folder"))?;
        let mut open = vec![Open::new(root, TreePath::new(), false)?];
        let mut removed = 0;
        while let Some(here) = open.last_mut() {
            if !permit() {
                return Err(Refused::Cancelled);
            }
            let Some(name) = here.names.pop() else {
                removed += close(&mut open)?;
                continue;
            };
            let path = joined(&here.path, &name);
            let kept = if here.is_doomed { None } else { self.entry(&path)? };
            let is_folder = kept.as_ref().is_some_and(|kept| kept.kind == EntryKind::Folder);
            match openat(&here.folder, &name[..], FOLDER, Mode::empty()) {
                // What is mounted there is none of the export.
                Ok(folder) if device(folder.as_fd()) != device(here.folder.as_fd()) => {}
                Ok(folder) => open.push(Open::new(folder, path, !is_folder)?),
                Err(Errno::NOTDIR | Errno::LOOP) if kept.is_none() => {
                    remove(here.folder.as_fd(), &name, AtFlags::empty())?;
                    removed += 1;
                }
                Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => {}
                Err(errno) => return Err(called("opening a folder")(errno)),
            }
        }
        Ok(removed)
    }
}

/// Leaves the innermost folder, and removes it if it goes itself. How many entries that removed.
fn close(open: &mut Vec<Open>) -> Result<u64, Refused> {
    let (left, parent) = (open.pop(), open.last());
    let Some((Open { path, is_doomed: true, .. }, parent)) = left.zip(parent) else { return Ok(0) };
    remove(parent.folder.as_fd(), last(&path), AtFlags::REMOVEDIR)?;
    Ok(1)
}

fn names(folder: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if !matches!(&name[..], b"." | b"..") {
            names.push(name);
        }
    }
    // The last one is taken first.
    names.sort_unstable_by(|one, other| other.cmp(one));
    Ok(names)
}

fn device(folder: BorrowedFd<'_>) -> Option<u64> {
    fstat(folder).ok().map(|seen| seen.st_dev)
}

fn remove(folder: BorrowedFd<'_>, name: &[u8], flags: AtFlags) -> Result<(), Refused> {
    match unlinkat(folder, name, flags) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(called("removing what the set does not have")(errno)),
    }
}

fn joined(folder: &[u8], name: &[u8]) -> TreePath {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

fn last(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// A failed call as a refusal, for `map_err`.
fn called(doing: &'static str) -> impl FnOnce(Errno) -> Refused {
    move |errno| Refused::io(doing, errno.into())
}
