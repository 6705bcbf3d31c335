//! Why a run does not go on, and the commands that answer what it asks.

use holdfast_journal::record::{RunRecord, WaitsFor};
use holdfast_kernel::id::RunId;
use holdfast_kernel::queue::Obstacle;
use holdfast_kernel::state::OpenStage;
use holdfast_service::wire::ask::{Ask, LoadedRun};

use crate::access::Access;
use crate::commands::answer::awaiting;
use crate::commands::place::key_of;
use crate::error::Error;
use crate::output::Output;
use crate::time;

/// Why nothing of a run is being done; none if something is.
///
/// # Errors
/// The state cannot be read.
pub(super) fn why(
    access: &Access,
    record: &RunRecord,
    loaded: &LoadedRun,
) -> Result<Option<String>, Error> {
    let Some(waits) = record.waits_for else { return Ok(None) };
    Ok(Some(match waits {
        WaitsFor::Slot => slot(access, record.run)?,
        WaitsFor::Approval => {
            let steps = awaiting(loaded);
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

/// Who is in the way of a run that waits for its slots.
fn slot(access: &Access, run: RunId) -> Result<String, Error> {
    let obstacles: Vec<(RunId, Obstacle)> =
        if access.is_owner() { Vec::new() } else { access.ask(Ask::Obstacles)? };
    let obstacle = obstacles.into_iter().find(|(of, _)| *of == run).map(|(_, obstacle)| obstacle);
    Ok(match obstacle {
        Some(Obstacle::Slots) => "a slot: as many runs go on as `limits.runs` allows".to_owned(),
        Some(Obstacle::Group(group, holder)) => format!("its group {group}, where {holder} is"),
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
