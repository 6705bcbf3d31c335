//! The file of the journal's records: `journal.ring`, written in place, one write and one sync a record.
//!
//! Records begin at whole pages, so no page that holds an acknowledged one is written again before it is
//! filed; where a record lies does not matter, because each says its number and is bound to its state
//! directory. What such a file may lack is decided by who opens it. See decision 0015.

mod places;

use std::io;
use std::path::{Path, PathBuf};

use redb::StorageBackend;

use crate::codec::{Damaged, checksum, decode, encode, is_sound};
use crate::commit::Moment;
use crate::disk::Disk;
use crate::fault::FileFault;
use crate::filer::FilingError;
use crate::migrate;
use crate::resume::OpenError;
use places::{HEADER_PAGES, Place, Places};

/// The name of the file.
pub(crate) const NAME: &str = "journal.ring";

/// Its name until it is whole.
const BESIDE: &str = "journal.ring.new";

/// A page, in bytes: what the system writes at once.
const PAGE: usize = 4_096;

/// How many pages a new file has: so few that every rehearsal comes to its end, begins again and makes it grow.
const NEW_PAGES: u64 = 4;

/// A file with more pages is made anew when it is opened, so that opening stays short: 4 MiB.
const MOST_PAGES: u64 = 1_024;

/// How many zeros are written at once.
const ZEROS: usize = 256 * 1024;

/// The first bytes of the file.
const MAGIC: [u8; 16] = *b"holdfast journal";

/// The bytes before a record: its number, its length, their checksum.
const HEADER: usize = 20;

/// As much of the record goes into that checksum: its version and its own checksum.
const BOUND: usize = 9;

/// The records of the journal, and where they lie.
#[derive(Debug)]
pub(crate) struct Ring {
    path: PathBuf,
    pages: Box<dyn StorageBackend>,
    instance: String,
    places: Places,
    /// A record with its header, as it is written.
    written: Vec<u8>,
}

/// A record that was found in the file.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) sequence: u64,
    /// The record, sound.
    pub(crate) record: Vec<u8>,
    first: u64,
}

impl Found {
    const fn pages(&self) -> u64 {
        pages_for(self.record.len())
    }
}

const fn pages_for(record: usize) -> u64 {
    (HEADER + record).div_ceil(PAGE) as u64
}

impl Ring {
    /// Makes a file without records, and puts it in its place when it is whole.
    pub(crate) fn make(disk: &dyn Disk, instance: &str) -> Result<(), OpenError> {
        Self::make_with(disk, instance, &[])
    }

    /// Makes a file with these records, and puts it in its place when it is whole.
    pub(crate) fn make_with(
        disk: &dyn Disk,
        instance: &str,
        records: &[(u64, Vec<u8>)],
    ) -> Result<(), OpenError> {
        let records = records.iter().map(|(sequence, record)| (*sequence, &record[..]));
        Self::build(disk, instance, records)?;
        Self::put_in_place(disk)
    }

    /// Makes a file with these records, or without any, beside its place.
    fn build<'a>(
        disk: &dyn Disk,
        instance: &str,
        records: impl IntoIterator<Item = (u64, &'a [u8])>,
    ) -> Result<(), OpenError> {
        let files = disk.files();
        let beside = Path::new(BESIDE);
        let path = disk.place(beside);
        let fault = |cause| FileFault::Disk { path: path.clone(), cause };
        if files.length(beside).map_err(fault)?.is_some() {
            files.remove(beside).map_err(fault)?;
        }
        let header = header(instance)?;
        let pages = disk.database(beside).map_err(fault)?;
        let instance = instance.to_owned();
        let (places, written) = (Places::new(0), Vec::new());
        let mut ring = Self { path: path.clone(), pages, instance, places, written };
        ring.grow(NEW_PAGES).map_err(fault)?;
        ring.pages.write(0, &header).map_err(fault)?;
        for (sequence, record) in records {
            ring.append(sequence, record, 0).map_err(|(_, cause)| cause)?;
        }
        Ok(ring.pages.sync_data().map_err(fault)?)
    }

    /// Gives the file that was made beside its place the name of the journal.
    fn put_in_place(disk: &dyn Disk) -> Result<(), OpenError> {
        let path = disk.place(Path::new(NAME));
        let fault = |cause| FileFault::Disk { path: path.clone(), cause };
        disk.files().rename(Path::new(BESIDE), Path::new(NAME)).map_err(fault)?;
        disk.files().sync_folder(Path::new("")).map_err(fault)?;
        Ok(())
    }

    /// Opens the file. What the system remembers of it has to be what the disk has.
    pub(crate) fn open(disk: &dyn Disk) -> Result<Self, OpenError> {
        let path = disk.place(Path::new(NAME));
        let fault = |cause| FileFault::Disk { path: path.clone(), cause };
        let pages = disk.database(Path::new(NAME)).map_err(fault)?;
        let file_pages = pages.len().map_err(fault)? / PAGE as u64;
        let places = Places::new(file_pages);
        let instance = String::new();
        let mut ring = Self { path: path.clone(), pages, instance, places, written: Vec::new() };
        let damaged = |damage: Damaged| FileFault::damaged(&path, "its header", &damage);
        if file_pages < HEADER_PAGES {
            return Err(damaged(Damaged::Short(0)).into());
        }
        let page = ring.page(0).map_err(fault)?;
        let (format, instance) = parse_header(&page).map_err(damaged)?;
        migrate::check(&path, format)?;
        ring.instance = decode(instance).map_err(damaged)?;
        Ok(ring)
    }

    /// The state directory it belongs to.
    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    /// Hands over every sound record, in the order in which they lie.
    pub(crate) fn visit<E: From<FileFault>>(
        &self,
        mut visit: impl FnMut(Found) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut page = HEADER_PAGES;
        while page < self.places.file_pages() {
            match self.found(page).map_err(|cause| self.fault(cause))? {
                Some(found) => {
                    page += found.pages();
                    visit(found)?;
                }
                None => page += 1,
            }
        }
        Ok(())
    }

    /// Notes that this record is the newest one; the next is written behind it.
    pub(crate) fn begin_after(&mut self, newest: &Found) {
        self.places.hold(newest.sequence, newest.first, newest.pages());
    }

    /// Writes the newest record once more where it lies.
    ///
    /// After a failed sync the system may not have forgotten what the disk never took, and only the newest record
    /// can be such. What is torn of it then is as it was.
    pub(crate) fn renew(&mut self) -> Result<(), FileFault> {
        let Some(newest) = self.newest()? else { return Ok(()) };
        self.lay_out(newest.sequence, &newest.record)
            .and_then(|()| self.pages.write(newest.first * PAGE as u64, &self.written))
            .and_then(|()| self.pages.sync_data())
            .map_err(|cause| self.fault(cause))
    }

    /// The file, made anew where it has become long. All its records but the newest are filed.
    ///
    /// Where nothing fits beside it, it stays as long as it is.
    pub(crate) fn shortened(self, disk: &dyn Disk) -> Result<Self, OpenError> {
        if self.places.file_pages() <= MOST_PAGES {
            return Ok(self);
        }
        let newest = self.newest()?;
        let last = newest.as_ref().map(|last| (last.sequence, &last.record[..]));
        match Self::build(disk, &self.instance, last) {
            Err(error) if error.is_disk_full() => {
                // It takes up what is missing; the next one that is made removes it first.
                disk.files().remove(Path::new(BESIDE)).unwrap_or(());
                return Ok(self);
            }
            built => built?,
        }
        drop(self);
        Self::put_in_place(disk)?;
        let mut ring = Self::open(disk)?;
        if let Some(newest) = newest {
            ring.begin_after(&Found { first: HEADER_PAGES, ..newest });
        }
        Ok(ring)
    }

    fn newest(&self) -> Result<Option<Found>, FileFault> {
        let Some(first) = self.places.newest() else { return Ok(None) };
        let found = self.found(first).map_err(|cause| self.fault(cause))?;
        let gone = || FileFault::damaged(&self.path, "its newest record", &Damaged::Checksum);
        found.map(Some).ok_or_else(gone)
    }

    /// Writes a record and makes it durable. Records up to `filed` may be written over, but for the one before
    /// this one: if this one is torn, that one still says how far the journal goes.
    pub(crate) fn append(
        &mut self,
        sequence: u64,
        record: &[u8],
        filed: u64,
    ) -> Result<(), (Moment, FileFault)> {
        self.places.release(filed.min(sequence.saturating_sub(2)));
        let pages = pages_for(record.len());
        let Place { first, file_pages } = self.places.find(pages);
        self.lay_out(sequence, record)
            .and_then(|()| self.grow(file_pages))
            .and_then(|()| self.pages.write(first * PAGE as u64, &self.written))
            .map_err(|cause| (Moment::BeforeSync, self.fault(cause)))?;
        self.pages.sync_data().map_err(|cause| (Moment::Sync, self.fault(cause)))?;
        self.places.hold(sequence, first, pages);
        Ok(())
    }

    /// Puts a record with its header into whole pages.
    fn lay_out(&mut self, sequence: u64, record: &[u8]) -> io::Result<()> {
        let length = u32::try_from(record.len())
            .map_err(|_too_long| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let sum = self.sum(sequence, length, record);
        self.written.clear();
        self.written.shrink_to(ZEROS);
        self.written.extend_from_slice(&sequence.to_le_bytes());
        self.written.extend_from_slice(&length.to_le_bytes());
        self.written.extend_from_slice(&sum);
        self.written.extend_from_slice(record);
        self.written.resize(self.written.len().next_multiple_of(PAGE), 0);
        Ok(())
    }

    /// Makes the file longer, filled with zeros that were written: a sync is then spared the search for a place
    /// on the disk, which takes about as long as the sync itself.
    fn grow(&mut self, file_pages: u64) -> io::Result<()> {
        let (mut at, end) = (self.places.file_pages() * PAGE as u64, file_pages * PAGE as u64);
        if at >= end {
            return Ok(());
        }
        self.pages.set_len(end)?;
        let zeros = vec![0; ZEROS];
        while at < end {
            let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(ZEROS);
            let (part, _) = zeros.split_at(length);
            self.pages.write(at, part)?;
            at += length as u64;
        }
        self.places.grown(file_pages);
        Ok(())
    }

    /// The sound record that begins at a page, if one does.
    fn found(&self, first: u64) -> io::Result<Option<Found>> {
        let mut page = self.page(first)?;
        let Some(([n0, n1, n2, n3, n4, n5, n6, n7, l0, l1, l2, l3, sum @ ..], rest)) =
            page.split_first_chunk::<HEADER>()
        else {
            return Ok(None);
        };
        let sequence = u64::from_le_bytes([*n0, *n1, *n2, *n3, *n4, *n5, *n6, *n7]);
        let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]);
        let record_length = usize::try_from(length).unwrap_or(usize::MAX);
        let pages = pages_for(record_length);
        // The checksum comes before the length is believed.
        let is_ours = record_length >= BOUND && *sum == self.sum(sequence, length, rest);
        if !is_ours || first + pages > self.places.file_pages() {
            return Ok(None);
        }
        page.resize(HEADER + record_length, 0);
        if let Some(more) = page.get_mut(PAGE..).filter(|more| !more.is_empty()) {
            self.pages.read((first + 1) * PAGE as u64, more)?;
        }
        let record = page.split_off(HEADER);
        Ok(is_sound(&record).then_some(Found { sequence, record, first }))
    }

    /// Binds a record to its number, its length and its state directory.
    fn sum(&self, sequence: u64, length: u32, record: &[u8]) -> [u8; 8] {
        let bound = record.get(..BOUND).unwrap_or(record);
        let numbers = [&sequence.to_le_bytes()[..], &length.to_le_bytes()];
        checksum(&[self.instance.as_bytes(), numbers[0], numbers[1], bound])
    }

    fn page(&self, number: u64) -> io::Result<Vec<u8>> {
        let mut page = vec![0; PAGE];
        self.pages.read(number * PAGE as u64, &mut page)?;
        Ok(page)
    }

    fn fault(&self, cause: io::Error) -> FileFault {
        FileFault::Disk { path: self.path.clone(), cause }
    }
}

/// The first page: what the file is, of which format and of which state directory.
fn header(instance: &str) -> Result<Vec<u8>, OpenError> {
    let instance = encode(&instance).map_err(FilingError::from)?;
    let mut page = [&MAGIC[..], &migrate::row()].concat();
    page.extend_from_slice(&u32::try_from(instance.len()).unwrap_or(u32::MAX).to_le_bytes());
    page.extend_from_slice(&instance);
    page.resize(PAGE, 0);
    Ok(page)
}

/// The format and the record of the instance id. Only the format has the same place in all versions.
fn parse_header(page: &[u8]) -> Result<(u32, &[u8]), Damaged> {
    let content = |what: &str| Damaged::Content(what.to_owned());
    let row = page.strip_prefix(&MAGIC).ok_or_else(|| content("this is no journal"))?;
    let (row, rest) = row.split_at_checked(migrate::ROW).ok_or(Damaged::Short(row.len()))?;
    let format = migrate::read(row)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(Damaged::Short(rest.len()))?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let instance = rest.get(..length).ok_or(Damaged::Short(rest.len()))?;
    Ok((format, instance))
}
