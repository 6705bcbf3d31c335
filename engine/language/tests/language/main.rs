//! What the language promises authors, seen from outside: files in, diagnostics or definitions out.
//!
//! One binary for all of it, because linking costs more than running.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod diagnostics_page;
mod specs;
