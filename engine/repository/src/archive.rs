//! The three calls that write: a source into a tree, trees into one, and a checked tree into a snapshot.
//!
//! The library writes its snapshot at the end of every archive; the gate holds it back, so that nothing
//! refers to a tree that was not checked.

use std::num::NonZero;

use holdfast_kernel::id::Instant;
use rustic_core::jiff::{Timestamp, Zoned, tz::TimeZone};
use rustic_core::repofile::{Node, SnapshotFile, SnapshotId, StringList};
use rustic_core::{
    BackupOptions, ParentOptions, ReadSource, ReadSourceOpen, SnapshotGroupCriterion,
};

use crate::open::{Full, Session};
use crate::refused::Refused;

/// The stack for merging: the library goes into each folder by a call of its own, and paths can be thousands deep.
const DEEP: usize = 256 * 1024 * 1024;

/// How many packs are read back at once, at most: each reader has one in memory.
const MOST_READERS: usize = 4;

/// What a checked tree is called in the repository.
pub(crate) struct Naming {
    pub(crate) at: Instant,
    pub(crate) tags: Vec<String>,
    pub(crate) paths: Vec<String>,
    /// What is to be known without reading the tree: JSON.
    pub(crate) description: String,
}

/// Archives a source; the snapshot that comes back is held, not written.
///
/// Content of `parents` is taken where type, size and times agree; without them everything is read.
pub(crate) fn archive<R>(
    session: &Session,
    index: &Full,
    source: &R,
    parents: &[SnapshotId],
) -> Result<SnapshotFile, Refused>
where
    R: ReadSource + 'static,
    <R as ReadSource>::Open: ReadSourceOpen + Send,
    <R as ReadSource>::Iter: Send,
{
    let parents = parents.iter().map(|id| id.to_hex().to_string());
    let parents: Vec<_> = parents.collect();
    let force = parents.is_empty();
    let options = ParentOptions::default()
        .force(force)
        .parents(parents)
        // Every snapshot that was asked for, whatever its host, label and paths.
        .group_by(SnapshotGroupCriterion::new());
    let options = BackupOptions::default().no_scan(true).parent_opts(options);
    let snapshot = index
        .archive(&options, source, SnapshotFile::default(), &["/".into()])
        .map_err(|error| session.refuse(error))?;
    permitted(session)?;
    Ok(snapshot)
}

/// Lays trees over each other that meet plainly; the snapshot that comes back is held, not written.
pub(crate) fn merge_trees(
    session: &Session,
    index: &Full,
    parts: &[SnapshotFile],
) -> Result<SnapshotFile, Refused> {
    // A folder that a tree only passes through has no times.
    let dated =
        |one: &Node, other: &Node| one.meta.mtime.is_some().cmp(&other.meta.mtime.is_some());
    let merge = || index.merge_snapshots(parts, &dated, SnapshotFile::default());
    let merged = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(DEEP);
        let thread = thread.spawn_scoped(scope, merge);
        let thread = thread.map_err(Refused::doing("starting a thread that merges trees"))?;
        let ended = || Refused::Below("merging the trees ended early".to_owned());
        thread.join().map_err(|_panic| ended())?.map_err(|error| session.refuse(error))
    })?;
    permitted(session)?;
    Ok(merged)
}

/// Refuses what was written while something went wrong, or after the permit was withdrawn.
fn permitted(session: &Session) -> Result<(), Refused> {
    if let Some(trouble) = session.gate.trouble() {
        return Err(trouble);
    }
    if !session.gate.permitted() {
        return Err(Refused::Cancelled);
    }
    Ok(())
}

/// Writes the snapshot of a checked tree, and gives its id in hexadecimal.
pub(crate) fn keep(
    session: &Session,
    checked: &SnapshotFile,
    naming: Naming,
) -> Result<String, Refused> {
    read_back(session)?;
    let snapshot = SnapshotFile {
        time: zoned(naming.at)?,
        tree: checked.tree,
        tags: list(naming.tags),
        paths: list(naming.paths),
        hostname: "holdfast".to_owned(),
        username: "holdfast".to_owned(),
        description: Some(naming.description),
        ..SnapshotFile::default()
    };
    let repository = session.open()?;
    session.gate.release_snapshots();
    repository.save_snapshots(vec![snapshot]).map_err(|error| session.refuse(error))?;
    let id = session.gate.last_snapshot();
    id.map(|id| id.to_hex().to_string())
        .ok_or_else(|| Refused::Below("the snapshot was not written".to_owned()))
}

/// Reads back every pack that was written, by as many readers as there are processors.
fn read_back(session: &Session) -> Result<(), Refused> {
    let packs = session.gate.packs();
    let readers = std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_READERS);
    let share = packs.len().div_ceil(readers).max(1);
    std::thread::scope(|scope| {
        let read = |packs| {
            let thread = std::thread::Builder::new();
            thread.spawn_scoped(scope, move || session.gate.read_back(packs))
        };
        let reading = packs.chunks(share).map(read).collect::<Result<Vec<_>, _>>();
        let reading = reading.map_err(Refused::doing("starting a thread that reads back"))?;
        reading.into_iter().try_for_each(|reader| {
            let unknown = || Refused::Below("reading back what was written ended early".to_owned());
            reader.join().unwrap_or_else(|_panic| Err(unknown()))
        })
    })
}

/// Removes snapshots; what only they refer to stays until the repository is pruned.
pub(crate) fn remove(session: &Session, snapshots: &[SnapshotId]) -> Result<(), Refused> {
    if snapshots.is_empty() {
        return Ok(());
    }
    session.open()?.delete_snapshots(snapshots).map_err(|error| session.refuse(error))
}

fn list(entries: Vec<String>) -> StringList {
    let mut list = StringList::default();
    for entry in entries {
        list.add(entry);
    }
    list
}

pub(crate) fn zoned(at: Instant) -> Result<Zoned, Refused> {
    Timestamp::from_microsecond(at.0)
        .map(|time| time.to_zoned(TimeZone::UTC))
        .map_err(|error| Refused::Invalid(format!("{} is no time: {error}", at.0)))
}
