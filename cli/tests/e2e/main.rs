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
mod endings;
mod files;
mod holds;
mod home;
mod in_doubt;
mod interrupted;
mod mere_user;
mod owner;
mod people;
mod running;
mod schedules;
mod secrets;
mod sets;
mod states;
mod terminal;
