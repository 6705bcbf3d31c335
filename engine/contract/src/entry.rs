//! What a provider hands to the repository, and gets back from it: the entries of a tree.
//!
//! Names and paths are bytes, as the kernel of the system has them. Nothing here opens a file: a
//! provider brings readers, the repository reads them.

use std::collections::BTreeMap;
use std::io;

/// A path inside of a tree: names joined by `/`, without one at either end; the tree itself is empty.
pub type TreePath = Vec<u8>;

/// One entry of a tree.
pub struct Entry {
    /// Where it stands.
    pub path: TreePath,
    /// What it is.
    pub kind: EntryKind,
    /// What the file system says about it.
    pub metadata: Metadata,
    /// How to read it, if it is a file.
    pub content: Option<Box<dyn OpenContent>>,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file of exactly this many bytes.
    File {
        /// Its size in bytes.
        size: u64,
    },
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink {
        /// What it points to, as it was written.
        target: Vec<u8>,
    },
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A block device.
    BlockDevice {
        /// Its number, major and minor as `st_rdev` has them.
        device: u64,
    },
    /// A character device.
    CharacterDevice {
        /// Its number, major and minor as `st_rdev` has them.
        device: u64,
    },
}

impl EntryKind {
    /// What it is called in messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Folder => "folder",
            Self::Symlink { .. } => "symbolic link",
            Self::Pipe => "named pipe",
            Self::Socket => "socket",
            Self::BlockDevice { .. } => "block device",
            Self::CharacterDevice { .. } => "character device",
        }
    }

    /// How many bytes of content it has.
    pub const fn size(&self) -> u64 {
        match self {
            Self::File { size } => *size,
            Self::Folder
            | Self::Symlink { .. }
            | Self::Pipe
            | Self::Socket
            | Self::BlockDevice { .. }
            | Self::CharacterDevice { .. } => 0,
        }
    }
}

/// What a file system says about an entry, apart from what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The permission bits with set-user, set-group and sticky: twelve bits.
    pub mode: u32,
    /// The number of the user who owns it.
    pub user: u32,
    /// The number of the group that owns it.
    pub group: u32,
    /// When its content was changed last.
    pub modified: FileTime,
    /// When anything about it was changed last; only to see whether it is unchanged.
    pub changed: FileTime,
    /// The number of the file behind it; only to see whether it is unchanged, and which links are one file.
    pub inode: u64,
    /// The device it stands on; only to see which links are one file.
    pub device: u64,
    /// How many hard links the file has.
    pub links: u64,
    /// Its extended attributes, access control lists among them.
    pub attributes: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A point in time as file systems keep it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileTime {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds after that second.
    pub nanoseconds: u32,
}

/// A file that can be opened once.
pub trait OpenContent: Send {
    /// Opens it.
    ///
    /// # Errors
    /// It is gone, or may not be read.
    fn open(self: Box<Self>) -> io::Result<Box<dyn ReadContent>>;
}

/// An open file. It never gives more bytes than its entry announced.
pub trait ReadContent: io::Read + Send {
    /// Looks at the file again after its last byte was read.
    ///
    /// # Errors
    /// It could not be looked at.
    fn settle(&mut self) -> io::Result<Settled>;
}

/// What a second look at a file showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is what it was when it was announced.
    Unchanged,
    /// It was changed while it was read.
    Changed,
}

/// Something of a tree that is not kept, or not kept whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it stands.
    pub path: TreePath,
    /// Why: a lower-case fragment that fits after the path and a colon.
    pub reason: String,
}

/// What a source finds next.
pub enum Found {
    /// An entry.
    Entry(Entry),
    /// Something that could not be read: the tree is partial.
    LeftOut(LeftOut),
}

/// A tree, or a part of one, that can be read.
pub trait EntrySource: Send + Sync {
    /// Its entries in the order of [`tree_order`], each folder before what is in it.
    fn entries(&self) -> Box<dyn Iterator<Item = Found> + Send>;

    /// Looks at one entry anew, because it was changed while it was read.
    fn again(&self, path: &[u8]) -> Found;
}

/// The key by which paths are ordered: the separator sorts before every other byte, so that a folder
/// is followed by all that is in it.
pub fn tree_order(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'/' { 0 } else { *byte }).collect()
}

/// A path for people: control characters and bytes that are not UTF-8 are written as `\xNN`.
pub fn shown(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_plain(character) {
                text.push(character);
            } else {
                let mut buffer = [0; 4];
                push_hex(&mut text, character.encode_utf8(&mut buffer).as_bytes());
            }
        }
        push_hex(&mut text, chunk.invalid());
    }
    text
}

/// Whether a character neither steers a terminal nor turns the direction of the text.
fn is_plain(character: char) -> bool {
    !character.is_control()
        && character != '\\'
        && !matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    for byte in bytes {
        text.extend(['\\', 'x', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// The bytes that [`shown`] wrote as this text; none if it never writes it so.
pub fn unshown(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'\\' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let (escape, after) = after.split_at_checked(3)?;
        let digits = escape.strip_prefix(b"x")?;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_followed_by_what_is_in_it() {
        let mut paths = vec!["a.b", "a/c", "a", "a0", "a/b/d", "a/b"];
        paths.sort_by_key(|path| tree_order(path.as_bytes()));
        assert_eq!(paths, ["a", "a/b", "a/b/d", "a/c", "a.b", "a0"]);
    }

    #[test]
    fn a_shown_path_cannot_steer_a_terminal_and_reads_back() {
        for (path, text) in [
            (&b"plain/\xc3\xa4"[..], "plain/\u{e4}"),
            (b"\x1b[31m", "\\x1b[31m"),
            (b"back\\slash", "back\\x5cslash"),
            (b"not \xff text", "not \\xff text"),
            ("\u{202e}gpj".as_bytes(), "\\xe2\\x80\\xaegpj"),
        ] {
            assert_eq!(shown(path), text);
            assert_eq!(unshown(text).as_deref(), Some(path));
        }
        assert_eq!(unshown("half \\x1"), None);
    }
}
