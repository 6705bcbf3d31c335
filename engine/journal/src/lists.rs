//! Lists in a run's payload file: written once in chunks, read by place or from the start to the end.
//!
//! A chunk is a frame with a JSON list of about 64 KiB; one more frame, the directory, says which element
//! each chunk starts with. Nothing of a list is kept in memory but the chunk being written, the directory
//! and a few chunks being read.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_contract::evaluate::ListSink;
use holdfast_contract::list::{ListIn, ListOut, ListedItem, MAX_ITEMS, StoredList};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::RunId;
use holdfast_kernel::payload::Reference;
use holdfast_kernel::value::Value;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::payloads::{PayloadError, Payloads};

/// The bytes of JSON after which a chunk is written.
const CHUNK_BYTES: usize = 64 * 1024;

/// How many chunks a reader keeps.
const KEPT_CHUNKS: usize = 4;

/// Why a list cannot be written or read.
#[derive(Debug, Error)]
pub enum ListError {
    /// A frame of it cannot be written or read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// It has too many elements.
    #[error("a list may have at most {MAX_ITEMS} elements")]
    TooLong,
    /// An element has no JSON.
    #[error("an element cannot be written as JSON: {0}")]
    Element(String),
    /// There is no element at this place.
    #[error("the list has {count} elements, none at place {place}")]
    NoSuchPlace {
        /// How many it has.
        count: u32,
        /// The place, from 0.
        place: u32,
    },
}

impl ListError {
    /// The failure of an attempt or an evaluation that met it.
    pub fn failure(&self) -> Failure {
        let class = match self {
            Self::Payload(PayloadError::NoKey { .. }) => Class::Auth,
            Self::Payload(_) | Self::NoSuchPlace { .. } => Class::Internal,
            Self::TooLong | Self::Element(_) => Class::Invalid,
        };
        Failure::without_effect(class, self.to_string())
    }
}

/// One chunk, as the directory names it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Chunk {
    first: u32,
    at: Reference,
}

/// Writes a list.
#[derive(Debug)]
pub struct ListWriter {
    payloads: Arc<Payloads>,
    run: RunId,
    chunks: Vec<Chunk>,
    /// The JSON of the chunk being written, without its last bracket.
    open: Vec<u8>,
    open_first: u32,
    count: u32,
}

impl ListWriter {
    /// A list in the payload file of `run`, without elements.
    pub const fn new(payloads: Arc<Payloads>, run: RunId) -> Self {
        Self { payloads, run, chunks: Vec::new(), open: Vec::new(), open_first: 0, count: 0 }
    }

    /// Adds the next element.
    ///
    /// # Errors
    /// It could not be written, or the list is too long.
    pub fn push_element<T: Serialize>(&mut self, element: &T) -> Result<(), ListError> {
        if self.count >= MAX_ITEMS {
            return Err(ListError::TooLong);
        }
        let json =
            serde_json::to_vec(element).map_err(|error| ListError::Element(error.to_string()))?;
        if !self.open.is_empty() && self.open.len() + json.len() > CHUNK_BYTES {
            self.close_chunk()?;
        }
        self.open.push(if self.open.is_empty() { b'[' } else { b',' });
        self.open.extend_from_slice(&json);
        self.count += 1;
        Ok(())
    }

    fn close_chunk(&mut self) -> Result<(), ListError> {
        if self.open.is_empty() {
            return Ok(());
        }
        self.open.push(b']');
        let written = self.payloads.append(self.run, &self.open);
        // An element that is pushed again after a failed write finds the chunk as it was.
        if written.is_err() {
            self.open.pop();
        }
        let at = written?;
        self.chunks.push(Chunk { first: self.open_first, at });
        self.open.clear();
        self.open_first = self.count;
        Ok(())
    }

    /// Writes what is left, and the directory.
    ///
    /// # Errors
    /// It could not be written.
    pub fn finish(mut self) -> Result<StoredList, ListError> {
        self.close_chunk()?;
        let directory = serde_json::to_vec(&self.chunks)
            .map_err(|error| ListError::Element(error.to_string()))?;
        Ok(StoredList { directory: self.payloads.append(self.run, &directory)?, count: self.count })
    }
}

impl ListSink for ListWriter {
    fn push(&mut self, item: ListedItem) -> Result<(), Failure> {
        self.push_element(&item).map_err(|error| error.failure())
    }
}

impl ListOut for ListWriter {
    fn push(&mut self, element: Value) -> Result<(), Failure> {
        self.push_element(&element).map_err(|error| error.failure())
    }

    fn count(&self) -> u32 {
        self.count
    }

    fn finish(self: Box<Self>) -> Result<StoredList, Failure> {
        Self::finish(*self).map_err(|error| error.failure())
    }
}

impl ListIn for ListReader<Value> {
    fn count(&self) -> u32 {
        self.count
    }

    fn get(&self, place: u32) -> Result<Value, Failure> {
        Self::get(self, place).map_err(|error| error.failure())
    }
}

/// Reads a list of elements of type `T`. Threads may share it.
#[derive(Debug)]
pub struct ListReader<T> {
    payloads: Arc<Payloads>,
    run: RunId,
    chunks: Vec<Chunk>,
    count: u32,
    kept: Mutex<VecDeque<(usize, Arc<Vec<T>>)>>,
    element: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned + Clone> ListReader<T> {
    /// The list, its directory read.
    ///
    /// # Errors
    /// The directory is not there or not what was written.
    pub fn open(payloads: Arc<Payloads>, run: RunId, list: &StoredList) -> Result<Self, ListError> {
        let content = payloads.read(run, &list.directory)?;
        let chunks: Vec<Chunk> = serde_json::from_slice(&content).map_err(|error| {
            let what = format!("it holds no directory of a list: {error}");
            payloads.damaged(run, list.directory.offset, &what)
        })?;
        Ok(Self {
            payloads,
            run,
            chunks,
            count: list.count,
            kept: Mutex::default(),
            element: PhantomData,
        })
    }

    /// How many elements it has.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The element at a place.
    ///
    /// # Errors
    /// There is none, or its chunk is not what was written.
    pub fn get(&self, place: u32) -> Result<T, ListError> {
        let missing = ListError::NoSuchPlace { count: self.count, place };
        let chunk = self.chunks.partition_point(|chunk| chunk.first <= place);
        let Some((number, chunk)) =
            chunk.checked_sub(1).and_then(|number| Some((number, self.chunks.get(number)?)))
        else {
            return Err(missing);
        };
        let elements = self.chunk(number, chunk)?;
        elements.get((place - chunk.first) as usize).cloned().ok_or(missing)
    }

    fn chunk(&self, number: usize, chunk: &Chunk) -> Result<Arc<Vec<T>>, ListError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, elements)) = kept.iter().find(|(of, _)| *of == number) {
            return Ok(Arc::clone(elements));
        }
        let content = self.payloads.read(self.run, &chunk.at)?;
        let elements: Vec<T> = serde_json::from_slice(&content).map_err(|error| {
            let what = format!("it holds no part of a list: {error}");
            self.payloads.damaged(self.run, chunk.at.offset, &what)
        })?;
        let elements = Arc::new(elements);
        if kept.len() == KEPT_CHUNKS {
            kept.pop_front();
        }
        kept.push_back((number, Arc::clone(&elements)));
        Ok(elements)
    }

    /// The elements from the first on; after an error there are no more.
    pub fn iter(&self) -> impl Iterator<Item = Result<T, ListError>> + '_ {
        let mut failed = false;
        (0..self.count).map_while(move |place| {
            if failed {
                return None;
            }
            let element = self.get(place);
            failed = element.is_err();
            Some(element)
        })
    }
}
