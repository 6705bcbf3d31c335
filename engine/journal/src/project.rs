//! From events and states to what people read: pure functions, no tables.
//!
//! What an event says of single items becomes changes of their rows; what the state says of the whole run
//! becomes its record. The kernel's state stays the truth about where an item is.

use std::collections::BTreeSet;

use holdfast_contract::list::StoredList;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{
    Answer, ApprovalAsk, Event, ProbeAnswer, Question, Request, Timer, Verdict,
};
use holdfast_kernel::failure::{Class, Effect, Failure};
use holdfast_kernel::id::{AttemptId, Instant, ItemIndex, StepIndex};
use holdfast_kernel::payload::Payload;
use holdfast_kernel::state::{
    Items, Listed, Mark, OpenStage, OutputsState, Phase, RunState, StepPhase, StepState,
};
use holdfast_kernel::status::{Counts, Outcome, RunStatus, StepEnd};
use holdfast_kernel::value::Value;

use crate::record::{ErrorSummary, ItemRow, ItemStatus, RunRecord, WaitsFor};

/// How many failures a record lists.
const LISTED_ERRORS: usize = 5;

/// How many of those who joined a run are kept.
pub(crate) const LISTED_JOINERS: usize = 100;

/// The record of a run that was just queued.
pub(crate) fn new_record(definition: &Definition, request: &Request, at: Instant) -> RunRecord {
    RunRecord {
        run: request.run,
        target: request.target.clone(),
        operation: definition.operation,
        workflow: definition.name.clone(),
        definition: request.definition,
        object: request.object.clone(),
        inputs: request.inputs.clone(),
        inputs_hash: request.inputs.digest(),
        dedupe_key: request.dedupe_key,
        initiator: request.initiator.clone(),
        rerun_of: request.rerun_of,
        group: request.group.clone(),
        joined: Vec::new(),
        status: RunStatus::Queued,
        reason: None,
        waits_for: Some(WaitsFor::Slot),
        counts: Counts::default(),
        resolved: 0,
        reopened: 0,
        created_at: at,
        queued_at: at,
        started_at: None,
        finished_at: None,
        errors: Vec::new(),
    }
}

/// The status of a run in this state.
pub(crate) fn status(state: &RunState) -> RunStatus {
    match &state.phase {
        Phase::Queued | Phase::Granted => RunStatus::Queued,
        Phase::Stopping(_) if state.started_at.is_none() => RunStatus::Queued,
        Phase::Running | Phase::Stopping(_) | Phase::Finally(_) | Phase::StoppingFinally { .. } => {
            RunStatus::Running
        }
        Phase::Finished(outcome) => outcome.status(),
    }
}

/// Brings a record up to the state of its run.
pub(crate) fn update_record(record: &mut RunRecord, definition: &Definition, state: &RunState) {
    record.status = status(state);
    record.reason = match &state.phase {
        Phase::Finished(outcome) => outcome.reason(),
        Phase::Queued
        | Phase::Granted
        | Phase::Running
        | Phase::Stopping(_)
        | Phase::Finally(_)
        | Phase::StoppingFinally { .. } => None,
    };
    record.waits_for = waits_for(state);
    record.counts = Counts::default();
    for step in &state.steps {
        add(&mut record.counts, &step.items.counts);
    }
    let unknown: u32 = state.steps.iter().map(|step| step.items.in_doubt()).sum();
    record.resolved = record.counts.unknown.saturating_sub(unknown);
    record.reopened = state.period;
    record.queued_at = state.queued_at;
    record.started_at = state.started_at;
    record.errors = errors(definition, state);
}

fn add(sum: &mut Counts, counts: &Counts) {
    sum.total += counts.total;
    sum.succeeded += counts.succeeded;
    sum.partial += counts.partial;
    sum.failed += counts.failed;
    sum.skipped += counts.skipped;
    sum.unknown += counts.unknown;
    sum.untried += counts.untried;
}

fn errors(definition: &Definition, state: &RunState) -> Vec<ErrorSummary> {
    let of = |step: Option<&str>, failure: &Failure| ErrorSummary {
        step: step.map(str::to_owned),
        class: failure.class,
        message: failure.message.clone(),
    };
    let steps = definition.steps.iter().zip(&state.steps);
    let steps = steps.filter_map(|(step, state)| Some(of(Some(&step.id), state.failure.as_ref()?)));
    let outputs = match &state.outputs {
        Some(OutputsState::Failed(failure)) => Some(of(None, failure)),
        Some(OutputsState::Known(_)) | None => None,
    };
    steps.chain(outputs).take(LISTED_ERRORS).collect()
}

/// What a run waits for if nothing of it is being done.
fn waits_for(state: &RunState) -> Option<WaitsFor> {
    match state.phase {
        Phase::Queued => return Some(WaitsFor::Slot),
        Phase::Granted | Phase::Finished(_) => return None,
        Phase::Running | Phase::Stopping(_) | Phase::Finally(_) | Phase::StoppingFinally { .. } => {
        }
    }
    if state.only_awaits() {
        return Some(WaitsFor::Approval);
    }
    if state.wants_slots() {
        return Some(WaitsFor::Slot);
    }
    if !state.in_flight.is_empty() || !state.ready.is_empty() {
        return None;
    }
    let open = || state.steps.iter().flat_map(|step| step.items.open.values());
    let goes_on =
        |stage: &OpenStage| matches!(stage, OpenStage::Child { .. } | OpenStage::Sleeping { .. });
    if open().any(|open| goes_on(&open.stage)) {
        return None;
    }
    let waits = open().filter_map(|open| match &open.stage {
        OpenStage::Waiting { failure, until, .. } => Some((*until, failure.class)),
        OpenStage::Running(_)
        | OpenStage::Settling { .. }
        | OpenStage::Due { .. }
        | OpenStage::Sleeping { .. }
        | OpenStage::Awaiting { .. }
        | OpenStage::Child { .. } => None,
    });
    let (until, class) = waits.min()?;
    Some(if class == Class::Throttled {
        WaitsFor::ThrottledUntil(until)
    } else {
        WaitsFor::RetryAt(until)
    })
}

/// The change of a run's status in words. `event` made it; none: the submit.
pub(crate) fn notification_text(record: &RunRecord, event: Option<&Event>) -> String {
    let name = match &record.target {
        Some(target) => format!("The workflow {} on {}", record.workflow, target.name),
        None => format!("The workflow {}", record.workflow),
    };
    if let Some(Event::RunReopened { by, .. }) = event {
        return format!("{name} was reopened by {by} and is queued.");
    }
    match (record.status, record.reason) {
        (RunStatus::Queued, _) => format!("{name} is queued."),
        (RunStatus::Running, _) => format!("{name} has started."),
        (RunStatus::Succeeded, _) => format!("{name} has succeeded."),
        (RunStatus::Partial, _) => {
            format!("{name} is partial: {}.{}", counted(&record.counts), first_error(record))
        }
        (RunStatus::Failed, Some(reason)) => {
            format!("{name} has failed: {}.{}", reason.word(), first_error(record))
        }
        (RunStatus::Failed, None) => format!("{name} has failed.{}", first_error(record)),
    }
}

/// How many items came to what, in words.
fn counted(counts: &Counts) -> String {
    let parts = [
        (counts.succeeded, "succeeded"),
        (counts.partial, "are partial"),
        (counts.failed, "failed"),
        (counts.unknown, "are in doubt"),
        (counts.untried, "were not tried"),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, what)| format!("{count} {what}")).collect();
    if parts.is_empty() {
        return "something is missing".to_owned();
    }
    format!("of {} items {}", counts.wanted(), parts.join(", "))
}

/// The most characters of a failure in a notification: `show` has all of it.
const LONGEST_ERROR: usize = 200;

/// The first failure of a run, as the next sentence.
fn first_error(record: &RunRecord) -> String {
    let Some(error) = record.errors.first() else { return String::new() };
    let place = error.step.as_deref().map_or("outputs".to_owned(), |step| format!("step {step}"));
    let message = error.message.lines().next().unwrap_or_default();
    let message: String = message.chars().take(LONGEST_ERROR).collect();
    format!(" First failure, at {place}: {message}")
}

/// The wait for a person in words.
pub(crate) fn wait_text(record: &RunRecord, step: &str, ask: &ApprovalAsk) -> String {
    let of = record.target.as_ref().map(|target| format!(" on {}", target.name));
    let plan = ask.plan.as_ref().map(|plan| format!(" of {plan}"));
    let text = if ask.text.is_empty() { String::new() } else { format!(": {}", ask.text) };
    format!(
        "The workflow {}{} waits for an approval{} by {} at step {step}{text}",
        record.workflow,
        of.unwrap_or_default(),
        plan.unwrap_or_default(),
        ask.by.join(" or ")
    )
}

/// An effect in doubt in words.
pub(crate) fn doubt_text(record: &RunRecord, step: &str) -> String {
    let of = record.target.as_ref().map(|target| format!(" on {}", target.name));
    format!(
        "Whether something happened at step {step} of the workflow {}{} is not known: it is not done again before \
         somebody says so.",
        record.workflow,
        of.unwrap_or_default()
    )
}

/// A change of what is kept of an item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RowChange {
    Started,
    Noted(Value),
    Returned(Payload),
    Failed(Failure),
}

impl RowChange {
    pub(crate) fn apply(self, row: &mut ItemRow) {
        match self {
            Self::Started => {
                row.attempts += 1;
                row.output = None;
            }
            Self::Noted(note) => row.note = Some(note),
            Self::Returned(output) => {
                row.output = Some(output);
                row.failure = None;
            }
            Self::Failed(failure) => row.failure = Some(failure),
        }
    }
}

/// What an event changes of its run's item rows. `state` is the state before the event.
#[expect(clippy::wildcard_enum_match_arm, reason = "most events are about no item")]
pub(crate) fn row_changes(
    event: &Event,
    state: &RunState,
) -> Vec<(StepIndex, ItemIndex, RowChange)> {
    let step_of = |attempt: &AttemptId| state.in_flight.get(attempt).map(|flight| flight.step);
    let of_attempt = |attempt, item: &ItemIndex, change| {
        step_of(attempt).map(|step| (step, *item, change)).into_iter().collect()
    };
    let of_all = |attempt: &AttemptId, failure: &Failure| {
        let flight = state.in_flight.get(attempt).into_iter();
        flight
            .flat_map(|flight| flight.items.iter().map(|item| (flight.step, *item)))
            .map(|(step, item)| (step, item, RowChange::Failed(failure.clone())))
            .collect()
    };
    match event {
        Event::AttemptStarted { step, items, .. } => {
            items.iter().map(|item| (*step, *item, RowChange::Started)).collect()
        }
        Event::AttemptNoted { attempt, item, note } => {
            of_attempt(attempt, item, RowChange::Noted(note.clone()))
        }
        Event::AttemptSucceeded { attempt, item, output, .. } => {
            of_attempt(attempt, item, RowChange::Returned(output.clone()))
        }
        Event::AttemptFailed { attempt, item, failure } => {
            of_attempt(attempt, item, RowChange::Failed(failure.clone()))
        }
        Event::AttemptLost { attempt, failure } => of_all(attempt, failure),
        Event::AttemptInterrupted { attempt, death } => {
            of_all(attempt, &Failure::interrupted(*death))
        }
        Event::EffectProbed { step, item, answer } => match answer {
            ProbeAnswer::Done(output) => vec![(*step, *item, RowChange::Returned(output.clone()))],
            ProbeAnswer::Partial(note) => vec![(*step, *item, RowChange::Noted(note.clone()))],
            ProbeAnswer::Absent | ProbeAnswer::Unknown | ProbeAnswer::Failed(_) => Vec::new(),
        },
        Event::ItemEnded { step, item, failure, .. } => {
            vec![(*step, *item, RowChange::Failed(failure.clone()))]
        }
        Event::EffectResolved { step, item, verdict: Verdict::Done(output), .. } => {
            vec![(*step, *item, RowChange::Returned(output.clone()))]
        }
        Event::Evaluated {
            question: Question::Pause(step, item) | Question::Approval(step, item),
            answer: Answer::Failed(failure),
        } => vec![(*step, *item, RowChange::Failed(failure.clone()))],
        _ => wait_changes(event, state),
    }
}

/// What an event about people and children changes.
#[expect(clippy::wildcard_enum_match_arm, reason = "most events are about no item")]
fn wait_changes(event: &Event, state: &RunState) -> Vec<(StepIndex, ItemIndex, RowChange)> {
    match event {
        Event::ApprovalGiven { step, item, output, .. } => {
            vec![(*step, *item, RowChange::Returned(output.clone()))]
        }
        Event::ChildStarted { step, item, .. } => vec![(*step, *item, RowChange::Started)],
        Event::ChildFinished { step, item, outcome, output, in_doubt } => match outcome {
            Outcome::Succeeded | Outcome::Partial => {
                vec![(*step, *item, RowChange::Returned(output.clone()))]
            }
            Outcome::Failed(reason) => {
                let message = format!("the child run failed: {}", reason.word());
                let effect = if *in_doubt { Effect::Unknown } else { Effect::None };
                let failure =
                    Failure { effect, ..Failure::without_effect(Class::Permanent, message) };
                vec![(*step, *item, RowChange::Failed(failure))]
            }
        },
        Event::ApprovalRejected { step, item, failure, .. }
        | Event::ChildRefused { step, item, failure } => {
            vec![(*step, *item, RowChange::Failed(failure.clone()))]
        }
        Event::TimerFired { timer: Timer::Item(step, item) } => unanswered(state, *step, *item),
        _ => Vec::new(),
    }
}

/// A person did not answer in time.
fn unanswered(
    state: &RunState,
    step: StepIndex,
    item: ItemIndex,
) -> Vec<(StepIndex, ItemIndex, RowChange)> {
    let open = state.step(step).and_then(|step| step.items.open.get(&item));
    let awaited = open.is_some_and(|open| matches!(open.stage, OpenStage::Awaiting { .. }));
    let failure = Failure::without_effect(Class::Rejected, "nobody answered in time");
    let change = awaited.then_some((step, item, RowChange::Failed(failure)));
    change.into_iter().collect()
}

/// The highest offset in the run's payload file that an event refers to.
pub(crate) fn highest_offset(event: &Event) -> Option<u64> {
    let of_payload = |payload: &Payload| match payload {
        Payload::Stored(reference) => Some(reference.offset),
        Payload::Inline(value) => highest_mark(value),
    };
    match event {
        Event::ItemsListed { listing, .. } => listing.list.map(|list| list.offset),
        Event::AttemptSucceeded { output, .. }
        | Event::Evaluated { answer: Answer::Outputs(output), .. }
        | Event::EffectProbed { answer: ProbeAnswer::Done(output), .. }
        | Event::ApprovalGiven { output, .. }
        | Event::ChildFinished { output, .. }
        | Event::EffectResolved { verdict: Verdict::Done(output), .. } => of_payload(output),
        Event::AttemptNoted { note, .. }
        | Event::EffectProbed { answer: ProbeAnswer::Partial(note), .. } => highest_mark(note),
        Event::EffectProbed { .. }
        | Event::EffectResolved { .. }
        | Event::Evaluated { .. }
        | Event::RunQueued(_)
        | Event::RunJoined { .. }
        | Event::HoldGranted
        | Event::HoldReleased
        | Event::ChildIdle { .. }
        | Event::ApprovalRequested { .. }
        | Event::ApprovalRejected { .. }
        | Event::ChildStarted { .. }
        | Event::ChildRefused { .. }
        | Event::CancelRequested { .. }
        | Event::FinallyStarted
        | Event::RunStarted
        | Event::StepReady { .. }
        | Event::StepSkipped { .. }
        | Event::StepBlocked { .. }
        | Event::AttemptStarted { .. }
        | Event::AttemptFailed { .. }
        | Event::AttemptLost { .. }
        | Event::AttemptInterrupted { .. }
        | Event::RetryScheduled { .. }
        | Event::ItemEnded { .. }
        | Event::TimerFired { .. }
        | Event::RunReopened { .. }
        | Event::RunFinished { .. } => None,
    }
}

fn highest_mark(value: &Value) -> Option<u64> {
    if let Some(list) = StoredList::from_value(value) {
        return Some(list.directory.offset);
    }
    match value {
        Value::List(list) => list.iter().filter_map(highest_mark).max(),
        Value::Map(map) => map.values().filter_map(highest_mark).max(),
        Value::None | Value::Boolean(_) | Value::Integer(_) | Value::Number(_) | Value::Text(_) => {
            None
        }
    }
}

/// Where an item of a step is; none if the step has no such item, or none yet.
pub(crate) fn item_status(step: &StepState, item: ItemIndex) -> Option<ItemStatus> {
    let items: &Items = &step.items;
    if step.listed == Listed::No || item.0 >= items.total {
        return None;
    }
    if let Some(open) = items.open.get(&item) {
        return Some(match &open.stage {
            OpenStage::Running(_)
            | OpenStage::Sleeping { .. }
            | OpenStage::Child { idle: false, .. } => ItemStatus::Running,
            OpenStage::Settling { .. }
            | OpenStage::Waiting { .. }
            | OpenStage::Due { .. }
            | OpenStage::Child { idle: true, .. }
            | OpenStage::Awaiting { .. } => ItemStatus::Waiting,
        });
    }
    if items.excluded.get(item.0).is_some() {
        return Some(ItemStatus::Skipped);
    }
    if items.queue.get(item.0).is_some() {
        return Some(ItemStatus::Queued);
    }
    Some(match items.not_ok.get(item.0) {
        None if step.phase == StepPhase::Final(StepEnd::Skipped) => ItemStatus::Skipped,
        None => ItemStatus::Succeeded,
        Some(Mark::Failed | Mark::FailedInDoubt) => ItemStatus::Failed,
        Some(Mark::Partial) => ItemStatus::Partial,
        Some(Mark::Unknown) => ItemStatus::Unknown,
        Some(Mark::ResolvedDone) => ItemStatus::ResolvedDone,
        Some(Mark::ResolvedNotDone) => ItemStatus::ResolvedNotDone,
        Some(Mark::Untried) => ItemStatus::Untried,
    })
}

/// The next `limit` items after a place that ended and are not ok.
pub(crate) fn not_ok(items: &Items, after: Option<ItemIndex>, limit: usize) -> BTreeSet<ItemIndex> {
    let first = after.map_or(0, |item| item.0.saturating_add(1));
    items
        .not_ok
        .iter()
        .flat_map(|(range, _)| range.start.max(first)..range.end)
        .map(ItemIndex)
        .take(limit)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_kernel::id::Digest;
    use holdfast_kernel::payload::Reference;

    #[test]
    fn a_stored_list_inside_of_an_output_counts_as_a_reference() {
        let at = |offset| Reference { offset, length: 1, hash: Digest::of_bytes(b"x") };
        let list = |offset| StoredList { directory: at(offset), count: 1 }.as_value();
        let check = |output: Payload, expect: Option<u64>| {
            let event = Event::AttemptSucceeded {
                attempt: AttemptId(1),
                item: ItemIndex(0),
                output,
                completeness: holdfast_kernel::event::Completeness::Whole,
            };
            assert_eq!(highest_offset(&event), expect);
        };
        check(Payload::empty(), None);
        check(Payload::Stored(at(7)), Some(7));
        check(Payload::Inline(Value::from([("items", list(9)), ("more", list(3))])), Some(9));
        check(Payload::Inline(Value::List(vec![Value::None, list(5)])), Some(5));
    }
}
