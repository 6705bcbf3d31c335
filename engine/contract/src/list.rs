//! Lists that are too long to be values: written once, read by place or from the start to the end.
//!
//! An output that holds one says so with a map of the single key [`MARK`]; expressions see a list.

use holdfast_kernel::failure::Failure;
use holdfast_kernel::id::Digest;
use holdfast_kernel::payload::Reference;
use holdfast_kernel::value::Value;
use serde::{Deserialize, Serialize};

/// The key of the map that stands for a stored list inside of a value. No author can write it: keys of
/// inputs and outputs match `[a-z][a-z0-9_]*`.
pub const MARK: &str = "$list";

/// The most items a list may have.
pub const MAX_ITEMS: u32 = 2_000_000;

/// A list in a run's payload file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredList {
    /// The frame with the directory of its chunks.
    pub directory: Reference,
    /// How many elements it has.
    pub count: u32,
}

/// One item of a fan-out's list, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListedItem {
    /// Its key, unique in the list.
    pub key: String,
    /// Its stage.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stage: i64,
    /// The item itself.
    pub value: Value,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(stage: &i64) -> bool {
    *stage == 0
}

impl StoredList {
    /// The value that stands for this list inside of an output.
    pub fn as_value(&self) -> Value {
        let place = Value::from([
            ("offset", Value::from(self.directory.offset)),
            ("length", Value::from(u64::from(self.directory.length))),
            ("hash", Value::Text(self.directory.hash.to_string())),
            ("count", Value::from(u64::from(self.count))),
        ]);
        Value::from([(MARK, place)])
    }

    /// The list a value stands for, if it stands for one.
    pub fn from_value(value: &Value) -> Option<Self> {
        let map = value.as_map().filter(|map| map.len() == 1)?;
        let place = map.get(MARK)?;
        let number = |key: &str| place.get(key).and_then(Value::as_integer);
        let hash: Digest = place.get("hash")?.as_text()?.parse().ok()?;
        Some(Self {
            directory: Reference {
                offset: u64::try_from(number("offset")?).ok()?,
                length: u32::try_from(number("length")?).ok()?,
                hash,
            },
            count: u32::try_from(number("count")?).ok()?,
        })
    }
}

/// Takes the elements of a list one by one and stores them. It blocks for the time of an append.
pub trait ListOut: Send {
    /// Takes the next element.
    ///
    /// # Errors
    /// It could not be written, or the list is too long.
    fn push(&mut self, element: Value) -> Result<(), Failure>;

    /// How many elements were taken.
    fn count(&self) -> u32;

    /// Writes what is left.
    ///
    /// # Errors
    /// It could not be written.
    fn finish(self: Box<Self>) -> Result<StoredList, Failure>;
}

/// A stored list that is read by place. It blocks for the time of a read.
pub trait ListIn: Send + Sync {
    /// How many elements it has.
    fn count(&self) -> u32;

    /// The element at a place, from 0.
    ///
    /// # Errors
    /// There is none, or it is not what was written.
    fn get(&self, place: u32) -> Result<Value, Failure>;
}

/// Whether a value holds the mark anywhere. Data from elsewhere that does is refused: it would be read as a
/// list of this run.
pub fn has_mark(value: &Value) -> bool {
    match value {
        Value::List(list) => list.iter().any(has_mark),
        Value::Map(map) => map.contains_key(MARK) || map.values().any(has_mark),
        Value::None | Value::Boolean(_) | Value::Integer(_) | Value::Number(_) | Value::Text(_) => {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_list_reads_back_from_its_value() {
        let directory = Reference { offset: 7, length: 9, hash: Digest::of_bytes(b"x") };
        let list = StoredList { directory, count: 3 };
        assert_eq!(StoredList::from_value(&list.as_value()), Some(list));
        assert_eq!(StoredList::from_value(&Value::empty_map()), None);
    }
}
