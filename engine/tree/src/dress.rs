//! Gives a new entry its owner, mode, attributes and times, in the order in which none undoes another.
//!
//! What the system refuses is said in words for the list of what was left out; it is never silent.

use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;

use holdfast_contract::entry::{EntryKind, FileTime, Metadata};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags, chmod, chownat,
    fchmod, fchown, flistxattr, fremovexattr, fsetxattr, fstat, futimens, lsetxattr, openat,
    utimensat,
};
use rustix::io::Errno;

use crate::Refused;

/// The longest list of attributes that the system gives.
const LONGEST: usize = 64 * 1024;

/// Dresses a file or folder that is open, and gives what the system refused of it.
///
/// # Errors
/// Its mode or time could not be set.
pub fn dress_open(open: BorrowedFd<'_>, metadata: &Metadata) -> Result<Vec<String>, Refused> {
    let mut shortfalls = Vec::new();
    let (user, group) = (Uid::from_raw(metadata.user), Gid::from_raw(metadata.group));
    let owned = fchown(open, Some(user), Some(group));
    owner(owned, open, metadata, &mut shortfalls)?;
    remove_others(open, metadata, &mut shortfalls);
    for (name, value) in &metadata.attributes {
        let set = fsetxattr(open, &name[..], value, XattrFlags::empty());
        attribute(set, name, &mut shortfalls);
    }
    // After the attributes: an access control list changes the mode.
    fchmod(open, Mode::from_raw_mode(metadata.mode)).map_err(Refused::doing("setting a mode"))?;
    futimens(open, &times(metadata.modified)).map_err(Refused::doing("setting a time"))?;
    Ok(shortfalls)
}

/// Dresses an entry that is not opened: a link, a pipe, a socket, a device; and gives what the system
/// refused of it.
///
/// # Errors
/// It is not there, or its mode or time could not be set.
pub fn dress_at(
    folder: BorrowedFd<'_>,
    name: &[u8],
    kind: &EntryKind,
    metadata: &Metadata,
) -> Result<Vec<String>, Refused> {
    let mut shortfalls = Vec::new();
    let (user, group) = (Uid::from_raw(metadata.user), Gid::from_raw(metadata.group));
    let owned = chownat(folder, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW);
    let flags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
    let itself =
        openat(folder, name, flags, Mode::empty()).map_err(Refused::doing("opening an entry"))?;
    owner(owned, itself.as_fd(), metadata, &mut shortfalls)?;
    for (key, value) in &metadata.attributes {
        let path = format!("/proc/self/fd/{}/", folder.as_raw_fd());
        let path = [path.as_bytes(), name].concat();
        let set = lsetxattr(&path[..], &key[..], value, XattrFlags::empty());
        attribute(set, key, &mut shortfalls);
    }
    // The mode of a symbolic link means nothing, and the system has no call for it.
    if !matches!(kind, EntryKind::Symlink { .. }) {
        let stat = fstat(&itself).map_err(Refused::doing("looking at an entry"))?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            // Somebody has put a link in its place: what it leads to is not ours.
            return Err(Refused::doing("setting a mode")(Errno::LOOP));
        }
        let path = format!("/proc/self/fd/{}", itself.as_raw_fd());
        let mode = Mode::from_raw_mode(metadata.mode);
        chmod(path, mode).map_err(Refused::doing("setting a mode"))?;
    }
    let times = times(metadata.modified);
    utimensat(folder, name, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(Refused::doing("setting a time"))?;
    Ok(shortfalls)
}

fn owner(
    outcome: Result<(), Errno>,
    itself: BorrowedFd<'_>,
    metadata: &Metadata,
    shortfalls: &mut Vec<String>,
) -> Result<(), Refused> {
    let wanted = (metadata.user, metadata.group);
    match outcome {
        Ok(()) => {}
        // It is as it should be, whatever was refused: some file systems have one owner for all.
        Err(_) if owner_of(itself)? == wanted => {}
        Err(errno) => shortfalls
            .push(format!("its owner {}:{} could not be set: {errno}", wanted.0, wanted.1)),
    }
    Ok(())
}

/// Removes what a new entry got from its folder, and an old one has besides: attributes of users and access
/// control lists. Others are the system's own.
fn remove_others(open: BorrowedFd<'_>, metadata: &Metadata, shortfalls: &mut Vec<String>) {
    let mut names = vec![0; LONGEST];
    // A file system without attributes has none to remove.
    let Ok(length) = flistxattr(open, &mut names[..]) else { return };
    names.truncate(length);
    let is_ours =
        |name: &&[u8]| name.starts_with(b"user.") || name.starts_with(b"system.posix_acl_");
    let others = names.split(|byte| *byte == 0).filter(is_ours);
    for name in others.filter(|name| !metadata.attributes.contains_key(*name)) {
        if let Err(errno) = fremovexattr(open, name)
            && errno != Errno::NODATA
        {
            let name = std::ffi::OsStr::from_bytes(name).display();
            shortfalls.push(format!("its attribute {name} could not be removed: {errno}"));
        }
    }
}

fn attribute(outcome: Result<(), Errno>, name: &[u8], shortfalls: &mut Vec<String>) {
    if let Err(errno) = outcome {
        let name = std::ffi::OsStr::from_bytes(name).display();
        shortfalls.push(format!("its attribute {name} could not be set: {errno}"));
    }
}

fn times(modified: FileTime) -> Timestamps {
    let time = Timespec { tv_sec: modified.seconds, tv_nsec: modified.nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}

/// The number of the user and group that own something that is open.
fn owner_of(open: BorrowedFd<'_>) -> Result<(u32, u32), Refused> {
    let stat = fstat(open).map_err(Refused::doing("looking at a file"))?;
    Ok((stat.st_uid, stat.st_gid))
}
