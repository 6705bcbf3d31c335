//! `resolve`: a person says whether an effect in doubt happened.

use std::process::ExitCode;

use holdfast_contract::list::has_mark;
use holdfast_drive::output::Reply;
use holdfast_journal::items::Show;
use holdfast_journal::query::{Page, Reader};
use holdfast_kernel::event::Verdict;
use holdfast_kernel::id::{ItemIndex, RunId, StepIndex};
use holdfast_kernel::payload::{INLINE_BYTES, Payload};
use holdfast_kernel::value::Value;
use holdfast_runtime::wake::Want;

use crate::arguments::Resolve;
use crate::compose::{parts, undriven};
use crate::environment;
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
    let mut state = undriven(settings, &parts)?;
    let reader = &state.offline.reader;
    let run = super::find_run(reader, &resolve.run)?;
    let (step, item) = place(reader, run, &resolve.step, item)?;
    let by = environment::user();
    let reply = state.offline.act(Want::Resolve { run, step, item, verdict, by });
    match reply.map_err(|error| Error::unavailable(format!("It was not stored: {error}.")))? {
        Reply::Refused(refusal) => Err(super::refused("Nothing was resolved", &refusal)),
        Reply::Queued(_) | Reply::Deduplicated(_) | Reply::Done => {
            output.talk(format!("Stored. `holdfast retry {run}` lets the run go on."));
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

/// The step and item that people name.
fn place(
    reader: &Reader,
    run: RunId,
    id: &str,
    key: Option<&str>,
) -> Result<(StepIndex, ItemIndex), Error> {
    let loaded = reader.load(run).map_err(|error| super::unreadable(&error))?;
    let loaded = loaded.ok_or_else(|| Error::usage(format!("There is no run {run}.")))?;
    let Some((step, definition)) = loaded.definition.step_named(id) else {
        return Err(Error::usage(format!("The run has no step `{id}`.")));
    };
    let Some(key) = key else {
        if definition.for_each.is_some() {
            return Err(Error::usage(format!("The step `{id}` fans out: name the item too.")));
        }
        return Ok((step, ItemIndex(0)));
    };
    let mut after = None;
    loop {
        let page = Page { after, limit: 1_000 };
        let items = reader
            .items(run, step, Show::NotOk, page)
            .map_err(|error| super::unreadable(&error))?;
        let Some(items) = items else { break };
        if let Some(found) = items.rows.iter().find(|item| item.key.as_deref() == Some(key)) {
            return Ok((step, found.index));
        }
        after = items.next;
        if after.is_none() {
            break;
        }
    }
    Err(Error::usage(format!("The step `{id}` has no item `{key}` that is not ok.")))
}
