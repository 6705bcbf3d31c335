//! The calendar against a clock that is watched minute by minute, and the days on which people know the answer.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says how much it compared"
)]

mod known;
mod watched;
