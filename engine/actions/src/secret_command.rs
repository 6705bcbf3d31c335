//! A secret that a program of the allow-list prints: its standard output without the last line's end.

#![expect(clippy::disallowed_methods, reason = "this is a door to processes")]

use std::process::{Command, Stdio};

use holdfast_kernel::failure::{Class, Failure};

use crate::allow::AllowedCommands;
use crate::command::PATH;

/// Executes the program and reads the secret. What it prints on standard error is not kept.
///
/// # Errors
/// Class `auth`: it may not be executed, failed, or printed no text.
pub fn read(allowed: &AllowedCommands, argv: &[String]) -> Result<String, Failure> {
    let failed = |message: String| Failure::without_effect(Class::Auth, message);
    let (program, arguments) =
        argv.split_first().ok_or_else(|| failed("no program is named".to_owned()))?;
    let path = allowed.path(program)?;
    let output = Command::new(path)
        .args(arguments)
        .current_dir("/")
        .env_clear()
        .env("PATH", PATH)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|error| failed(format!("cannot execute {}: {error}", path.display())))?;
    if !output.status.success() {
        return Err(failed(format!("{} ended with {}", path.display(), output.status)));
    }
    let text = String::from_utf8(output.stdout)
        .map_err(|_text| failed(format!("{} printed no text", path.display())))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
