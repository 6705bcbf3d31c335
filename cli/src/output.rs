//! The only place that prints: data on standard output, talk on standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use holdfast_language::diagnostic::Diagnostic;
use holdfast_language::render::Colour;
use holdfast_language::source::Source;
use serde::Serialize;

use crate::arguments::Form;
use crate::environment;
use crate::error::Error;

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

    /// Talk: progress, and what comes next.
    pub(crate) fn talk(self, line: impl AsRef<str>) {
        // Who does not listen any more keeps no run from its end.
        writeln!(io::stderr().lock(), "{}", clean(line.as_ref())).unwrap_or_default();
    }

    /// The diagnostics of a file.
    pub(crate) fn diagnostics(self, source: &Source, found: &[Diagnostic]) {
        for diagnostic in found {
            let text = diagnostic.render(source, colour());
            writeln!(io::stderr().lock(), "{text}\n").unwrap_or_default();
        }
    }

    /// An error, with what to do.
    pub(crate) fn error(self, error: &Error) -> ExitCode {
        self.talk(format!("error: {error}"));
        for hint in &error.hints {
            self.talk(format!("  {hint}"));
        }
        error.code()
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

/// Text from elsewhere may not steer the terminal: control characters and marks that turn the direction of
/// writing are shown as what they are.
pub(crate) fn clean(text: &str) -> String {
    let is_bad = |character: char| {
        (character.is_control() && character != '\n' && character != '\t')
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_bad) {
        return text.to_owned();
    }
    text.chars().fold(String::new(), |mut clean, character| {
        if is_bad(character) {
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
