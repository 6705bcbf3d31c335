//! What the system says about an entry, as our metadata.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use holdfast_contract::entry::{EntryKind, FileTime, Metadata};
use rustix::fs::{FileType, Stat, lgetxattr, llistxattr, readlinkat};
use rustix::io::Errno;

/// The longest list of names, and the longest value, that the system has: 64 KiB.
const LONGEST: usize = 64 * 1024;

/// What an entry is; none if the system knows a kind that we do not.
pub(crate) fn kind_of(folder: &OwnedFd, name: &[u8], stat: &Stat) -> Result<EntryKind, Errno> {
    let device = stat.st_rdev;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => EntryKind::File { size: size_of(stat) },
        FileType::Directory => EntryKind::Folder,
        FileType::Symlink => {
            EntryKind::Symlink { target: readlinkat(folder, name, Vec::new())?.into_bytes() }
        }
        FileType::Fifo => EntryKind::Pipe,
        FileType::Socket => EntryKind::Socket,
        FileType::BlockDevice => EntryKind::BlockDevice { device },
        FileType::CharacterDevice => EntryKind::CharacterDevice { device },
        FileType::Unknown => return Err(Errno::NOTSUP),
    })
}

/// The size of a file.
pub(crate) fn size_of(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// Everything but the attributes.
pub(crate) fn metadata_of(stat: &Stat) -> Metadata {
    let time = |seconds: i64, nanoseconds| FileTime {
        seconds,
        nanoseconds: u32::try_from(nanoseconds).unwrap_or(0),
    };
    Metadata {
        mode: stat.st_mode & 0o7777,
        user: stat.st_uid,
        group: stat.st_gid,
        modified: time(stat.st_mtime, stat.st_mtime_nsec),
        changed: time(stat.st_ctime, stat.st_ctime_nsec),
        inode: stat.st_ino,
        device: stat.st_dev,
        links: stat.st_nlink,
        attributes: BTreeMap::new(),
    }
}

/// What must be equal for a file to count as unchanged.
pub(crate) fn same_state(a: &Stat, b: &Stat) -> bool {
    let state = |stat: &Stat| {
        (
            (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mode),
            (stat.st_mtime, stat.st_mtime_nsec),
            (stat.st_ctime, stat.st_ctime_nsec),
        )
    };
    state(a) == state(b)
}

/// The extended attributes of an entry, read without opening it; a link is not followed.
pub(crate) fn attributes_of(
    folder: &OwnedFd,
    name: &[u8],
) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Errno> {
    let folder = folder.as_fd().as_raw_fd();
    let name = if name.is_empty() { b"." } else { name };
    let path = [format!("/proc/self/fd/{folder}/").as_bytes(), name].concat();
    // Most entries have none; a short buffer is enough to see that.
    let mut names = vec![0; 256];
    let mut length = llistxattr(&path[..], &mut names[..]);
    if length == Err(Errno::RANGE) {
        names.resize(LONGEST, 0);
        length = llistxattr(&path[..], &mut names[..]);
    }
    names.truncate(match length {
        // A file system without attributes.
        Err(Errno::NOTSUP) => 0,
        length => length?,
    });
    let mut attributes = BTreeMap::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; LONGEST];
        match lgetxattr(&path[..], name, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                value.shrink_to_fit();
                attributes.insert(name.to_vec(), value);
            }
            // It was removed since it was listed.
            Err(Errno::NODATA) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(attributes)
}
