//! Each kind of channel against a receiver on a real socket of this machine, or a real program: what arrives is
//! compared field by field, and so is what is said when nothing arrives.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod commands;
mod hanging;
mod heartbeat;
mod home;
mod kinds;
mod kit;
mod mail;
mod ntfy;
mod receiver;
mod secrets;
mod sink;
mod slack;
mod teams;
mod webhook;
