//! The real program on a real state directory: one file for each promise it makes to the people at a terminal.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the program it tests"
)]

mod acting_without_an_owner;
mod again;
mod authors;
mod children;
mod clocked;
mod dst;
mod encrypted;
mod endings;
mod files;
mod forgetting;
mod holds;
mod home;
mod in_doubt;
mod interrupted;
mod lateness;
mod logs;
mod mere_user;
mod metrics;
mod outside;
mod overlaps;
mod owner;
mod pauses;
mod people;
mod readings;
mod receivers;
mod rounds;
mod running;
mod schedules;
mod secrets;
mod sets;
mod signals;
mod states;
mod terminal;
mod vanished;
mod waits;
