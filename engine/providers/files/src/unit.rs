//! Cuts a tree into units: ranges of paths that together cover every path there could be.
//!
//! A unit is one item of the inventory. Its key is where its range starts; what appears in the tree later
//! falls into one of the ranges, so nothing is between them.

use holdfast_contract::entry::{LeftOut, TreePath, shown, unshown};
use holdfast_kernel::value::Value;
use rustix::fs::FileType;

use crate::metadata::size_of;
use crate::root::{FilesTarget, Refused};
use crate::scan::{Scan, Sight};

/// The most entries of a unit.
pub const MAX_ENTRIES: u64 = 10_000;
/// The most bytes of a unit, unless one file has more.
pub const MAX_BYTES: u64 = 1 << 30;

/// The paths from one on to just before another, in the order of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first path; empty is the root.
    pub start: TreePath,
    /// The first path after it; none is the end of all paths.
    pub end: Option<TreePath>,
}

/// A part of a tree that is captured as one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its paths.
    pub range: Range,
    /// How many entries it had.
    pub entries: u64,
    /// How many bytes of content it had.
    pub bytes: u64,
}

/// What a tree has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Its units; none if there is nothing in it.
    pub units: Vec<Unit>,
    /// What could not be looked at: the inventory is partial.
    pub unreadable: Vec<LeftOut>,
    /// What a rule keeps out: our own folders, other file systems. It is nothing that is missing.
    pub ruled: Vec<LeftOut>,
}

impl Unit {
    /// Its key in the list of items: unique, never empty, the same as long as it starts there.
    pub fn key(&self) -> String {
        format!("/{}", shown(&self.range.start))
    }

    /// The item of a fan-out.
    pub fn item(&self) -> Value {
        let end = self.range.end.as_deref();
        Value::from([
            ("key", Value::Text(self.key())),
            ("kind", Value::from("unit")),
            ("name", Value::Text(self.name())),
            ("stage", Value::from(0)),
            ("entries", Value::from(self.entries)),
            ("bytes", Value::from(self.bytes)),
            ("end", end.map_or(Value::None, |end| Value::Text(format!("/{}", shown(end))))),
        ])
    }

    /// For people.
    fn name(&self) -> String {
        match &self.range.end {
            Some(end) => format!("/{} up to /{}", shown(&self.range.start), shown(end)),
            None => format!("/{} to the end", shown(&self.range.start)),
        }
    }

    /// The range of an item that [`Unit::item`] made.
    ///
    /// # Errors
    /// It is none.
    pub fn range_of(item: &Value) -> Result<Range, Refused> {
        let no_unit = || Refused::NoUnit { text: item.canonical() };
        let path = |value: &Value| {
            let text = value.as_text()?.strip_prefix('/')?;
            unshown(text)
        };
        let start = item.get("key").and_then(path).ok_or_else(no_unit)?;
        let end = match item.get("end") {
            None | Some(Value::None) => None,
            Some(end) => Some(path(end).ok_or_else(no_unit)?),
        };
        Ok(Range { start, end })
    }
}

impl FilesTarget {
    /// Looks at the whole tree and cuts it into units.
    ///
    /// # Errors
    /// The permit was withdrawn, or the root cannot be listed.
    pub fn inventory(&self, permitted: &dyn Fn() -> bool) -> Result<Inventory, Refused> {
        self.inventory_cut(permitted, MAX_ENTRIES, MAX_BYTES)
    }

    /// The same with other limits for a unit.
    ///
    /// # Errors
    /// As there.
    pub fn inventory_cut(
        &self,
        permitted: &dyn Fn() -> bool,
        max_entries: u64,
        max_bytes: u64,
    ) -> Result<Inventory, Refused> {
        let mut cutter = Cutter { max_entries, max_bytes, found: Inventory::default(), open: None };
        for sight in Scan::new(&self.inner, &Range::default()) {
            if !permitted() {
                return Err(Refused::Cancelled);
            }
            match sight {
                // The root alone is nothing: a disk that is not mounted must not look like a tree.
                Sight::Seen(seen) if seen.path.is_empty() => {}
                Sight::Seen(seen) => {
                    let kind = FileType::from_raw_mode(seen.stat.st_mode);
                    cutter.add(seen.path, kind, size_of(&seen.stat));
                }
                Sight::Unreadable(left_out) if left_out.path.is_empty() => {
                    return Err(Refused::Io {
                        doing: format!("listing {}", self.inner.place(b"")),
                        source: std::io::Error::new(
                            std::io::ErrorKind::PermissionDenied,
                            left_out.reason,
                        ),
                    });
                }
                Sight::Unreadable(left_out) => cutter.unreadable(left_out),
                Sight::Ruled(left_out) => cutter.found.ruled.push(left_out),
            }
        }
        Ok(cutter.end())
    }
}

struct Cutter {
    max_entries: u64,
    max_bytes: u64,
    found: Inventory,
    open: Option<Unit>,
}

impl Cutter {
    fn add(&mut self, path: TreePath, kind: FileType, size: u64) {
        let bytes = if kind == FileType::RegularFile { size } else { 0 };
        let is_full = self.open.as_ref().is_some_and(|unit| {
            let is_over = unit.entries >= self.max_entries || unit.bytes + bytes > self.max_bytes;
            unit.entries > 0 && is_over
        });
        if is_full && let Some(mut full) = self.open.take() {
            full.range.end = Some(path.clone());
            self.found.units.push(full);
            self.open = Some(Unit { range: Range { start: path, end: None }, entries: 1, bytes });
            return;
        }
        let unit = self.open.get_or_insert_with(Self::first);
        unit.entries += 1;
        unit.bytes += bytes;
    }

    /// What cannot be read still belongs to a unit, which lists it when it is captured.
    fn unreadable(&mut self, left_out: LeftOut) {
        self.open.get_or_insert_with(Self::first);
        self.found.unreadable.push(left_out);
    }

    fn first() -> Unit {
        Unit { range: Range::default(), entries: 0, bytes: 0 }
    }

    fn end(mut self) -> Inventory {
        self.found.units.extend(self.open);
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(start: &[u8], end: Option<&[u8]>, key: &str) {
        let unit = Unit {
            range: Range { start: start.to_vec(), end: end.map(<[u8]>::to_vec) },
            entries: 1,
            bytes: 2,
        };
        assert_eq!(unit.key(), key);
        assert_eq!(Unit::range_of(&unit.item()).unwrap(), unit.range);
    }

    #[test]
    fn a_range_reads_back_from_its_item() {
        check(b"", None, "/");
        check(b"a/b", Some(b"a/c"), "/a/b");
        check(b"a\xff\n\\", Some(b"\xfe"), "/a\\xff\\x0a\\x5c");
        assert!(Unit::range_of(&Value::from("x")).is_err());
    }
}
