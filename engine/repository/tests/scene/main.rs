//! The repository against the real restic: what is written is read back by it, byte for byte.
//!
//! Sources are made up here, so that each can misbehave in its own way.

mod damage;
mod faults;
mod kit;
mod restic;
mod sources;
mod whole;
