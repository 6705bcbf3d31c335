//! `retry`: an ended run goes on with what is not ok, or with one step or item of it.

use std::process::ExitCode;

use holdfast_drive::output::{Refusal, Reply};
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{Extent, StepRedo};
use holdfast_kernel::reopen::{Selection, plan};
use holdfast_kernel::state::{Items, Mark, RunState};
use holdfast_service::wire::ask::{Act, LoadedRun};
use serde::Serialize;

use crate::access::Access;
use crate::arguments::Retry;
use crate::commands::place::{item_not_ok, step_of};
use crate::compose::parts;
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;

/// A step that would run again, for programs.
#[derive(Serialize)]
struct Again<'a> {
    step: &'a str,
    items: u32,
    whole: bool,
    unknown_left_out: u32,
}

/// Queues the run again, or says what would run.
///
/// # Errors
/// It may not be done again, or cannot be stored.
pub(crate) fn perform(
    retry: &Retry,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let mut access = Access::open(settings, &parts)?;
    let run = access.find(&retry.run)?;
    let loaded = access.load(run)?;
    let selection = selection(retry, &access, &loaded)?;
    if retry.dry {
        return dry(&loaded, selection, output);
    }
    if let Reply::Refused(refusal) = access.act(Act::Retry { run, selection })? {
        return Err(super::refused(&format!("{run} was not reopened"), &refusal));
    }
    if output.is_json() {
        output.json(&super::submit::Submitted::new(run))?;
    } else {
        output.line(run.to_string());
    }
    output.talk(if access.is_driven() {
        format!("The run is queued again. `holdfast watch {run}` follows it.")
    } else {
        "The run is queued again. `holdfast resume` runs what was not ok.".to_owned()
    });
    // What is in doubt is left out until somebody says what became of it.
    super::show::tell_in_doubt(&access, &loaded, output)?;
    Ok(ExitCode::SUCCESS)
}

fn selection(retry: &Retry, access: &Access, loaded: &LoadedRun) -> Result<Selection, Error> {
    let Some(id) = &retry.step else { return Ok(Selection::All) };
    let step = step_of(loaded, id)?;
    if retry.item.is_none() {
        return Ok(Selection::Step(step));
    }
    let item = item_not_ok(access, loaded, step, retry.item.as_deref())?;
    Ok(Selection::Item(step, item))
}

/// Says what would run again.
fn dry(loaded: &LoadedRun, selection: Selection, output: Output) -> Result<ExitCode, Error> {
    let LoadedRun { definition, state } = loaded;
    let redo = plan(definition, state, selection).map_err(|reason| {
        super::refused(&format!("{} would not be reopened", state.run()), &Refusal::from(reason))
    })?;
    let again: Vec<Again<'_>> =
        redo.iter().filter_map(|redo| of(definition, state, redo)).collect();
    if output.is_json() {
        output.json(&again)?;
        return Ok(ExitCode::SUCCESS);
    }
    for step in &again {
        let what = match (step.whole, step.items) {
            (true, _) => "from its beginning".to_owned(),
            (false, 1) => "1 item".to_owned(),
            (false, items) => format!("{items} items"),
        };
        let unknown = match step.unknown_left_out {
            0 => String::new(),
            count => format!("  ({count} in doubt stay as they are until `holdfast resolve`)"),
        };
        output.line(format!("{:<20} {what}{unknown}", step.step));
    }
    if again.is_empty() {
        output.line("outputs              evaluated again");
    }
    output.talk("Nothing was done.");
    Ok(ExitCode::SUCCESS)
}

fn of<'a>(definition: &'a Definition, state: &RunState, redo: &StepRedo) -> Option<Again<'a>> {
    let (step, of) = (definition.step(redo.step)?, state.step(redo.step)?);
    let (counts, in_doubt) = (&of.items.counts, of.items.in_doubt());
    let (items, whole) = match &redo.extent {
        Extent::FromGate => (0, true),
        Extent::All => (counts.wanted().saturating_sub(in_doubt), step.for_each.is_none()),
        // What was resolved as done is only counted, everything else is done.
        Extent::NotOk => (due(&of.items), step.for_each.is_none()),
        Extent::Items(items) => (items.count(), false),
    };
    Some(Again { step: &step.id, items, whole, unknown_left_out: in_doubt })
}

/// How many items are done again that are not ok.
fn due(items: &Items) -> u32 {
    let marks = items.not_ok.iter();
    let due = marks.filter(|(_, mark)| !matches!(mark, Mark::Unknown | Mark::ResolvedDone));
    due.map(|(range, _)| range.end - range.start).sum()
}
