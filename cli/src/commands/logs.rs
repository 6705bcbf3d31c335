//! `logs`: what a run's attempts said, with their times.

use std::process::ExitCode;

use holdfast_kernel::id::Instant;
use holdfast_service::wire::ask::Ask;
use holdfast_service::wire::news::Told;

use crate::access::Access;
use crate::arguments::Logs;
use crate::commands::watch::each;
use crate::compose::parts;
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;
use crate::time;
use crate::watch::ended;

/// Prints the log.
///
/// # Errors
/// There is no such run, or the log cannot be read.
pub(crate) fn perform(logs: &Logs, settings: &Settings, output: Output) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let access = Access::open(settings, &parts)?;
    let run = access.find(&logs.run)?;
    let text: String = access.ask(Ask::Said { run })?;
    for line in text.lines() {
        output.line(said(line));
    }
    if let Some(client) = access.client()
        && logs.follow
        && ended(&access, run).is_none()
    {
        each(&client, run, |told| match told {
            Told::Watching { run } => output.talk(format!("Following the log of {run}.")),
            Told::Line { line, .. } => output.line(said(line)),
            _ => {}
        })?;
    } else if text.is_empty() {
        output.talk("The attempts of this run said nothing.");
    }
    Ok(ExitCode::SUCCESS)
}

/// A line with its instant in local time.
fn said(line: &str) -> String {
    let parts = line.split_once(' ').and_then(|(at, rest)| Some((at.parse().ok()?, rest)));
    match parts {
        Some((micros, rest)) => format!("{} {rest}", time::local(Instant(micros))),
        None => line.to_owned(),
    }
}
