//! `completions`: what a shell completes of the command line.

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::arguments::{Arguments, Completions, ShellName};
use crate::error::Error;
use crate::output::Output;

/// Prints the completions for a shell.
///
/// # Errors
/// They cannot be printed.
pub(crate) fn perform(completions: &Completions, output: Output) -> Result<ExitCode, Error> {
    let shell = match completions.shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Elvish => Shell::Elvish,
        ShellName::Fish => Shell::Fish,
        ShellName::Powershell => Shell::PowerShell,
        ShellName::Zsh => Shell::Zsh,
    };
    let mut text = Vec::new();
    generate(shell, &mut Arguments::command(), "holdfast", &mut text);
    output
        .bytes(&text)
        .map_err(|error| Error::unavailable(format!("They cannot be printed: {error}.")))?;
    Ok(ExitCode::SUCCESS)
}
