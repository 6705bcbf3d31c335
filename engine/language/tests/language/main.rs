//! What the language promises authors, seen from outside: files in, diagnostics or definitions out.
//!
//! One binary for all of it, because linking costs more than running.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::format_push_string,
    reason = "a test fails by panicking, and its texts need not be made fast"
)]

mod bad_channels;
mod bad_configurations;
mod bad_files;
mod channels;
mod configuration_page;
mod configurations;
mod definitions;
mod diagnostics_page;
mod evaluation;
mod language_page;
mod run;
mod schedules;
mod schemas;
mod specs;
mod submits;
