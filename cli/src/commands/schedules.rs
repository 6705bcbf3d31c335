//! `schedules`: which there are, where they stand, and when their next ticks are; `pause` and `unpause`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use holdfast_calendar::cron::Cron;
use holdfast_calendar::ticks::Calendar;
use holdfast_calendar::zone::Zone;
use holdfast_drive::output::Reply;
use holdfast_journal::record::RunRecord;
use holdfast_journal::schedule::{Paused, ScheduleRecord, ScheduleSpec, Trouble};
use holdfast_kernel::id::{Instant, Millis};
use holdfast_kernel::tick::{Due, ScheduleName};
use holdfast_runtime::clock;
use holdfast_runtime::schedule::Planned;
use holdfast_runtime::schedule::dues;
use holdfast_service::wire::ask::{Act, Ask};
use serde::Serialize;

use super::ticks;
use crate::access::Access;
use crate::arguments::{Pause, SchedulesCommand, SchedulesWhat, Unpause};
use crate::book;
use crate::compose::{Parts, parts};
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;
use crate::time;

/// A schedule, for programs.
#[derive(Serialize)]
pub(super) struct Shown {
    pub(super) schedule: String,
    cron: String,
    timezone: String,
    overlap: &'static str,
    catch_up: &'static str,
    /// `waits`, `paused`, `lost`, `broken`, `ahead` or `not_seen`.
    pub(super) state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_run: Option<String>,
    /// Where that run is; none if it is forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_success: Option<String>,
    /// Since when it is without a success for too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) late_since: Option<String>,
}

/// The schedules of the state, and those of files that no owner has seen yet.
pub(super) struct Schedules {
    pub(super) known: Vec<ScheduleRecord>,
    files: BTreeMap<ScheduleName, Planned>,
    pause: Option<Paused>,
}

impl Schedules {
    /// Reads them.
    ///
    /// # Errors
    /// The state or the files cannot be read.
    pub(super) fn read(settings: &Settings, parts: &Parts, access: &Access) -> Result<Self, Error> {
        let files = book::of_files(settings, parts)?;
        let files = files.into_iter().map(|planned| (planned.spec.name.clone(), planned));
        Ok(Self {
            known: access.ask(Ask::Schedules)?,
            files: files.collect(),
            pause: access.ask(Ask::Pause)?,
        })
    }

    /// Reads those of the state alone.
    ///
    /// # Errors
    /// The state cannot be read.
    pub(super) fn stored(access: &Access) -> Result<Self, Error> {
        let (known, pause) = (access.ask(Ask::Schedules)?, access.ask(Ask::Pause)?);
        Ok(Self { known, files: BTreeMap::new(), pause })
    }

    /// Since when and by whom everything is paused, if it is.
    pub(super) fn standstill(&self) -> Option<&Paused> {
        self.pause.as_ref().filter(|paused| paused.lasts())
    }

    /// The schedule that a person means: `WORKFLOW:ID`, or one of the two if that is clear.
    ///
    /// # Errors
    /// There is none, or it is not clear which.
    pub(super) fn named(&self, text: &str) -> Result<ScheduleName, Error> {
        let stored = self.known.iter().map(|record| &record.spec.name);
        let mut all: Vec<&ScheduleName> = stored.chain(self.files.keys()).collect();
        all.sort_unstable();
        all.dedup();
        if let Some(exact) = all.iter().find(|name| name.to_string() == text) {
            return Ok((*exact).clone());
        }
        let fits = |name: &&&ScheduleName| name.workflow == text || name.id == text;
        let found: Vec<&ScheduleName> = all.iter().filter(fits).copied().collect();
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(unknown(text, &all)),
            several => {
                let names: Vec<String> = several.iter().map(ToString::to_string).collect();
                let message = format!("`{text}` may be {}.", names.join(" or "));
                Err(Error::usage(message).hint("Write the whole name: `WORKFLOW:ID`."))
            }
        }
    }

    /// What a schedule is: as its file says it, or as it is stored.
    ///
    /// # Errors
    /// There is none of this name.
    pub(super) fn spec(&self, name: &ScheduleName) -> Result<&ScheduleSpec, Error> {
        let stored = self.known.iter().map(|record| &record.spec);
        let of_files = self.files.get(name).map(|planned| &planned.spec);
        of_files
            .or_else(|| stored.into_iter().find(|spec| spec.name == *name))
            .ok_or_else(|| Error::usage(format!("There is no schedule `{name}`.")))
    }

    /// What is said of every schedule, by name.
    ///
    /// # Errors
    /// The state cannot be read.
    pub(super) fn shown(&self, access: &Access, now: Instant) -> Result<Vec<Shown>, Error> {
        let mut all = Vec::new();
        for record in &self.known {
            all.push(self.known(record, access, now)?);
        }
        let known: BTreeSet<&ScheduleName> =
            self.known.iter().map(|record| &record.spec.name).collect();
        let new = self.files.iter().filter(|(name, _)| !known.contains(name));
        all.extend(
            new.map(|(_, planned)| plain(&planned.spec, "not_seen", next(&planned.spec, now))),
        );
        all.sort_unstable_by(|one, other| one.schedule.cmp(&other.schedule));
        Ok(all)
    }

    fn known(
        &self,
        record: &ScheduleRecord,
        access: &Access,
        now: Instant,
    ) -> Result<Shown, Error> {
        let paused = record.paused.iter().chain(&self.pause).find(|paused| paused.lasts());
        let (state, why) = match (&record.trouble, paused) {
            (Some(Trouble::Lost { since }), _) => {
                ("lost", Some(format!("no workflow file has it since {}", time::local(*since))))
            }
            (Some(Trouble::Broken { reason, .. }), _) => ("broken", Some(reason.clone())),
            (Some(Trouble::Ahead { decided, .. }), _) => {
                let (name, until) = (&record.spec.name, time::local(*decided));
                let why = format!(
                    "the clock was ahead, and ticks until {until} are decided; `holdfast schedules forget {name}` lets \
                     it begin anew"
                );
                ("ahead", Some(why))
            }
            (None, Some(paused)) => {
                let since = time::local(paused.from);
                ("paused", Some(format!("by {} since {since}", paused.by)))
            }
            (None, None) => ("waits", None),
        };
        let next = next_tick(record, now);
        // How the last of its runs that ended has ended may be said of another run than the last.
        let last: Option<RunRecord> = match record.last_run {
            Some(run) => access.ask(Ask::Run { run })?,
            None => None,
        };
        Ok(Shown {
            why,
            last_run: record.last_run.map(|run| run.to_string()),
            last_status: last.map(|run| run.status.word()),
            last_success: record.last_success.map(time::utc),
            late_since: record.late_since.map(time::utc),
            ..plain(&record.spec, state, next)
        })
    }
}

fn unknown(text: &str, all: &[&ScheduleName]) -> Error {
    let error = Error::usage(format!("There is no schedule `{text}`."));
    let names: Vec<String> = all.iter().map(ToString::to_string).collect();
    if names.is_empty() {
        return error.hint("A workflow in `workflows/` has schedules under `on.schedule`.");
    }
    error.hint(format!("There is {}.", names.join(", ")))
}

fn plain(spec: &ScheduleSpec, state: &'static str, next: Option<Instant>) -> Shown {
    Shown {
        schedule: spec.name.to_string(),
        cron: spec.cron.clone(),
        timezone: spec.timezone.clone(),
        overlap: spec.policy.overlap.word(),
        catch_up: spec.policy.catch_up.word(),
        state,
        why: None,
        next: next.map(time::utc),
        last_run: None,
        last_status: None,
        last_success: None,
        late_since: None,
    }
}

/// The pattern of a schedule in its zone; none if this version cannot read what is stored of it.
pub(super) fn calendar(spec: &ScheduleSpec) -> Option<Calendar> {
    let cron = Cron::parse(&spec.cron).ok()?;
    Some(Calendar { cron, zone: Zone::named(&spec.timezone).ok()? })
}

/// The next tick of a schedule that is known; none if its file is gone.
pub(super) fn next_tick(record: &ScheduleRecord, now: Instant) -> Option<Instant> {
    match record.trouble {
        Some(Trouble::Lost { .. }) => None,
        Some(Trouble::Broken { .. } | Trouble::Ahead { .. }) | None => {
            next(&record.spec, now.max(record.decided))
        }
    }
}

fn next(spec: &ScheduleSpec, after: Instant) -> Option<Instant> {
    calendar(spec)?.next_after(after)
}

/// Lists schedules, shows their next ticks, or forgets one.
///
/// # Errors
/// The state or the files cannot be read, or there is no such schedule.
pub(crate) fn perform(
    command: &SchedulesCommand,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let mut access = Access::open(settings, &parts)?;
    let schedules = Schedules::read(settings, &parts, &access)?;
    match &command.what {
        None => list(&schedules, &access, output)?,
        Some(SchedulesWhat::Next { schedule, count }) => {
            next_of(&schedules, schedule.as_deref(), usize::from(*count), output)?;
        }
        Some(SchedulesWhat::Forget { schedule }) => {
            let schedule = schedules.named(schedule)?;
            // One whose ticks were decided while the clock was ahead is to begin anew.
            let is_ahead = |record: &ScheduleRecord| {
                record.spec.name == schedule
                    && matches!(record.trouble, Some(Trouble::Ahead { .. }))
            };
            let is_ahead = schedules.known.iter().any(is_ahead);
            if schedules.files.contains_key(&schedule) && !is_ahead {
                let message = format!("The schedule {schedule} is in a workflow file.");
                return Err(Error::usage(message)
                    .hint("Take it out of the file first; `holdfast pause` lets it rest."));
            }
            done(access.act(Act::ForgetSchedule { schedule: schedule.clone() })?)?;
            output.talk(format!("The schedule {schedule} is forgotten."));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(schedules: &Schedules, access: &Access, output: Output) -> Result<(), Error> {
    let shown = schedules.shown(access, clock::now())?;
    if output.is_json() {
        return output.json(&shown);
    }
    for one in &shown {
        output.line(line(one));
    }
    if shown.is_empty() {
        output.talk("There are no schedules: a workflow has them under `on.schedule`.");
    }
    if shown.iter().any(|one| one.state == "not_seen") {
        output.talk("What is not seen yet is waited for by `holdfast serve`.");
    }
    Ok(())
}

/// A schedule in one line, and what is wrong with it beneath.
pub(super) fn line(one: &Shown) -> String {
    let next = one.next.as_deref().unwrap_or("-");
    let state = one.state.replace('_', " ");
    let last = match (one.last_status, &one.last_run) {
        (Some(status), Some(run)) => format!("  last {status}: {run}"),
        (None, Some(run)) => format!("  last {run}"),
        (_, None) => String::new(),
    };
    let mut line = format!(
        "{:<28} {:<8} {:<16} {:<16} next {next}{last}",
        one.schedule, state, one.cron, one.timezone
    );
    if let Some(why) = &one.why {
        line = format!("{line}\n    {why}");
    }
    if let Some(late) = &one.late_since {
        line = format!("{line}\n    no success for too long; people were told at {late}");
    }
    line
}

/// When a tick is, in the zone of its schedule, for programs.
#[derive(Serialize)]
struct Next {
    schedule: String,
    tick: String,
    /// What the clock of its zone shows then.
    local: String,
    /// How much later its run starts, in milliseconds.
    delay: Millis,
}

fn next_of(
    schedules: &Schedules,
    named: Option<&str>,
    count: usize,
    output: Output,
) -> Result<(), Error> {
    let named = named.map(|text| schedules.named(text)).transpose()?;
    let now = clock::now();
    let stored = schedules.known.iter().map(|record| (&record.spec, now.max(record.decided)));
    let of_files = schedules.files.values().map(|planned| (&planned.spec, now));
    let mut from: BTreeMap<&ScheduleName, (&ScheduleSpec, Instant)> = BTreeMap::new();
    for (spec, after) in of_files.chain(stored) {
        if named.as_ref().is_none_or(|name| *name == spec.name) {
            let file = schedules.files.get(&spec.name).map_or(spec, |planned| &planned.spec);
            from.insert(&spec.name, (file, after));
        }
    }
    let mut all = Vec::new();
    for (spec, after) in from.into_values() {
        let Some(calendar) = calendar(spec) else { continue };
        all.extend(dues(&calendar, spec, after).take(count).map(|Due { tick, at }| {
            (
                tick,
                Next {
                    schedule: spec.name.to_string(),
                    tick: time::utc(tick),
                    local: calendar.zone.show(tick),
                    delay: at.since(tick),
                },
            )
        }));
    }
    all.sort_by_key(|(tick, _)| *tick);
    let all: Vec<Next> = all.into_iter().map(|(_, next)| next).collect();
    if output.is_json() {
        return output.json(&all);
    }
    for next in &all {
        let Next { schedule, tick, local, .. } = next;
        output.line(format!("{tick}  {local}  {schedule}"));
    }
    Ok(())
}

/// Pauses everything, or a schedule.
///
/// # Errors
/// There is no such schedule, or it cannot be stored.
pub(crate) fn pause(pause: &Pause, settings: &Settings, output: Output) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let mut access = Access::open(settings, &parts)?;
    let schedules = Schedules::read(settings, &parts, &access)?;
    let schedule = pause.schedule.as_deref().map(|text| schedules.named(text)).transpose()?;
    done(access.act(Act::Pause { schedule: schedule.clone() })?)?;
    output.talk(match schedule {
        Some(name) => {
            format!("The schedule {name} is paused: its ticks start nothing. `holdfast unpause {name}` ends it.")
        }
        None => "Everything is paused: no attempt starts, and no tick starts a run. What is in flight ends on its \
                 own. `holdfast unpause` ends it."
            .to_owned(),
    });
    Ok(ExitCode::SUCCESS)
}

/// Ends a pause.
///
/// # Errors
/// There is no such schedule, or it cannot be stored.
pub(crate) fn unpause(
    unpause: &Unpause,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let mut access = Access::open(settings, &parts)?;
    let schedules = Schedules::read(settings, &parts, &access)?;
    let schedule = unpause.schedule.as_deref().map(|text| schedules.named(text)).transpose()?;
    let then = clock::now();
    done(access.act(Act::Unpause { schedule: schedule.clone() })?)?;
    output.talk(match &schedule {
        Some(name) => format!("The schedule {name} goes on."),
        None => "Everything goes on.".to_owned(),
    });
    match schedule.filter(|_| unpause.catch_up) {
        Some(name) => {
            let at = (&schedules, then);
            ticks::catch_up(&name, at, settings, (&parts, &mut access), output)
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

fn done(reply: Reply) -> Result<(), Error> {
    match reply {
        Reply::Done => Ok(()),
        Reply::Refused(refusal) => Err(super::refused("Nothing was changed", &refusal)
            .hint("A schedule is known once `holdfast serve` has seen its file.")),
        Reply::Queued(_) | Reply::Deduplicated { .. } | Reply::Ticked(_) => {
            Err(Error::internal("The change got a reply that is none."))
        }
    }
}
