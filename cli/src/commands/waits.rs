//! Why a run does not go on, and the commands that answer what it asks.

use holdfast_journal::record::{RunRecord, WaitsFor};
use holdfast_kernel::id::{ItemIndex, RunId, StepIndex};
use holdfast_kernel::queue::Obstacle;
use holdfast_kernel::state::{Mark, OpenStage};
use holdfast_service::wire::ask::{Ask, LoadedRun};

use crate::access::Access;
use crate::commands::answer::awaiting;
use crate::commands::place::key_of;
use crate::error::Error;
use crate::output::Output;
use crate::time;

/// How many items in doubt are named of each step.
const FIRST: usize = 10;

/// Why nothing of a run is being done; none if something is.
///
/// # Errors
/// The state cannot be read.
pub(super) fn why(
    access: &Access,
    record: &RunRecord,
    loaded: &LoadedRun,
) -> Result<Option<String>, Error> {
    let Some(waits) = record.waits_for else { return child(access, loaded) };
    Ok(Some(match waits {
        WaitsFor::Slot => slot(access, record.run)?,
        WaitsFor::Approval => {
            let steps = awaiting(loaded);
            if steps.is_empty() {
                return child(access, loaded);
            }
            let ids = steps.iter().filter_map(|(step, _)| loaded.definition.step(*step));
            let mut ids: Vec<&str> = ids.map(|step| step.id.as_str()).collect();
            ids.dedup();
            format!("the word of a person at {}", ids.join(", "))
        }
        WaitsFor::RetryAt(at) => format!("the next attempt at {}", time::local(at)),
        WaitsFor::ThrottledUntil(at) => {
            format!("the target, which asked for rest until {}", time::local(at))
        }
    }))
}

/// Which child keeps a run waiting that has nothing else to do.
fn child(access: &Access, loaded: &LoadedRun) -> Result<Option<String>, Error> {
    let LoadedRun { state, .. } = loaded;
    let mut open = state.steps.iter().flat_map(|step| step.items.open.values());
    let children: Vec<RunId> = open.clone().filter_map(|open| open.stage.child()).collect();
    let all = open.all(|open| open.stage.child().is_some());
    if !all || !state.in_flight.is_empty() || children.len() > FIRST {
        return Ok(None);
    }
    let mut first = None;
    for child in children {
        let record: Option<RunRecord> = access.ask(Ask::Run { run: child })?;
        let Some(record) = record.filter(|record| record.finished_at.is_none()) else {
            return Ok(None);
        };
        // Only the first one is looked into: what lies below the others may be as much again, at each depth.
        if first.is_some() && record.waits_for.is_none() {
            return Ok(None);
        }
        first.get_or_insert(record);
    }
    let Some(record) = first else { return Ok(None) };
    let waits = why(access, &record, &access.load(record.run)?)?;
    Ok(waits.map(|waits| format!("its child {}, which waits for {waits}", record.run)))
}

/// Who is in the way of a run that waits for its slots.
fn slot(access: &Access, run: RunId) -> Result<String, Error> {
    let obstacles: Vec<(RunId, Obstacle)> =
        if access.is_owner() { Vec::new() } else { access.ask(Ask::Obstacles)? };
    let obstacle = obstacles.into_iter().find(|(of, _)| *of == run).map(|(_, obstacle)| obstacle);
    Ok(match obstacle {
        Some(Obstacle::Slots) => "a slot: as many runs go on as `limits.runs` allows".to_owned(),
        Some(Obstacle::Group(group, holder)) => format!("its group {group}, where {holder} is"),
        Some(Obstacle::Schedule(before)) => format!("the run before it in its schedule, {before}"),
        Some(Obstacle::Hold(target, holder)) => format!("the target {target}, where {holder} is"),
        None if access.is_driven() => "its slot".to_owned(),
        None => "a process that drives runs: `holdfast resume`".to_owned(),
    })
}

/// Something that a run asks people.
pub(super) struct Question {
    /// Which step asks whom, until when, and what.
    pub(super) what: String,
    /// The plan that is asked about.
    pub(super) plan: Option<String>,
    /// What names it behind `approve` and `reject`.
    pub(super) place: String,
}

/// What a run asks people.
///
/// # Errors
/// The state cannot be read.
pub(super) fn questions(access: &Access, loaded: &LoadedRun) -> Result<Vec<Question>, Error> {
    let run = loaded.state.run();
    let mut questions = Vec::new();
    for (index, item) in awaiting(loaded) {
        let id = loaded.definition.step(index).map_or("", |step| step.id.as_str());
        let key = key_of(access, loaded, (index, item))?;
        let open = loaded.state.step(index).and_then(|step| step.items.open.get(&item));
        let Some(OpenStage::Awaiting { ask, until }) = open.map(|open| &open.stage) else {
            continue;
        };
        let question = if ask.text.is_empty() { "an approval" } else { ask.text.as_str() };
        let (by, until) = (ask.by.join(", "), time::local(*until));
        let key = key.map(|key| format!(" {}", quoted(&key))).unwrap_or_default();
        questions.push(Question {
            what: format!("{id} asks {by} until {until}: {question}"),
            plan: ask.plan.as_ref().map(ToString::to_string),
            place: format!("{run} {id}{key}"),
        });
    }
    Ok(questions)
}

/// Says what a run asks, with the commands that answer.
///
/// # Errors
/// The state cannot be read.
pub(super) fn answers(access: &Access, loaded: &LoadedRun, output: Output) -> Result<(), Error> {
    for Question { what, plan, place } in questions(access, loaded)? {
        output.talk(what);
        if let Some(plan) = plan {
            output.talk(format!("What is asked about: holdfast plan show {plan}"));
        }
        output.talk(format!(
            "To answer: holdfast approve {place}, or: holdfast reject {place} --reason TEXT"
        ));
    }
    Ok(())
}

/// Items of a step of which nobody knows whether they happened.
pub(super) struct Doubt {
    /// The id of the step.
    pub(super) step: String,
    /// What names one of them behind `resolve`, for the first ones.
    pub(super) places: Vec<String>,
    /// How many there are besides.
    pub(super) more: u32,
}

/// Of which steps and items it is not known whether they happened.
///
/// # Errors
/// The state cannot be read.
pub(super) fn doubts(access: &Access, loaded: &LoadedRun) -> Result<Vec<Doubt>, Error> {
    let run = loaded.state.run();
    let mut doubts = Vec::new();
    for ((index, step), state) in loaded.definition.numbered().zip(&loaded.state.steps) {
        let count = state.items.in_doubt();
        if count == 0 {
            continue;
        }
        let unknown = state.items.not_ok.iter().filter(|(_, mark)| *mark == Mark::Unknown);
        let first = unknown.flat_map(|(range, _)| range).map(ItemIndex).take(FIRST);
        let places = first.map(|item| {
            let key = key_of(access, loaded, (index, item))?;
            let key = key.map(|key| format!(" {}", quoted(&key))).unwrap_or_default();
            Ok(format!("{run} {}{key}", step.id))
        });
        let places = places.collect::<Result<Vec<_>, Error>>()?;
        let more = count.saturating_sub(u32::try_from(places.len()).unwrap_or(u32::MAX));
        doubts.push(Doubt { step: step.id.clone(), places, more });
    }
    Ok(doubts)
}

/// What names an item that asks behind `approve`; as much of it as can still be told.
pub(crate) fn place_of(access: &Access, run: RunId, asks: Place<'_>) -> String {
    let loaded = access.load(run).ok();
    let (id, item) = match asks {
        Place::Named(id, item) => (Some(id.to_owned()), item),
        Place::Numbered(step, item) => {
            let step = loaded.as_ref().and_then(|loaded| loaded.definition.step(step));
            (step.map(|step| step.id.clone()), Some(item))
        }
    };
    let step = id
        .as_deref()
        .zip(loaded.as_ref())
        .and_then(|(id, loaded)| loaded.definition.step_named(id).map(|(step, _)| (loaded, step)));
    let key = step
        .zip(item)
        .and_then(|((loaded, step), item)| key_of(access, loaded, (step, item)).ok().flatten());
    let id = id.map(|id| format!(" {id}")).unwrap_or_default();
    let key = key.map(|key| format!(" {}", quoted(&key))).unwrap_or_default();
    format!("{run}{id}{key}")
}

/// How a step and an item are known to whoever tells of them.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// By the id of the step.
    Named(&'a str, Option<ItemIndex>),
    /// By the number of the step.
    Numbered(StepIndex, ItemIndex),
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "_-./:@%+=,".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_in_a_command_as_one_word() {
        assert_eq!(quoted("a/b-1"), "a/b-1");
        assert_eq!(quoted("Break glass"), "'Break glass'");
        assert_eq!(quoted("it's; rm"), r"'it'\''s; rm'");
        assert_eq!(quoted(""), "''");
    }
}
