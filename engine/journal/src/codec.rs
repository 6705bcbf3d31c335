//! How a record is written down: a version, a checksum, and JSON.
//!
//! Every record of the journal and every row of the store has its own checksum, so a damaged one is told
//! from a sound one wherever it lies. Nothing here knows what a record means.

use holdfast_kernel::id::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// The version of the form: the first byte of every record.
pub const VERSION: u8 = 1;

/// The bytes before the JSON.
const HEADER: usize = 9;

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Damaged {
    /// It ends within its header.
    #[error("a record is only {0} bytes long")]
    Short(usize),
    /// It says a version that this program does not know.
    #[error("a record is of version {0}, which this program does not know")]
    Version(u8),
    /// Its bytes are not those that were written.
    #[error("a record's checksum does not fit")]
    Checksum,
    /// It is sound, and is not what is kept at its place.
    #[error("a record is not what is kept there: {0}")]
    Content(String),
}

/// A value that cannot be written down.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a value cannot be written as JSON: {0}")]
pub struct Unwritable(String);

/// The first eight bytes of the SHA-256 of `parts`.
pub(crate) fn checksum(parts: &[&[u8]]) -> [u8; 8] {
    Digest::of_parts(parts).leading().to_be_bytes()
}

/// The record of a value.
///
/// # Errors
/// The value has no JSON.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Unwritable> {
    let mut record = vec![0; HEADER];
    serde_json::to_writer(&mut record, value).map_err(|error| Unwritable(error.to_string()))?;
    let (header, content) = record.split_at_mut(HEADER);
    let sum = checksum(&[&[VERSION], content]);
    if let Some((version, place)) = header.split_first_mut() {
        *version = VERSION;
        place.copy_from_slice(&sum);
    }
    Ok(record)
}

/// Whether a record is what was written, of whichever version.
pub(crate) fn is_sound(record: &[u8]) -> bool {
    record.split_at_checked(HEADER).is_some_and(|(header, content)| match header.split_first() {
        Some((version, sum)) => sum == checksum(&[&[*version], content]),
        None => false,
    })
}

/// The value of a record.
///
/// # Errors
/// The record is not what was written.
pub fn decode<T: DeserializeOwned>(record: &[u8]) -> Result<T, Damaged> {
    let Some((header, content)) = record.split_at_checked(HEADER) else {
        return Err(Damaged::Short(record.len()));
    };
    match header.split_first() {
        Some((&VERSION, sum)) if sum == checksum(&[&[VERSION], content]) => {}
        Some((&VERSION, _)) => return Err(Damaged::Checksum),
        Some((&version, _)) => return Err(Damaged::Version(version)),
        None => return Err(Damaged::Short(0)),
    }
    serde_json::from_slice(content).map_err(|error| Damaged::Content(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_no_damaged_one_does() {
        let value = vec!["a".to_owned(), "ü".to_owned()];
        let record = encode(&value).unwrap();
        assert_eq!(decode::<Vec<String>>(&record), Ok(value));
        for bit in 0..record.len() * 8 {
            let mut damaged = record.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode::<Vec<String>>(&damaged).is_err(), "bit {bit}");
        }
        for length in 0..record.len() {
            assert!(decode::<Vec<String>>(&record[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_sound_record_of_something_else_is_refused() {
        let record = encode(&7).unwrap();
        assert!(matches!(decode::<String>(&record), Err(Damaged::Content(_))));
    }
}
