//! Compares two trees: every name, and everything that is to be faithful about it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What is to be the same about an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    mode: u32,
    owner: (u32, u32),
    modified: (i64, i64),
    device: u64,
    target: Option<PathBuf>,
    /// Of a file: its bytes.
    content: Option<Vec<u8>>,
    attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Which other names are the same file.
    same_file: Vec<PathBuf>,
}

/// A tree by the paths of its entries.
pub(crate) fn read(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut paths = vec![PathBuf::new()];
    let mut at = 0;
    let mut files: BTreeMap<u64, Vec<PathBuf>> = BTreeMap::new();
    while let Some(path) = paths.get(at).cloned() {
        at += 1;
        let metadata = root.join(&path).symlink_metadata().unwrap();
        if metadata.is_dir() {
            for entry in fs::read_dir(root.join(&path)).unwrap() {
                paths.push(path.join(entry.unwrap().file_name()));
            }
        } else {
            files.entry(metadata.ino()).or_default().push(path);
        }
    }
    paths
        .into_iter()
        .map(|path| {
            let full = root.join(&path);
            let metadata = full.symlink_metadata().unwrap();
            let kind = metadata.file_type();
            let mut same_file = files.get(&metadata.ino()).cloned().unwrap_or_default();
            same_file.sort();
            let entry = Entry {
                mode: metadata.mode(),
                owner: (metadata.uid(), metadata.gid()),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                device: metadata.rdev(),
                target: kind.is_symlink().then(|| fs::read_link(&full).unwrap()),
                content: kind.is_file().then(|| fs::read(&full).unwrap()),
                attributes: attributes(&full),
                same_file,
            };
            (path, entry)
        })
        .collect()
}

fn attributes(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 65_536];
    let count = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    names.truncate(count);
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let mut value = vec![0; 65_536];
            let count = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            value.truncate(count);
            (name.to_vec(), value)
        })
        .collect()
}

/// Fails with the path of the first difference.
pub(crate) fn same(wanted: &Path, found: &Path) {
    let (wanted, found) = (read(wanted), read(found));
    for (path, entry) in &wanted {
        let other = found.get(path);
        let brief = |entry: &Entry| format!("{:?}", Entry { content: None, ..copy(entry) });
        let same = other == Some(entry);
        assert!(
            same,
            "{:?}\nwanted {}\nfound  {:?}",
            path.as_os_str().as_bytes().escape_ascii().to_string(),
            brief(entry),
            other.map(brief)
        );
    }
    let paths = |tree: &BTreeMap<PathBuf, Entry>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(paths(&wanted), paths(&found));
}

fn copy(entry: &Entry) -> Entry {
    Entry {
        target: entry.target.clone(),
        content: None,
        attributes: entry.attributes.clone(),
        same_file: entry.same_file.clone(),
        ..*entry
    }
}
