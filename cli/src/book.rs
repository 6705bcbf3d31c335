//! The schedules of the workflow files, as the service knows them: read anew when files change, and never lost by a
//! broken edit. It makes the requests for the runs of ticks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_calendar::cron::Cron;
use holdfast_calendar::ticks::Calendar;
use holdfast_calendar::zone::Zone;
use holdfast_drive::input::{Program as Compiled, Submit, Token};
use holdfast_journal::record::StoredDefinition;
use holdfast_journal::schedule::{ScheduleChange, ScheduleRecord, ScheduleSpec, Trouble};
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{Initiator, Request};
use holdfast_kernel::id::Instant;
use holdfast_kernel::submit::for_tick;
use holdfast_kernel::tick::{Overlap, ScheduleName};
use holdfast_language::submit::Given;
use holdfast_language::{Diagnostic, Heartbeat, Schedule, Severity, check, name_of};
use holdfast_runtime::schedule::{Planned, Requests};
use holdfast_service::answer::Sources;

use crate::access::Access;
use crate::children;
use crate::compose::{Parts, compile};
use crate::error::Error;
use crate::find::{self, Workflow};
use crate::settings::Settings;
use crate::submission::{Pinned, request};

/// The workflows with schedules.
pub(crate) struct Book {
    sources: Sources,
    pages: Mutex<Pages>,
}

/// What the files said when they were last read.
struct Pages {
    parts: Parts,
    /// By name. One whose file was broken since stays as it was.
    workflows: BTreeMap<String, Arc<Workflow>>,
    /// Why no run can be made of a workflow, by name.
    broken: BTreeMap<String, String>,
    /// What people were told of a file, so that they are told once.
    told: BTreeMap<PathBuf, String>,
}

/// What a reading of the files came to.
pub(crate) struct Reading {
    /// The schedules to wait for.
    pub(crate) planned: Vec<Planned>,
    /// What is to be stored of it.
    pub(crate) changes: Vec<ScheduleChange>,
}

/// The workflow files of a folder, each read.
#[derive(Default)]
struct Files {
    good: BTreeMap<String, Arc<Workflow>>,
    /// By workflow: the file, and why it cannot be used.
    bad: BTreeMap<String, (PathBuf, String)>,
}

impl Book {
    /// A book without pages.
    pub(crate) fn new(parts: Parts, sources: Sources) -> Self {
        let pages = Pages {
            parts,
            workflows: BTreeMap::new(),
            broken: BTreeMap::new(),
            told: BTreeMap::new(),
        };
        Self { sources, pages: Mutex::new(pages) }
    }

    /// Reads the workflow files. It blocks.
    ///
    /// # Errors
    /// The folder or the store cannot be read.
    pub(crate) fn read(&self, settings: &Settings, parts: &Parts) -> Result<Reading, Error> {
        let files = read_files(settings, parts)?;
        let stored = self.sources.reader.schedules().map_err(|error| {
            Error::unavailable(format!("The schedules cannot be read: {error}."))
        })?;
        let mut pages = self.pages();
        pages.parts = parts.clone();
        let mut changes = pages.turn(files);
        let planned = pages.planned(&stored, &mut changes);
        Ok(Reading { planned, changes })
    }

    /// What is called when a run of a schedule has succeeded, and whether a partial run counts as one.
    pub(crate) fn heartbeat(&self, name: &ScheduleName) -> Option<(Heartbeat, bool)> {
        let pages = self.pages();
        let workflow = pages.workflows.get(&name.workflow)?;
        let schedule = workflow.checked.schedules.iter().find(|of| of.id == name.id)?;
        Some((schedule.heartbeat.clone()?, schedule.accept_partial))
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every workflow of the configuration's folder.
///
/// # Errors
/// The folder cannot be read.
fn read_files(settings: &Settings, parts: &Parts) -> Result<Files, Error> {
    let folder = settings.base.join("workflows");
    let mut files = Files::default();
    let mut paths: BTreeMap<String, PathBuf> = BTreeMap::new();
    for path in find::files(&folder)? {
        let by_place = path.strip_prefix(&folder).unwrap_or(&path).with_extension("");
        let by_place = by_place.display().to_string();
        let source = match find::read(&path) {
            Ok(source) => source,
            Err(error) => {
                files.bad.insert(by_place, (path, error.message));
                continue;
            }
        };
        let name = name_of(&source).unwrap_or(by_place);
        if let Some(other) = paths.insert(name.clone(), path.clone()) {
            let (one, other) = (path.display(), other.display());
            let reason = format!("Two files have the workflow name `{name}`: {other} and {one}.");
            files.good.remove(&name);
            files.bad.insert(name, (path, reason));
            continue;
        }
        match check(&source, &parts.actions) {
            Ok(checked) => {
                files.good.insert(name, Arc::new(Workflow { source, checked }));
            }
            Err(found) => {
                files.bad.insert(name, (path, first_of(&found)));
            }
        }
    }
    Ok(files)
}

/// The first mistake of a file; `validate` shows all.
fn first_of(found: &[Diagnostic]) -> String {
    let first = found.iter().find(|found| found.severity == Severity::Error).or(found.first());
    first.map_or_else(String::new, |found| found.message.clone())
}

impl Pages {
    /// Takes over what was read; what people are to be told of it.
    fn turn(&mut self, files: Files) -> Vec<ScheduleChange> {
        let Files { good, bad } = files;
        let mut changes = Vec::new();
        let mut told = BTreeMap::new();
        let mut workflows = good;
        for (name, (path, reason)) in &bad {
            let kept = self.workflows.get(name);
            let text = told_of(path, reason, kept.is_some());
            if self.told.get(path) != Some(&text) {
                let workflow = Some(name.clone());
                changes.push(ScheduleChange::Unusable { workflow, text: text.clone() });
            }
            told.insert(path.clone(), text);
            // What it said before still holds.
            workflows.extend(kept.map(|kept| (name.clone(), Arc::clone(kept))));
        }
        self.broken = bad.into_iter().map(|(name, (_, reason))| (name, reason)).collect();
        self.workflows = workflows;
        self.told = told;
        changes
    }

    /// Every schedule, with the name of its workflow.
    fn schedules(&self) -> impl Iterator<Item = (&str, &Schedule)> {
        self.workflows.iter().flat_map(|(name, workflow)| {
            workflow.checked.schedules.iter().map(move |schedule| (name.as_str(), schedule))
        })
    }

    /// The schedules to wait for; and what of the stored ones has changed.
    fn planned(
        &self,
        stored: &[ScheduleRecord],
        changes: &mut Vec<ScheduleChange>,
    ) -> Vec<Planned> {
        let known: BTreeMap<&ScheduleName, &ScheduleRecord> =
            stored.iter().map(|record| (&record.spec.name, record)).collect();
        let mut planned = Vec::new();
        let mut found = BTreeSet::new();
        for (workflow, schedule) in self.schedules() {
            let spec = spec(workflow, schedule);
            found.insert(spec.name.clone());
            let is_new = known
                .get(&spec.name)
                .is_none_or(|record| record.spec != spec || record.trouble.is_some());
            if is_new {
                changes.push(ScheduleChange::Seen(Box::new(spec.clone())));
            }
            let calendar = Calendar { cron: schedule.cron.clone(), zone: schedule.zone.clone() };
            planned.push(Planned { spec, calendar });
        }
        for record in stored.iter().filter(|record| !found.contains(&record.spec.name)) {
            let name = &record.spec.name;
            if self.broken.contains_key(&name.workflow) {
                planned.extend(as_stored(record));
            } else if !matches!(record.trouble, Some(Trouble::Lost { .. })) {
                changes.push(ScheduleChange::Lost(name.clone()));
            }
        }
        planned
    }
}

fn told_of(path: &std::path::Path, reason: &str, is_kept: bool) -> String {
    let path = path.display();
    let holds = if is_kept { "What it said before still holds." } else { "Nothing of it starts." };
    format!(
        "The file {path} cannot be used: {reason} {holds} `holdfast validate {path}` says more."
    )
}

/// A schedule whose file is broken is waited for as it was known, so that its ticks are decided.
fn as_stored(record: &ScheduleRecord) -> Option<Planned> {
    let cron = Cron::parse(&record.spec.cron).ok()?;
    let zone = Zone::named(&record.spec.timezone).ok()?;
    Some(Planned { spec: record.spec.clone(), calendar: Calendar { cron, zone } })
}

/// A schedule, as it is stored.
pub(crate) fn spec(workflow: &str, schedule: &Schedule) -> ScheduleSpec {
    ScheduleSpec {
        name: ScheduleName { workflow: workflow.to_owned(), id: schedule.id.clone() },
        cron: schedule.cron.text().to_owned(),
        timezone: schedule.zone.name().to_owned(),
        policy: schedule.policy,
        jitter: schedule.jitter,
        expect_success_within: schedule.expect_success_within,
        accept_partial: schedule.accept_partial,
    }
}

/// Every schedule of the workflow files that are valid.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn of_files(settings: &Settings, parts: &Parts) -> Result<Vec<Planned>, Error> {
    let files = read_files(settings, parts)?;
    let of = |(name, workflow): (String, Arc<Workflow>)| {
        let planned = |schedule: &Schedule| Planned {
            spec: spec(&name, schedule),
            calendar: Calendar { cron: schedule.cron.clone(), zone: schedule.zone.clone() },
        };
        workflow.checked.schedules.iter().map(planned).collect::<Vec<_>>()
    };
    Ok(files.good.into_iter().flat_map(of).collect())
}

impl Requests for Book {
    fn request(&self, schedule: &ScheduleName, tick: Instant) -> Result<Submit, String> {
        let (workflow, parts) = {
            let pages = self.pages();
            let found = pages.workflows.get(&schedule.workflow).map(Arc::clone);
            let reason = || match pages.broken.get(&schedule.workflow) {
                Some(reason) => reason.clone(),
                None => format!("There is no workflow `{}`.", schedule.workflow),
            };
            (found.ok_or_else(reason)?, pages.parts.clone())
        };
        let access = Access::owner(self.sources.clone());
        let (request, stored) = request_of(&workflow, (schedule, tick), None, (&parts, &access))
            .map_err(|error| sentence(&error))?;
        let definition = Arc::new(workflow.checked.definition.clone());
        let language = compile(&parts.actions)(Arc::clone(&definition));
        let program = Compiled { definition, language };
        Ok(Submit { request, stored, program, token: Token(0) })
    }
}

fn sentence(error: &Error) -> String {
    let hints = error.hints.iter().map(|hint| format!(" {hint}"));
    std::iter::once(error.message.clone()).chain(hints).collect()
}

/// The request for the run of a tick, with the definitions that are stored with it. `by` is who starts it by hand.
///
/// # Errors
/// The workflow has no such schedule, or an input of it does not fit.
pub(crate) fn request_of(
    workflow: &Workflow,
    (name, tick): (&ScheduleName, Instant),
    by: Option<(String, Overlap)>,
    (parts, access): (&Parts, &Access),
) -> Result<(Request, Vec<StoredDefinition>), Error> {
    let checked = &workflow.checked;
    let schedule = checked.schedules.iter().find(|schedule| schedule.id == name.id);
    let schedule =
        schedule.ok_or_else(|| Error::usage(format!("There is no schedule `{name}`.")))?;
    let lowered = serde_json::to_string(&checked.definition)
        .map_err(|error| Error::internal(format!("The workflow cannot be stored: {error}.")))?;
    let digest = Definition::digest_of(lowered.as_bytes());
    let text = workflow.source.text().to_owned();
    let mut stored = vec![StoredDefinition { digest, text, lowered }];
    stored.extend(children::stored(&checked.children));
    let given = schedule.inputs.iter();
    let given = given.map(|(name, value)| (name.clone(), Given::Value(value.clone()))).collect();
    let pinned = Pinned {
        name: &name.workflow,
        digest,
        definition: Arc::new(checked.definition.clone()),
        declarations: checked.declarations.clone(),
    };
    let mut request = request(pinned, &given, None, (parts, access))?;
    let (by, overlap) = match by {
        Some((by, overlap)) => (Some(by), overlap),
        None => (None, schedule.policy.overlap),
    };
    if overlap != Overlap::Skip {
        request.dedupe_key = for_tick(request.dedupe_key, name, tick);
    }
    request.initiator = Initiator::Tick { schedule: name.clone(), tick, overlap, by };
    Ok((request, stored))
}
