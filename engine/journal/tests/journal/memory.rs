//! A disk in memory that keeps apart what was written and what was made durable.
//!
//! Every operation has a number. At one of them the disk can go dead, be full, or fail; after a power loss
//! what was not synced is there, not there, or torn, as a seed says.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use holdfast_journal::disk::{Disk, Files, StorageBackend};

/// What goes wrong, from or at an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Nothing works from this operation on.
    DeadFrom(u64),
    /// Nothing can be added from this operation on.
    FullFrom(u64),
    /// This operation and no other fails for want of space.
    FullOnce(u64),
    /// From this operation on every sync fails.
    SyncFailsFrom(u64),
}

/// What a power loss leaves of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    Everything,
    /// As the seed says, some of it torn.
    Some(u64),
}

impl Left {
    fn apply(self, bytes: &mut Vec<u8>, write: &Write, place: u64) {
        let drawn = match self {
            Self::Nothing => 0,
            Self::Everything => 2,
            Self::Some(seed) => draw(seed, place) % 4,
        };
        match (drawn, write, self) {
            (0, _, _) => {}
            // Any of its sectors, each for itself.
            (1, Write::Bytes(offset, data), Self::Some(seed)) => {
                let sectors = (0_u64..).zip(data.chunks(SECTOR));
                let is_there = |number| draw(seed ^ place, number).is_multiple_of(2);
                for (number, sector) in sectors.filter(|(number, _)| is_there(*number)) {
                    let at = offset + number * SECTOR as u64;
                    apply(bytes, &Write::Bytes(at, sector.to_vec()));
                }
            }
            _ => apply(bytes, write),
        }
    }
}

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

#[derive(Clone, Debug)]
enum Write {
    Bytes(u64, Vec<u8>),
    Length(u64),
}

#[derive(Clone, Debug, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Write>,
}

#[derive(Clone, Debug, Default)]
struct Inside {
    contents: Vec<Content>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    operations: u64,
    syncs: u64,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    inside: Arc<Mutex<(Inside, Fault)>>,
}

fn apply(bytes: &mut Vec<u8>, write: &Write) {
    match write {
        Write::Bytes(offset, data) => {
            let start = usize::try_from(*offset).unwrap();
            if bytes.len() < start + data.len() {
                bytes.resize(start + data.len(), 0);
            }
            bytes[start..start + data.len()].copy_from_slice(data);
        }
        Write::Length(length) => bytes.resize(usize::try_from(*length).unwrap(), 0),
    }
}

/// A number that follows from a seed and a place.
pub(crate) fn draw(seed: u64, place: u64) -> u64 {
    let mut number = seed ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl Memory {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { inside: Arc::new(Mutex::new((Inside::default(), fault))) }
    }

    fn lock(&self) -> MutexGuard<'_, (Inside, Fault)> {
        self.inside.lock().unwrap()
    }

    pub(crate) fn operations(&self) -> u64 {
        self.lock().0.operations
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.lock().0.syncs
    }

    pub(crate) fn set_fault(&self, fault: Fault) {
        self.lock().1 = fault;
    }

    /// Another disk, as a process that was killed leaves this one.
    pub(crate) fn after_kill(&self) -> Self {
        let mut inside = self.lock().0.clone();
        inside.operations = 0;
        Self { inside: Arc::new(Mutex::new((inside, Fault::None))) }
    }

    /// Another disk, as a power loss leaves this one.
    pub(crate) fn after_power_loss(&self, left: Left) -> Self {
        let mut inside = self.lock().0.clone();
        inside.operations = 0;
        for (place, content) in (0_u64..).zip(&mut inside.contents) {
            let mut bytes = content.durable.clone();
            for (number, write) in (0_u64..).zip(&content.unsynced) {
                left.apply(&mut bytes, write, place * 1_000 + number);
            }
            *content = Content { now: bytes.clone(), durable: bytes, unsynced: Vec::new() };
        }
        let keeps_names = match left {
            Left::Nothing => false,
            Left::Everything => true,
            Left::Some(seed) => draw(seed, 77).is_multiple_of(2),
        };
        if keeps_names {
            inside.durable_names = inside.names.clone();
        } else {
            inside.names = inside.durable_names.clone();
        }
        Self { inside: Arc::new(Mutex::new((inside, Fault::None))) }
    }

    pub(crate) fn content(&self, name: &str) -> Vec<u8> {
        let inside = &self.lock().0;
        inside.contents[inside.names[Path::new(name)]].now.clone()
    }

    pub(crate) fn set_content(&self, name: &str, bytes: Vec<u8>) {
        let inside = &mut self.lock().0;
        let place = inside.names[Path::new(name)];
        inside.contents[place] =
            Content { now: bytes.clone(), durable: bytes, unsynced: Vec::new() };
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.lock().0.names.contains_key(Path::new(name))
    }

    pub(crate) fn forget(&self, name: &str) {
        let inside = &mut self.lock().0;
        inside.names.remove(Path::new(name));
        inside.durable_names.remove(Path::new(name));
    }

    fn act<T>(&self, kind: Kind, act: impl FnOnce(&mut Inside) -> io::Result<T>) -> io::Result<T> {
        let (inside, fault) = &mut *self.lock();
        let operation = inside.operations;
        inside.operations += 1;
        let failure = match *fault {
            Fault::DeadFrom(at) if operation >= at => Some(io::Error::other("the disk is dead")),
            Fault::FullFrom(at) if operation >= at && kind == Kind::Adds => {
                Some(io::ErrorKind::StorageFull.into())
            }
            Fault::FullOnce(at) if operation == at && kind != Kind::Reads => {
                Some(io::ErrorKind::StorageFull.into())
            }
            Fault::SyncFailsFrom(at) if operation >= at && kind == Kind::Syncs => {
                Some(io::Error::other("the sync failed"))
            }
            _ => None,
        };
        match failure {
            Some(error) => Err(error),
            None => act(inside),
        }
    }

    fn write(&self, place: usize, write: Write, kind: Kind) -> io::Result<()> {
        self.act(kind, |inside| {
            let content = &mut inside.contents[place];
            apply(&mut content.now, &write);
            content.unsynced.push(write);
            Ok(())
        })
    }

    fn place_of(&self, path: &Path) -> io::Result<usize> {
        self.lock().0.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn make(&self, path: &Path) -> io::Result<usize> {
        if let Ok(place) = self.place_of(path) {
            return Ok(place);
        }
        self.act(Kind::Adds, |inside| {
            inside.contents.push(Content::default());
            inside.names.insert(path.to_owned(), inside.contents.len() - 1);
            Ok(inside.contents.len() - 1)
        })
    }

    fn sync_place(&self, place: usize) -> io::Result<()> {
        let synced = self.act(Kind::Syncs, |inside| {
            inside.syncs += 1;
            let content = &mut inside.contents[place];
            for write in content.unsynced.drain(..) {
                apply(&mut content.durable, &write);
            }
            Ok(())
        });
        let (inside, fault) = &mut *self.lock();
        if synced.is_err() && matches!(fault, Fault::SyncFailsFrom(_)) {
            // As Linux does: of some of it the disk never takes anything, and the system goes on remembering it.
            let content = &mut inside.contents[place];
            let writes = (0..).zip(content.unsynced.drain(..));
            let is_taken = |number| draw(inside.operations, number).is_multiple_of(4);
            for (_, write) in writes.filter(|(number, _)| is_taken(*number)) {
                apply(&mut content.durable, &write);
            }
        }
        synced
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Reads,
    Adds,
    Syncs,
}

fn copy(bytes: &[u8], offset: u64, into: &mut [u8]) -> usize {
    let start = usize::try_from(offset).unwrap().min(bytes.len());
    let count = into.len().min(bytes.len() - start);
    into[..count].copy_from_slice(&bytes[start..start + count]);
    count
}

impl Disk for Memory {
    fn files(&self) -> &dyn Files {
        self
    }

    fn database(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>> {
        let place = self.make(path)?;
        Ok(Box::new(Pages { disk: self.clone(), place }))
    }

    fn place(&self, path: &Path) -> PathBuf {
        Path::new("/state").join(path)
    }
}

impl Files for Memory {
    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        self.act(Kind::Reads, |inside| {
            Ok(inside.names.get(path).map(|place| inside.contents[*place].now.len() as u64))
        })
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let place = self.make(path)?;
        let end = self.lock().0.contents[place].now.len() as u64;
        let half = bytes.len() / 2;
        // Two writes: the second may fail when the first did not.
        self.write(place, Write::Bytes(end, bytes[..half].to_vec()), Kind::Adds)?;
        self.write(place, Write::Bytes(end + half as u64, bytes[half..].to_vec()), Kind::Adds)
    }

    fn read(&self, path: &Path, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let place = self.place_of(path)?;
        self.act(Kind::Reads, |inside| Ok(copy(&inside.contents[place].now, offset, into)))
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.write(self.place_of(path)?, Write::Length(length), Kind::Syncs)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.sync_place(self.place_of(path)?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let place = self.place_of(from)?;
        self.act(Kind::Adds, |inside| {
            inside.names.remove(from);
            inside.names.insert(to.to_owned(), place);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.place_of(path)?;
        self.act(Kind::Syncs, |inside| {
            inside.names.remove(path);
            Ok(())
        })
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        self.act(Kind::Reads, |inside| {
            let names = inside.names.keys();
            let names = names.filter(|path| path.parent() == Some(folder));
            Ok(names.filter_map(|path| path.file_name().map(PathBuf::from)).collect())
        })
    }

    fn create_folder(&self, _folder: &Path) -> io::Result<()> {
        self.act(Kind::Adds, |_| Ok(()))
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.act(Kind::Syncs, |inside| {
            inside.syncs += 1;
            let is_in = |path: &PathBuf| path.parent() == Some(folder);
            inside.durable_names.retain(|path, _| !is_in(path));
            let names = inside.names.iter().filter(|(path, _)| is_in(path));
            let names: Vec<_> = names.map(|(path, place)| (path.clone(), *place)).collect();
            inside.durable_names.extend(names);
            Ok(())
        })
    }

    fn free_space(&self) -> io::Result<u64> {
        Ok(1 << 30)
    }

    fn drop_cached(&self, path: &Path) -> io::Result<()> {
        let place = self.place_of(path)?;
        self.act(Kind::Reads, |inside| {
            let content = &mut inside.contents[place];
            let mut bytes = content.durable.clone();
            content.unsynced.iter().for_each(|write| apply(&mut bytes, write));
            content.now = bytes;
            Ok(())
        })
    }
}

#[derive(Debug)]
struct Pages {
    disk: Memory,
    place: usize,
}

impl StorageBackend for Pages {
    fn len(&self) -> io::Result<u64> {
        self.disk.act(Kind::Reads, |inside| Ok(inside.contents[self.place].now.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.act(Kind::Reads, |inside| {
            let count = copy(&inside.contents[self.place].now, offset, out);
            if count == out.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.write(self.place, Write::Length(len), Kind::Adds)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.sync_place(self.place)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.write(self.place, Write::Bytes(offset, data.to_vec()), Kind::Adds)
    }
}
