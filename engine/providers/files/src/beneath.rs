//! Opens paths beneath a folder that is open, without following a link anywhere on the way.
//!
//! The system does it in one call where it knows it; elsewhere each name is opened in the folder before it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

/// How a folder is opened.
pub(crate) const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens what stands at `path` beneath `root`; an empty path is the root.
///
/// # Errors
/// What the system says; a link on the way is `LOOP` or `NOTDIR`, a way out is `XDEV`.
pub fn open_beneath(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    if path.split(|byte| *byte == b'/').any(|name| name == b"..") {
        return Err(Errno::XDEV);
    }
    let path = if path.is_empty() { b"." } else { path };
    let flags = flags | OFlags::CLOEXEC;
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(root, path, flags, Mode::empty(), how) {
        // An old system, a sandbox that does not know the call, or a path that is longer than one call
        // takes. EAGAIN: something was renamed meanwhile.
        Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN | Errno::INVAL | Errno::NAMETOOLONG) => {
            open_step_by_step(root, path, flags)
        }
        outcome => outcome,
    }
}

/// The same for systems without the one call.
///
/// # Errors
/// As there.
pub(crate) fn open_step_by_step(
    root: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    if path.starts_with(b"/") {
        return Err(Errno::XDEV);
    }
    let mut names = path.split(|byte| *byte == b'/').peekable();
    let mut folder: Option<OwnedFd> = None;
    while let Some(name) = names.next() {
        if name == b".." {
            return Err(Errno::XDEV);
        }
        let here = folder.as_ref().map_or(root, AsFd::as_fd);
        let is_last = names.peek().is_none();
        let flags = if is_last { flags | OFlags::NOFOLLOW } else { FOLDER };
        let opened = openat(here, name, flags, Mode::empty())?;
        if is_last {
            return Ok(opened);
        }
        folder = Some(opened);
    }
    Err(Errno::NOENT)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test writes files as it likes")]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::symlink;

    fn check(path: &str, opens: bool) {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("a/b/file"), "x").unwrap();
        std::fs::write(home.path().join("outside"), "x").unwrap();
        symlink("..", root.join("a/up")).unwrap();
        symlink("b", root.join("a/inside")).unwrap();
        symlink(home.path().join("outside"), root.join("out")).unwrap();
        let root = File::open(&root).unwrap();
        let bytes = path.as_bytes();
        let one = open_beneath(root.as_fd(), bytes, OFlags::RDONLY);
        assert_eq!(one.is_ok(), opens, "{path}: {one:?}");
        let steps = open_step_by_step(root.as_fd(), bytes, OFlags::RDONLY);
        assert_eq!(steps.is_ok(), opens, "{path}: {steps:?}");
    }

    #[test]
    fn only_what_is_beneath_is_opened_and_no_link_is_followed() {
        check("a", true);
        check("a/b/file", true);
        check("missing", false);
        check("out", false);
        check("a/inside/file", false);
        check("a/up/a/b/file", false);
        check("../outside", false);
        check("a/../a", false);
        check("/etc/passwd", false);
    }
}
