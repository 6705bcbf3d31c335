//! `show`: a run with its steps, what is not ok, and the command to go on.

use std::process::ExitCode;

use holdfast_journal::items::Show as Which;
use holdfast_journal::record::{ItemStatus, ItemView, RunRecord};
use holdfast_kernel::definition::{Step, Work};
use holdfast_kernel::event::Initiator;
use holdfast_kernel::failure::Class;
use holdfast_kernel::id::{ItemIndex, RunId, StepIndex};
use holdfast_kernel::state::{StepPhase, StepState};
use holdfast_kernel::status::{RunStatus, StepEnd};
use holdfast_kernel::value::Value;
use holdfast_service::wire::ask::{Ask, LoadedRun};
use serde::Serialize;

use crate::access::Access;
use crate::arguments::Show;
use crate::commands::changed::{self, Changed};
use crate::commands::place::{items, step_of};
use crate::commands::runs::Shown;
use crate::commands::waits::Doubt;
use crate::commands::{outputs, waits};
use crate::compose::parts;
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
    /// Whether the workflow's files have changed since the run was pinned to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    definition_differs: Option<bool>,
    /// Why nothing of it is being done, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_because: Option<String>,
    /// What it asks people, with the command that answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    asks: Vec<ShownQuestion>,
    steps: Vec<ShownStep<'a>>,
}

#[derive(Serialize)]
struct ShownQuestion {
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    command: String,
}

#[derive(Serialize)]
struct ShownStep<'a> {
    id: &'a str,
    status: String,
    counts: holdfast_kernel::status::Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The child run of a step without a fan-out.
    #[serde(skip_serializing_if = "Option::is_none")]
    child: Option<String>,
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
    /// Its child run.
    #[serde(skip_serializing_if = "Option::is_none")]
    child: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Shows a run.
///
/// # Errors
/// There is none, or the state cannot be used.
pub(crate) fn perform(show: &Show, settings: &Settings, output: Output) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let access = Access::open(settings, &parts)?;
    let run = access.find(&show.run)?;
    let (record, loaded) = (access.record(run)?, access.load(run)?);
    let chosen = match &show.step {
        Some(id) => Some(step_of(&loaded, id)?),
        None => None,
    };
    let changed = changed::since(&access, &record, settings, &parts);
    if output.is_json() {
        let shown = for_programs(&access, &record, &loaded, (chosen, show.item.as_deref()))?;
        output.json(&ShownRun { definition_differs: Some(changed.is_some()), ..shown })?;
    } else {
        head(&access, (&record, changed), &loaded, output)?;
        let of_step = Of { access: &access, run, key: show.item.as_deref(), which: which(chosen) };
        for (step, definition) in loaded.definition.numbered() {
            let is_first = loaded.definition.finally.is_some_and(|finally| finally.first == step);
            if is_first && chosen.is_none() {
                output.line("finally:");
            }
            if chosen.is_none_or(|chosen| chosen == step) {
                step_for_people(&of_step, (step, definition), &loaded, output)?;
            }
        }
        outputs::print(&access, run, output)?;
        what_next(&access, &record, &loaded, output)?;
    }
    access.tell_unfinished(output);
    Ok(ExitCode::SUCCESS)
}

/// The end of a run in the foreground: its steps that are not ok, and what comes next.
///
/// # Errors
/// The state cannot be read.
pub(super) fn summary(access: &Access, run: RunId, output: Output) -> Result<(), Error> {
    let (record, loaded) = (access.record(run)?, access.load(run)?);
    if output.is_json() {
        return output.json(&for_programs(access, &record, &loaded, (None, None))?);
    }
    for error in &record.errors {
        let step = error.step.as_deref().unwrap_or("outputs");
        output.talk(format!("{step}: {} ({})", error.message, error.class));
    }
    outputs::print(access, run, output)?;
    what_next(access, &record, &loaded, output)
}

fn head(
    access: &Access,
    (record, changed): (&RunRecord, Option<Changed>),
    loaded: &LoadedRun,
    output: Output,
) -> Result<(), Error> {
    let reason = record.reason.map(|reason| format!(" ({})", reason.word())).unwrap_or_default();
    output.line(format!("{}  {}{reason}", record.run, record.status.word()));
    output.line(format!("workflow   {} ({})", record.workflow, record.operation));
    if let Some(changed) = changed {
        output.line(format!("           {}", changed.told()));
    }
    if let Some(target) = &record.target {
        output.line(format!("target     {} ({})", target.name, target.identity));
    }
    if !record.object.is_empty() {
        output.line(format!("object     {}", record.object.join(", ")));
    }
    output.line(format!("inputs     {}", record.inputs.canonical()));
    if let Some(group) = &record.group {
        output.line(format!("group      {} (limit {})", group.name, group.limit));
    }
    let names: Vec<_> = record.asked_by().map(Initiator::name).collect();
    output.line(format!("asked by   {}", names.join(", ")));
    if let Some(earlier) = record.rerun_of {
        output.line(format!("like       {earlier}"));
    }
    let instants = [
        ("created", Some(record.created_at)),
        ("started", record.started_at),
        ("finished", record.finished_at),
    ];
    for (word, at) in instants.into_iter().filter_map(|(word, at)| Some((word, at?))) {
        output.line(format!("{word:<10} {}", time::local(at)));
    }
    if let Some(waits) = waits::why(access, record, loaded)? {
        output.line(format!("waits for  {waits}"));
    }
    output.line("");
    Ok(())
}

fn status_of(state: &StepState) -> String {
    match state.phase {
        StepPhase::Pending | StepPhase::Gating => "pending".to_owned(),
        StepPhase::Running if is_waiting(state) => "waiting".to_owned(),
        StepPhase::Listing | StepPhase::Running | StepPhase::Halting => "running".to_owned(),
        StepPhase::Final(StepEnd::Blocked(cause)) => format!("blocked ({})", cause_word(cause)),
        StepPhase::Final(end) => end.word().to_owned(),
    }
}

/// Whether people are all that a step waits for.
fn is_waiting(state: &StepState) -> bool {
    let open = &state.items.open;
    !open.is_empty() && open.values().all(|open| open.stage.is_idle())
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
    access: &'a Access,
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
    loaded: &LoadedRun,
    output: Output,
) -> Result<(), Error> {
    let Some(state) = loaded.state.step(step) else { return Ok(()) };
    let fans_out = definition.for_each.is_some();
    let items = fans_out.then(|| format!("  {}", of_items(&state.items.counts)));
    let status = status_of(state);
    output.line(format!("  {:<20} {status}{}", definition.id, items.unwrap_or_default()));
    children(of, (step, definition), loaded, output)?;
    if !fans_out {
        if let Some(failure) = &state.failure {
            output.line(format!("      {failure}"));
        }
        return Ok(());
    }
    let shown = items_of(of, step)?;
    for item in &shown {
        let child = child_of(of, definition, (item.index, item.epoch))?;
        output.line(format!("      {}", item_line(item, child.map(|child| child.run))));
    }
    let left = state.items.not_ok.count() as usize;
    if of.which.0 == Which::NotOk && left > shown.len() {
        let more = left - shown.len();
        let (run, id) = (of.run, &definition.id);
        output.line(format!("      and {more} more: `holdfast show {run} --step {id}`"));
    }
    Ok(())
}

/// The child run of a step; of a fan-out those that go on, as the items that have ended name theirs.
fn children(
    of: &Of<'_>,
    (step, definition): (StepIndex, &Step),
    loaded: &LoadedRun,
    output: Output,
) -> Result<(), Error> {
    let Some(state) = loaded.state.step(step) else { return Ok(()) };
    let shown: Vec<ItemIndex> = match (definition.for_each.is_some(), of.which.0) {
        (false, _) => vec![ItemIndex(0)],
        (true, Which::NotOk) => state.items.open.keys().copied().take(FIRST).collect(),
        (true, Which::All) => Vec::new(),
    };
    for item in shown {
        let epoch = state.items.epoch(item);
        if let Some(record) = child_of(of, definition, (item, epoch))? {
            output.line(format!("      {}  {}", record.run, record.status.word()));
        }
    }
    Ok(())
}

/// The child run of an item, if it was ever queued.
fn child_of(
    of: &Of<'_>,
    step: &Step,
    (item, epoch): (ItemIndex, u32),
) -> Result<Option<RunRecord>, Error> {
    if !matches!(step.work, Work::Child(_)) {
        return Ok(None);
    }
    of.access.ask(Ask::Run { run: of.run.child(&step.id, item, epoch) })
}

fn item_line(item: &ItemView, child: Option<RunId>) -> String {
    let key = item.key.clone().unwrap_or_else(|| item.index.0.to_string());
    let failure = item.row.failure.as_ref().filter(|_| item.status != ItemStatus::Succeeded);
    let failure = failure.map(|failure| format!(": {failure}")).unwrap_or_default();
    let child = child.map(|child| format!("  {child}")).unwrap_or_default();
    format!("{key}  {}{child}{failure}", item.status.word())
}

fn items_of(of: &Of<'_>, step: StepIndex) -> Result<Vec<ItemView>, Error> {
    let (which, limit) = of.which;
    let wanted = |item: &ItemView| of.key.is_none_or(|key| item.key.as_deref() == Some(key));
    let mut found = Vec::new();
    let mut after = None;
    while found.len() < limit {
        let Some(rows) = items(of.access, of.run, step, (which, after, limit))? else { break };
        found.extend(rows.rows.into_iter().filter(wanted));
        after = rows.next;
        if after.is_none() {
            break;
        }
    }
    found.truncate(limit);
    Ok(found)
}

fn shown_item(of: &Of<'_>, definition: &Step, item: ItemView) -> Result<ShownItem, Error> {
    let child = child_of(of, definition, (item.index, item.epoch))?;
    Ok(ShownItem {
        key: item.key,
        index: item.index.0,
        status: item.status.word(),
        attempts: item.row.attempts,
        child: child.map(|child| child.run.to_string()),
        error: item.row.failure.map(|failure| failure.to_string()),
    })
}

fn for_programs<'a>(
    access: &Access,
    record: &'a RunRecord,
    loaded: &'a LoadedRun,
    (chosen, key): (Option<StepIndex>, Option<&str>),
) -> Result<ShownRun<'a>, Error> {
    let mut steps = Vec::new();
    for (step, definition) in loaded.definition.numbered() {
        let Some(state) = loaded.state.step(step) else { continue };
        if chosen.is_some_and(|chosen| chosen != step) {
            continue;
        }
        let of = Of { access, run: record.run, key, which: which(chosen) };
        let fans_out = definition.for_each.is_some();
        let items = if fans_out { items_of(&of, step)? } else { Vec::new() };
        let of_step = (ItemIndex(0), state.items.epoch(ItemIndex(0)));
        let child = if fans_out { None } else { child_of(&of, definition, of_step)? };
        let items = items.into_iter().map(|item| shown_item(&of, definition, item));
        steps.push(ShownStep {
            id: &definition.id,
            status: status_of(state),
            counts: state.items.counts,
            error: state.failure.as_ref().map(ToString::to_string),
            child: child.map(|child| child.run.to_string()),
            items: items.collect::<Result<_, _>>()?,
        });
    }
    let outputs: Option<Value> = access.ask(Ask::Outputs { run: record.run })?;
    let asks = waits::questions(access, loaded)?.into_iter().map(|question| ShownQuestion {
        what: question.what,
        plan: question.plan,
        command: format!("holdfast approve {}", question.place),
    });
    Ok(ShownRun {
        run: Shown::of(record),
        outputs,
        definition_differs: None,
        waits_because: waits::why(access, record, loaded)?,
        asks: asks.collect(),
        steps,
    })
}

/// Says of which items it is unknown whether they happened, and how to answer. Whether there are any.
///
/// # Errors
/// The state cannot be read.
pub(super) fn tell_in_doubt(
    access: &Access,
    loaded: &LoadedRun,
    output: Output,
) -> Result<bool, Error> {
    let doubts = waits::doubts(access, loaded)?;
    for Doubt { step, places, more } in &doubts {
        output.talk(format!("{step}: whether it happened is unknown. Look at the target, then:"));
        for place in places {
            output.talk(format!("    holdfast resolve {place} done|not_done"));
        }
        if *more > 0 {
            let run = loaded.state.run();
            output.talk(format!("    and {more} more: `holdfast show {run} --step {step}`"));
        }
    }
    Ok(!doubts.is_empty())
}

/// What failed is followed by the command that goes on.
fn what_next(
    access: &Access,
    record: &RunRecord,
    loaded: &LoadedRun,
    output: Output,
) -> Result<(), Error> {
    let run = record.run;
    let in_doubt = tell_in_doubt(access, loaded, output)?;
    if record.errors.iter().any(|error| error.class == Class::Conflict) {
        output.talk("What was changed since the preview was left as it is. To change it too, make another preview.");
    }
    let then = if access.is_driven() { "" } else { " && holdfast resume" };
    match record.status {
        RunStatus::Failed | RunStatus::Partial if in_doubt => {
            output.talk(format!("Then: holdfast retry {run}{then}"));
        }
        RunStatus::Failed | RunStatus::Partial => {
            output.talk(format!(
                "What the attempts said: holdfast logs {run}\nTo do again what is not ok: holdfast retry {run}{then}"
            ));
        }
        RunStatus::Queued | RunStatus::Running => waits::answers(access, loaded, output)?,
        RunStatus::Succeeded => {}
    }
    Ok(())
}
