//! Made-up sources: trees in memory whose files can be short, changed or unreadable.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use holdfast_contract::entry::{
    Entry, EntryKind, EntrySource, FileTime, Found, LeftOut, Metadata, OpenContent, ReadContent,
    Settled, tree_order,
};

/// How a file behaves when it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// As announced.
    Good,
    /// It ends so many bytes early.
    Short(usize),
    /// It is changed in every look.
    Changed,
    /// It cannot be opened.
    Closed,
    /// It fails in the middle.
    Breaks,
}

/// One entry of a made-up tree.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) path: &'static str,
    pub(crate) kind: EntryKind,
    pub(crate) content: Arc<Vec<u8>>,
    pub(crate) behaviour: Behaviour,
    /// What it is in the second look, if that differs.
    pub(crate) second: Option<Behaviour>,
    pub(crate) metadata: Metadata,
}

/// A made-up tree.
#[derive(Clone, Default)]
pub(crate) struct Tree {
    pub(crate) entries: Vec<Made>,
    pub(crate) left_out: Vec<LeftOut>,
    /// How many files were opened.
    pub(crate) opened: Arc<AtomicUsize>,
}

pub(crate) fn metadata(mode: u32) -> Metadata {
    let time = FileTime { seconds: 1_700_000_000, nanoseconds: 123_456_789 };
    Metadata { mode, modified: time, changed: time, inode: 7, links: 1, ..Metadata::default() }
}

pub(crate) fn file(path: &'static str, content: impl Into<Vec<u8>>) -> Made {
    let content = content.into();
    Made {
        path,
        kind: EntryKind::File { size: content.len() as u64 },
        content: Arc::new(content),
        behaviour: Behaviour::Good,
        second: None,
        metadata: metadata(0o644),
    }
}

pub(crate) fn folder(path: &'static str) -> Made {
    Made { kind: EntryKind::Folder, metadata: metadata(0o750), ..file(path, "") }
}

impl Made {
    pub(crate) fn behaving(mut self, first: Behaviour, second: Behaviour) -> Self {
        self.behaviour = first;
        self.second = Some(second);
        self
    }
}

impl Tree {
    pub(crate) fn of(entries: impl IntoIterator<Item = Made>) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by_key(|entry| tree_order(entry.path.as_bytes()));
        Self { entries, ..Self::default() }
    }

    fn found(&self, made: &Made, behaviour: &Behaviour) -> Found {
        let is_file = matches!(made.kind, EntryKind::File { .. });
        let content: Option<Box<dyn OpenContent>> = is_file.then(|| -> Box<dyn OpenContent> {
            Box::new(Content {
                bytes: Arc::clone(&made.content),
                at: 0,
                behaviour: behaviour.clone(),
                opened: Arc::clone(&self.opened),
            })
        });
        Found::Entry(Entry {
            path: made.path.as_bytes().to_vec(),
            kind: made.kind.clone(),
            metadata: made.metadata.clone(),
            content,
        })
    }
}

impl EntrySource for Tree {
    fn entries(&self) -> Box<dyn Iterator<Item = Found> + Send> {
        let left_out = self.left_out.iter().cloned().map(Found::LeftOut);
        let found: Vec<_> = self
            .entries
            .iter()
            .map(|made| self.found(made, &made.behaviour))
            .chain(left_out)
            .collect();
        Box::new(found.into_iter())
    }

    fn again(&self, path: &[u8]) -> Found {
        let made = self.entries.iter().find(|made| made.path.as_bytes() == path);
        let made = made.unwrap();
        self.found(made, made.second.as_ref().unwrap_or(&made.behaviour))
    }
}

struct Content {
    bytes: Arc<Vec<u8>>,
    at: usize,
    behaviour: Behaviour,
    opened: Arc<AtomicUsize>,
}

impl OpenContent for Content {
    fn open(self: Box<Self>) -> io::Result<Box<dyn ReadContent>> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        if self.behaviour == Behaviour::Closed {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        Ok(self)
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = match self.behaviour {
            Behaviour::Short(missing) => self.bytes.len() - missing,
            Behaviour::Breaks if self.at > 0 => {
                return Err(io::Error::other("the disk gave up"));
            }
            _ => self.bytes.len(),
        };
        let count = (&self.bytes[self.at..end]).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

impl ReadContent for Content {
    fn settle(&mut self) -> io::Result<Settled> {
        Ok(match self.behaviour {
            Behaviour::Changed | Behaviour::Short(_) => Settled::Changed,
            Behaviour::Good | Behaviour::Closed | Behaviour::Breaks => Settled::Unchanged,
        })
    }
}
