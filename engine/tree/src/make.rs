//! Makes one entry that is no folder.
//!
//! It never replaces anything, and a file that does not get all of its content is removed again.

use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd};

use holdfast_contract::entry::{EntryKind, Metadata};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, mknodat, openat, symlinkat, unlinkat};

use crate::{Refused, SparseFile, dress_at, dress_open};

/// Makes an entry that is no folder, and gives what of it could not be set. `content` writes the bytes of a
/// file.
///
/// # Errors
/// Something is there already, the system refuses, or `content` fails; then nothing is left.
pub fn make<E: From<Refused>>(
    folder: BorrowedFd<'_>,
    name: &[u8],
    kind: &EntryKind,
    metadata: &Metadata,
    content: impl FnOnce(&mut SparseFile) -> Result<(), E>,
) -> Result<Vec<String>, E> {
    let node = |kind, device| {
        mknodat(folder, name, kind, Mode::RUSR.union(Mode::WUSR), device)
            .map_err(Refused::doing("making a special file"))
    };
    match kind {
        EntryKind::File { .. } => return make_file(folder, name, metadata, content),
        EntryKind::Symlink { target } => symlinkat(&target[..], folder, name)
            .map_err(Refused::doing("making a symbolic link"))?,
        EntryKind::Pipe => node(FileType::Fifo, 0)?,
        EntryKind::Socket => node(FileType::Socket, 0)?,
        EntryKind::BlockDevice { device } => node(FileType::BlockDevice, *device)?,
        EntryKind::CharacterDevice { device } => node(FileType::CharacterDevice, *device)?,
        // Folders are opened and kept open, not made here.
        EntryKind::Folder => {}
    }
    Ok(dress_at(folder, name, kind, metadata)?)
}

fn make_file<E: From<Refused>>(
    folder: BorrowedFd<'_>,
    name: &[u8],
    metadata: &Metadata,
    content: impl FnOnce(&mut SparseFile) -> Result<(), E>,
) -> Result<Vec<String>, E> {
    let flags = OFlags::WRONLY
        .union(OFlags::CREATE)
        .union(OFlags::EXCL)
        .union(OFlags::NOFOLLOW)
        .union(OFlags::CLOEXEC);
    let mode = Mode::RUSR.union(Mode::WUSR);
    let opened = openat(folder, name, flags, mode).map_err(Refused::doing("making a file"))?;
    let outcome = fill(opened.into(), metadata, content);
    if outcome.is_err() {
        // A file that is not whole must not look like one that is.
        let removed = unlinkat(folder, name, AtFlags::empty());
        removed.map_err(Refused::doing("removing a file that is not whole"))?;
    }
    outcome
}

fn fill<E: From<Refused>>(
    file: File,
    metadata: &Metadata,
    content: impl FnOnce(&mut SparseFile) -> Result<(), E>,
) -> Result<Vec<String>, E> {
    let mut file = SparseFile::new(file);
    content(&mut file)?;
    let file = file.end().map_err(Refused::doing("writing a file"))?;
    Ok(dress_open(file.as_fd(), metadata)?)
}
