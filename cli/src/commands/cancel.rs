//! `cancel` and `kill`: a run ends before it would.

use std::process::ExitCode;

use holdfast_drive::output::Reply;
use holdfast_kernel::event::CancelKind;
use holdfast_kernel::state::{Cancel, Phase};
use holdfast_service::wire::ask::Act;

use crate::access::Access;
use crate::arguments::Run;
use crate::compose::parts;
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;

/// Asks a run to end.
///
/// # Errors
/// It has ended, or it could not be stored.
pub(crate) fn perform(
    run: &Run,
    how: CancelKind,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let mut access = Access::open(settings, &parts)?;
    let run = access.find(&run.run)?;
    if let Reply::Refused(refusal) = access.act(Act::Cancel { run, how })? {
        let what = match how {
            CancelKind::Cancel => "cancelled",
            CancelKind::Kill => "killed",
        };
        return Err(super::refused(&format!("{run} was not {what}"), &refusal));
    }
    let state = access.load(run)?.state;
    if output.is_json() {
        output.json(&super::submit::Submitted::new(run))?;
    }
    output.talk(match (&state.phase, state.cancel) {
        (Phase::Finished(outcome), _) => format!("{run} has ended: {}.", outcome.status().word()),
        _ if !access.is_driven() => {
            format!("{run} ends when it is driven again: `holdfast resume`.")
        }
        (Phase::Finally(_), Some(Cancel::Main)) => format!(
            "{run} ends with its `finally`. `holdfast cancel {run}` once more stops that too."
        ),
        _ => format!(
            "{run} ends: what is in flight is settled first. `holdfast watch {run}` follows it."
        ),
    });
    Ok(ExitCode::SUCCESS)
}
