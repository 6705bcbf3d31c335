//! `submit`: stores a run and returns.

use std::process::ExitCode;

use holdfast_drive::output::Reply;
use holdfast_kernel::id::RunId;
use holdfast_service::wire::ask::Act;
use serde::Serialize;

use crate::access::Access;
use crate::arguments::Submission;
use crate::compose::parts;
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;
use crate::submission;

/// What a submit came to, for programs.
#[derive(Serialize)]
pub(super) struct Submitted {
    pub(super) run: RunId,
    pub(super) deduplicated: bool,
    /// Whether the workflow has changed since the run was submitted.
    pub(super) definition_differs: bool,
}

impl Submitted {
    /// A run that was queued.
    pub(super) const fn new(run: RunId) -> Self {
        Self { run, deduplicated: false, definition_differs: false }
    }
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
    let mut access = Access::open(settings, &parts)?;
    let act = submission::act(prepared, &parts, &access)?;
    store(act, &mut access, output)
}

/// Stores a run, and says under which id.
///
/// # Errors
/// It is rejected, or cannot be stored.
pub(super) fn store(act: Act, access: &mut Access, output: Output) -> Result<ExitCode, Error> {
    let submitted = match access.act(act)? {
        Reply::Queued(run) => Submitted::new(run),
        Reply::Deduplicated { run, definition_differs } => {
            Submitted { run, deduplicated: true, definition_differs }
        }
        Reply::Refused(refusal) => return Err(super::refused("The run was rejected", &refusal)),
        Reply::Done | Reply::Ticked(_) => {
            return Err(Error::internal("The submit got a reply that is none."));
        }
    };
    if output.is_json() {
        output.json(&submitted)?;
    } else {
        output.line(submitted.run.to_string());
    }
    if submitted.deduplicated {
        output.talk("An identical run is active: this is its id, and it was not started twice.");
    }
    if submitted.definition_differs {
        output.talk("Its workflow is another than the one that is submitted now.");
    }
    output.talk(if access.is_driven() {
        format!("`holdfast watch {}` follows it.", submitted.run)
    } else {
        "The run is stored. `holdfast resume` runs it; so does the next `holdfast run`.".to_owned()
    });
    Ok(ExitCode::SUCCESS)
}
