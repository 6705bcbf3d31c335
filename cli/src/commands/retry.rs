//! `retry`: an ended run goes on with what is not ok.

use std::process::ExitCode;

use holdfast_drive::output::Reply;
use holdfast_runtime::wake::Want;

use crate::arguments::Run;
use crate::compose::{parts, undriven};
use crate::environment;
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;

/// Queues the run again.
///
/// # Errors
/// It may not be done again, or cannot be stored.
pub(crate) fn perform(run: &Run, settings: &Settings, output: Output) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let mut state = undriven(settings, &parts)?;
    let id = super::find_run(&state.offline.reader, &run.run)?;
    let reply = state.offline.act(Want::Retry { run: id, by: environment::user() });
    match reply
        .map_err(|error| Error::unavailable(format!("The retry was not stored: {error}.")))?
    {
        Reply::Refused(refusal) => {
            return Err(super::refused(&format!("{id} was not reopened"), &refusal));
        }
        Reply::Queued(_) | Reply::Deduplicated(_) | Reply::Done => {}
    }
    if output.is_json() {
        output.json(&super::submit::Submitted { run: id, deduplicated: false })?;
    } else {
        output.line(id.to_string());
    }
    output.talk("The run is queued again. `holdfast resume` runs what was not ok.");
    Ok(ExitCode::SUCCESS)
}
