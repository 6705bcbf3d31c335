//! `validate`: every mistake of every file, and no run.

use std::process::ExitCode;

use holdfast_language::{Severity, check};

use crate::arguments::Validate;
use crate::compose::parts;
use crate::error::Error;
use crate::find;
use crate::output::{Output, counted};
use crate::settings::Settings;

/// Checks the files.
///
/// # Errors
/// A file cannot be read, or there is none.
pub(crate) fn perform(
    validate: &Validate,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let files = if validate.files.is_empty() {
        find::files(&settings.base.join("workflows"))?
    } else {
        validate.files.clone()
    };
    if files.is_empty() {
        return Err(Error::usage("There is no workflow to check.")
            .hint("Name files, or put them into `workflows/` beside the configuration."));
    }
    let (mut errors, mut refused, mut all) = (0, 0, Vec::new());
    for path in &files {
        let source = find::read(path)?;
        let found = match check(&source, &parts.actions) {
            Ok(checked) => checked.warnings,
            Err(found) => {
                refused += 1;
                found
            }
        };
        errors += found.iter().filter(|found| found.severity == Severity::Error).count();
        if output.is_json() {
            all.extend(found.iter().map(holdfast_language::Diagnostic::to_json));
        } else {
            output.diagnostics(&source, &found);
        }
    }
    if output.is_json() {
        output.json(&all)?;
    }
    let files = counted(files.len(), "file");
    if refused == 0 {
        output.talk(format!("{files} checked: valid."));
        return Ok(ExitCode::SUCCESS);
    }
    output.talk(format!("{files} checked: {refused} not valid, {}.", counted(errors, "error")));
    Ok(ExitCode::from(2))
}
