//! `show`: a run with its steps, what is not ok, and the command to go on.

use std::process::ExitCode;

use holdfast_journal::items::Show as Which;
use holdfast_journal::query::{Loaded, Page, Reader};
use holdfast_journal::record::{ItemStatus, ItemView, RunRecord, WaitsFor};
use holdfast_kernel::definition::Step;
use holdfast_kernel::event::Initiator;
use holdfast_kernel::failure::Class;
use holdfast_kernel::id::{RunId, StepIndex};
use holdfast_kernel::state::{StepPhase, StepState};
use holdfast_kernel::status::{RunStatus, StepEnd};
use holdfast_kernel::value::Value;
use serde::Serialize;

use crate::arguments::Show;
use crate::commands::outputs;
use crate::commands::runs::Shown;
use crate::compose::{parts, undriven};
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;
use crate::time;
use crate::watch::of_items;

/// How many items that are not ok are shown of each step.
const FIRST: usize = 10;

/// How many items are shown of a step that is asked for.
const MANY: usize = 1_000;

#[derive(Serialize)]
struct ShownRun<'a> {
    #[serde(flatten)]
    run: Shown<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outputs: Option<Value>,
    steps: Vec<ShownStep<'a>>,
}

#[derive(Serialize)]
struct ShownStep<'a> {
    id: &'a str,
    status: String,
    counts: holdfast_kernel::status::Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<ShownItem>,
}

#[derive(Serialize)]
struct ShownItem {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    index: u32,
    status: &'static str,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Shows a run.
///
/// # Errors
/// There is none, or the state cannot be used.
pub(crate) fn perform(show: &Show, settings: &Settings, output: Output) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let state = undriven(settings, &parts)?;
    let reader = &state.offline.reader;
    let run = super::find_run(reader, &show.run)?;
    let (record, loaded) = read(reader, run)?;
    let chosen = match &show.step {
        Some(id) => Some(step_of(&loaded, id)?),
        None => None,
    };
    if output.is_json() {
        output.json(&for_programs(reader, &record, &loaded, (chosen, show.item.as_deref()))?)?;
    } else {
        head(&record, output);
        let of_step = Of { reader, run, key: show.item.as_deref(), which: which(chosen) };
        for (step, definition) in loaded.definition.numbered() {
            if chosen.is_none_or(|chosen| chosen == step) {
                step_for_people(&of_step, (step, definition), &loaded, output)?;
            }
        }
        outputs::print(reader, &loaded.state, output)?;
        what_next(&record, &loaded, output);
    }
    super::tell_unfinished(state.unfinished, output);
    Ok(ExitCode::SUCCESS)
}

/// The end of a run in the foreground: its steps that are not ok, and what comes next.
///
/// # Errors
/// The state cannot be read.
pub(super) fn summary(reader: &Reader, run: RunId, output: Output) -> Result<(), Error> {
    let (record, loaded) = read(reader, run)?;
    if output.is_json() {
        return output.json(&for_programs(reader, &record, &loaded, (None, None))?);
    }
    for error in &record.errors {
        let step = error.step.as_deref().unwrap_or("outputs");
        output.talk(format!("{step}: {} ({})", error.message, error.class));
    }
    outputs::print(reader, &loaded.state, output)?;
    what_next(&record, &loaded, output);
    Ok(())
}

fn read(reader: &Reader, run: RunId) -> Result<(RunRecord, Loaded), Error> {
    let gone = || Error::usage(format!("There is no run {run}."));
    let record = reader.run(run).map_err(|error| super::unreadable(&error))?.ok_or_else(gone)?;
    let loaded = reader.load(run).map_err(|error| super::unreadable(&error))?.ok_or_else(gone)?;
    Ok((record, loaded))
}

fn step_of(loaded: &Loaded, id: &str) -> Result<StepIndex, Error> {
    loaded.definition.step_named(id).map(|(step, _)| step).ok_or_else(|| {
        let ids: Vec<&str> = loaded.definition.steps.iter().map(|step| step.id.as_str()).collect();
        Error::usage(format!("The run has no step `{id}`."))
            .hint(format!("Its steps: {}.", ids.join(", ")))
    })
}

fn head(record: &RunRecord, output: Output) {
    let reason = record.reason.map(|reason| format!(" ({})", reason.word())).unwrap_or_default();
    output.line(format!("{}  {}{reason}", record.run, record.status.word()));
    output.line(format!("workflow   {} ({})", record.workflow, record.operation));
    if let Some(target) = &record.target {
        output.line(format!("target     {} ({})", target.name, target.identity));
    }
    output.line(format!("inputs     {}", record.inputs.canonical()));
    let names: Vec<_> = record.asked_by().map(Initiator::name).collect();
    output.line(format!("asked by   {}", names.join(", ")));
    let instants = [
        ("created", Some(record.created_at)),
        ("started", record.started_at),
        ("finished", record.finished_at),
    ];
    for (word, at) in instants.into_iter().filter_map(|(word, at)| Some((word, at?))) {
        output.line(format!("{word:<10} {}", time::local(at)));
    }
    if let Some(waits) = waits(record) {
        output.line(format!("waits for  {waits}"));
    }
    output.line("");
}

/// Why nothing of a run is being done.
fn waits(record: &RunRecord) -> Option<String> {
    Some(match record.waits_for? {
        WaitsFor::Slot => {
            "a process that drives runs, its slot and its hold on the target".to_owned()
        }
        WaitsFor::RetryAt(at) => format!("the next attempt at {}", time::local(at)),
        WaitsFor::ThrottledUntil(at) => {
            format!("the target, which asked for rest until {}", time::local(at))
        }
    })
}

fn status_of(state: &StepState) -> String {
    match state.phase {
        StepPhase::Pending | StepPhase::Gating => "pending".to_owned(),
        StepPhase::Listing | StepPhase::Running | StepPhase::Halting => "running".to_owned(),
        StepPhase::Final(StepEnd::Blocked(cause)) => format!("blocked ({})", cause_word(cause)),
        StepPhase::Final(end) => end.word().to_owned(),
    }
}

const fn cause_word(cause: holdfast_kernel::event::BlockCause) -> &'static str {
    use holdfast_kernel::event::BlockCause;
    match cause {
        BlockCause::Partial => "partial",
        BlockCause::Failure => "failure",
        BlockCause::Timeout => "timeout",
        BlockCause::Cancelled => "cancelled",
    }
}

/// Which items of a step are wanted.
struct Of<'a> {
    reader: &'a Reader,
    run: RunId,
    key: Option<&'a str>,
    which: (Which, usize),
}

/// A step that is asked for shows its items, others those that are not ok.
fn which(chosen: Option<StepIndex>) -> (Which, usize) {
    if chosen.is_some() { (Which::All, MANY) } else { (Which::NotOk, FIRST) }
}

fn step_for_people(
    of: &Of<'_>,
    (step, definition): (StepIndex, &Step),
    loaded: &Loaded,
    output: Output,
) -> Result<(), Error> {
    let Some(state) = loaded.state.step(step) else { return Ok(()) };
    let fans_out = definition.for_each.is_some();
    let items = fans_out.then(|| format!("  {}", of_items(&state.items.counts)));
    let status = status_of(state);
    output.line(format!("  {:<20} {status}{}", definition.id, items.unwrap_or_default()));
    if !fans_out {
        if let Some(failure) = &state.failure {
            output.line(format!("      {failure}"));
        }
        return Ok(());
    }
    let shown = items_of(of, step)?;
    for item in &shown {
        output.line(format!("      {}", item_line(item)));
    }
    let left = state.items.not_ok.count() as usize;
    if of.which.0 == Which::NotOk && left > shown.len() {
        let more = left - shown.len();
        let (run, id) = (of.run, &definition.id);
        output.line(format!("      and {more} more: `holdfast show {run} --step {id}`"));
    }
    Ok(())
}

fn item_line(item: &ItemView) -> String {
    let key = item.key.clone().unwrap_or_else(|| item.index.0.to_string());
    let failure = item.row.failure.as_ref().filter(|_| item.status != ItemStatus::Succeeded);
    let failure = failure.map(|failure| format!(": {failure}")).unwrap_or_default();
    format!("{key}  {}{failure}", item.status.word())
}

fn items_of(of: &Of<'_>, step: StepIndex) -> Result<Vec<ItemView>, Error> {
    let (which, limit) = of.which;
    let wanted = |item: &ItemView| of.key.is_none_or(|key| item.key.as_deref() == Some(key));
    let mut found = Vec::new();
    let mut after = None;
    while found.len() < limit {
        let page = Page { after, limit };
        let rows = of.reader.items(of.run, step, which, page);
        let Some(rows) = rows.map_err(|error| super::unreadable(&error))? else { break };
        found.extend(rows.rows.into_iter().filter(wanted));
        after = rows.next;
        if after.is_none() {
            break;
        }
    }
    found.truncate(limit);
    Ok(found)
}

fn for_programs<'a>(
    reader: &Reader,
    record: &'a RunRecord,
    loaded: &'a Loaded,
    (chosen, key): (Option<StepIndex>, Option<&str>),
) -> Result<ShownRun<'a>, Error> {
    let mut steps = Vec::new();
    for (step, definition) in loaded.definition.numbered() {
        let Some(state) = loaded.state.step(step) else { continue };
        if chosen.is_some_and(|chosen| chosen != step) {
            continue;
        }
        let of = Of { reader, run: record.run, key, which: which(chosen) };
        let items = if definition.for_each.is_some() { items_of(&of, step)? } else { Vec::new() };
        let items = items.into_iter().map(|item| ShownItem {
            key: item.key,
            index: item.index.0,
            status: item.status.word(),
            attempts: item.row.attempts,
            error: item.row.failure.map(|failure| failure.to_string()),
        });
        steps.push(ShownStep {
            id: &definition.id,
            status: status_of(state),
            counts: state.items.counts,
            error: state.failure.as_ref().map(ToString::to_string),
            items: items.collect(),
        });
    }
    let outputs = reader.outputs(&loaded.state).map_err(|error| super::unreadable(&error))?;
    Ok(ShownRun { run: Shown::of(record), outputs, steps })
}

/// Whether a backup set was made, which never changes.
fn has_sealed(loaded: &Loaded) -> bool {
    loaded.definition.numbered().any(|(index, step)| {
        let seals = step.action().is_some_and(|used| used.action == "backup_set.seal");
        let end = loaded.state.step(index).and_then(|step| step.phase.end());
        seals && matches!(end, Some(StepEnd::Succeeded | StepEnd::Partial))
    })
}

/// What failed is followed by the command that goes on.
fn what_next(record: &RunRecord, loaded: &Loaded, output: Output) {
    let run = record.run;
    let mut in_doubt = false;
    for (step, definition) in loaded.definition.numbered() {
        let unknown = loaded.state.step(step).map_or(0, |step| step.items.counts.unknown);
        if unknown > 0 {
            in_doubt = true;
            let item = if definition.for_each.is_some() { " ITEM" } else { "" };
            output.talk(format!(
                "{}: whether it happened is unknown. Look at the target, then: holdfast resolve {run} {}{item} done|not_done",
                definition.id, definition.id
            ));
        }
    }
    if record.errors.iter().any(|error| error.class == Class::Conflict) {
        output.talk("What was changed since the preview was left as it is. To change it too, make another preview.");
    }
    match record.status {
        RunStatus::Failed | RunStatus::Partial if in_doubt => {
            output.talk(format!("Then: holdfast retry {run} && holdfast resume"));
        }
        RunStatus::Failed | RunStatus::Partial if has_sealed(loaded) => {
            output.talk(format!(
                "What the attempts said: holdfast logs {run}\nThe backup set that it sealed stays as it is. To make another one, start the workflow again."
            ));
        }
        RunStatus::Failed | RunStatus::Partial => {
            output.talk(format!(
                "What the attempts said: holdfast logs {run}\nTo do again what is not ok: holdfast retry {run} && holdfast resume"
            ));
        }
        RunStatus::Queued | RunStatus::Running | RunStatus::Succeeded => {}
    }
}
