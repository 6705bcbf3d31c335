//! Units: parts of a tree that are captured, compared and restored as one item.
//!
//! A unit is a half-open range of paths. The units of a tree together cover every path there could be, so
//! what appears in it later falls into one of them. Nothing here looks at a tree.

use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::Digest;
use holdfast_kernel::value::Value;

use crate::entry::{TreePath, shown, tree_order, unshown};

/// The most entries of a unit.
pub const MAX_ENTRIES: u64 = 10_000;
/// The most bytes of a unit, unless one file has more.
pub const MAX_BYTES: u64 = 1 << 30;

/// The longest key of an item, in bytes; a longer start gets its digest as key.
const LONGEST_KEY: usize = 1_024;

/// The paths from one on to just before another, in the order of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first path; empty is the root.
    pub start: TreePath,
    /// The first path after it; none is the end of all paths.
    pub end: Option<TreePath>,
}

impl Range {
    /// Whether a path lies in it.
    pub fn has(&self, path: &[u8]) -> bool {
        let place = tree_order(path);
        place >= tree_order(&self.start)
            && self.end.as_deref().is_none_or(|end| place < tree_order(end))
    }
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

impl Unit {
    /// Its key in the list of items: unique, never empty, the same as long as it starts there.
    pub fn key(&self) -> String {
        let start = self.start();
        if start.len() > LONGEST_KEY {
            return format!("h:{}", Digest::of_bytes(start.as_bytes()));
        }
        start
    }

    fn start(&self) -> String {
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
            ("start", Value::Text(self.start())),
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
    /// Class `invalid`: it is none.
    pub fn range_of(item: &Value) -> Result<Range, Failure> {
        let no_unit = || {
            let message = format!("{} is no unit of a file tree", item.canonical());
            Failure::without_effect(Class::Invalid, message)
        };
        let path = |value: &Value| {
            let text = value.as_text()?.strip_prefix('/')?;
            unshown(text)
        };
        let start =
            item.get("start").or_else(|| item.get("key")).and_then(path).ok_or_else(no_unit)?;
        let end = match item.get("end") {
            None | Some(Value::None) => None,
            Some(end) => Some(path(end).ok_or_else(no_unit)?),
        };
        Ok(Range { start, end })
    }
}

/// Cuts a tree into units, path after path in the order of a tree.
#[derive(Debug)]
pub struct Cutter {
    max_entries: u64,
    max_bytes: u64,
    units: Vec<Unit>,
    open: Option<Unit>,
}

impl Default for Cutter {
    fn default() -> Self {
        Self::new(MAX_ENTRIES, MAX_BYTES)
    }
}

impl Cutter {
    /// A cutter of units of at most so many entries and bytes.
    pub const fn new(max_entries: u64, max_bytes: u64) -> Self {
        Self { max_entries, max_bytes, units: Vec::new(), open: None }
    }

    /// Takes the next entry.
    pub fn add(&mut self, path: &[u8], bytes: u64) {
        let is_full = self.open.as_ref().is_some_and(|unit| {
            let is_over = unit.entries >= self.max_entries || unit.bytes + bytes > self.max_bytes;
            unit.entries > 0 && is_over
        });
        if is_full && let Some(mut full) = self.open.take() {
            full.range.end = Some(path.to_vec());
            self.units.push(full);
            let range = Range { start: path.to_vec(), end: None };
            self.open = Some(Unit { range, entries: 1, bytes });
            return;
        }
        let unit = self.open.get_or_insert_with(Self::first);
        unit.entries += 1;
        unit.bytes += bytes;
    }

    /// Sees to it that there is a unit for something that cannot be looked at, which lists it.
    pub fn cover(&mut self) {
        self.open.get_or_insert_with(Self::first);
    }

    fn first() -> Unit {
        Unit { range: Range::default(), entries: 0, bytes: 0 }
    }

    /// The units; none if nothing was taken.
    pub fn end(mut self) -> Vec<Unit> {
        self.units.extend(self.open);
        self.units
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
        check(
            &[b'x'; 2_000],
            None,
            &format!("h:{}", Digest::of_bytes(&[b"/", &[b'x'; 2_000][..]].concat())),
        );
        check(b"a\xff\n\\", Some(b"\xfe"), "/a\\xff\\x0a\\x5c");
        assert!(Unit::range_of(&Value::from("x")).is_err());
    }

    #[test]
    fn units_cover_every_path_there_could_be() {
        let mut cutter = Cutter::new(2, 100);
        for path in ["a", "a/x", "a.b", "b", "c"] {
            cutter.add(path.as_bytes(), 1);
        }
        let units = cutter.end();
        assert_eq!(units.len(), 3);
        for path in ["", "a", "a/x/y", "a.b", "a.c", "bb", "zzz"] {
            let having = units.iter().filter(|unit| unit.range.has(path.as_bytes()));
            assert_eq!(having.count(), 1, "{path}");
        }
    }
}
