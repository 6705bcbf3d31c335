//! A disk in memory with a live and a durable image: what a program sees, and what a power loss leaves.
//!
//! Every operation that changes something is a point where the power can go. What was not synced is then
//! lost, kept, or torn, write by write, in any order; names change only as folders are synced, or in the order
//! in which they were changed. It stands in for redb's storage and for plain files alike.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_journal::disk::{Disk, Files, StorageBackend};

use crate::chance::Chance;

/// The sector of the disk: a write is torn between sectors, never within one.
const SECTOR: usize = 512;

/// A disk that can lose its power.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk(Arc<Mutex<Image>>);

/// What ends the disk's service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The process is killed: everything it wrote is there for the next one.
    Kill,
    /// The power goes: everything that was not synced may be there or not.
    PowerLoss,
}

#[derive(Clone, Debug, Default)]
struct Image {
    contents: BTreeMap<u64, Content>,
    next_content: u64,
    live: BTreeMap<PathBuf, u64>,
    durable: BTreeMap<PathBuf, u64>,
    renames: Vec<NameChange>,
    operations: u64,
    cut_at: Option<u64>,
    is_cut: bool,
    free_space: Option<u64>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Clone, Debug)]
enum NameChange {
    Given(PathBuf, u64),
    Taken(PathBuf),
}

impl SimulatedDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many operations changed something so far.
    pub fn operations(&self) -> u64 {
        self.image().operations
    }

    /// From the operation with this number on, nothing works any more.
    pub fn cut_at(&self, operation: u64) {
        self.image().cut_at = Some(operation);
    }

    /// A cut that has not come yet does not come.
    pub fn spare(&self) {
        self.image().cut_at = None;
    }

    /// From now on nothing works any more.
    pub fn cut(&self) {
        self.image().is_cut = true;
    }

    /// How many bytes it says are free; without limit unless told.
    pub fn set_free_space(&self, bytes: u64) {
        self.image().free_space = Some(bytes);
    }

    /// Whether it has been cut.
    pub fn is_cut(&self) -> bool {
        self.image().is_cut
    }

    /// The disk that is found after a cut. What a killed process did not sync can still be lost with the power.
    #[must_use]
    pub fn after(&self, cut: Cut, chance: &mut Chance) -> Self {
        let image = self.image();
        let mut found = Image { operations: 0, cut_at: None, is_cut: false, ..image.clone() };
        if cut == Cut::PowerLoss {
            for content in found.contents.values_mut() {
                let bytes = content.after_power_loss(chance);
                *content = Content { live: bytes.clone(), durable: bytes, unsynced: Vec::new() };
            }
            found.live = image.names_after_power_loss(chance);
            found.durable.clone_from(&found.live);
            found.renames.clear();
        }
        Self(Arc::new(Mutex::new(found)))
    }

    fn image(&self) -> MutexGuard<'_, Image> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation that changes something; the power may go right before it.
    fn changing(&self) -> io::Result<MutexGuard<'_, Image>> {
        let mut image = self.image();
        image.operations += 1;
        if image.cut_at.is_some_and(|cut| image.operations >= cut) {
            image.is_cut = true;
        }
        image.check()?;
        Ok(image)
    }

    fn reading(&self) -> io::Result<MutexGuard<'_, Image>> {
        let image = self.image();
        image.check()?;
        Ok(image)
    }
}

impl Content {
    fn apply(bytes: &mut Vec<u8>, change: &Change) {
        match change {
            Change::Length(length) => bytes.resize(*length, 0),
            Change::Write(offset, data) => {
                let end = offset + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                if let Some(place) = bytes.get_mut(*offset..end) {
                    place.copy_from_slice(data);
                }
            }
        }
    }

    fn change(&mut self, change: Change) {
        Self::apply(&mut self.live, &change);
        self.unsynced.push(change);
    }

    fn sync(&mut self) {
        self.durable.clone_from(&self.live);
        self.unsynced.clear();
    }

    /// Each unsynced change is kept, lost or torn; changes of the length keep their order among the rest.
    fn after_power_loss(&self, chance: &mut Chance) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        let all_or_none = chance.percent(20);
        let all = chance.percent(50);
        for change in &self.unsynced {
            let kept = if all_or_none { all } else { chance.percent(50) };
            match change {
                _ if !kept => {}
                Change::Write(offset, data) if chance.percent(30) => {
                    let sectors = data.len().div_ceil(SECTOR);
                    let first = usize::try_from(chance.below(sectors as u64)).unwrap_or(0) * SECTOR;
                    let part = data.get(first..).unwrap_or(&[]).to_vec();
                    Self::apply(&mut bytes, &Change::Write(offset + first, part));
                }
                Change::Write(..) | Change::Length(_) => Self::apply(&mut bytes, change),
            }
        }
        bytes
    }
}

impl Image {
    fn check(&self) -> io::Result<()> {
        if self.is_cut { Err(io::Error::other("the simulated disk was cut")) } else { Ok(()) }
    }

    fn number(&self, path: &Path) -> io::Result<u64> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, path.display().to_string());
        self.live.get(path).copied().ok_or_else(missing)
    }

    fn content(&mut self, number: u64) -> &mut Content {
        self.contents.entry(number).or_default()
    }

    fn make(&mut self, path: &Path) -> u64 {
        if let Some(number) = self.live.get(path) {
            return *number;
        }
        let number = self.next_content;
        self.next_content += 1;
        self.give(path, number);
        number
    }

    fn give(&mut self, path: &Path, number: u64) {
        self.live.insert(path.to_owned(), number);
        self.renames.push(NameChange::Given(path.to_owned(), number));
    }

    fn take(&mut self, path: &Path) {
        self.live.remove(path);
        self.renames.push(NameChange::Taken(path.to_owned()));
    }

    fn sync_folder(&mut self, folder: &Path) {
        let inside = |path: &Path| path.parent() == Some(folder);
        self.durable.retain(|path, _| !inside(path));
        let names = self.live.iter().filter(|(path, _)| inside(path));
        self.durable.extend(names.map(|(path, number)| (path.clone(), *number)));
        self.renames.retain(|change| match change {
            NameChange::Given(path, _) | NameChange::Taken(path) => !inside(path),
        });
    }

    /// Names change in order, so some first part of the changes that were not synced is there.
    fn names_after_power_loss(&self, chance: &mut Chance) -> BTreeMap<PathBuf, u64> {
        let mut names = self.durable.clone();
        let kept = usize::try_from(chance.below(self.renames.len() as u64 + 1)).unwrap_or(0);
        for change in self.renames.iter().take(kept) {
            match change {
                NameChange::Given(path, number) => drop(names.insert(path.clone(), *number)),
                NameChange::Taken(path) => drop(names.remove(path)),
            }
        }
        names
    }
}

impl Disk for SimulatedDisk {
    fn files(&self) -> &dyn Files {
        self
    }

    fn database(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>> {
        let number = self.changing()?.make(path);
        Ok(Box::new(Pages { disk: self.clone(), number }))
    }

    fn place(&self, path: &Path) -> PathBuf {
        Path::new("simulated").join(path)
    }
}

impl Files for SimulatedDisk {
    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        let mut image = self.reading()?;
        let number = image.live.get(path).copied();
        Ok(number.map(|number| image.content(number).live.len() as u64))
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut image = self.changing()?;
        let number = image.make(path);
        let content = image.content(number);
        let end = content.live.len();
        content.change(Change::Write(end, bytes.to_vec()));
        Ok(())
    }

    fn read(&self, path: &Path, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut image = self.reading()?;
        let number = image.number(path)?;
        let live = &image.content(number).live;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(live.len());
        let rest = live.get(start..).unwrap_or(&[]);
        let count = rest.len().min(into.len());
        into.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        Ok(count)
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        let mut image = self.changing()?;
        let number = image.number(path)?;
        image.content(number).change(Change::Length(usize::try_from(length).unwrap_or(usize::MAX)));
        Ok(())
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        let mut image = self.changing()?;
        let number = image.number(path)?;
        image.content(number).sync();
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut image = self.changing()?;
        let number = image.number(from)?;
        image.give(to, number);
        image.take(from);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut image = self.changing()?;
        image.number(path)?;
        image.take(path);
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let image = self.reading()?;
        let inside = image.live.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.filter_map(|path| path.file_name().map(PathBuf::from)).collect())
    }

    fn create_folder(&self, _folder: &Path) -> io::Result<()> {
        self.changing().map(drop)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.changing()?.sync_folder(folder);
        Ok(())
    }

    fn free_space(&self) -> io::Result<u64> {
        self.reading().map(|image| image.free_space.unwrap_or(u64::MAX))
    }

    fn drop_cached(&self, _path: &Path) -> io::Result<()> {
        self.reading().map(drop)
    }
}

/// The pages of one database file.
#[derive(Debug)]
struct Pages {
    disk: SimulatedDisk,
    number: u64,
}

impl StorageBackend for Pages {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.reading()?.content(self.number).live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut image = self.disk.reading()?;
        let live = &image.content(self.number).live;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let short = || io::Error::new(io::ErrorKind::UnexpectedEof, "a read beyond the end");
        let end = start.checked_add(out.len()).ok_or_else(short)?;
        out.copy_from_slice(live.get(start..end).ok_or_else(short)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let length = usize::try_from(len).unwrap_or(usize::MAX);
        self.disk.changing()?.content(self.number).change(Change::Length(length));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.changing()?.content(self.number).sync();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let change = Change::Write(offset, data.to_vec());
        self.disk.changing()?.content(self.number).change(change);
        Ok(())
    }
}
