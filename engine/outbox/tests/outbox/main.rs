//! The outbox: what the rules make of a notification, in what words it goes out, and what arrives at receivers on
//! real sockets from a real journal on a real disk.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod delivery;
mod desk;
mod kit;
mod letters;
mod receiver;
mod routing;
mod rules;
mod scene;
mod trouble;
