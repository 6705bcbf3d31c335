//! Commands: a program of this machine, executed without a shell, that reads what a webhook would be sent.
//!
//! It puts the notification into what the program is given, and judges how the program ended; `program` holds
//! it meanwhile. Whether a program may be executed at all is for the caller to say.

use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;

use crate::client::Client;
use crate::outgoing::Outgoing;
use crate::program::Program;
use crate::text;
use crate::undelivered::Undelivered;
use crate::unfit::Unfit;
use crate::webhook;

/// The exit code of a program that is to be tried again: `EX_TEMPFAIL` of `sysexits.h`.
const TRY_AGAIN: i32 = 75;

/// The most characters of a title in the environment, where the system takes no more than 128 KiB.
const LONGEST_TITLE: usize = 200;

/// A program with its arguments.
///
/// It reads the body of a webhook from its standard input. Its environment is `PATH`, `HOLDFAST_NOTIFICATION`
/// (the id), `HOLDFAST_LEVEL` (`info`, `warning` or `error`) and `HOLDFAST_TITLE` (one line). With exit code 0
/// it says that the notification is delivered. Otherwise the first line of its standard error is shown to
/// people.
#[derive(Clone)]
pub struct Command {
    program: String,
    arguments: Vec<String>,
}

/// Arguments may be meant for the program alone.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({}, {} arguments)", self.place(), self.arguments.len())
    }
}

impl Command {
    /// Takes a program by its absolute path, and its arguments after it.
    ///
    /// # Errors
    /// There is no program, or its path is not absolute.
    pub fn new(argv: Vec<String>) -> Result<Self, Unfit> {
        let mut argv = argv.into_iter();
        let program = argv.next().filter(|program| !program.is_empty());
        let program = program.ok_or(Unfit::NoProgram)?;
        if !Path::new(&program).is_absolute() {
            return Err(Unfit::NotAbsolute(text::line(&program)));
        }
        Ok(Self { program, arguments: argv.collect() })
    }

    pub(crate) async fn deliver(
        &self,
        outgoing: &Outgoing,
        client: &Client,
    ) -> Result<(), Undelivered> {
        let body = webhook::body(outgoing);
        let mut said = Vec::new();
        let mut program = self.start(outgoing)?;
        let ended = program.run(body.as_bytes(), &mut said, client.whole_limit()).await;
        let how = match ended {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => ending(status),
            Ok(None) => "does not end in time".to_owned(),
            Err(error) => format!("cannot be waited for: {}", in_words(&error)),
        };
        let mut reason = format!("{} {how}", self.place());
        if let Some(line) = first_line(&said) {
            reason = format!("{reason}: {line}");
        }
        Err(Undelivered::Failed(reason))
    }

    fn start(&self, outgoing: &Outgoing) -> Result<Program, Undelivered> {
        let environment = [
            ("HOLDFAST_NOTIFICATION", outgoing.name()),
            ("HOLDFAST_LEVEL", outgoing.level.word().to_owned()),
            ("HOLDFAST_TITLE", text::characters(&outgoing.headline(), LONGEST_TITLE)),
        ];
        Program::start(&self.program, &self.arguments, environment).map_err(|error| {
            let reason = format!("{} cannot be executed: {}", self.place(), in_words(&error));
            Undelivered::Failed(reason)
        })
    }

    /// What is named of it.
    fn place(&self) -> String {
        text::line(&self.program)
    }
}

/// How a program ended that did not deliver.
fn ending(status: ExitStatus) -> String {
    match status.code() {
        Some(TRY_AGAIN) => format!("asks to be tried again later (exit code {TRY_AGAIN})"),
        Some(code) => format!("ended with exit code {code}"),
        None => format!("was ended by signal {}", status.signal().unwrap_or_default()),
    }
}

fn in_words(error: &io::Error) -> String {
    text::excerpt(&error.to_string())
}

/// The first line that says anything, fit to be shown.
fn first_line(said: &[u8]) -> Option<String> {
    let said = String::from_utf8_lossy(said);
    said.lines().map(text::excerpt).find(|line| !line.is_empty())
}
