//! `resolve`: a person says whether an effect in doubt happened.

use std::process::ExitCode;

use holdfast_contract::list::has_mark;
use holdfast_drive::output::Reply;
use holdfast_kernel::event::Verdict;
use holdfast_kernel::payload::{INLINE_BYTES, Payload};
use holdfast_kernel::value::Value;
use holdfast_service::wire::ask::Act;

use crate::access::Access;
use crate::arguments::Resolve;
use crate::commands::place::{item_not_ok, step_of};
use crate::compose::parts;
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;

/// Stores what the person says.
///
/// # Errors
/// Nothing is in doubt there, or it cannot be stored.
pub(crate) fn perform(
    resolve: &Resolve,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let (item, word) = match resolve.rest.as_slice() {
        [word] => (None, word.as_str()),
        [item, word] => (Some(item.as_str()), word.as_str()),
        _ => return Err(Error::usage("Say `done` or `not_done`.")),
    };
    let verdict = verdict(word, resolve.result.as_deref())?;
    let parts = parts(settings, output);
    let mut access = Access::open(settings, &parts)?;
    let run = access.find(&resolve.run)?;
    let loaded = access.load(run)?;
    let step = step_of(&loaded, &resolve.step)?;
    let item = item_not_ok(&access, &loaded, step, item)?;
    match access.act(Act::Resolve { run, step, item, verdict })? {
        Reply::Refused(refusal) => Err(super::refused("Nothing was resolved", &refusal)),
        Reply::Queued(_) | Reply::Deduplicated { .. } | Reply::Ticked(_) | Reply::Done => {
            let step_ended = loaded.state.step(step).is_some_and(|step| step.phase.end().is_some());
            if output.is_json() {
                output.json(&super::submit::Submitted::new(run))?;
            }
            output.talk(if loaded.state.is_finished() {
                format!("Stored. `holdfast retry {run}` lets the run go on.")
            } else if step_ended {
                format!(
                    "Stored. The step has ended: once the run has too, `holdfast retry {run}` goes on with it."
                )
            } else {
                "Stored. The item goes on.".to_owned()
            });
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn verdict(word: &str, result: Option<&str>) -> Result<Verdict, Error> {
    match (word, result) {
        ("done", None) => Ok(Verdict::Done(Payload::empty())),
        ("done", Some(text)) if text.len() <= INLINE_BYTES => {
            let value: Value = serde_json::from_str(text)
                .map_err(|error| Error::usage(format!("The result is no JSON: {error}.")))?;
            if value.as_map().is_none() || has_mark(&value) {
                return Err(Error::usage("The result must be a map, as the action returns one."));
            }
            Ok(Verdict::Done(Payload::Inline(value)))
        }
        ("done", Some(_)) => {
            Err(Error::usage(format!("The result may have at most {INLINE_BYTES} bytes.")))
        }
        ("not_done", None) => Ok(Verdict::NotDone),
        ("not_done", Some(_)) => Err(Error::usage("What was not done has no result.")),
        (other, _) => Err(Error::usage(format!("`{other}` is neither `done` nor `not_done`."))),
    }
}
