//! From what somebody wants to what the drive takes: ended runs are read back from the store.

use holdfast_drive::input::{Ended, Input, Token};
use holdfast_drive::output::Refusal;
use holdfast_drive::turn::Drive;
use holdfast_journal::query::Reader;
use holdfast_kernel::id::RunId;

use crate::executor::{Compile, compiled};
use crate::wake::Want;

/// What the drive takes for what somebody wants.
///
/// # Errors
/// It names a run that is not there, or that may not be done again.
pub(crate) fn input(
    want: Want,
    token: Token,
    drive: &Drive,
    (reader, compile): (&Reader, &Compile),
) -> Result<Input, Refusal> {
    let read = |run: RunId| ended(run, reader, compile);
    match want {
        Want::Submit(mut submit) => {
            submit.token = token;
            Ok(Input::Submit(submit))
        }
        Want::Retry { run, .. } if drive.run(run).is_some() => Err(Refusal::Active),
        Want::Retry { run, selection, by } => {
            Ok(Input::Retry { ended: Box::new(read(run)?), selection, by, token })
        }
        Want::Ask { run, ask, by } => Ok(Input::Ask { run, ask, by, token }),
        Want::Forget { mut forgotten, by } => {
            // What was old when somebody looked may be needed by now.
            forgotten.runs.retain(|run| is_left_alone(*run, drive, reader));
            Ok(Input::Forget { forgotten, by, token })
        }
        Want::Tick(mut tick) => {
            tick.token = token;
            Ok(Input::Tick(tick))
        }
        Want::TickByHand(mut submit) => {
            submit.token = token;
            Ok(Input::TickByHand(submit))
        }
        Want::Schedule { change, by } => Ok(Input::Schedule { change, by, token }),
        Want::Outbox(change) => Ok(Input::Outbox { change, token }),
        Want::Acknowledge(seen) => Ok(Input::Acknowledge { seen, token }),
        Want::Keep(kept) => Ok(Input::Keep { kept, token }),
        Want::Resolve { run, step, item, verdict, by } => {
            let is_active = drive.run(run).is_some();
            let ended = if is_active { None } else { Some(Box::new(read(run)?)) };
            Ok(Input::Resolve { ended, run, step, item, verdict, by, token })
        }
    }
}

/// Whether a run has ended, has nothing in doubt, and its parent does not go on.
fn is_left_alone(run: RunId, drive: &Drive, reader: &Reader) -> bool {
    let Ok(Some(record)) = reader.run(run) else { return false };
    let parent = record.initiator.parent();
    record.finished_at.is_some()
        && record.in_doubt() == 0
        && parent.is_none_or(|parent| drive.run(parent).is_none())
}

/// An ended run, read back.
///
/// # Errors
/// It is not there, or cannot be read.
pub(crate) fn ended(run: RunId, reader: &Reader, compile: &Compile) -> Result<Ended, Refusal> {
    let loaded = reader.load(run).map_err(|error| Refusal::Unreadable(error.to_string()))?;
    let loaded = loaded.ok_or(Refusal::NoSuchRun)?;
    let program = compiled(compile, &loaded.definition);
    Ok(Ended { program, state: loaded.state })
}
