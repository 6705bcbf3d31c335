//! From our entries to the nodes of restic's trees, and back.
//!
//! A node's mode has the bits of Go's `os.FileMode`, and its times have years from 0 to 9999. What does
//! not fit is said, never dropped in silence.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use holdfast_contract::entry::{EntryKind, FileTime, Metadata};
use rustic_core::jiff::Timestamp;
use rustic_core::repofile::{Metadata as NodeMetadata, Node, NodeType};

/// Go's bits, and the bits of `st_mode` for the same thing.
const SPECIAL_BITS: [(u32, u32); 3] = [(1 << 23, 0o4000), (1 << 22, 0o2000), (1 << 20, 0o1000)];

/// Seconds of the first and last moment that Go's JSON can write.
const YEARS: (i64, i64) = (-62_167_219_200, 253_402_207_199);

/// The node for an entry without its content, and what of it does not fit into a node.
pub(crate) fn to_node(name: &[u8], kind: &EntryKind, metadata: &Metadata) -> (Node, Vec<String>) {
    let mut unfit = Vec::new();
    let modified = timestamp(metadata.modified).unwrap_or_else(|| {
        unfit.push("its time is not between the years 0 and 9999".to_owned());
        Timestamp::UNIX_EPOCH
    });
    let linked = metadata.links > 1 && !matches!(kind, EntryKind::Folder);
    let is_file = matches!(kind, EntryKind::File { .. });
    let mut node = NodeMetadata {
        mode: Some(go_mode(metadata.mode, kind)),
        mtime: Some(modified),
        // As restic does unless asked: a time of reading that changes would make every tree a new one.
        atime: Some(modified),
        ctime: timestamp(metadata.changed),
        uid: Some(metadata.user),
        gid: Some(metadata.group),
        user: None,
        group: None,
        inode: if is_file || linked { metadata.inode } else { 0 },
        device_id: if linked { metadata.device } else { 0 },
        size: kind.size(),
        links: if is_file || linked { metadata.links } else { 0 },
        extended_attributes: Vec::new(),
    };
    add_attributes(&mut node, metadata, &mut unfit);
    let node = Node::new_node(OsStr::from_bytes(name), node_type(kind), node);
    (node, unfit)
}

/// The library does not export the type of an attribute, so one is read from JSON and copied.
fn add_attributes(node: &mut NodeMetadata, metadata: &Metadata, unfit: &mut Vec<String>) {
    if metadata.attributes.is_empty() {
        return;
    }
    node.extended_attributes =
        serde_json::from_str(r#"[{"name":"","value":null}]"#).unwrap_or_default();
    let Some(blank) = node.extended_attributes.pop() else {
        unfit.push("its extended attributes cannot be written".to_owned());
        return;
    };
    for (name, value) in &metadata.attributes {
        match std::str::from_utf8(name) {
            Ok(name) => {
                let mut attribute = blank.clone();
                name.clone_into(&mut attribute.name);
                attribute.value = Some(value.clone());
                node.extended_attributes.push(attribute);
            }
            Err(_) => unfit.push("the name of an extended attribute is not UTF-8".to_owned()),
        }
    }
}

fn node_type(kind: &EntryKind) -> NodeType {
    match kind {
        EntryKind::File { .. } => NodeType::File,
        EntryKind::Folder => NodeType::Dir,
        EntryKind::Symlink { target } => NodeType::from_link(Path::new(OsStr::from_bytes(target))),
        EntryKind::Pipe => NodeType::Fifo,
        EntryKind::Socket => NodeType::Socket,
        EntryKind::BlockDevice { device } => NodeType::Dev { device: *device },
        EntryKind::CharacterDevice { device } => NodeType::Chardev { device: *device },
    }
}

/// What a node is.
pub(crate) fn kind_of(node: &Node) -> EntryKind {
    match &node.node_type {
        NodeType::File => EntryKind::File { size: node.meta.size },
        NodeType::Dir => EntryKind::Folder,
        NodeType::Symlink { linktarget, linktarget_raw } => EntryKind::Symlink {
            target: linktarget_raw.clone().unwrap_or_else(|| linktarget.clone().into_bytes()),
        },
        NodeType::Dev { device } => EntryKind::BlockDevice { device: *device },
        NodeType::Chardev { device } => EntryKind::CharacterDevice { device: *device },
        NodeType::Fifo => EntryKind::Pipe,
        NodeType::Socket => EntryKind::Socket,
    }
}

/// What a node says about its entry.
pub(crate) fn metadata_of(node: &Node) -> Metadata {
    let meta = &node.meta;
    let mode = meta.mode.unwrap_or(0);
    let special =
        SPECIAL_BITS.iter().filter(|(go, _)| mode & go != 0).fold(0, |bits, (_, unix)| bits | unix);
    Metadata {
        mode: mode & 0o777 | special,
        user: meta.uid.unwrap_or(0),
        group: meta.gid.unwrap_or(0),
        modified: meta.mtime.map(file_time).unwrap_or_default(),
        changed: meta.ctime.map(file_time).unwrap_or_default(),
        inode: meta.inode,
        device: meta.device_id,
        links: meta.links,
        attributes: meta
            .extended_attributes
            .iter()
            .map(|attribute| {
                let value = attribute.value.clone().unwrap_or_default();
                (attribute.name.clone().into_bytes(), value)
            })
            .collect(),
    }
}

/// The name of a node in bytes.
pub(crate) fn name_of(node: &Node) -> Vec<u8> {
    node.name().into_owned().into_vec()
}

fn go_mode(mode: u32, kind: &EntryKind) -> u32 {
    let kind = match kind {
        EntryKind::File { .. } => 0,
        EntryKind::Folder => 1 << 31,
        EntryKind::Symlink { .. } => 1 << 27,
        EntryKind::BlockDevice { .. } => 1 << 26,
        EntryKind::CharacterDevice { .. } => 1 << 26 | 1 << 21,
        EntryKind::Pipe => 1 << 25,
        EntryKind::Socket => 1 << 24,
    };
    SPECIAL_BITS
        .iter()
        .filter(|(_, unix)| mode & unix != 0)
        .fold(kind | mode & 0o777, |bits, (go, _)| bits | go)
}

fn timestamp(time: FileTime) -> Option<Timestamp> {
    let (first, last) = YEARS;
    if !(first..=last).contains(&time.seconds) {
        return None;
    }
    Timestamp::new(time.seconds, i32::try_from(time.nanoseconds).ok()?).ok()
}

fn file_time(time: Timestamp) -> FileTime {
    let nanoseconds = time.as_nanosecond();
    let seconds = nanoseconds.div_euclid(1_000_000_000);
    FileTime {
        seconds: i64::try_from(seconds).unwrap_or(0),
        nanoseconds: u32::try_from(nanoseconds.rem_euclid(1_000_000_000)).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn metadata(mode: u32, seconds: i64) -> Metadata {
        let time = FileTime { seconds, nanoseconds: 123_456_789 };
        Metadata {
            mode,
            user: 12,
            group: 34,
            modified: time,
            changed: time,
            inode: 5,
            device: 6,
            links: 2,
            attributes: BTreeMap::from([(b"user.a".to_vec(), vec![0, 255])]),
        }
    }

    #[test]
    fn every_kind_of_entry_comes_back_from_its_node() {
        let target = b"to/\xff".to_vec();
        for kind in [
            EntryKind::File { size: 7 },
            EntryKind::Symlink { target },
            EntryKind::Symlink { target: b"plain".to_vec() },
            EntryKind::Pipe,
            EntryKind::Socket,
            EntryKind::BlockDevice { device: 0x801 },
            EntryKind::CharacterDevice { device: 0x103 },
        ] {
            let metadata = metadata(0o6755, -5);
            let (node, unfit) = to_node(b"n\xfe\\\n", &kind, &metadata);
            assert_eq!(unfit, Vec::<String>::new());
            assert_eq!((kind_of(&node), metadata_of(&node)), (kind, metadata));
            assert_eq!(name_of(&node), b"n\xfe\\\n");
        }
    }

    #[test]
    fn a_time_that_restic_cannot_read_is_said() {
        let (node, unfit) = to_node(b"n", &EntryKind::Pipe, &metadata(0o644, 300_000_000_000));
        assert_eq!(unfit.len(), 1);
        assert_eq!(node.meta.mtime, Some(Timestamp::UNIX_EPOCH));
    }
}
