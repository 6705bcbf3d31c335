//! The `holdfast` program: arguments in, an exit code out.
//!
//! It has no logic of runs. What commands do is in `commands`, how they are wired in `compose`, and what people
//! see of errors in `error`.

#![warn(clippy::use_debug)]

mod access;
mod arguments;
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
mod time;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
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
