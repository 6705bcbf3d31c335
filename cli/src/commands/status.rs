//! `status`: what runs and what it waits for, whose word is needed, how old the last good set of each target is.

use std::process::ExitCode;

use holdfast_contract::plan::Plan;
use holdfast_contract::records::Approval;
use holdfast_journal::disk::Disk as _;
use holdfast_journal::disk::local::Local;
use holdfast_journal::query::{Filter, Paged};
use holdfast_journal::record::RunRecord;
use holdfast_journal::totals::Totals;
use holdfast_kernel::id::{Instant, Millis, RunId};
use holdfast_kernel::status::RunStatus;
use holdfast_language::configuration::RepositoryConfiguration;
use holdfast_repository::backup_set::BackupSet;
use holdfast_runtime::clock;
use holdfast_service::wire::ask::Ask;
use serde::Serialize;

use crate::access::Access;
use crate::commands::schedules::{self, Schedules, Shown};
use crate::commands::{channels, sets, waits};
use crate::compose::{Parts, parts};
use crate::error::Error;
use crate::output::{Output, counted};
use crate::settings::Settings;
use crate::targets::LocalTargets;
use crate::time;

/// How many of the next ticks are told.
const NEXT_TICKS: usize = 5;

/// How many runs of each sort are looked at.
const MANY: usize = 1_000;

#[derive(Serialize)]
struct Status {
    /// Whether a process drives the runs.
    driven: bool,
    active: Vec<Active>,
    needs: Vec<Need>,
    targets: Vec<Target>,
    /// By whom and since when everything is paused, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<String>,
    /// The schedules that are known, by name.
    schedules: Vec<Shown>,
    /// The channels that people outside are told things through.
    channels: Vec<channels::Shown>,
    /// How many notifications nobody has acknowledged.
    unread: u64,
    /// The disks with the repositories of the configuration.
    repositories: Vec<Disk>,
    /// Bytes that are free on the disk with the state.
    free_bytes: Option<u64>,
}

/// The disk with a repository.
#[derive(Serialize)]
pub(super) struct Disk {
    pub(super) repository: String,
    path: String,
    pub(super) free_bytes: u64,
}

/// A run that has not ended.
#[derive(Serialize)]
struct Active {
    run: String,
    workflow: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<String>,
}

/// Something that only a person can say.
#[derive(Serialize)]
struct Need {
    run: String,
    what: String,
    /// The command that answers.
    command: String,
}

/// A target of the configuration.
#[derive(Serialize)]
struct Target {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_complete: Option<Set>,
}

#[derive(Serialize)]
struct Set {
    id: String,
    sealed_at: String,
    age_seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<String>,
    #[serde(skip)]
    sealed: Instant,
}

/// Says how things stand.
///
/// # Errors
/// The state cannot be used.
pub(crate) fn perform(settings: &Settings, output: Output) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let access = Access::open(settings, &parts)?;
    let now = clock::now();
    let (active, mut needs) = active(&access)?;
    needs.extend(in_doubt(&access)?);
    needs.extend(plans(settings, &access, now)?);
    let schedules = Schedules::stored(&access)?;
    let status = Status {
        paused: schedules
            .standstill()
            .map(|paused| format!("by {} since {}", paused.by, time::local(paused.from))),
        schedules: schedules.shown(&access, now)?,
        channels: channels::shown(settings, &access)?,
        unread: access.ask::<Totals>(Ask::Totals)?.unread,
        repositories: disks(settings),
        driven: access.is_driven(),
        active,
        needs,
        targets: targets(settings, &parts, &access, now, output)?,
        free_bytes: free_space(settings),
    };
    if output.is_json() {
        output.json(&status)?;
    } else {
        tell(&status, now, output);
    }
    access.tell_unfinished(output);
    Ok(ExitCode::SUCCESS)
}

/// How many bytes are free on the disk with the state.
pub(super) fn free_space(settings: &Settings) -> Option<u64> {
    Local::new(&settings.state).ok().and_then(|disk| disk.files().free_space().ok())
}

/// How much is free where the repositories of the configuration are.
pub(super) fn disks(settings: &Settings) -> Vec<Disk> {
    let repositories = settings.configuration.repositories.iter();
    let disk = |(name, of): (&String, &RepositoryConfiguration)| {
        let space = rustix::fs::statvfs(of.path.as_str()).ok()?;
        let free_bytes = space.f_bavail.saturating_mul(space.f_frsize);
        Some(Disk { repository: name.clone(), path: of.path.clone(), free_bytes })
    };
    repositories.filter_map(disk).collect()
}

fn runs(access: &Access, statuses: &[RunStatus]) -> Result<Vec<RunRecord>, Error> {
    let filter = Filter { statuses: statuses.to_vec(), ..Filter::default() };
    let page: Paged<RunRecord, RunId> =
        access.ask(Ask::Runs { filter, after: None, limit: MANY })?;
    Ok(page.rows)
}

/// The runs that go on, and what they ask people.
fn active(access: &Access) -> Result<(Vec<Active>, Vec<Need>), Error> {
    let (mut active, mut needs) = (Vec::new(), Vec::new());
    for record in runs(access, &[RunStatus::Queued, RunStatus::Running])? {
        let loaded = access.load(record.run)?;
        needs.extend(waits::questions(access, &loaded)?.into_iter().map(|question| Need {
            run: record.run.to_string(),
            what: question.what,
            command: format!("holdfast approve {}", question.place),
        }));
        active.push(Active {
            run: record.run.to_string(),
            workflow: record.workflow.clone(),
            target: record.target.as_ref().map(|target| target.name.clone()),
            status: record.status.word(),
            waits_for: waits::why(access, &record, &loaded)?,
        });
    }
    Ok((active, needs))
}

/// The ended runs with items of which nobody knows whether they happened.
fn in_doubt(access: &Access) -> Result<Vec<Need>, Error> {
    let mut needs = Vec::new();
    for record in runs(access, &[RunStatus::Failed, RunStatus::Partial])? {
        if record.in_doubt() == 0 {
            continue;
        }
        let loaded = access.load(record.run)?;
        for waits::Doubt { step, places, .. } in waits::doubts(access, &loaded)? {
            needs.extend(places.into_iter().map(|place| Need {
                run: record.run.to_string(),
                what: format!("{step} of {}: whether it happened is unknown", record.workflow),
                command: format!("holdfast resolve {place} done|not_done"),
            }));
        }
    }
    Ok(needs)
}

/// The plans that may not be applied until somebody has said yes, and of which nobody has said anything.
fn plans(settings: &Settings, access: &Access, now: Instant) -> Result<Vec<Need>, Error> {
    let (targets, roles) = (LocalTargets::new(settings), settings.roles());
    let mut needs = Vec::new();
    let plans: Vec<Plan> = access.ask(Ask::Unexpired { at: now })?;
    for plan in plans.iter().filter(|plan| plan.counts.changes() > 0) {
        let policies = targets.policies(&plan.target.name);
        if policies.is_empty() {
            continue;
        }
        let words: Vec<Approval> = access.ask(Ask::Approvals { plan: plan.id.to_string() })?;
        for wanted in policies.into_iter().filter(|wanted| !roles.are_heard(&words, wanted)) {
            let (id, by, target) = (&plan.id, wanted.join(" or "), &plan.target.name);
            needs.push(Need {
                run: plan.run.to_string(),
                what: format!("{id} for {target} needs the approval of {by} before it is applied"),
                command: format!("holdfast approve {id}"),
            });
        }
    }
    Ok(needs)
}

/// The newest complete set of each target of the configuration, in the repositories that can be read.
fn targets(
    settings: &Settings,
    parts: &Parts,
    access: &Access,
    now: Instant,
    output: Output,
) -> Result<Vec<Target>, Error> {
    let configuration = &settings.configuration;
    if configuration.targets.is_empty() {
        return Ok(Vec::new());
    }
    let named: Vec<Option<&str>> = match configuration.repositories.len() {
        0 | 1 => vec![None],
        _ => configuration.repositories.keys().map(|name| Some(name.as_str())).collect(),
    };
    let mut complete: Vec<BackupSet> = Vec::new();
    for name in named {
        match sets::newest(&parts.repositories.named(name)) {
            Ok(found) => complete.extend(found.into_values()),
            Err(error) => output.talk(error.to_string()),
        }
    }
    let newest = |name: &String| {
        let of_target = complete.iter().filter(|set| set.target == *name);
        of_target.max_by_key(|set| set.sealed_at)
    };
    let mut targets = Vec::new();
    for name in configuration.targets.keys() {
        let last_complete = newest(name).map(|set| shown(set, access, now)).transpose()?;
        targets.push(Target { name: name.clone(), last_complete });
    }
    Ok(targets)
}

fn shown(set: &BackupSet, access: &Access, now: Instant) -> Result<Set, Error> {
    let id = set.id.to_string();
    let verified = sets::verifications(Some(access), &id)?;
    let verified = verified.last().map(|found| match found.damaged {
        0 => "clean".to_owned(),
        damaged => format!("{damaged} damaged"),
    });
    let Millis(age) = now.since(set.sealed_at);
    Ok(Set {
        id,
        sealed_at: time::utc(set.sealed_at),
        age_seconds: age / 1_000,
        verified,
        sealed: set.sealed_at,
    })
}

fn tell(status: &Status, now: Instant, output: Output) {
    output.line(match (status.driven, status.active.len()) {
        (true, _) => "A process drives the runs of this state directory.".to_owned(),
        (false, 0) => "No run is unfinished.".to_owned(),
        (false, _) => {
            "Nobody drives the runs of this state directory: `holdfast resume`.".to_owned()
        }
    });
    if let Some(paused) = &status.paused {
        output.line(format!("Everything is paused {paused}: `holdfast unpause` ends it."));
    }
    for active in &status.active {
        let target = active.target.as_deref().unwrap_or("-");
        output.line(format!("{}  {:<7}  {}  {target}", active.run, active.status, active.workflow));
        if let Some(waits) = &active.waits_for {
            output.line(format!("    waits for {waits}"));
        }
    }
    for need in &status.needs {
        output.line(format!("{}\n    {}\n    {}", need.run, need.what, need.command));
    }
    for target in &status.targets {
        let told = target.last_complete.as_ref().map_or_else(
            || "no complete backup set".to_owned(),
            |set| {
                let verified = set.verified.as_deref().unwrap_or("not verified here");
                let age = time::length(now.since(set.sealed));
                format!("{}  {} old, {verified}", set.id, age)
            },
        );
        output.line(format!("{:<20}  {told}", target.name));
    }
    tell_schedules(&status.schedules, output);
    for channel in &status.channels {
        output.line(channel.line());
    }
    if status.unread > 0 {
        let unread = counted(usize::try_from(status.unread).unwrap_or(usize::MAX), "notification");
        output.line(format!("{unread} unread: `holdfast notifications --unread`."));
    }
    for disk in &status.repositories {
        let free = time::bytes(disk.free_bytes);
        output.line(format!("{free} are free where the repository {} is.", disk.repository));
    }
    if let Some(free) = status.free_bytes {
        output.line(format!("{} are free on the disk with the state.", time::bytes(free)));
    }
}

/// What is wrong with schedules, and the next ticks.
fn tell_schedules(schedules: &[Shown], output: Output) {
    let is_well = |one: &&Shown| one.state == "waits" && one.late_since.is_none();
    for one in schedules.iter().filter(|one| !is_well(one)) {
        output.line(schedules::line(one));
    }
    let mut next: Vec<(&str, &str)> = schedules
        .iter()
        .filter(|one| one.state != "paused")
        .filter_map(|one| Some((one.next.as_deref()?, one.schedule.as_str())))
        .collect();
    next.sort_unstable();
    for (tick, schedule) in next.into_iter().take(NEXT_TICKS) {
        output.line(format!("next tick {tick}  {schedule}"));
    }
}
