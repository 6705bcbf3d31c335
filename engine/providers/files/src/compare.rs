//! Compares a unit of a set with what is live, path by path, in the order of a tree. It writes nothing.
//!
//! A file that is as it should be is read and hashed; nothing of the set is read but its list of parts.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use globset::GlobSet;
use holdfast_contract::entry::{EntryKind, TreePath, shown, tree_order, unshown};
use holdfast_contract::list::ListOut;
use holdfast_contract::plan::{Change, Risk, Sort};
use holdfast_contract::provider::{Comparing, Extra, Kept, KeptEntry, is_pattern};
use holdfast_contract::unit::Range;
use holdfast_kernel::failure::Failure;
use holdfast_kernel::id::Digest;

use crate::diff::diff;
use crate::glob;
use crate::live::{Likeness, Looked, live, looked, wanted_digest};
use crate::root::{Inner, Refused};
use crate::scan::{Scan, Sight};

/// The longest key of an item, in bytes; a longer path gets its digest as key.
const LONGEST_KEY: usize = 1_024;

/// Stages before they are numbered: removals from the leaves up, folders from the root down, then the rest.
const REMOVED_FOLDERS: i64 = 1_000_000;
const FOLDERS: i64 = 2_000_000;
const ENTRIES: i64 = 3_000_000;

/// What was asked for: paths as they are, and patterns of paths.
struct Names {
    paths: BTreeSet<TreePath>,
    patterns: GlobSet,
}

impl Names {
    fn new(names: &[String]) -> Result<Self, Refused> {
        let (patterns, paths): (Vec<String>, Vec<String>) =
            names.iter().cloned().partition(|name| is_pattern(name));
        let paths = paths
            .iter()
            .map(|path| unshown(path).ok_or_else(|| Refused::NoPath { path: path.clone() }));
        Ok(Self { paths: paths.collect::<Result<_, _>>()?, patterns: glob::set(&patterns)? })
    }

    fn has(&self, path: &[u8]) -> bool {
        self.paths.contains(path) || self.patterns.is_match(Path::new(OsStr::from_bytes(path)))
    }
}

/// A comparison under way.
pub(crate) struct Comparison<'a> {
    inner: &'a Arc<Inner>,
    kept: &'a dyn Kept,
    selected: Option<Names>,
    extra: Extra,
    permitted: &'a dyn Fn() -> bool,
    changes: &'a mut dyn ListOut,
    unchanged: u64,
    /// Folders of the set that are not selected and may lead to something that is.
    leading: Vec<KeptEntry>,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(
        inner: &'a Arc<Inner>,
        kept: &'a dyn Kept,
        how: &Comparing,
        permitted: &'a dyn Fn() -> bool,
        changes: &'a mut dyn ListOut,
    ) -> Result<Self, Refused> {
        let selected = match how.names.as_slice() {
            [] => None,
            names => Some(Names::new(names)?),
        };
        let (extra, unchanged, leading) = (how.extra, 0, Vec::new());
        Ok(Self { inner, kept, selected, extra, permitted, changes, unchanged, leading })
    }

    /// The folders on the way to a unit are entries of another one.
    fn lead_to(&mut self, start: &[u8]) -> Result<(), Failure> {
        if self.selected.is_none() {
            return Ok(());
        }
        let ends = start.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for folder in ends.filter_map(|end| start.get(..end)) {
            let is_there = live(self.inner, folder, None, self.permitted)?.is_some();
            if let Some(entry) = self.kept.entry(folder)?.filter(|_| !is_there) {
                self.leading.push(entry);
            }
        }
        Ok(())
    }

    /// Compares the paths of a range, and gives how many objects are as they should be.
    pub(crate) fn run(mut self, range: &Range) -> Result<u64, Failure> {
        self.lead_to(&range.start)?;
        let mut live = Scan::new(self.inner, range).peekable();
        let mut kept = self.kept.entries(range)?.peekable();
        loop {
            if !(self.permitted)() {
                return Err(Refused::Cancelled.into());
            }
            match next(&mut live, &mut kept) {
                None => return Ok(self.unchanged),
                Some(Turn::Live(sight)) => self.only_live(&sight)?,
                Some(Turn::Kept(entry)) => self.wanted(entry?, None)?,
                Some(Turn::Both(sight, entry)) => self.wanted(entry?, Some(sight))?,
            }
        }
    }

    fn is_selected(&self, path: &[u8]) -> bool {
        let Some(selected) = &self.selected else { return true };
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        ends.chain([path.len()]).filter_map(|end| path.get(..end)).any(|path| selected.has(path))
    }

    /// Something that the set does not have.
    fn only_live(&mut self, sight: &Sight) -> Result<(), Failure> {
        let Sight::Seen(seen) = sight else { return Ok(()) };
        if self.extra == Extra::Keep || seen.path.is_empty() || !self.is_selected(&seen.path) {
            return Ok(());
        }
        let found = match gone(looked(self.inner, seen, None, self.permitted).map(Some)) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(()),
            Err(Refused::Cancelled) => return Err(Refused::Cancelled.into()),
            Err(refused) => {
                let mut change = line(&seen.path, "unreadable", Sort::Blocked, ENTRIES);
                change.reason = refused.to_string();
                return self.changes.push(change.to_value()?);
            }
        };
        let is_folder = found.kind == EntryKind::Folder;
        let stage = if is_folder { REMOVED_FOLDERS - depth(&seen.path) } else { 0 };
        let mut change = line(&seen.path, found.kind.name(), Sort::Delete, stage);
        change.risk = Risk::High;
        change.reason = String::from("it is not in the backup set");
        change.live = Some(found.digest);
        change.old_bytes = size_of(&found.kind);
        self.changes.push(change.to_value()?)
    }

    /// Something that the set has, with what was seen of it.
    fn wanted(&mut self, entry: KeptEntry, sight: Option<Sight>) -> Result<(), Failure> {
        if !self.is_selected(&entry.path) {
            if entry.kind == EntryKind::Folder && sight.is_none() {
                self.leading.push(entry);
            }
            return Ok(());
        }
        for folder in std::mem::take(&mut self.leading) {
            if is_beneath(&entry.path, &folder.path) {
                self.selected(&folder, None)?;
            }
        }
        self.selected(&entry, sight)
    }

    fn selected(&mut self, entry: &KeptEntry, sight: Option<Sight>) -> Result<(), Failure> {
        if self.inner.is_never(&entry.path) {
            return self.blocked(entry, None, "holdfast keeps it for itself");
        }
        let found = match &sight {
            Some(Sight::Seen(seen)) => {
                gone(looked(self.inner, seen, Some(entry), self.permitted).map(Some))
            }
            Some(Sight::Unreadable(left_out) | Sight::Ruled(left_out)) => {
                return self.blocked(entry, None, &left_out.reason);
            }
            // A rule may keep it out of the inventory, and it is there all the same.
            None => gone(live(self.inner, &entry.path, Some(entry), self.permitted)),
        };
        let found = match found {
            Ok(found) => found,
            Err(Refused::Cancelled) => return Err(Refused::Cancelled.into()),
            Err(refused) => return self.blocked(entry, None, &refused.to_string()),
        };
        match found {
            None => self.differs(entry, None, Sort::Create),
            Some(found) if found.likeness == Likeness::Wanted => self.same(entry, &found),
            Some(found) if self.would_lose(entry, &found) => {
                let reason =
                    "a folder that is not empty stands there, and nothing is to be removed";
                self.blocked(entry, Some(&found), reason)
            }
            Some(found) => self.differs(entry, Some(&found), Sort::Update),
        }
    }

    /// Whether a folder with something in it would have to give way.
    fn would_lose(&self, entry: &KeptEntry, found: &Looked) -> bool {
        let gives_way = found.kind == EntryKind::Folder && entry.kind != EntryKind::Folder;
        gives_way && self.extra == Extra::Keep && !self.inner.is_empty_folder(&entry.path)
    }

    fn same(&mut self, entry: &KeptEntry, found: &Looked) -> Result<(), Failure> {
        if linked(entry).is_none() {
            self.unchanged += 1;
            return Ok(());
        }
        self.differs(entry, Some(found), Sort::None)
    }

    fn differs(
        &mut self,
        entry: &KeptEntry,
        found: Option<&Looked>,
        sort: Sort,
    ) -> Result<(), Failure> {
        let is_folder = entry.kind == EntryKind::Folder;
        let stage = if is_folder { FOLDERS + depth(&entry.path) } else { ENTRIES };
        let mut change = line(&entry.path, entry.kind.name(), sort, stage);
        change.live = found.map(|found| found.digest);
        change.wanted = Some(wanted_digest(entry));
        change.old_bytes = found.and_then(|found| size_of(&found.kind));
        change.new_bytes = size_of(&entry.kind);
        change.linked = linked(entry);
        let was = found.map(|found| found.kind.name()).filter(|was| *was != entry.kind.name());
        if let Some(was) = was {
            change.risk = Risk::High;
            change.reason = format!("a {was} becomes a {}", entry.kind.name());
        }
        if let Some(found) = found.filter(|_| sort == Sort::Update) {
            change.diff = diff(self.kept, entry, found).unwrap_or_else(|failure| {
                format!("the content in the set cannot be read: {}\n", failure.message)
            });
        }
        self.changes.push(change.to_value()?)
    }

    fn blocked(
        &mut self,
        entry: &KeptEntry,
        found: Option<&Looked>,
        reason: &str,
    ) -> Result<(), Failure> {
        let mut change = line(&entry.path, entry.kind.name(), Sort::Blocked, ENTRIES);
        change.reason = String::from(reason);
        change.live = found.map(|found| found.digest);
        change.wanted = Some(wanted_digest(entry));
        change.new_bytes = size_of(&entry.kind);
        self.changes.push(change.to_value()?)
    }
}

/// What comes next in the order of a tree.
enum Turn {
    Live(Sight),
    Kept(Result<KeptEntry, Failure>),
    Both(Sight, Result<KeptEntry, Failure>),
}

fn next<'a>(
    live: &mut Peekable<Scan>,
    kept: &mut Peekable<Box<dyn Iterator<Item = Result<KeptEntry, Failure>> + 'a>>,
) -> Option<Turn> {
    let order = match (live.peek(), kept.peek()) {
        (Some(sight), Some(Ok(entry))) => tree_order(sight.path()).cmp(&tree_order(&entry.path)),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None | Some(_), Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => return None,
    };
    match order {
        std::cmp::Ordering::Less => live.next().map(Turn::Live),
        std::cmp::Ordering::Greater => kept.next().map(Turn::Kept),
        std::cmp::Ordering::Equal => Some(Turn::Both(live.next()?, kept.next()?)),
    }
}

/// A look at something that was removed meanwhile is a look at nothing.
fn gone(found: Result<Option<Looked>, Refused>) -> Result<Option<Looked>, Refused> {
    match found {
        Ok(found) => Ok(found),
        Err(Refused::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

fn line(path: &[u8], kind: &str, sort: Sort, stage: i64) -> Change {
    let text = shown(path);
    let key = match text.len() {
        0 => ".".to_owned(),
        1..=LONGEST_KEY => text.clone(),
        _ => format!("h:{}", Digest::of_bytes(text.as_bytes())),
    };
    Change {
        name: key.clone(),
        key,
        kind: kind.to_owned(),
        sort,
        risk: Risk::Low,
        reason: String::new(),
        stage,
        live: None,
        wanted: None,
        old_bytes: None,
        new_bytes: None,
        path: Some(text),
        linked: None,
        names: Vec::new(),
        diff: String::new(),
    }
}

fn depth(path: &[u8]) -> i64 {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).count();
    i64::try_from(names).unwrap_or(i64::MAX)
}

fn size_of(kind: &EntryKind) -> Option<u64> {
    matches!(kind, EntryKind::File { .. }).then(|| kind.size())
}

/// Which file of the set it is, if it has several names.
fn linked(entry: &KeptEntry) -> Option<(u64, u64)> {
    let has_names = entry.metadata.links > 1 && entry.kind != EntryKind::Folder;
    has_names.then_some((entry.metadata.device, entry.metadata.inode))
}

fn is_beneath(path: &[u8], folder: &[u8]) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with(b"/"))
}
