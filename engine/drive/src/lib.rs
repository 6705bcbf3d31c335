//! The loop that matters most: take an event, decide, hand one batch to the writer, and only after its commit
//! release commands and replies.
//!
//! It knows no tokio, no clock and no thread: its hosts, `runtime` and `simulation`, bring instants, commit
//! batches and carry commands out. Start reading at [`turn::Drive`].

pub mod answer;
pub mod grants;
pub mod input;
pub mod output;
mod people;
mod quarantine;
mod queueing;
mod relatives;
pub mod scope;
mod step;
pub mod ticking;
pub mod turn;
