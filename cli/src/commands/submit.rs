//! `submit`: stores a run and returns.

use std::process::ExitCode;

use holdfast_drive::output::Reply;
use holdfast_kernel::id::RunId;
use holdfast_runtime::wake::Want;
use serde::Serialize;

use crate::arguments::Submission;
use crate::compose::{parts, undriven};
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;
use crate::submission;

/// What a submit came to, for programs.
#[derive(Serialize)]
pub(super) struct Submitted {
    pub(super) run: RunId,
    pub(super) deduplicated: bool,
}

/// Stores the run.
///
/// # Errors
/// It cannot be submitted or stored.
pub(crate) fn perform(
    submission: &Submission,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let prepared = submission::prepare(submission, settings, &parts, output)?;
    let mut state = undriven(settings, &parts)?;
    let submit = submission::submit(prepared, &parts, &state.offline.reader)?;
    let reply = state.offline.act(Want::Submit(Box::new(submit)));
    let reply =
        reply.map_err(|error| Error::unavailable(format!("The run was not stored: {error}.")))?;
    let submitted = match reply {
        Reply::Queued(run) => Submitted { run, deduplicated: false },
        Reply::Deduplicated(run) => Submitted { run, deduplicated: true },
        Reply::Refused(refusal) => return Err(super::refused("The run was rejected", &refusal)),
        Reply::Done => return Err(Error::internal("The submit got a reply that is none.")),
    };
    if output.is_json() {
        output.json(&submitted)?;
    } else {
        output.line(submitted.run.to_string());
    }
    if submitted.deduplicated {
        output.talk("An identical run is active: this is its id, and it was not started twice.");
    }
    output.talk("The run is stored. `holdfast resume` runs it; so does the next `holdfast run`.");
    Ok(ExitCode::SUCCESS)
}
