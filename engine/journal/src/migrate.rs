//! The format version of a state directory: what this program can read, and what it must refuse.
//!
//! Both database files say their version and the instance they belong to. There is one version yet, so
//! there is nothing to migrate; a newer one is refused, never guessed at.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::codec::{Damaged, checksum};

/// The version this program writes.
pub const FORMAT: u32 = 1;

/// The key of the version's row.
pub(crate) const FORMAT_KEY: &[u8] = b"format";

/// The key of the instance id's row.
pub(crate) const INSTANCE_KEY: &[u8] = b"instance";

/// A file of a format that this program does not know.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{} has the format {found}, and this program knows formats up to {FORMAT}",
    path.display()
)]
pub struct NewerFormat {
    /// The file.
    pub path: PathBuf,
    /// Its format.
    pub found: u32,
}

/// The row of this program's version. Its form is the same in all versions.
pub(crate) fn row() -> Vec<u8> {
    let number = FORMAT.to_be_bytes();
    [number.as_slice(), &checksum(&[FORMAT_KEY, &number])].concat()
}

/// Reads the version's row.
pub(crate) fn read(row: &[u8]) -> Result<u32, Damaged> {
    let Some((number, sum)) = row.split_first_chunk::<4>() else {
        return Err(Damaged::Short(row.len()));
    };
    if sum != checksum(&[FORMAT_KEY, number]) {
        return Err(Damaged::Checksum);
    }
    Ok(u32::from_be_bytes(*number))
}

/// Refuses what this program does not know.
pub(crate) fn check(path: &Path, found: u32) -> Result<(), NewerFormat> {
    if found == FORMAT { Ok(()) } else { Err(NewerFormat { path: path.to_owned(), found }) }
}
