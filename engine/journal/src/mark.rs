//! A witness of the last acknowledged commit: `journal.mark`.
//!
//! One commit is one sync, so the journal alone cannot tell a torn last commit from one that was damaged
//! after it had been acknowledged. The mark is written after each commit and never synced: it says what
//! was acknowledged, or nothing. It is never trusted to say that something was not.

use std::io;
use std::path::Path;

use crate::codec::checksum;
use crate::disk::Files;

/// The name of the file.
pub(crate) const NAME: &str = "journal.mark";

/// A sequence number and its checksum.
const ENTRY: usize = 16;

/// The length at which the file is started anew.
const LONGEST: u64 = 4_096;

/// The writer's side of the witness.
#[derive(Debug)]
pub(crate) struct Mark {
    length: u64,
}

impl Mark {
    /// A witness that is started anew with its next entry.
    pub(crate) const fn new() -> Self {
        Self { length: LONGEST }
    }

    /// Notes that a commit was acknowledged. Failing to is no fault: the commit is durable.
    pub(crate) fn note(&mut self, files: &dyn Files, sequence: u64) {
        if self.try_note(files, sequence).is_err() {
            self.length = LONGEST;
        }
    }

    fn try_note(&mut self, files: &dyn Files, sequence: u64) -> io::Result<()> {
        let path = Path::new(NAME);
        if self.length >= LONGEST {
            if files.length(path)?.is_some_and(|length| length > 0) {
                files.truncate(path, 0)?;
            }
            self.length = 0;
        }
        let number = sequence.to_le_bytes();
        let mut entry = [0; ENTRY];
        for (place, byte) in
            entry.iter_mut().zip(number.into_iter().chain(checksum(&[NAME.as_bytes(), &number])))
        {
            *place = byte;
        }
        files.append(path, &entry)?;
        self.length += ENTRY as u64;
        Ok(())
    }
}

/// The last commit that is known to have been acknowledged, if any is.
pub(crate) fn last_acknowledged(files: &dyn Files) -> io::Result<Option<u64>> {
    let path = Path::new(NAME);
    let length = files.length(path)?.unwrap_or(0).min(LONGEST);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    if bytes.is_empty() {
        return Ok(None);
    }
    let count = files.read(path, 0, &mut bytes)?;
    bytes.truncate(count);
    let (entries, _) = bytes.as_chunks::<ENTRY>();
    let sound = entries.iter().filter_map(|entry| {
        let [n0, n1, n2, n3, n4, n5, n6, n7, sum @ ..] = *entry;
        let number = [n0, n1, n2, n3, n4, n5, n6, n7];
        let fits = sum == checksum(&[NAME.as_bytes(), &number]);
        fits.then(|| u64::from_le_bytes(number))
    });
    Ok(sound.max())
}
