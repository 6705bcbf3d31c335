//! The format version of a state directory: what this program can read, and what it must refuse.
//!
//! Journal and store say their version and the instance they belong to. There is one version yet, so
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

/// The bytes of the version's row.
pub(crate) const ROW: usize = 12;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_format_is_refused_with_its_path() {
        let path = Path::new("/state/store.redb");
        assert_eq!(read(&row()), Ok(FORMAT));
        assert_eq!(check(path, FORMAT), Ok(()));
        let refused = check(path, FORMAT + 1).unwrap_err().to_string();
        assert_eq!(
            refused,
            "/state/store.redb has the format 2, and this program knows formats up to 1"
        );
    }

    #[test]
    fn a_damaged_version_is_no_version() {
        let sound = row();
        for bit in 0..sound.len() * 8 {
            let mut damaged = sound.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&damaged).is_err(), "bit {bit}");
        }
        assert_eq!(read(&sound[..3]), Err(Damaged::Short(3)));
    }
}
