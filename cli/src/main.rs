//! The `holdfast` program: arguments in, an exit code out.
//!
//! It has no logic of runs. What commands do is in `commands`, how they are wired in `compose`, and what people
//! see of errors in `error`.

#![warn(clippy::use_debug)]

mod access;
mod arguments;
mod book;
mod channels;
mod children;
mod commands;
mod compose;
mod environment;
mod error;
mod find;
mod live;
mod output;
mod progress;
mod repository;
mod secrets;
mod settings;
mod shipped;
mod signals;
mod submission;
mod targets;
mod telemetry;
mod time;
mod watch;

use std::panic::{UnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    guarded(perform)
}

fn perform() -> ExitCode {
    let arguments = match arguments::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return output::usage(&error),
    };
    let output = output::Output::new(arguments.shared.output);
    match commands::perform(arguments, output) {
        Ok(code) => code,
        Err(error) => output.error(&error),
    }
}

/// A panic is a bug in holdfast, and ends with the code of one. What is stored is as after any other death.
fn guarded(body: impl FnOnce() -> ExitCode + UnwindSafe) -> ExitCode {
    catch_unwind(body).unwrap_or_else(|_told| {
        let error = error::Error::internal("A bug in holdfast: it panicked, as told above.")
            .hint("Nothing that was acknowledged is lost: `holdfast resume` goes on.");
        output::Output::new(arguments::Form::Text).error(&error)
    })
}

#[cfg(test)]
mod tests {
    use holdfast_kernel::status::{Outcome, Reason};

    use super::*;

    #[test]
    fn a_bug_in_holdfast_and_a_long_queue_end_with_their_own_codes() {
        assert_eq!(guarded(|| ExitCode::from(3)), ExitCode::from(3));
        let bug = guarded(|| panic!("a bug"));
        assert_eq!(bug, ExitCode::from(70));
        assert_eq!(error::Error::internal("a bug").code(), ExitCode::from(70));
        assert_eq!(error::code_of(Outcome::Failed(Reason::Internal)), ExitCode::from(70));
        assert_eq!(error::code_of(Outcome::Failed(Reason::QueueTimeout)), ExitCode::from(1));
    }
}
