//! The only place that prints: data on standard output, talk on standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use holdfast_language::configuration::LogForm;
use holdfast_language::diagnostic::{Diagnostic, Severity};
use holdfast_language::render::Colour;
use holdfast_language::source::Source;
use serde::Serialize;

use crate::arguments::Form;
use crate::environment;
use crate::error::Error;
use crate::telemetry;

/// Prints for one command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    form: Form,
}

#[expect(clippy::unused_self, reason = "only who was handed an output prints")]
impl Output {
    /// Prints in this form.
    pub(crate) const fn new(form: Form) -> Self {
        Self { form }
    }

    /// Whether data is printed as JSON.
    pub(crate) fn is_json(self) -> bool {
        self.form == Form::Json
    }

    /// Whether the terminal of the talk may move and be drawn on.
    pub(crate) fn moves(self) -> bool {
        !self.is_json() && is_plain_terminal()
    }

    /// Data for people, a line.
    pub(crate) fn line(self, line: impl AsRef<str>) {
        // A reader that is gone, as `head` is, wants no more.
        writeln!(io::stdout().lock(), "{}", clean(line.as_ref())).unwrap_or_default();
    }

    /// Data for programs.
    ///
    /// # Errors
    /// It has no JSON.
    pub(crate) fn json(self, data: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(data).map_err(|error| {
            Error::internal(format!("The data cannot be printed as JSON: {error}."))
        })?;
        writeln!(io::stdout().lock(), "{text}").unwrap_or_default();
        Ok(())
    }

    /// Data as it is, whatever it is.
    pub(crate) fn bytes(self, bytes: &[u8]) -> io::Result<()> {
        io::stdout().lock().write_all(bytes)
    }

    /// Talk: progress, and what comes next. Of a service it is part of the log.
    pub(crate) fn talk(self, line: impl AsRef<str>) {
        let line = line.as_ref();
        if telemetry::form().is_some() {
            tracing::info!("{line}");
            return;
        }
        // Who does not listen any more keeps no run from its end.
        writeln!(io::stderr().lock(), "{}", clean(line)).unwrap_or_default();
    }

    /// The diagnostics of a file.
    pub(crate) fn diagnostics(self, source: &Source, found: &[Diagnostic]) {
        for diagnostic in found {
            if telemetry::form() == Some(LogForm::Json) {
                told_to_programs(diagnostic);
                continue;
            }
            let text = diagnostic.render(source, colour());
            writeln!(io::stderr().lock(), "{text}\n").unwrap_or_default();
        }
    }

    /// An error, with what to do.
    pub(crate) fn error(self, error: &Error) -> ExitCode {
        if telemetry::form().is_some() {
            let hints: Vec<String> = error.hints.iter().map(|hint| format!("\n{hint}")).collect();
            tracing::error!("{error}{}", hints.concat());
            return error.code();
        }
        self.talk(format!("error: {error}"));
        for hint in &error.hints {
            self.talk(format!("  {hint}"));
        }
        error.code()
    }
}

/// A line of the log, in one piece: threads may write at the same time.
pub(crate) fn log(line: &str) {
    // A service goes on although nobody reads what it says.
    io::stderr().lock().write_all(line.as_bytes()).unwrap_or_default();
}

/// A diagnostic as an event, without the drawing of its place.
fn told_to_programs(diagnostic: &Diagnostic) {
    let Diagnostic { file, message, location, code, .. } = diagnostic;
    let (line, column) = (location.start.line, location.start.column);
    let remedy = diagnostic.remedy.as_ref().map(|remedy| format!("\n{remedy}"));
    let text = format!(
        "{file}:{line}:{column}: {message} ({}){}",
        code.number(),
        remedy.unwrap_or_default()
    );
    match diagnostic.severity {
        Severity::Error => tracing::error!("{text}"),
        Severity::Warning => tracing::warn!("{text}"),
    }
}

/// What the argument parser says.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // A terminal that is gone cannot be told.
    error.print().unwrap_or_default();
    if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

/// Colour on a terminal, unless `NO_COLOR` is set.
fn colour() -> Colour {
    if is_plain_terminal() { Colour::Ansi } else { Colour::None }
}

/// Whether talk goes to a terminal that takes colour and movement.
fn is_plain_terminal() -> bool {
    let plain =
        environment::variable("NO_COLOR").is_some() || environment::variable("CI").is_some();
    io::stderr().is_terminal() && !plain
}

/// Whether a character steers a terminal: control characters but for the ends of lines and tabs, and marks that turn
/// the direction of writing.
pub(crate) fn steers(character: char) -> bool {
    (character.is_control() && character != '\n' && character != '\t')
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text from elsewhere may not steer the terminal: what would is shown as what it is.
pub(crate) fn clean(text: &str) -> String {
    if !text.contains(steers) {
        return text.to_owned();
    }
    text.chars().fold(String::new(), |mut clean, character| {
        if steers(character) {
            clean.extend(character.escape_unicode());
        } else {
            clean.push(character);
        }
        clean
    })
}

/// A number of things, in words: `1 error`, `2 errors`.
pub(crate) fn counted(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_does_not_steer_the_terminal() {
        assert_eq!(clean("plain\ttext\n"), "plain\ttext\n");
        assert_eq!(clean("\u{1b}[31mred"), "\\u{1b}[31mred");
        assert_eq!(clean("evil\u{202e}txt.exe"), "evil\\u{202e}txt.exe");
    }
}
