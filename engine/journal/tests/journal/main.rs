//! The journal, from outside: what is acknowledged is kept, whatever happens to process and disk.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod damage;
mod faults;
mod forgetting;
mod former;
mod history;
mod host;
mod lists;
mod memory;
mod outbox;
mod real;
