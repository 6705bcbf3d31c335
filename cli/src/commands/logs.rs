//! `logs`: what a run's attempts said, with their times.

use std::collections::BTreeSet;
use std::process::ExitCode;

use holdfast_kernel::id::{Instant, RunId};
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
    let mut log = Log { access: &access, run, printed: 0, ahead: BTreeSet::new(), output };
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
    /// Lines that were read from the log and may still be told.
    ahead: BTreeSet<String>,
    output: Output,
}

impl Log<'_> {
    /// Prints what the log has and was not printed.
    fn catch_up(&mut self) -> Result<(), Error> {
        let text: String = self.access.ask(Ask::Said { run: self.run })?;
        for line in text.lines().skip(self.printed) {
            self.output.line(said(line));
            self.printed += 1;
            self.ahead.insert(line.to_owned());
        }
        Ok(())
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
                if !self.ahead.remove(line) {
                    self.output.line(said(line));
                    self.printed += 1;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// A line with its instant in local time.
fn said(line: &str) -> String {
    let parts = line.split_once(' ').and_then(|(at, rest)| Some((at.parse().ok()?, rest)));
    match parts {
        Some((micros, rest)) => format!("{} {rest}", time::local(Instant(micros))),
        None => line.to_owned(),
    }
}
