//! Takes over the journal of the first versions, `journal.redb`: its records become those of the ring.
//!
//! The records themselves have not changed, only the file that they lie in. Whatever moment it is interrupted at, the
//! next opening begins again or finds it done; nothing is removed before the ring is durable in its place.

use std::io;
use std::path::Path;

use redb::{ReadableTable as _, TableDefinition};

use crate::codec::{Damaged, is_sound};
use crate::database::{Check, Database};
use crate::disk::Disk;
use crate::resume::{OpenError, identity};
use crate::ring::Ring;

/// The name of the file.
pub(crate) const NAME: &str = "journal.redb";

/// Its records: sequence number → record.
const RECORDS: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("records");

/// It is read once, from its start to its end.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// Makes the ring of a state whose store belongs to `instance`.
///
/// # Errors
/// The former journal cannot be trusted, or belongs to another state; or the ring cannot be made.
pub(crate) fn adopt(disk: &dyn Disk, instance: &str) -> Result<(), OpenError> {
    let former = Database::open(disk, Path::new(NAME), CACHE_BYTES, Check::Full)?;
    if identity(disk, NAME, &former)? != instance {
        return Err(OpenError::Foreign { path: disk.place(Path::new(NAME)) });
    }
    let records = former.guarded(|| records(&former))?;
    drop(former);
    Ring::make_with(disk, instance, &records)
}

/// Removes a former journal if there is one: the ring is in its place, and what was in it was taken in.
///
/// # Errors
/// It cannot be removed.
pub(crate) fn forget(disk: &dyn Disk) -> Result<(), OpenError> {
    let failed = |cause: io::Error| OpenError::Folder { path: disk.place(Path::new(NAME)), cause };
    let files = disk.files();
    if files.length(Path::new(NAME)).map_err(failed)?.is_none() {
        return Ok(());
    }
    files.remove(Path::new(NAME)).map_err(failed)?;
    files.sync_folder(Path::new("")).map_err(failed)
}

fn records(former: &Database) -> Result<Vec<(u64, Vec<u8>)>, OpenError> {
    let transaction = former.read()?;
    let table = transaction.open_table(RECORDS).map_err(|error| former.fault(error))?;
    let mut records = Vec::new();
    for row in table.iter().map_err(|error| former.fault(error))? {
        let (sequence, record) = row.map_err(|error| former.fault(error))?;
        let (sequence, record) = (sequence.value(), record.value().to_vec());
        if !is_sound(&record) {
            return Err(former.damaged(&format!("record {sequence}"), &Damaged::Checksum).into());
        }
        records.push((sequence, record));
    }
    Ok(records)
}
