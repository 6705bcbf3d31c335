//! `logs`: what a run's attempts said, with their times.

use std::process::ExitCode;

use holdfast_kernel::id::Instant;

use crate::arguments::Run;
use crate::compose::{parts, undriven};
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;
use crate::time;

/// Prints the log.
///
/// # Errors
/// There is no such run, or the log cannot be read.
pub(crate) fn perform(run: &Run, settings: &Settings, output: Output) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let state = undriven(settings, &parts)?;
    let id = super::find_run(&state.offline.reader, &run.run)?;
    let text = state
        .logs
        .read(id)
        .map_err(|error| Error::unavailable(format!("The log of {id} cannot be read: {error}.")))?;
    for line in text.lines() {
        output.line(told(line));
    }
    if text.is_empty() {
        output.talk("The attempts of this run said nothing.");
    }
    Ok(ExitCode::SUCCESS)
}

/// A line with its instant in local time.
fn told(line: &str) -> String {
    let parts = line.split_once(' ').and_then(|(at, rest)| Some((at.parse().ok()?, rest)));
    match parts {
        Some((micros, rest)) => format!("{} {rest}", time::local(Instant(micros))),
        None => line.to_owned(),
    }
}
