//! The kernel decides what a run does next, and never does it.
//!
//! It knows no clock, no randomness, no files, no threads and no hash maps: `no_std` keeps them out. It
//! hears from `drive`, which hands it events and carries out the commands it answers with. Everything it
//! decides is an event that can be folded again, so a crash, a replay and a rehearsal are the same thing.
//! Start reading at [`decide`].

#![no_std]
#![deny(clippy::wildcard_enum_match_arm)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod abandon;
pub mod admit;
pub mod attempt;
pub mod command;
mod course;
pub mod decide;
pub mod definition;
pub mod effect;
pub mod event;
pub mod failure;
pub mod fan_out;
pub mod fold;
pub mod id;
pub mod initiator;
pub mod invariant;
mod item;
pub mod order;
pub mod payload;
pub mod people;
pub mod queue;
pub mod ranges;
pub mod reopen;
pub mod retry;
pub mod state;
pub mod status;
mod stop;
pub mod submit;
pub mod tick;
pub mod value;
pub mod wellformed;
