//! Writes one entry of a set beside its place, whole and dressed; or dresses a folder where it stands.

use std::os::fd::AsFd as _;
use std::sync::Arc;

use holdfast_contract::entry::EntryKind;
use holdfast_contract::provider::{Kept, KeptEntry};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_tree::{Refused as Refusal, dress_open, make};
use rustix::fs::{Mode, mkdirat, openat};

use crate::beneath::{FOLDER, open_beneath};
use crate::place::{Place, refused};
use crate::root::Inner;

/// A failure on the way from the set to the disk.
struct Unwritten(Failure);

impl From<Refusal> for Unwritten {
    fn from(refusal: Refusal) -> Self {
        use std::io::ErrorKind;
        let class = match refusal.source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Class::Auth,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Class::Dependency,
            _ => Class::Permanent,
        };
        Self(Failure::without_effect(class, refusal.to_string()))
    }
}

/// Writes an entry beside a place, and gives what of it could not be set.
pub(crate) fn write_beside(
    place: &Place,
    entry: &KeptEntry,
    kept: &dyn Kept,
    permitted: &dyn Fn() -> bool,
) -> Result<Vec<String>, Failure> {
    let part = place.beside.part();
    if entry.kind == EntryKind::Folder {
        mkdirat(&*place.folder, &part[..], Mode::RWXU)
            .map_err(|errno| refused(errno, "making a folder"))?;
        let opened = openat(&*place.folder, &part[..], FOLDER, Mode::empty())
            .map_err(|errno| refused(errno, "opening a folder"))?;
        return dress_open(opened.as_fd(), &entry.metadata)
            .map_err(|refusal| Unwritten::from(refusal).0);
    }
    let made = make(place.folder.as_fd(), &part, &entry.kind, &entry.metadata, |file| {
        let mut sink = |bytes: &[u8]| {
            if !permitted() {
                return Err(Failure::without_effect(Class::Cancelled, "it was cancelled"));
            }
            let written = file.write(bytes).map_err(Refusal::doing("writing a file"));
            written.map_err(|refusal| Unwritten::from(refusal).0)
        };
        kept.read(&entry.path, &mut sink).map_err(Unwritten)
    });
    made.map_err(|Unwritten(failure)| failure)
}

/// Gives a folder the mode, owner and attributes that it is to have.
pub(crate) fn dress_in_place(
    inner: &Arc<Inner>,
    place: &Place,
    entry: &KeptEntry,
) -> Result<Vec<String>, Failure> {
    let folder = open_beneath(inner.root(), &place.path, FOLDER)
        .map_err(|errno| refused(errno, "opening a folder"))?;
    dress_open(folder.as_fd(), &entry.metadata).map_err(|refusal| {
        let Unwritten(failure) = refusal.into();
        Failure::with_unknown_effect(failure.class, failure.message)
    })
}
