//! Append files: one for each run, with what is too large to stand in a record.
//!
//! `payloads/<run id>` is a row of frames: form, length, checksum, content. A frame is named by a
//! [`Reference`] and never changes. Appending makes nothing durable: the writer syncs before it commits
//! the record that names the frame. What no record names is cut off when the state is opened.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use holdfast_kernel::id::{Digest, RunId};
use holdfast_kernel::payload::{INLINE_BYTES, Payload, Reference};
use holdfast_kernel::value::Value;
use thiserror::Error;

use crate::codec::checksum;
use crate::disk::Disk;
use crate::fault::is_full;
use crate::frame::{COMPRESSED, HEADER, PLAIN, Packed, SEALED, frame};
use crate::sealing::{KeySource, Sealing, Unsealed};

/// The folder of the payload files.
pub(crate) const FOLDER: &str = "payloads";

/// The folder of the files of bodies, whose frames are sealed.
pub(crate) const BODIES: &str = "bodies";

/// Why a payload cannot be kept or read.
#[derive(Debug, Error)]
pub enum PayloadError {
    /// The disk failed.
    #[error("{} cannot be read or written: {cause}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the disk said.
        cause: io::Error,
    },
    /// It could not be made durable.
    #[error("{} cannot be made durable: {cause}", path.display())]
    Sync {
        /// The file or folder.
        path: PathBuf,
        /// What the disk said.
        cause: io::Error,
    },
    /// A frame that a record refers to is not what was written.
    #[error("{} is damaged at byte {offset}, which {run} refers to: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the frame starts.
        offset: u64,
        /// The run.
        run: RunId,
        /// What is wrong.
        what: String,
    },
    /// The key of the bodies is not there.
    #[error("{} cannot be used without its key: {reason}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Why it is not there.
        reason: String,
    },
    /// The content is longer than a frame can be.
    #[error("a payload of {bytes} bytes is longer than a frame can be")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

impl PayloadError {
    /// Whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Disk { cause, .. } | Self::Sync { cause, .. } => is_full(cause),
            Self::Damaged { .. } | Self::NoKey { .. } | Self::TooLong { .. } => false,
        }
    }
}

/// The payload files of all runs. Any thread may append and read.
#[derive(Debug)]
pub struct Payloads {
    disk: Arc<dyn Disk>,
    folder: &'static str,
    /// How frames are sealed, once the key is known; of payloads in clear it stays empty.
    sealing: OnceLock<Sealing>,
    ends: Mutex<BTreeMap<RunId, Arc<Mutex<End>>>>,
    unsynced: Mutex<BTreeMap<RunId, Novelty>>,
}

/// Where the next frame of a file goes.
#[derive(Debug)]
struct End {
    /// The end of the last whole frame; unknown until the file has been looked at.
    offset: Option<u64>,
    /// Whether something stands behind it.
    tail: Tail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    Clean,
    PartOfAFrame,
}

/// Whether the name of a file is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Novelty {
    New,
    Known,
}

impl Payloads {
    pub(crate) fn new(disk: Arc<dyn Disk>, folder: &'static str) -> Self {
        let (sealing, ends, unsynced) = (OnceLock::new(), Mutex::default(), Mutex::default());
        Self { disk, folder, sealing, ends, unsynced }
    }

    /// Says where the key of sealed frames comes from; a second call changes nothing.
    pub fn seal_with(&self, key: KeySource) {
        self.sealing.get_or_init(|| Sealing::new(key));
    }

    /// How frames are sealed; none: they are in clear.
    fn sealing(&self, path: &Path) -> Result<Option<&Sealing>, PayloadError> {
        let sealing = self.sealing.get();
        if sealing.is_none() && self.folder == BODIES {
            let reason = "no repository is known".to_owned();
            return Err(PayloadError::NoKey { path: self.disk.place(path), reason });
        }
        Ok(sealing)
    }

    fn unsealed(&self, run: RunId, offset: u64, error: Unsealed) -> PayloadError {
        match error {
            Unsealed::NoKey(reason) => {
                PayloadError::NoKey { path: self.disk.place(&self.path_of(run)), reason }
            }
            Unsealed::Wrong => {
                self.damaged(run, offset, "it is sealed with another key, or was changed")
            }
        }
    }

    /// The file of a run.
    fn path_of(&self, run: RunId) -> PathBuf {
        Path::new(self.folder).join(run.to_string())
    }

    /// Appends a frame. It is durable with the next commit.
    ///
    /// # Errors
    /// It could not be written; the file is as it was.
    pub fn append(&self, run: RunId, content: &[u8]) -> Result<Reference, PayloadError> {
        let too_long = |_| PayloadError::TooLong { bytes: content.len() };
        let length = u32::try_from(content.len()).map_err(too_long)?;
        let packed = Packed::new(content);
        let path = self.path_of(run);
        let sealing = self.sealing(&path)?;
        let end = Arc::clone(
            locked(&self.ends)
                .entry(run)
                .or_insert_with(|| Arc::new(Mutex::new(End { offset: None, tail: Tail::Clean }))),
        );
        let mut end = locked(&end);
        let (offset, novelty) = self.settle(&path, &mut end)?;
        let (frame, hash) = match sealing {
            Some(sealing) => {
                let sealed = sealing.seal(run, offset, packed.bytes());
                let sealed = sealed.map_err(|error| self.unsealed(run, offset, error))?;
                // The hash of the content would tell whoever guesses it that they guessed right.
                (frame(packed.form() + SEALED, &sealed)?, Digest::of_bytes(&sealed))
            }
            None => (frame(packed.form(), packed.bytes())?, Digest::of_bytes(content)),
        };
        // Until the frame is whole, what stands behind the end is to be cut off again.
        end.tail = Tail::PartOfAFrame;
        if let Err(cause) = self.disk.files().append(&path, &frame) {
            let error = self.disk_error(&path, cause);
            if self.disk.files().truncate(&path, offset).is_ok() {
                end.tail = Tail::Clean;
            }
            return Err(error);
        }
        end.tail = Tail::Clean;
        end.offset = Some(offset + frame.len() as u64);
        // Marked only now: a sync that runs at the same time must not take the mark away too early.
        let mut unsynced = locked(&self.unsynced);
        let mark = unsynced.entry(run).or_insert(novelty);
        if novelty == Novelty::New {
            *mark = Novelty::New;
        }
        Ok(Reference { offset, length, hash })
    }

    /// The offset of the next frame, and whether the file is new. Cuts off what a failed append left.
    fn settle(&self, path: &Path, end: &mut End) -> Result<(u64, Novelty), PayloadError> {
        let files = self.disk.files();
        if let Some(offset) = end.offset {
            if end.tail == Tail::PartOfAFrame {
                files.truncate(path, offset).map_err(|cause| self.disk_error(path, cause))?;
                end.tail = Tail::Clean;
            }
            let novelty = if offset == 0 { Novelty::New } else { Novelty::Known };
            return Ok((offset, novelty));
        }
        let length = files.length(path).map_err(|cause| self.disk_error(path, cause))?;
        if length.is_none() && self.folder == BODIES {
            let folder = Path::new(self.folder);
            let made = files.create_folder(folder).and_then(|()| files.sync_folder(Path::new("")));
            made.map_err(|cause| self.disk_error(folder, cause))?;
        }
        let length = length.unwrap_or(0);
        end.offset = Some(length);
        // A file that is there may have been made by a process that died before it synced the folder.
        Ok((length, Novelty::New))
    }

    /// Makes everything durable that was appended before the call.
    pub(crate) fn sync(&self) -> Result<(), PayloadError> {
        let unsynced = std::mem::take(&mut *locked(&self.unsynced));
        let files = self.disk.files();
        for run in unsynced.keys() {
            let path = self.path_of(*run);
            files.sync(&path).map_err(|cause| self.sync_error(&path, cause))?;
        }
        if unsynced.values().any(|novelty| *novelty == Novelty::New) {
            let folder = Path::new(self.folder);
            files.sync_folder(folder).map_err(|cause| self.sync_error(folder, cause))?;
        }
        Ok(())
    }

    /// The content of a frame.
    ///
    /// # Errors
    /// It is not there or not what was written.
    pub fn read(&self, run: RunId, reference: &Reference) -> Result<Vec<u8>, PayloadError> {
        let (form, stored) = self.stored(run, reference.offset)?;
        let sealed = (form >= SEALED).then(|| Digest::of_bytes(&stored));
        let (form, stored) = self.opened(run, reference.offset, form, stored)?;
        let damaged = |what: &str| self.damaged(run, reference.offset, what);
        let content = match form {
            PLAIN => stored,
            COMPRESSED => zstd::bulk::decompress(&stored, reference.length as usize)
                .map_err(|error| damaged(&format!("its content cannot be unpacked: {error}")))?,
            other => return Err(damaged(&format!("it has the unknown form {other}"))),
        };
        let hash = sealed.unwrap_or_else(|| Digest::of_bytes(&content));
        if content.len() == reference.length as usize && hash == reference.hash {
            Ok(content)
        } else {
            Err(damaged("another content stands there"))
        }
    }

    /// The form and the bytes of a frame that may be sealed.
    fn opened(
        &self,
        run: RunId,
        offset: u64,
        form: u8,
        stored: Vec<u8>,
    ) -> Result<(u8, Vec<u8>), PayloadError> {
        match (form.checked_sub(SEALED), self.sealing(&self.path_of(run))?) {
            (Some(form), Some(sealing)) => {
                let opened = sealing.open(run, offset, &stored);
                Ok((form, opened.map_err(|error| self.unsealed(run, offset, error))?))
            }
            (None, None) => Ok((form, stored)),
            (Some(_), None) => Err(self.damaged(run, offset, "it is sealed, and must not be")),
            (None, Some(_)) => Err(self.damaged(run, offset, "it is not sealed, and must be")),
        }
    }

    /// The form and the stored bytes of a frame, their checksum verified.
    fn stored(&self, run: RunId, offset: u64) -> Result<(u8, Vec<u8>), PayloadError> {
        let damaged = |what: &str| self.damaged(run, offset, what);
        let length = self.length_of(run)?.ok_or_else(|| damaged("the file is missing"))?;
        let whole = self.whole(run, offset, length)?;
        whole.ok_or_else(|| damaged("the file ends within the frame"))
    }

    /// How long the file of a run is, if there is one.
    pub(crate) fn length_of(&self, run: RunId) -> Result<Option<u64>, PayloadError> {
        let path = self.path_of(run);
        self.disk.files().length(&path).map_err(|cause| self.disk_error(&path, cause))
    }

    /// The same of a file of this length; none if the frame does not end within it.
    pub(crate) fn whole(
        &self,
        run: RunId,
        offset: u64,
        length: u64,
    ) -> Result<Option<(u8, Vec<u8>)>, PayloadError> {
        let path = self.path_of(run);
        let read = |offset, into: &mut [u8]| {
            let count = self.disk.files().read(&path, offset, into);
            let count = count.map_err(|cause| self.disk_error(&path, cause))?;
            Ok(count == into.len())
        };
        let mut header = [0; HEADER];
        if !read(offset, &mut header)? {
            return Ok(None);
        }
        let [form, l0, l1, l2, l3, sum @ ..] = header;
        let stored_length = u32::from_le_bytes([l0, l1, l2, l3]);
        let start = offset.saturating_add(HEADER as u64);
        if start.saturating_add(u64::from(stored_length)) > length {
            return Ok(None);
        }
        let mut stored = vec![0; stored_length as usize];
        if !read(start, &mut stored)? {
            return Ok(None);
        }
        if sum == checksum(&[&[form], &stored]) {
            Ok(Some((form, stored)))
        } else {
            Err(self.damaged(run, offset, "its checksum does not fit"))
        }
    }

    /// Cuts off what stands behind the last frame that a record names; all of it if none is named.
    pub(crate) fn cut_tail(&self, run: RunId, last: Option<u64>) -> Result<(), PayloadError> {
        let path = self.path_of(run);
        let files = self.disk.files();
        let end = match last {
            Some(offset) => offset + (HEADER + self.stored(run, offset)?.1.len()) as u64,
            None => 0,
        };
        let length = files.length(&path).map_err(|cause| self.disk_error(&path, cause))?;
        if length.is_some_and(|length| length > end) {
            files.truncate(&path, end).map_err(|cause| self.disk_error(&path, cause))?;
            files.sync(&path).map_err(|cause| self.sync_error(&path, cause))?;
        }
        Ok(())
    }

    /// Forgets a run that ended: its file is looked at again if it goes on.
    pub(crate) fn forget(&self, run: RunId) {
        let mut ends = locked(&self.ends);
        if ends.get(&run).is_some_and(|end| Arc::strong_count(end) == 1) {
            ends.remove(&run);
        }
    }

    /// Keeps a value: in the record where it is small, in the run's file where it is not.
    ///
    /// # Errors
    /// It could not be written.
    pub fn keep(&self, run: RunId, value: Value) -> Result<Payload, PayloadError> {
        let text = value.canonical();
        if text.len() <= INLINE_BYTES {
            return Ok(Payload::Inline(value));
        }
        Ok(Payload::Stored(self.append(run, text.as_bytes())?))
    }

    /// The value of a payload. A stored list inside of it stays a mark.
    ///
    /// # Errors
    /// It is not there or not what was written.
    pub fn load(&self, run: RunId, payload: &Payload) -> Result<Value, PayloadError> {
        match payload {
            Payload::Inline(value) => Ok(value.clone()),
            Payload::Stored(reference) => {
                let content = self.read(run, reference)?;
                serde_json::from_slice(&content).map_err(|error| {
                    self.damaged(run, reference.offset, &format!("it holds no value: {error}"))
                })
            }
        }
    }

    pub(crate) fn damaged(&self, run: RunId, offset: u64, what: &str) -> PayloadError {
        PayloadError::Damaged {
            path: self.disk.place(&self.path_of(run)),
            offset,
            run,
            what: what.to_owned(),
        }
    }

    fn disk_error(&self, path: &Path, cause: io::Error) -> PayloadError {
        PayloadError::Disk { path: self.disk.place(path), cause }
    }

    fn sync_error(&self, path: &Path, cause: io::Error) -> PayloadError {
        PayloadError::Sync { path: self.disk.place(path), cause }
    }
}

/// A lock whose holder never leaves it half done.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
