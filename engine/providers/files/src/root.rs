//! A target of the kind `files`: a root, what of it belongs to the target, and what never does.
//!
//! The root is opened once, by its canonical path; everything else is opened beneath it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_contract::entry::{TreePath, shown};
use holdfast_kernel::failure::{Class, Failure};
use rustix::fs::{Mode, OFlags, fstat};

use crate::beneath::{FOLDER, open_beneath};
use crate::bounds::bounds;
use crate::glob::{BadPattern, Patterns};
use crate::scan::names_in;

/// What the configuration says about a target.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The root; links on the way to it are followed once.
    pub root: PathBuf,
    /// What belongs to the target; empty is everything.
    pub include: Vec<String>,
    /// What does not.
    pub exclude: Vec<String>,
    /// Whether what is mounted inside of the tree belongs to it.
    pub mounts: Mounts,
    /// Never read and never written: the state directory, the repository, the key file.
    pub never: Vec<PathBuf>,
    /// Where a restore dies: for tests and rehearsals.
    pub fault: Option<Fault>,
}

/// Whether what is mounted inside of a tree belongs to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mounts {
    /// It does not: another file system is listed as left out.
    #[default]
    LeftOut,
    /// It does.
    Included,
}

/// Why a target cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is nothing at its root.
    #[error("there is no folder {}", root.display())]
    NotThere {
        /// The root.
        root: PathBuf,
    },
    /// Its root is something else.
    #[error("{} is not a folder", root.display())]
    NoFolder {
        /// The root.
        root: PathBuf,
    },
    /// Its root is in what is never read.
    #[error("{} lies in {}, which holdfast keeps for itself", root.display(), never.display())]
    Ours {
        /// The root.
        root: PathBuf,
        /// What it lies in.
        never: PathBuf,
    },
    /// A pattern is none.
    #[error(transparent)]
    Pattern(#[from] BadPattern),
    /// The path is none of this target's.
    #[error("{path} is no path beneath the root")]
    NoPath {
        /// The path, for people.
        path: String,
    },
    /// The permit was withdrawn.
    #[error("it was cancelled")]
    Cancelled,
    /// The system refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried, with the path.
        doing: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let class = match &refused {
            Refused::NotThere { .. } => Class::NotFound,
            Refused::NoFolder { .. }
            | Refused::Ours { .. }
            | Refused::Pattern(_)
            | Refused::NoPath { .. } => Class::Invalid,
            Refused::Cancelled => Class::Cancelled,
            Refused::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Class::Auth
            }
            Refused::Io { .. } => Class::Permanent,
        };
        Self::without_effect(class, refused.to_string())
    }
}

/// An open target.
#[derive(Clone, Debug)]
pub struct FilesTarget {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    /// Canonical.
    pub(crate) path: PathBuf,
    pub(crate) root: Arc<OwnedFd>,
    /// The file system that it stands on: others are not gone into.
    pub(crate) device: u64,
    pub(crate) mounts: Mounts,
    pub(crate) patterns: Patterns,
    /// What belongs to the target, for people and to be compared.
    pub(crate) bounds: String,
    /// What is never read, by its path from the root.
    pub(crate) never: BTreeSet<TreePath>,
    pub(crate) fault: Option<Fault>,
}

/// Says what becomes of a restore, before each of its calls that changes something: for tests and rehearsals.
#[derive(Clone)]
pub struct Fault(pub Arc<dyn Fn() -> Fate + Send + Sync>);

/// What becomes of a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Alive,
    /// The process has died: nothing is changed any more.
    Dead,
    /// It goes on, and there is no space for anything new.
    DiskFull,
    /// It goes on on a file system that can neither exchange two names nor refuse to replace one.
    PlainRenames,
}

impl std::fmt::Debug for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fault")
    }
}

impl FilesTarget {
    /// Opens the root.
    ///
    /// # Errors
    /// It is not there, is no folder, cannot be read, lies in what is never read, or a pattern is none.
    pub fn open(settings: &Settings) -> Result<Self, Refused> {
        let root = &settings.root;
        let failed = |source| Refused::Io { doing: format!("reading {}", root.display()), source };
        let path = match root.canonicalize() {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Refused::NotThere { root: root.clone() });
            }
            Err(error) => return Err(failed(error)),
        };
        let flags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);
        let opened = rustix::fs::open(&path, FOLDER.union(flags), Mode::empty());
        let opened = match opened {
            Ok(opened) => opened,
            Err(rustix::io::Errno::NOTDIR) => {
                return Err(Refused::NoFolder { root: root.clone() });
            }
            Err(errno) => return Err(failed(errno.into())),
        };
        let device = fstat(&opened).map_err(|errno| failed(errno.into()))?.st_dev;
        let mut never = BTreeSet::new();
        let never_paths = settings.never.iter().flat_map(|one| [canonical(one), as_named(one)]);
        for one in never_paths {
            if path.starts_with(&one) {
                let root = root.clone();
                return Err(Refused::Ours { root, never: one });
            }
            if let Ok(inside) = one.strip_prefix(&path) {
                never.insert(inside.as_os_str().as_bytes().to_vec());
            }
        }
        let bounds = bounds(settings, &path, &never);
        Ok(Self {
            inner: Arc::new(Inner {
                path,
                root: Arc::new(opened),
                device,
                mounts: settings.mounts,
                patterns: Patterns::new(&settings.include, &settings.exclude)?,
                bounds,
                never,
                fault: settings.fault.clone(),
            }),
        })
    }

    /// What tells this target from others: its kind and its canonical root.
    pub fn name(&self) -> String {
        format!("files:{}", shown(self.inner.path.as_os_str().as_bytes()))
    }

    /// The canonical root.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }
}

impl Inner {
    /// The path from the root for people, in messages.
    pub(crate) fn place(&self, path: &[u8]) -> String {
        let path = PathBuf::from(OsString::from_vec(path.to_vec()));
        shown(self.path.join(path).as_os_str().as_bytes())
    }

    /// Whether a path is, or lies in, what is never read and never written.
    pub(crate) fn is_never(&self, path: &[u8]) -> bool {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let prefixes = ends.chain([path.len()]).filter_map(|end| path.get(..end));
        prefixes.into_iter().any(|prefix| self.never.contains(prefix))
    }

    /// Whether a folder has nothing in it; a folder that cannot be read has.
    pub(crate) fn is_empty_folder(&self, path: &[u8]) -> bool {
        let folder = open_beneath(self.root(), path, FOLDER);
        folder.and_then(|folder| names_in(&folder)).is_ok_and(|names| names.is_empty())
    }

    /// The root, open.
    pub(crate) fn root(&self) -> std::os::fd::BorrowedFd<'_> {
        self.root.as_fd()
    }
}

/// The path of something in its canonical folder, not following the last name: a link that leads to it.
fn as_named(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => canonical(parent).join(name),
        _ => absolute,
    }
}

/// The canonical path of something that may not be there yet.
fn canonical(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => canonical(parent).join(name),
        _ => absolute,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test writes files as it likes")]
mod tests {
    use super::*;

    fn refusal(settings: &Settings) -> Failure {
        FilesTarget::open(settings).unwrap_err().into()
    }

    #[test]
    fn a_root_that_cannot_be_used_is_refused_by_its_reason() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("gone");
        let gone = Settings { root, ..Settings::default() };
        assert_eq!(refusal(&gone).class, Class::NotFound);
        let file = Settings { root: home.path().join("file"), ..Settings::default() };
        std::fs::write(&file.root, "x").unwrap();
        assert_eq!(refusal(&file).class, Class::Invalid);
        let pattern = Settings {
            root: home.path().to_owned(),
            exclude: vec!["[".to_owned()],
            ..Settings::default()
        };
        let failure = refusal(&pattern);
        assert!(failure.message.contains("`[`"), "{failure}");
    }

    #[test]
    fn a_root_in_our_own_folders_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let settings = Settings {
            root: home.path().join("state/runs"),
            never: vec![home.path().join("state")],
            ..Settings::default()
        };
        std::fs::create_dir_all(&settings.root).unwrap();
        let failure = refusal(&settings);
        assert_eq!(failure.class, Class::Invalid);
        assert!(failure.message.contains("keeps for itself"), "{failure}");
    }

    #[test]
    fn the_identity_is_the_canonical_root() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        std::fs::create_dir(home.join("root")).unwrap();
        std::os::unix::fs::symlink("root", home.join("link")).unwrap();
        let settings = Settings { root: home.join("link/../link"), ..Settings::default() };
        let target = FilesTarget::open(&settings).unwrap();
        assert_eq!(target.name(), format!("files:{}/root", home.display()));
    }
}
