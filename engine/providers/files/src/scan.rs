//! Walks a tree on one file system in the order of its paths, or the part of it that lies in a range.
//!
//! It looks at entries and reads no content. What cannot be read is given out in its place; what a rule
//! keeps out is given out once, where the rule took hold.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use holdfast_contract::entry::{LeftOut, TreePath, tree_order};
use rustix::fs::{AtFlags, Dir, FileType, Mode, Stat, fstat, openat, statat};
use rustix::io::Errno;

use crate::beneath::FOLDER;
use crate::beside::is_ours;
use crate::glob::Match;
use crate::root::{Inner, Mounts};
use holdfast_contract::unit::Range;

/// An entry that was seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: TreePath,
    /// The folder it stands in; of the root, the root itself.
    pub(crate) folder: Arc<OwnedFd>,
    /// Its name there; of the root, nothing.
    pub(crate) name: Vec<u8>,
    pub(crate) stat: Stat,
}

/// What a scan finds next.
#[derive(Clone, Debug)]
pub(crate) enum Sight {
    /// An entry that belongs to the target.
    Seen(Seen),
    /// Something that could not be read.
    Unreadable(LeftOut),
    /// Something that is kept out by a rule: ours, or another file system.
    Ruled(LeftOut),
}

impl Sight {
    /// Where it stands.
    pub(crate) fn path(&self) -> &[u8] {
        match self {
            Self::Seen(seen) => &seen.path,
            Self::Unreadable(left_out) | Self::Ruled(left_out) => &left_out.path,
        }
    }
}

/// The entries of a range.
pub(crate) struct Scan {
    inner: Arc<Inner>,
    start: Vec<u8>,
    end: Option<Vec<u8>>,
    stack: Vec<Level>,
    /// Folders that lead to something, not given out yet: whether anything is included is not known.
    pending: Vec<Seen>,
    ready: VecDeque<Sight>,
}

struct Level {
    path: TreePath,
    folder: Arc<OwnedFd>,
    matched: Match,
    /// Sorted, the last one first.
    names: Vec<Vec<u8>>,
}

impl Scan {
    pub(crate) fn new(inner: &Arc<Inner>, range: &Range) -> Self {
        let mut scan = Self {
            inner: Arc::clone(inner),
            start: tree_order(&range.start),
            end: range.end.as_deref().map(tree_order),
            stack: Vec::new(),
            pending: Vec::new(),
            ready: VecDeque::new(),
        };
        scan.begin();
        scan
    }

    /// The root: an entry of the first range, and the way to every other.
    fn begin(&mut self) {
        let root = Arc::clone(&self.inner.root);
        match fstat(&root) {
            Ok(stat) => {
                let seen = Seen {
                    path: TreePath::new(),
                    folder: Arc::clone(&root),
                    name: Vec::new(),
                    stat,
                };
                let matched = self.inner.patterns.root();
                self.offer(seen, matched);
                self.enter(TreePath::new(), root, matched);
            }
            Err(errno) => self.unreadable(TreePath::new(), errno),
        }
    }

    /// Gives an entry out, or keeps a folder until something in it is included.
    fn offer(&mut self, seen: Seen, matched: Match) {
        if tree_order(&seen.path) < self.start {
            return;
        }
        if matched == Match::Included {
            let pending = self.pending.drain(..).map(Sight::Seen);
            self.ready.extend(pending);
            self.ready.push_back(Sight::Seen(seen));
        } else {
            self.pending.push(seen);
        }
    }

    fn unreadable(&mut self, path: TreePath, errno: Errno) {
        let reason = std::io::Error::from(errno).to_string();
        self.ready.push_back(Sight::Unreadable(LeftOut { path, reason }));
    }

    fn enter(&mut self, path: TreePath, folder: Arc<OwnedFd>, matched: Match) {
        match names_in(&folder) {
            Ok(mut names) => {
                // What a restore that died has left is no part of the tree.
                names.retain(|name| !is_ours(name));
                self.stack.push(Level { path, folder, matched, names });
            }
            Err(errno) => {
                self.pending.retain(|seen| seen.path != path);
                self.unreadable(path, errno);
            }
        }
    }

    /// Takes the next name; none when there is none left.
    fn step(&mut self) -> Option<()> {
        let level = self.stack.last_mut()?;
        let Some(name) = level.names.pop() else {
            let path = self.stack.pop()?.path;
            // Nothing in it was included.
            self.pending.retain(|seen| seen.path != path || path.is_empty());
            return Some(());
        };
        let path = if level.path.is_empty() {
            name.clone()
        } else {
            [&level.path[..], b"/", &name].concat()
        };
        let key = tree_order(&path);
        if self.end.as_ref().is_some_and(|end| key >= *end) {
            // Everything after it lies behind the range too.
            self.stack.clear();
            return Some(());
        }
        // A folder has the paths from its own to just before its key with a 1 behind it.
        if [&key[..], &[1]].concat() <= self.start {
            return Some(());
        }
        let (folder, parent) = (Arc::clone(&level.folder), level.matched);
        self.look(path, name, folder, parent);
        Some(())
    }

    fn look(&mut self, path: TreePath, name: Vec<u8>, folder: Arc<OwnedFd>, parent: Match) {
        let is_in_range = tree_order(&path) >= self.start;
        let matched = self.inner.patterns.decide(&path, parent);
        if matched == Match::Excluded {
            return;
        }
        if self.inner.never.contains(&path) {
            if is_in_range {
                self.rule(path, "holdfast keeps it for itself");
            }
            return;
        }
        let stat = match statat(&*folder, &name[..], AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // It was removed since the folder was listed.
            Err(Errno::NOENT) => return,
            Err(errno) => return self.unreadable(path, errno),
        };
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if !is_folder && matched == Match::Undecided {
            return;
        }
        let seen =
            Seen { path: path.clone(), folder: Arc::clone(&folder), name: name.clone(), stat };
        self.offer(seen, matched);
        if !is_folder {
            return;
        }
        if stat.st_dev != self.inner.device && self.inner.mounts == Mounts::LeftOut {
            self.pending.retain(|seen| seen.path != path);
            if is_in_range {
                self.rule(path, "another file system begins there");
            }
            return;
        }
        match openat(&*folder, &name[..], FOLDER, Mode::empty()) {
            Ok(opened) => self.enter(path, Arc::new(opened), matched),
            Err(errno) => {
                self.pending.retain(|seen| seen.path != path);
                // It was removed since the folder was listed.
                if errno != Errno::NOENT {
                    self.unreadable(path, errno);
                }
            }
        }
    }

    fn rule(&mut self, path: TreePath, reason: &str) {
        let reason = reason.to_owned();
        self.ready.push_back(Sight::Ruled(LeftOut { path, reason }));
    }
}

impl Iterator for Scan {
    type Item = Sight;

    fn next(&mut self) -> Option<Sight> {
        loop {
            if let Some(sight) = self.ready.pop_front() {
                return Some(sight);
            }
            self.step()?;
        }
    }
}

/// The names in a folder, the last one first.
pub(crate) fn names_in(folder: &OwnedFd) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    names.reverse();
    Ok(names)
}
