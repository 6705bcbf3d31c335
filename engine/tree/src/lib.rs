//! Makes single entries of a file tree: files with holes, links, pipes, sockets, devices; and dresses them.
//!
//! Whoever calls it has opened the folder; nothing here follows a link or knows where the folder stands.
//! What the system refuses of an entry's owner and attributes is said in words, never silent. The export of
//! the repository and the provider of file trees share it.

mod dress;
mod make;
mod sparse;

use std::io;

pub use dress::{dress_at, dress_open};
pub use make::make;
pub use sparse::SparseFile;

/// Something the system refused.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {source}")]
pub struct Refused {
    /// What was tried: a lower-case fragment.
    pub doing: &'static str,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl Refused {
    /// A failed call as a refusal, for `map_err`.
    pub fn doing<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self { doing, source: error.into() }
    }
}
