//! A value that is kept where it is small, and referred to where it is large.
//!
//! The kernel carries payloads about and never opens one that is stored.

use serde::{Deserialize, Serialize};

use crate::id::Digest;
use crate::value::Value;

/// The most bytes of canonical text that are kept inside of a record.
pub const INLINE_BYTES: usize = 1_024;

/// An output, an item list or a note.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// The value itself.
    Inline(Value),
    /// Where the value stands in the run's payload file.
    Stored(Reference),
}

impl Payload {
    /// An empty map: the output of an action that has none.
    pub const fn empty() -> Self {
        Self::Inline(Value::empty_map())
    }
}

/// A frame of a run's append file. It was durable before any record named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Where the frame starts, in bytes from the start of the file.
    pub offset: u64,
    /// The bytes of the frame's content before compression.
    pub length: u32,
    /// SHA-256 of the content before compression.
    pub hash: Digest,
}
