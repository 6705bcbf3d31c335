//! Real trees through the provider and the repository, read back by restic and by us.

#![expect(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, writes files as it likes and runs the real restic"
)]

mod attempts;
mod compare;
mod kit;
mod live;
mod restore;
mod round;
mod scan;
