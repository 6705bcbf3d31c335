//! `metrics`: numbers about runs, schedules, channels and disks, as Prometheus reads them.
//!
//! The command and the service gather them with the same function. What it reads grows with what goes on and with
//! what is configured, never with what has happened.

mod exposition;
mod last_sets;
mod snapshot;
mod table;

use std::process::ExitCode;
use std::sync::Arc;

use holdfast_runtime::clock;

pub(super) use last_sets::LastSets;
pub(super) use snapshot::gather;
pub(super) use table::text;

use crate::access::Access;
use crate::compose::parts;
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;

/// Prints the numbers.
///
/// # Errors
/// The state cannot be used, or nobody takes the output.
pub(crate) fn perform(settings: &Settings, output: Output) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let access = Access::open(settings, &parts)?;
    let mut last_sets = LastSets::new(Arc::clone(&parts.repositories));
    let snapshot = gather(&access, settings, &mut last_sets, clock::now())?;
    for trouble in snapshot.unreadable() {
        output.talk(trouble);
    }
    if output.is_json() {
        output.json(&table::families(&snapshot))?;
    } else {
        // As it is: what makes a line safe for a terminal would make another name of a name.
        output.bytes(text(&snapshot).as_bytes()).map_err(|error| {
            Error::unavailable(format!("Standard output cannot be written: {error}."))
        })?;
    }
    Ok(ExitCode::SUCCESS)
}
