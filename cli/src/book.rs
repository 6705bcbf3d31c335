//! The schedules of the workflow files, as the service knows them: read anew when files change, and never lost by a
//! broken edit. It makes the requests for the runs of ticks.

mod files;
mod pages;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_calendar::ticks::Calendar;
use holdfast_drive::input::{Program as Compiled, Submit, Token};
use holdfast_journal::query::{LONGEST_PAGE, Page};
use holdfast_journal::record::{Kind, StoredDefinition};
use holdfast_journal::schedule::{ScheduleChange, ScheduleSpec};
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{Initiator, Request};
use holdfast_kernel::id::Instant;
use holdfast_kernel::submit::for_tick;
use holdfast_kernel::tick::{Overlap, ScheduleName};
use holdfast_language::submit::Given;
use holdfast_language::{Heartbeat, Schedule};
use holdfast_runtime::schedule::{Planned, Requests};
use holdfast_service::answer::Sources;

use self::files::{Files, Names};
use self::pages::Pages;
use crate::access::Access;
use crate::children;
use crate::compose::{Parts, compile};
use crate::error::Error;
use crate::find::Workflow;
use crate::settings::Settings;
use crate::submission::{Pinned, request};

/// The workflows with schedules.
pub(crate) struct Book {
    sources: Sources,
    pages: Mutex<Pages>,
}

/// What a reading of the files came to.
pub(crate) struct Reading {
    /// The schedules to wait for.
    pub(crate) planned: Vec<Planned>,
    /// What is to be stored of it.
    pub(crate) changes: Vec<ScheduleChange>,
    /// Whether another reading may come to something else although nobody changes a file.
    pub(crate) may_pass: bool,
}

impl Book {
    /// A book without pages.
    pub(crate) fn new(parts: Parts, sources: Sources) -> Self {
        Self { sources, pages: Mutex::new(Pages::new(parts)) }
    }

    /// Reads the workflow files. It blocks.
    ///
    /// # Errors
    /// The folder or the store cannot be read.
    pub(crate) fn read(&self, settings: &Settings, parts: &Parts) -> Result<Reading, Error> {
        let (names, is_blank) = {
            let pages = self.pages();
            (pages.names.clone(), pages.is_blank)
        };
        // Nobody who asks for a run waits for the disk.
        let files = Files::read(settings, parts, &names)?;
        let stored = self.sources.reader.schedules().map_err(|error| {
            Error::unavailable(format!("The schedules cannot be read: {error}."))
        })?;
        let earlier = if is_blank { self.told()? } else { Vec::new() };
        let may_pass = files.may_pass;
        let mut pages = self.pages();
        pages.parts = parts.clone();
        let mut changes = pages.turn(files, &earlier);
        let planned = pages.planned(&stored, &mut changes, &earlier);
        drop(pages);
        Ok(Reading { planned, changes, may_pass })
    }

    /// What people were lately told of files, by this process or one before it.
    ///
    /// # Errors
    /// The store cannot be read.
    fn told(&self) -> Result<Vec<String>, Error> {
        let page = Page { after: None, limit: LONGEST_PAGE };
        let found = self.sources.reader.notifications(page).map_err(|error| {
            Error::unavailable(format!("The notifications cannot be read: {error}."))
        })?;
        let of_files = found.rows.into_iter().filter(|note| note.kind == Kind::Definition);
        Ok(of_files.map(|note| note.text).collect())
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
    let files = Files::read(settings, parts, &Names::new())?;
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
