//! `ticks`: what was decided about the ticks of schedules, and starting the run of one by hand.

use std::process::ExitCode;

use holdfast_calendar::ticks::Calendar;
use holdfast_contract::duration;
use holdfast_drive::output::Reply;
use holdfast_drive::ticking::BY_HAND;
use holdfast_journal::query::{LONGEST_PAGE, Paged};
use holdfast_journal::schedule::{ScheduleRecord, TickRecord};
use holdfast_journal::ticks::{TickFilter, TickPlace};
use holdfast_kernel::id::{Instant, Millis};
use holdfast_kernel::tick::{Decided, ScheduleName, Skipped, TickDecision};
use holdfast_runtime::clock;
use holdfast_service::wire::ask::{Act, Ask};
use serde::Serialize;

use super::schedules::{Schedules, calendar};
use crate::access::Access;
use crate::arguments::{TicksCommand, TicksWhat};
use crate::book::request_of;
use crate::compose::{Parts, parts};
use crate::environment;
use crate::error::Error;
use crate::find;
use crate::output::{Output, counted};
use crate::settings::Settings;
use crate::time;

/// How many runs are started by hand at once at most.
const MOST: usize = 1_000;

/// Ticks that were decided in one way, for programs.
#[derive(Serialize)]
struct Shown {
    schedule: String,
    first: String,
    last: String,
    count: u32,
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    decided_at: String,
}

/// Lists ticks, or starts runs of some.
///
/// # Errors
/// The state cannot be used, or there is no such schedule.
pub(crate) fn perform(
    command: &TicksCommand,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let mut access = Access::open(settings, &parts)?;
    let schedules = Schedules::read(settings, &parts, &access)?;
    match &command.what {
        None => list(command, &schedules, &access, output),
        Some(TicksWhat::Run { schedule, since, until, dry_run }) => {
            let name = schedules.named(schedule)?;
            let now = clock::now();
            let until = until.as_deref().map(|text| instant(text, now)).transpose()?.unwrap_or(now);
            let ticks = if let Some(since) = since {
                between(&schedules, &name, instant(since, now)?, until)?
            } else {
                let calendar = calendar(schedules.spec(&name)?);
                let last = last(&calendar.ok_or_else(|| unreadable(&name))?, now);
                vec![last.ok_or_else(|| {
                    Error::usage(format!("The schedule {name} has had no tick yet."))
                })?]
            };
            if *dry_run {
                for tick in &ticks {
                    output.line(time::utc(*tick));
                }
                return Ok(ExitCode::SUCCESS);
            }
            run(&name, &ticks, settings, (&parts, &mut access), output)
        }
    }
}

fn list(
    command: &TicksCommand,
    schedules: &Schedules,
    access: &Access,
    output: Output,
) -> Result<ExitCode, Error> {
    let schedule = command.schedule.as_deref().map(|text| schedules.named(text)).transpose()?;
    let now = clock::now();
    let since = command.since.as_deref().map(|text| instant(text, now)).transpose()?;
    let filter = TickFilter { schedule, since };
    let limit = usize::from(command.limit);
    let found: Paged<TickRecord, TickPlace> =
        access.ask(Ask::Ticks { filter, after: None, limit })?;
    let shown: Vec<Shown> = found.rows.iter().map(shown).collect();
    if output.is_json() {
        output.json(&shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    for one in &shown {
        output.line(format!("{}  {}", one.schedule, one.line()));
    }
    if shown.is_empty() {
        output.talk("No tick was decided yet.");
    }
    Ok(ExitCode::SUCCESS)
}

impl Shown {
    fn line(&self) -> String {
        let Self { first, last, count, decision, run, why, .. } = self;
        let when =
            if first == last { first.clone() } else { format!("{first} to {last} ({count})") };
        let more: Vec<String> = run.iter().chain(why).map(|more| format!("  {more}")).collect();
        let more = more.concat();
        format!("{when}  {}{more}", decision.replace('_', " "))
    }
}

/// Ticks and what was decided about them, in one line.
pub(super) fn told(ticks: &Decided) -> String {
    of_no_schedule(ticks).line()
}

/// The word for what was decided about ticks.
pub(super) fn decision(ticks: &Decided) -> &'static str {
    of_no_schedule(ticks).decision
}

fn of_no_schedule(ticks: &Decided) -> Shown {
    let schedule = ScheduleName { workflow: String::new(), id: String::new() };
    shown(&TickRecord { schedule, ticks: ticks.clone(), at: Instant(0) })
}

fn shown(record: &TickRecord) -> Shown {
    let ticks = &record.ticks;
    let (decision, run, why) = match &ticks.decision {
        TickDecision::Fired(run) => ("fired", Some(*run), None),
        TickDecision::ByHand { run, by } => ("by_hand", Some(*run), Some(format!("by {by}"))),
        TickDecision::Missed => ("missed", None, None),
        TickDecision::Coalesced => ("coalesced", None, None),
        TickDecision::Skipped(Skipped::Overlap(run)) => ("skipped_overlap", Some(*run), None),
        TickDecision::Skipped(Skipped::Paused) => ("skipped_paused", None, None),
        TickDecision::Skipped(Skipped::Definition(reason)) => {
            ("skipped_definition", None, Some(reason.clone()))
        }
    };
    Shown {
        schedule: record.schedule.to_string(),
        first: time::utc(ticks.first),
        last: time::utc(ticks.last),
        count: ticks.count,
        decision,
        run: run.map(|run| run.to_string()),
        why,
        decided_at: time::utc(record.at),
    }
}

/// Starts the run of the last tick that a pause skipped, by hand. `schedules` are as they were then, while it lasted.
///
/// # Errors
/// It cannot be started.
pub(super) fn catch_up(
    name: &ScheduleName,
    (schedules, then): (&Schedules, Instant),
    settings: &Settings,
    (parts, access): (&Parts, &mut Access),
    output: Output,
) -> Result<ExitCode, Error> {
    let filter = TickFilter { schedule: Some(name.clone()), since: None };
    let found: Paged<TickRecord, TickPlace> =
        access.ask(Ask::Ticks { filter, after: None, limit: LONGEST_PAGE })?;
    let record = schedules.known.iter().find(|record| record.spec.name == *name);
    let undecided = record.and_then(|record| undecided(record, then));
    if let Some(tick) = skipped(&found.rows, undecided) {
        return run(name, &[tick], settings, (parts, access), output);
    }
    if output.is_json() {
        let none: [String; 0] = [];
        output.json(&none)?;
    }
    output.talk(format!(
        "No tick of {name} was skipped by a pause since its last run was started: no run is started."
    ));
    Ok(ExitCode::SUCCESS)
}

/// The last tick that a pause which lasts until now takes in, and that nobody was there to decide about.
fn undecided(record: &ScheduleRecord, now: Instant) -> Option<Instant> {
    let paused = record.paused.as_ref().filter(|paused| paused.lasts())?;
    // One that may be waiting for its share of the jitter still starts its run after the pause.
    let Millis(jitter) = record.spec.jitter;
    let jitter = i64::try_from(jitter.saturating_mul(1_000)).unwrap_or(i64::MAX);
    let tick = last(&calendar(&record.spec)?, Instant(now.0.saturating_sub(jitter)))?;
    (record.decided < tick && paused.from <= tick).then_some(tick)
}

/// The last tick that a pause skipped, also of those that are undecided; none if a run was started for it or for one
/// after it.
fn skipped(rows: &[TickRecord], undecided: Option<Instant>) -> Option<Instant> {
    let (mut skipped, mut done): (_, Option<Instant>) = (undecided, None);
    for TickRecord { ticks, .. } in rows {
        match &ticks.decision {
            TickDecision::Skipped(Skipped::Paused) => skipped = skipped.max(Some(ticks.last)),
            TickDecision::Fired(_) | TickDecision::ByHand { .. } => {
                done = done.max(Some(ticks.last));
            }
            TickDecision::Skipped(Skipped::Overlap(_) | Skipped::Definition(_))
            | TickDecision::Missed
            | TickDecision::Coalesced => {}
        }
    }
    skipped.filter(|_| done < skipped)
}

/// Starts the runs of ticks, in their order.
fn run(
    name: &ScheduleName,
    ticks: &[Instant],
    settings: &Settings,
    (parts, access): (&Parts, &mut Access),
    output: Output,
) -> Result<ExitCode, Error> {
    let workflow = find::workflow(&name.workflow, settings, parts, output)?;
    let mut runs = Vec::new();
    for tick in ticks {
        let by = Some((environment::user(), BY_HAND));
        let (request, stored) = request_of(&workflow, (name, *tick), by, (parts, &*access))?;
        match access.act(Act::Tick { request: Box::new(request), stored })? {
            Reply::Queued(run) => {
                runs.push(run.to_string());
                if !output.is_json() {
                    output.line(format!("{}  {run}", time::utc(*tick)));
                }
            }
            Reply::Deduplicated { run, .. } => {
                output.talk(format!("The run of {} is active: {run}.", time::utc(*tick)));
            }
            Reply::Refused(refusal) => {
                return Err(super::refused("The run was rejected", &refusal)
                    .hint("A schedule is known once `holdfast serve` has seen its file."));
            }
            Reply::Done | Reply::Ticked(_) => {
                return Err(Error::internal("The tick got a reply that is none."));
            }
        }
    }
    if output.is_json() {
        output.json(&runs)?;
    }
    output.talk(format!("{} queued, one after the other.", counted(runs.len(), "run")));
    Ok(ExitCode::SUCCESS)
}

/// The last tick until now.
fn last(calendar: &Calendar, now: Instant) -> Option<Instant> {
    // A leap day may be one of a certain day of the week.
    [1, 8, 32, 367, 4 * 366, 41 * 366].into_iter().find_map(|days| {
        let from = Instant(now.0.saturating_sub(days * 86_400_000_000));
        calendar.ticks_after(from).take_while(|tick| *tick <= now).last()
    })
}

fn between(
    schedules: &Schedules,
    name: &ScheduleName,
    since: Instant,
    until: Instant,
) -> Result<Vec<Instant>, Error> {
    let calendar = calendar(schedules.spec(name)?).ok_or_else(|| unreadable(name))?;
    // A tick at the instant itself counts.
    let after = Instant(since.0.saturating_sub(1));
    let ticks = calendar.ticks_after(after).take_while(|tick| *tick <= until);
    let ticks: Vec<Instant> = ticks.take(MOST + 1).collect();
    if ticks.len() > MOST {
        let message = format!("There are more than {MOST} ticks in that period.");
        return Err(Error::usage(message).hint("Give a shorter one with `--since` and `--until`."));
    }
    if ticks.is_empty() {
        return Err(Error::usage(format!("The schedule {name} has no tick in that period.")));
    }
    Ok(ticks)
}

fn unreadable(name: &ScheduleName) -> Error {
    Error::unavailable(format!("What is stored of the schedule {name} cannot be read."))
}

/// An instant as people write it: so long ago, or a date, with a time if they like.
fn instant(text: &str, now: Instant) -> Result<Instant, Error> {
    if let Ok(ago) = duration::parse(text) {
        let micros = i64::try_from(ago.0.saturating_mul(1_000)).unwrap_or(i64::MAX);
        return Ok(Instant(now.0.saturating_sub(micros)));
    }
    time::parse(text).ok_or_else(|| {
        Error::usage(format!("`{text}` is no time.")).hint(
            "Write how long ago, such as `3d`, or a date, such as `2026-11-30` or `2026-11-30T02:15:00Z`.",
        )
    })
}

#[cfg(test)]
mod tests {
    use holdfast_kernel::id::RunId;

    use super::*;

    #[test]
    fn what_a_pause_skipped_is_caught_up_with_once_and_never_what_was_done() {
        let run = RunId::from_bytes([7; 16]);
        let by_hand = || TickDecision::ByHand { run, by: "ann".to_owned() };
        let paused = || TickDecision::Skipped(Skipped::Paused);
        let check = |rows: &[(i64, TickDecision)], undecided: Option<i64>, expect: Option<i64>| {
            let row = |(tick, decision): &(i64, TickDecision)| TickRecord {
                schedule: ScheduleName { workflow: "w".to_owned(), id: "s".to_owned() },
                ticks: Decided::one(Instant(*tick), decision.clone()),
                at: Instant(*tick),
            };
            let rows: Vec<TickRecord> = rows.iter().map(row).collect();
            assert_eq!(skipped(&rows, undecided.map(Instant)), expect.map(Instant), "{rows:#?}");
        };
        check(&[], None, None);
        check(&[(1, TickDecision::Fired(run))], None, None);
        check(&[(2, paused()), (1, TickDecision::Fired(run))], None, Some(2));
        check(&[(3, paused()), (2, paused())], None, Some(3));
        check(&[(2, paused())], Some(3), Some(3));
        check(&[(2, by_hand()), (2, paused())], None, None);
        check(&[(3, TickDecision::Fired(run)), (2, paused())], None, None);
        // An earlier one that somebody started by hand is another one.
        check(&[(1, by_hand()), (2, paused())], None, Some(2));
        check(&[(3, by_hand())], Some(3), None);
        check(&[(4, TickDecision::Missed), (2, paused())], None, Some(2));
    }
}
