//! The repository against the real restic: what is written is read back by it, byte for byte.
//!
//! Sources are made up here, so that each can misbehave in its own way.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, writes files as it likes and runs the real restic"
)]

mod damage;
mod faults;
mod kit;
mod look;
mod restic;
mod retention;
mod sources;
mod whole;
