//! Puts entries into a folder, faithfully: modes, owners, times, links, holes, attributes.
//!
//! Every name is opened beneath the folder it stands in without following links, so nothing is written
//! outside. A folder gets its own metadata after what is in it. It never asks who we are: it tries, and
//! lists what the system refused.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use holdfast_contract::entry::{EntryKind, FileTime, LeftOut, Metadata, TreePath, shown};
use holdfast_kernel::id::Digest;
use holdfast_tree::{dress_open, make};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, fstat, linkat, mkdirat, openat, renameat, unlinkat,
};
use rustix::io::Errno;

use crate::refused::Refused;

/// How a folder is opened: itself, never what a link in its place points to.
const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Takes content part by part.
pub(crate) type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), Refused> + 'a;

/// Puts entries beneath one folder, in the order of a tree.
pub(crate) struct Placer {
    root: OwnedFd,
    open: Vec<OpenFolder>,
    /// Where the first link of a file with several was put.
    links: BTreeMap<(u64, u64), TreePath>,
    left_out: Vec<LeftOut>,
}

struct OpenFolder {
    path: TreePath,
    folder: OwnedFd,
    /// None for a folder that only leads to what was asked for.
    metadata: Option<Metadata>,
}

impl Placer {
    /// Starts beneath a folder, which is made if it is not there.
    pub(crate) fn new(to: &Path) -> Result<Self, Refused> {
        let failed = |error| Refused::io(format!("opening {}", to.display()), error);
        std::fs::create_dir_all(to).map_err(failed)?;
        let flags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);
        let root =
            rustix::fs::open(to, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        Ok(Self { root, open: Vec::new(), links: BTreeMap::new(), left_out: Vec::new() })
    }

    /// Puts one entry; `content` hands the bytes of a file to the sink it is given.
    pub(crate) fn put(
        &mut self,
        path: &[u8],
        kind: &EntryKind,
        metadata: &Metadata,
        content: impl FnOnce(&mut Sink<'_>) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let (parent, name) = split(path);
        named(path, name)?;
        self.go_to(parent)?;
        let folder =
            self.here().try_clone_to_owned().map_err(Refused::doing("opening a folder"))?;
        if *kind == EntryKind::Folder {
            let opened = make_folder(folder.as_fd(), name)?;
            self.open.push(OpenFolder {
                path: path.to_vec(),
                folder: opened,
                metadata: Some(metadata.clone()),
            });
            return Ok(());
        }
        // What is there stays until what takes its place is whole.
        let beside = beside(name);
        clear(folder.as_fd(), &beside)?;
        let is_linked = metadata.links > 1;
        let file = (metadata.device, metadata.inode);
        if is_linked && let Some(first) = self.links.get(&file) {
            self.link(&first.clone(), folder.as_fd(), &beside)?;
            return exchange(folder.as_fd(), &beside, name);
        }
        let shortfalls = make(folder.as_fd(), &beside, kind, metadata, |file| {
            content(&mut |bytes| file.write(bytes).map_err(Refused::doing("writing a file")))
        })?;
        exchange(folder.as_fd(), &beside, name)?;
        if is_linked {
            self.links.insert(file, path.to_vec());
        }
        self.list(path, shortfalls);
        Ok(())
    }

    /// A file that is there already as it should be but for its content, which is not looked at.
    pub(crate) fn there(
        &mut self,
        path: &[u8],
        size: u64,
        metadata: &Metadata,
    ) -> Result<Option<File>, Refused> {
        if metadata.links > 1 || !metadata.attributes.is_empty() {
            return Ok(None);
        }
        let (parent, name) = split(path);
        named(path, name)?;
        self.go_to(parent)?;
        let flags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK);
        let Ok(file) = openat(self.here(), name, flags.union(OFlags::CLOEXEC), Mode::empty())
        else {
            return Ok(None);
        };
        let is_it = fstat(&file).is_ok_and(|seen| {
            let nanoseconds = u32::try_from(seen.st_mtime_nsec).unwrap_or(0);
            let modified = FileTime { seconds: seen.st_mtime, nanoseconds };
            FileType::from_raw_mode(seen.st_mode) == FileType::RegularFile
                && u64::try_from(seen.st_size) == Ok(size)
                && seen.st_mode & 0o7777 == metadata.mode & 0o7777
                && (seen.st_uid, seen.st_gid) == (metadata.user, metadata.group)
                && modified == metadata.modified
        });
        Ok(is_it.then(|| File::from(file)))
    }

    /// Dresses the folders that are still open, and gives what could not be done.
    pub(crate) fn finish(mut self) -> Result<Vec<LeftOut>, Refused> {
        while !self.open.is_empty() {
            self.close_folder()?;
        }
        Ok(self.left_out)
    }

    fn here(&self) -> BorrowedFd<'_> {
        self.open.last().map_or(self.root.as_fd(), |open| open.folder.as_fd())
    }

    /// Closes folders until we stand on the way to `folder`, and opens the rest of the way.
    fn go_to(&mut self, folder: &[u8]) -> Result<(), Refused> {
        while let Some(open) = self.open.last()
            && !is_beneath(folder, &open.path)
        {
            self.close_folder()?;
        }
        loop {
            let at = self.open.last().map_or(0, |open| open.path.len());
            if at == folder.len() {
                return Ok(());
            }
            let start = if at == 0 { 0 } else { at + 1 };
            let rest = folder.get(start..).unwrap_or_default();
            let name = rest.split(|byte| *byte == b'/').next().unwrap_or_default();
            named(folder, name)?;
            let opened = make_folder(self.here(), name)?;
            let path = folder.get(..start + name.len()).unwrap_or_default();
            self.open.push(OpenFolder { path: path.to_vec(), folder: opened, metadata: None });
        }
    }

    fn close_folder(&mut self) -> Result<(), Refused> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        if let Some(metadata) = open.metadata {
            let shortfalls = dress_open(open.folder.as_fd(), &metadata)?;
            self.list(&open.path, shortfalls);
        }
        Ok(())
    }

    fn link(&self, first: &[u8], folder: BorrowedFd<'_>, name: &[u8]) -> Result<(), Refused> {
        let (parent, first_name) = split(first);
        let mut from = self.root.try_clone().map_err(Refused::doing("opening a folder"))?;
        for step in parent.split(|byte| *byte == b'/').filter(|step| !step.is_empty()) {
            from =
                openat(&from, step, FOLDER, Mode::empty()).map_err(called("opening a folder"))?;
        }
        linkat(&from, first_name, folder, name, AtFlags::empty())
            .map_err(called("making a hard link"))
    }

    fn list(&mut self, path: &[u8], shortfalls: Vec<String>) {
        let path = path.to_vec();
        self.left_out
            .extend(shortfalls.into_iter().map(|reason| LeftOut { path: path.clone(), reason }));
    }
}

/// Refuses what is no name of an entry, whoever wrote the set: it could lead out of the folder.
fn named(path: &[u8], name: &[u8]) -> Result<(), Refused> {
    let is_name = !matches!(name, b"" | b"." | b"..") && !name.contains(&0);
    if is_name {
        return Ok(());
    }
    Err(Refused::Damaged { what: shown(path), reason: "it is no name for a file".to_owned() })
}

/// A failed call as a refusal, for `map_err`.
fn called(doing: &'static str) -> impl FnOnce(Errno) -> Refused {
    move |errno| Refused::io(doing, errno.into())
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default()),
        None => (&[], path),
    }
}

fn is_beneath(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Opens a folder, made if it is not there; something else in its place is removed.
fn make_folder(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Refused> {
    let made = mkdirat(parent, name, Mode::RWXU);
    if made == Err(Errno::EXIST) {
        if let Ok(folder) = openat(parent, name, FOLDER, Mode::empty()) {
            return Ok(folder);
        }
        clear(parent, name)?;
        mkdirat(parent, name, Mode::RWXU).map_err(called("making a folder"))?;
    } else {
        made.map_err(called("making a folder"))?;
    }
    openat(parent, name, FOLDER, Mode::empty()).map_err(called("opening a folder"))
}

/// The name under which an entry is made before it takes its place.
fn beside(name: &[u8]) -> Vec<u8> {
    format!(".holdfast-{:016x}.part", Digest::of_bytes(name).leading()).into_bytes()
}

/// Gives an entry its name; what had it goes, an empty folder too.
fn exchange(folder: BorrowedFd<'_>, beside: &[u8], name: &[u8]) -> Result<(), Refused> {
    let failed = || called("putting an entry in its place");
    let moved = match renameat(folder, beside, folder, name) {
        Err(Errno::ISDIR | Errno::EXIST | Errno::NOTEMPTY) => clear(folder, name)
            .and_then(|()| renameat(folder, beside, folder, name).map_err(failed())),
        moved => moved.map_err(failed()),
    };
    // Two names of one file are left as they are by a renaming.
    let rest = clear(folder, beside);
    moved.and(rest)
}

/// Removes what is in the place of a new entry; a folder must be empty.
fn clear(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Refused> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => {
            unlinkat(parent, name, AtFlags::REMOVEDIR).map_err(called("removing a folder"))
        }
        Err(errno) => Err(called("removing what was there")(errno)),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test writes files as it likes")]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn put(to: &Path, path: &[u8]) -> Result<(), Refused> {
        let mut placer = Placer::new(to)?;
        let kind = EntryKind::File { size: 1 };
        let metadata = Metadata { mode: 0o644, ..Metadata::default() };
        placer.put(path, &kind, &metadata, |sink| sink(b"x"))?;
        placer.finish().map(|_| ())
    }

    #[test]
    fn nothing_is_written_outside_whatever_the_names() {
        for path in [&b"../x"[..], b"a/../../x", b"..", b".", b"", b"a//x", b"a/./x", b"nul\0"] {
            let home = tempfile::tempdir().unwrap();
            let to = home.path().join("to");
            let refused = put(&to, path);
            assert!(matches!(refused, Err(Refused::Damaged { .. })), "{path:?} {refused:?}");
            assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn nothing_is_written_through_a_link_that_is_there() {
        let home = tempfile::tempdir().unwrap();
        let (to, outside) = (home.path().join("to"), home.path().join("outside"));
        std::fs::create_dir_all(&to).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(home.path().join("precious"), "kept").unwrap();
        symlink("../outside", to.join("folder")).unwrap();
        symlink("../precious", to.join("file")).unwrap();
        put(&to, b"folder/file").unwrap();
        put(&to, b"file").unwrap();
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        assert_eq!(std::fs::read(home.path().join("precious")).unwrap(), b"kept");
        assert_eq!(std::fs::read(to.join("folder/file")).unwrap(), b"x");
        assert!(to.join("file").symlink_metadata().unwrap().is_file());
    }

    #[test]
    fn a_file_that_is_not_whole_is_removed() {
        let home = tempfile::tempdir().unwrap();
        let mut placer = Placer::new(home.path()).unwrap();
        let kind = EntryKind::File { size: 9 };
        let failed = placer.put(b"a", &kind, &Metadata::default(), |sink| {
            sink(b"half")?;
            Err(Refused::Cancelled)
        });
        assert!(matches!(failed, Err(Refused::Cancelled)));
        assert!(!home.path().join("a").exists());
    }
}
