//! `logs`: what a run's attempts said, with their times.

use std::collections::BTreeSet;
use std::process::ExitCode;

use holdfast_kernel::id::{Instant, RunId};
use holdfast_service::wire::ask::Ask;
use holdfast_service::wire::news::Told;
use serde_json::json;

use crate::access::Access;
use crate::arguments::Logs;
use crate::commands::watch::each;
use crate::compose;
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
    let access = Access::open(settings, &compose::parts(settings, output))?;
    let run = access.find(&logs.run)?;
    let mut log =
        Log { access: &access, run, printed: 0, last: None, ahead: BTreeSet::new(), output };
    log.catch_up()?;
    if let Some(client) = access.client()
        && logs.follow
        && ended(&access, run).is_none()
    {
        let mut failed = None;
        each(&client, run, |told| {
            if let Err(error) = log.tell(told) {
                failed.get_or_insert(error);
            }
        })?;
        failed.map_or(Ok(()), Err)?;
        // What was said last may have come after the last news.
        log.catch_up()?;
    } else if log.printed == 0 {
        output.talk("The attempts of this run said nothing.");
    }
    Ok(ExitCode::SUCCESS)
}

/// The log of a run, line by line, none of them lost and none told twice.
struct Log<'a> {
    access: &'a Access,
    run: RunId,
    /// How many lines were printed.
    printed: usize,
    /// The last one.
    last: Option<String>,
    /// Lines that were read from the log and may still be told.
    ahead: BTreeSet<String>,
    output: Output,
}

impl Log<'_> {
    /// Prints what the log has and was not printed.
    fn catch_up(&mut self) -> Result<(), Error> {
        let text: String = self.access.ask(Ask::Said { run: self.run })?;
        // An old log is cut at its beginning: the place is found from the end.
        let lines: Vec<&str> = text.lines().collect();
        let last = self.last.as_deref();
        let printed = lines.iter().rposition(|line| Some(*line) == last).map_or(0, |at| at + 1);
        for line in lines.iter().skip(printed) {
            self.print(line)?;
            self.ahead.insert((*line).to_owned());
        }
        Ok(())
    }

    fn print(&mut self, line: &str) -> Result<(), Error> {
        self.printed += 1;
        self.last = Some(line.to_owned());
        if !self.output.is_json() {
            self.output.line(said(line));
            return Ok(());
        }
        // A stream: one document a line.
        let (at, text) = parts(line);
        let line = json!({ "at": at.map(time::utc), "text": text });
        let failed =
            |error| Error::unavailable(format!("Standard output cannot be written: {error}."));
        self.output.bytes(format!("{line}\n").as_bytes()).map_err(failed)
    }

    fn tell(&mut self, told: &Told) -> Result<(), Error> {
        match told {
            Told::Watching { run } => {
                self.output.talk(format!("Following the log of {run}."));
                // What was said since the log was read is told to nobody: now it is being listened to.
                self.ahead.clear();
                self.catch_up()
            }
            Told::Missed => self.catch_up(),
            Told::Line { line, .. } => {
                if self.ahead.remove(line) {
                    Ok(())
                } else {
                    self.print(line)
                }
            }
            _ => Ok(()),
        }
    }
}

/// A line with its instant in local time.
fn said(line: &str) -> String {
    match parts(line) {
        (Some(at), text) => format!("{} {text}", time::local(at)),
        (None, text) => text.to_owned(),
    }
}

/// When a line was said, and what.
fn parts(line: &str) -> (Option<Instant>, &str) {
    let parts = line.split_once(' ').and_then(|(at, rest)| Some((at.parse().ok()?, rest)));
    match parts {
        Some((micros, rest)) => (Some(Instant(micros)), rest),
        None => (None, line),
    }
}
