//! The journal remembers: every event of every run, and what people read of them.
//!
//! `journal.ring` takes one record for each commit and is small; the filer carries records on into
//! `store.redb`, which is what people read; beside them are the payload files of each run. The crate
//! owns no thread, reads no clock and decides nothing: it hears from `drive`, which hands it batches of
//! events, and is asked by whoever shows them. It is the only crate that names redb.
//! Start reading at [`resume::open`].

#![deny(clippy::wildcard_enum_match_arm)]

#[cfg(not(target_os = "linux"))]
compile_error!("holdfast runs on Linux only");

mod absorb;
mod adopt;
pub mod codec;
pub mod commit;
pub mod database;
pub mod disk;
mod doubt;
pub mod export;
pub mod fault;
pub mod filer;
mod frame;
mod frames;
pub mod items;
mod kept;
pub mod lists;
mod live;
mod mark;
pub mod migrate;
pub mod outbox;
mod outgoing;
pub mod payloads;
mod project;
pub mod query;
pub mod record;
pub mod resume;
pub mod retain;
mod ring;
pub mod schedule;
pub mod sealing;
mod store;
pub mod ticks;
pub mod totals;
