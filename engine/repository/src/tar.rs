//! Exporting a set as one tar archive, in the POSIX form that keeps long names, nanoseconds and attributes.
//!
//! A file is read once before its header is written, so that a damaged one is listed and left out instead
//! of being in the archive with the wrong bytes. Tar has no word for sockets: they are listed.

use std::collections::BTreeMap;
use std::io::{self, Write};

use holdfast_contract::entry::{EntryKind, FileTime, LeftOut, Metadata, TreePath, unshown};
use rustic_core::repofile::Node;
use rustix::fs::{major, minor};

use crate::export::Exported;
use crate::gate::Permit;
use crate::node::{kind_of, metadata_of};
use crate::read::{OpenSet, Walk, read_blobs};
use crate::refused::Refused;

/// Everything in an archive is a multiple of this.
const BLOCK: usize = 512;
/// The largest size that the plain header can say: eleven octal digits.
const PLAIN_SIZE: u64 = 0o777_7777_7777;

impl OpenSet {
    /// Writes the entries at and beneath `only` (empty: all) as one tar archive.
    ///
    /// # Errors
    /// There is no such path, `out` cannot be written, or the permit was withdrawn.
    pub fn export_tar(
        &self,
        out: &mut dyn Write,
        only: &[u8],
        permit: &Permit,
    ) -> Result<Exported, Refused> {
        let mut archive = Archive { out, links: BTreeMap::new() };
        let mut exported = Exported::default();
        for found in Walk::new(&self.index, self.root, only)? {
            if !permit() {
                return Err(Refused::Cancelled);
            }
            let (path, outcome) = match found {
                Ok((path, node)) => {
                    let outcome = self.add_to(&mut archive, &path, &node, permit);
                    (path, outcome.map(|()| kind_of(&node)))
                }
                Err(Refused::Damaged { what, reason }) => {
                    let path = unshown(&what).unwrap_or_else(|| what.clone().into_bytes());
                    (path, Err(Refused::Damaged { what, reason }))
                }
                Err(other) => return Err(other),
            };
            match outcome {
                Ok(kind) => exported.counts.add(&kind),
                Err(Refused::Damaged { reason, .. }) => {
                    exported.left_out.push(LeftOut { path, reason });
                }
                Err(other) => return Err(other),
            }
        }
        archive.end().map_err(Refused::doing("writing the archive"))?;
        Ok(exported)
    }

    fn add_to(
        &self,
        archive: &mut Archive<'_>,
        path: &[u8],
        node: &Node,
        permit: &Permit,
    ) -> Result<(), Refused> {
        let (kind, metadata) = (kind_of(node), metadata_of(node));
        if kind == EntryKind::Socket {
            return Err(Refused::Damaged {
                what: String::new(),
                reason: "a tar archive cannot hold a socket".to_owned(),
            });
        }
        let permitted = || if permit() { Ok(()) } else { Err(Refused::Cancelled) };
        let first = archive.first_link(path, &kind, &metadata);
        if first.is_none() {
            read_blobs(&self.index, path, node, |_| permitted())?;
        }
        let written = archive.header(path, &kind, &metadata, first.as_deref());
        written.map_err(Refused::doing("writing the archive"))?;
        if first.is_some() || !node.is_file() {
            return Ok(());
        }
        read_blobs(&self.index, path, node, |bytes| {
            permitted()?;
            archive.out.write_all(bytes).map_err(Refused::doing("writing the archive"))
        })?;
        archive.pad(kind.size()).map_err(Refused::doing("writing the archive"))
    }
}

struct Archive<'a> {
    out: &'a mut dyn Write,
    /// Where the first link of a file with several stands.
    links: BTreeMap<(u64, u64), TreePath>,
}

impl Archive<'_> {
    /// The earlier name of the same file; without one, this name is remembered.
    fn first_link(
        &mut self,
        path: &[u8],
        kind: &EntryKind,
        metadata: &Metadata,
    ) -> Option<TreePath> {
        if metadata.links < 2 || *kind == EntryKind::Folder {
            return None;
        }
        let file = (metadata.device, metadata.inode);
        let first = self.links.get(&file).cloned();
        self.links.entry(file).or_insert_with(|| path.to_vec());
        first
    }

    /// Writes what is to be known of an entry: what the plain header cannot say comes before it.
    fn header(
        &mut self,
        path: &[u8],
        kind: &EntryKind,
        metadata: &Metadata,
        first: Option<&[u8]>,
    ) -> io::Result<()> {
        let link = match kind {
            EntryKind::Symlink { target } => Some(&target[..]),
            EntryKind::File { .. }
            | EntryKind::Folder
            | EntryKind::Pipe
            | EntryKind::Socket
            | EntryKind::BlockDevice { .. }
            | EntryKind::CharacterDevice { .. } => first,
        };
        let size = if first.is_some() { 0 } else { kind.size() };
        let mut records = Vec::new();
        let is_text = std::str::from_utf8(path).is_ok()
            && link.is_none_or(|link| std::str::from_utf8(link).is_ok());
        if !is_text {
            record(&mut records, b"hdrcharset", b"BINARY");
        }
        record(&mut records, b"path", path);
        if let Some(link) = link {
            record(&mut records, b"linkpath", link);
        }
        record(&mut records, b"mtime", decimal(metadata.modified).as_bytes());
        record(&mut records, b"uid", metadata.user.to_string().as_bytes());
        record(&mut records, b"gid", metadata.group.to_string().as_bytes());
        if size > PLAIN_SIZE {
            record(&mut records, b"size", size.to_string().as_bytes());
        }
        for (name, value) in &metadata.attributes {
            record(&mut records, &[b"SCHILY.xattr.", &name[..]].concat(), value);
        }
        let length = records.len() as u64;
        let plain = Plain { path: b"./attributes", link: b"", size: length, kind: b'x' };
        self.out.write_all(&plain.block(&Metadata { mode: 0o644, ..Metadata::default() }, 0))?;
        self.out.write_all(&records)?;
        self.pad(length)?;
        let (flag, device) = flag(kind, first);
        let plain = Plain { path, link: link.unwrap_or_default(), size, kind: flag };
        self.out.write_all(&plain.block(metadata, device))
    }

    /// Fills up the last block of content.
    fn pad(&mut self, length: u64) -> io::Result<()> {
        let over = usize::try_from(length % BLOCK as u64).unwrap_or(0);
        let missing = (BLOCK - over) % BLOCK;
        self.out.write_all(&[0; BLOCK][..missing])
    }

    fn end(self) -> io::Result<()> {
        self.out.write_all(&[0; BLOCK])?;
        self.out.write_all(&[0; BLOCK])?;
        self.out.flush()
    }
}

/// The letter of an entry, and the number of a device.
const fn flag(kind: &EntryKind, first: Option<&[u8]>) -> (u8, u64) {
    match kind {
        EntryKind::File { .. } if first.is_none() => (b'0', 0),
        EntryKind::Symlink { .. } => (b'2', 0),
        EntryKind::CharacterDevice { device } if first.is_none() => (b'3', *device),
        EntryKind::BlockDevice { device } if first.is_none() => (b'4', *device),
        EntryKind::Folder => (b'5', 0),
        EntryKind::Pipe if first.is_none() => (b'6', 0),
        EntryKind::File { .. }
        | EntryKind::Pipe
        | EntryKind::Socket
        | EntryKind::CharacterDevice { .. }
        | EntryKind::BlockDevice { .. } => (b'1', 0),
    }
}

/// One record: its own length, a key and a value.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // A blank, an equals sign and the end of the line; the length counts its own digits.
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// Seconds with their fraction, as one decimal number.
fn decimal(time: FileTime) -> String {
    let nanoseconds = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let nanoseconds = nanoseconds.unsigned_abs();
    format!("{sign}{}.{:09}", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000)
}

/// What stands in the plain header.
struct Plain<'a> {
    path: &'a [u8],
    link: &'a [u8],
    size: u64,
    kind: u8,
}

impl Plain<'_> {
    fn block(&self, metadata: &Metadata, device: u64) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        put(&mut block, 0, 100, self.path);
        octal(&mut block, 100, 8, metadata.mode.into());
        octal(&mut block, 108, 8, metadata.user.into());
        octal(&mut block, 116, 8, metadata.group.into());
        octal(&mut block, 124, 12, self.size);
        octal(&mut block, 136, 12, u64::try_from(metadata.modified.seconds).unwrap_or(0));
        put(&mut block, 148, 8, b"        ");
        put(&mut block, 156, 1, &[self.kind]);
        put(&mut block, 157, 100, self.link);
        put(&mut block, 257, 8, b"ustar\x0000");
        octal(&mut block, 329, 8, major(device).into());
        octal(&mut block, 337, 8, minor(device).into());
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        octal(&mut block, 148, 8, sum);
        block
    }
}

/// Writes as much as fits; what does not stands in a record.
fn put(block: &mut [u8; BLOCK], at: usize, length: usize, bytes: &[u8]) {
    let (_, from) = block.split_at_mut(at);
    let room = from.iter_mut().take(length);
    for (place, byte) in room.zip(bytes) {
        *place = *byte;
    }
}

/// Octal digits and a zero; a number that does not fit stands in a record, and is cut here.
fn octal(block: &mut [u8; BLOCK], at: usize, length: usize, number: u64) {
    let digits = length - 1;
    let text = format!("{number:0digits$o}");
    let (_, last) = text.split_at(text.len() - digits);
    put(block, at, length, last.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        let mut records = Vec::new();
        record(&mut records, b"k", b"v");
        record(&mut records, b"k", &[b'v'; 93]);
        record(&mut records, b"k", &[b'v'; 94]);
        let text = String::from_utf8(records).unwrap();
        let lines: Vec<_> = text.lines().collect();
        for (line, length) in lines.iter().zip([6, 99, 101]) {
            assert_eq!(line.len() + 1, length, "{line}");
            assert!(line.starts_with(&format!("{length} k=v")), "{line}");
        }
    }

    #[test]
    fn a_time_before_the_epoch_is_one_decimal_number() {
        let time = |seconds, nanoseconds| decimal(FileTime { seconds, nanoseconds });
        assert_eq!(time(5, 7), "5.000000007");
        assert_eq!(time(-5, 0), "-5.000000000");
        assert_eq!(time(-5, 1), "-4.999999999");
    }
}
