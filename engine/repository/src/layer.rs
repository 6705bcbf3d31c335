//! Captures one source into one checked tree: a first pass, and a second one for what was changed.
//!
//! It writes no snapshot. What cannot be read is left out with its reason; what neither arrived nor is
//! left out is lost, and refuses the whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_contract::entry::{
    EntryKind, EntrySource, Found, LeftOut, Settled, TreePath, tree_order,
};
use rustic_core::repofile::SnapshotFile;

use crate::archive::{archive, merge_trees};
use crate::check::{Counts, check};
use crate::feed::{Feed, place_in};
use crate::layers::{Layers, meet_plainly};
use crate::ledger::{Before, Ledger, Record, Standing, lost};
use crate::open::{Full, Session};
use crate::previous::Previous;
use crate::refused::Refused;

/// What a file is listed with that was changed in both passes, and of which one state is kept.
const CHANGED: &str = "it was changed while it was read";
const CHANGED_GONE: &str = "it was changed while it was read and is not kept";

/// A source that became a tree.
pub(crate) struct Captured {
    /// The held snapshot of the tree.
    pub(crate) snapshot: SnapshotFile,
    /// What the tree holds of the source.
    pub(crate) counts: Counts,
    /// What it does not hold, or not as it should.
    pub(crate) left_out: Vec<LeftOut>,
}

/// Captures a source under the first name `area`; with `previous` unchanged files are not read.
pub(crate) fn capture(
    session: &Session,
    area: &'static str,
    source: &Arc<dyn EntrySource>,
    previous: Option<&SnapshotFile>,
) -> Result<Captured, Refused> {
    let index = session.indexed()?;
    let before = previous.and_then(|snapshot| index.get_tree(&snapshot.tree).ok());
    let parents: Vec<_> = previous.map(|snapshot| snapshot.id).into_iter().collect();
    let ledger = Arc::new(Ledger::default());
    let feed = Feed {
        area,
        source: Arc::clone(source),
        ledger: Arc::clone(&ledger),
        previous: before.map(|root| Previous::new(Arc::clone(&index), root)),
        permit: session.gate.permit(),
    };
    let first = archive(session, &index, &feed, &parents)?;
    ledger.in_order()?;
    let (records, left_out) = ledger.close();
    let mut sorted = Sorted { left_out, ..Sorted::default() };
    for (path, record) in records {
        sorted.sort(path, record);
    }
    drop(feed);
    let snapshot = if sorted.again.is_empty() {
        first
    } else {
        second_pass(session, area, source, first, &mut sorted)?
    };
    let counts = check_against(&*session.indexed()?, area, &snapshot, &sorted.expected)?;
    Ok(Captured { snapshot, counts, left_out: sorted.listed() })
}

/// The first pass, sorted by what follows from it.
#[derive(Default)]
struct Sorted {
    /// What the tree must have, with the size.
    expected: BTreeMap<TreePath, u64>,
    /// What is to be read again; with the size of a state that was read whole, if there is one.
    again: BTreeMap<TreePath, Option<u64>>,
    left_out: Vec<LeftOut>,
}

impl Sorted {
    fn sort(&mut self, path: TreePath, record: Record) {
        let Record { size, standing } = record;
        match standing {
            Standing::Bare
            | Standing::Announced { before: Before::Same }
            | Standing::Delivered(Settled::Unchanged) => {
                self.expected.insert(path, size);
            }
            Standing::Delivered(Settled::Changed) => {
                self.again.insert(path, Some(size));
            }
            // The library took it from the set before, though it is another file; or it was cut short.
            Standing::Announced { before: Before::Other } | Standing::Open | Standing::Short => {
                self.again.insert(path, None);
            }
            Standing::Unreadable(reason) => self.left_out.push(LeftOut { path, reason }),
        }
    }

    /// What follows from the second pass for one path: whether its entry of the second pass is taken.
    fn decide(&mut self, path: &TreePath, whole: Option<u64>, second: Option<Record>) -> Taken {
        let reason = match second {
            Some(Record { size, standing }) => match standing {
                Standing::Bare | Standing::Delivered(Settled::Unchanged) => {
                    self.expected.insert(path.clone(), size);
                    return Taken::Second;
                }
                Standing::Delivered(Settled::Changed) => {
                    self.expected.insert(path.clone(), size);
                    self.leave_out(path, CHANGED.to_owned());
                    return Taken::Second;
                }
                Standing::Announced { .. } | Standing::Open | Standing::Short => {
                    CHANGED_GONE.to_owned()
                }
                Standing::Unreadable(reason) => reason,
            },
            // It was left out in the second pass, and is listed already.
            None => String::new(),
        };
        if let Some(size) = whole {
            self.expected.insert(path.clone(), size);
            self.leave_out(path, CHANGED.to_owned());
            return Taken::First;
        }
        if !reason.is_empty() {
            self.leave_out(path, reason);
        }
        Taken::Neither
    }

    /// What was left out, in order; what both passes found is listed once.
    fn listed(mut self) -> Vec<LeftOut> {
        let key = |one: &LeftOut| (tree_order(&one.path), one.reason.clone());
        self.left_out.sort_by_cached_key(key);
        self.left_out.dedup();
        self.left_out
    }

    fn leave_out(&mut self, path: &TreePath, reason: String) {
        let path = path.clone();
        self.left_out.push(LeftOut { path, reason });
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    First,
    Second,
    Neither,
}

/// Reads what was changed again, and lays both passes over each other.
fn second_pass(
    session: &Session,
    area: &'static str,
    source: &Arc<dyn EntrySource>,
    first: SnapshotFile,
    sorted: &mut Sorted,
) -> Result<SnapshotFile, Refused> {
    let again = std::mem::take(&mut sorted.again);
    let mut paths: Vec<_> = again.keys().cloned().collect();
    paths.sort_by_cached_key(|path| tree_order(path));
    let ledger = Arc::new(Ledger::default());
    let feed = Feed {
        area,
        source: Arc::new(Again { source: Arc::clone(source), paths }),
        ledger: Arc::clone(&ledger),
        previous: None,
        permit: session.gate.permit(),
    };
    let index = session.indexed()?;
    let second = archive(session, &index, &feed, &[])?;
    ledger.in_order()?;
    let (mut records, left_out) = ledger.close();
    sorted.left_out.extend(left_out);
    let (mut not_first, mut not_second) = (BTreeSet::new(), BTreeSet::new());
    for (path, whole) in again {
        let taken = sorted.decide(&path, whole, records.remove(&path));
        if taken != Taken::First {
            not_first.insert(place_in(area, &path));
        }
        if taken != Taken::Second {
            not_second.insert(place_in(area, &path));
        }
    }
    let layers = [(first, not_first), (second, not_second)];
    lay_over(session, layers)
}

/// Makes one tree of held or written ones; of two files with one path the later one's is taken.
pub(crate) fn lay_over(
    session: &Session,
    layers: impl IntoIterator<Item = (SnapshotFile, BTreeSet<TreePath>)>,
) -> Result<SnapshotFile, Refused> {
    let mut parts = Vec::new();
    for (snapshot, without) in layers {
        // What is not wanted goes first: the library looks a file up in all trees by size and times, and
        // must not find the state that is left behind.
        if without.is_empty() {
            parts.push(snapshot);
        } else {
            parts.push(merge(session, vec![snapshot], without)?);
        }
    }
    merge(session, parts, BTreeSet::new())
}

fn merge(
    session: &Session,
    parts: Vec<SnapshotFile>,
    without: BTreeSet<TreePath>,
) -> Result<SnapshotFile, Refused> {
    let index = session.indexed()?;
    let trees: Vec<_> = parts.iter().map(|part| part.tree).collect();
    let damaged = || Refused::damaged("the tree of a unit");
    if without.is_empty() && meet_plainly(&index, trees.clone()).map_err(damaged())? {
        return merge_trees(session, &index, &parts);
    }
    let roots = trees.iter().map(|tree| index.get_tree(tree));
    let source = Layers {
        repository: Arc::clone(&index),
        roots: roots.collect::<Result<_, _>>().map_err(damaged())?,
        without: Arc::new(without),
    };
    let parents: Vec<_> = parts.iter().map(|part| part.id).collect();
    archive(session, &index, &source, &parents)
}

/// Checks that the tree has all that is expected and nothing else but folders that lead to it.
fn check_against(
    index: &Full,
    area: &str,
    snapshot: &SnapshotFile,
    expected: &BTreeMap<TreePath, u64>,
) -> Result<Counts, Refused> {
    let mut missing: BTreeMap<TreePath, u64> =
        expected.iter().map(|(path, size)| (place_in(area, path), *size)).collect();
    let mut strange = Vec::new();
    let mut counts = Counts::default();
    check(index, snapshot, |path, kind| match missing.remove(path) {
        Some(size) if size == kind.size() => counts.add(kind),
        Some(size) => {
            strange.push((path.clone(), format!("{} bytes instead of {size}", kind.size())));
        }
        None if *kind == EntryKind::Folder => {}
        None => strange.push((path.clone(), "it was not expected".to_owned())),
    })?;
    strange.extend(missing.into_keys().map(|path| (path, "it did not arrive".to_owned())));
    if strange.is_empty() {
        return Ok(counts);
    }
    Err(lost(&strange))
}

/// The entries of a source that are looked at a second time.
struct Again {
    source: Arc<dyn EntrySource>,
    paths: Vec<TreePath>,
}

impl EntrySource for Again {
    fn entries(&self) -> Box<dyn Iterator<Item = Found> + Send> {
        let source = Arc::clone(&self.source);
        let paths = self.paths.clone().into_iter();
        Box::new(paths.map(move |path| source.again(&path)))
    }

    fn again(&self, path: &[u8]) -> Found {
        self.source.again(path)
    }
}
