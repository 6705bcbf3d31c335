//! `runs`: a list of runs, the latest first. It drives nothing, and says what is unfinished.

use std::process::ExitCode;

use holdfast_contract::duration;
use holdfast_journal::query::{Filter, Paged};
use holdfast_journal::record::{RunRecord, WaitsFor};
use holdfast_kernel::event::Initiator;
use holdfast_kernel::id::{Instant, RunId};
use holdfast_kernel::status::{Reason, RunStatus};
use holdfast_runtime::clock;
use holdfast_service::wire::ask::Ask;
use serde::Serialize;

use crate::access::Access;
use crate::arguments::Runs;
use crate::compose::parts;
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;
use crate::time;

/// Lists runs.
///
/// # Errors
/// The state cannot be used.
pub(crate) fn perform(runs: &Runs, settings: &Settings, output: Output) -> Result<ExitCode, Error> {
    let filter = filter(runs)?;
    let parts = parts(settings, output);
    let access = Access::open(settings, &parts)?;
    let mut found = Vec::new();
    let mut after = None;
    while found.len() < runs.limit.limit {
        let limit = runs.limit.limit - found.len();
        let rows: Paged<RunRecord, RunId> =
            access.ask(Ask::Runs { filter: filter.clone(), after, limit })?;
        found.extend(rows.rows);
        after = rows.next;
        if after.is_none() {
            break;
        }
    }
    if output.is_json() {
        output.json(&found.iter().map(Shown::of).collect::<Vec<_>>())?;
    } else {
        for record in &found {
            output.line(line(record));
        }
        if found.is_empty() {
            output.talk("There are no such runs.");
        }
    }
    access.tell_unfinished(output);
    Ok(ExitCode::SUCCESS)
}

fn filter(runs: &Runs) -> Result<Filter, Error> {
    let status = |word: &String| {
        RunStatus::from_word(word).ok_or_else(|| {
            Error::usage(format!("`{word}` is no status."))
                .hint("A status is queued, running, succeeded, partial or failed.")
        })
    };
    let statuses = runs.status.iter().map(status).collect::<Result<_, _>>()?;
    let since = runs.since.as_ref().map(|text| {
        let length = duration::parse(text)
            .map_err(|error| Error::usage(format!("`{text}` is no duration: {error}.")))?;
        let back = i64::try_from(length.0.saturating_mul(1000)).unwrap_or(i64::MAX);
        Ok::<_, Error>(Instant(clock::now().0.saturating_sub(back)))
    });
    Ok(Filter {
        statuses,
        reason: reason(runs)?,
        workflow: runs.workflow.clone(),
        target: runs.target.clone(),
        since: since.transpose()?,
    })
}

fn reason(runs: &Runs) -> Result<Option<Reason>, Error> {
    let Some(word) = &runs.reason else { return Ok(None) };
    let found = Reason::ALL.into_iter().find(|reason| reason.word() == word);
    let words = || Reason::ALL.map(Reason::word).join(", ");
    found.map(Some).ok_or_else(|| {
        Error::usage(format!("`{word}` is no reason.")).hint(format!("A reason is {}.", words()))
    })
}

fn line(record: &RunRecord) -> String {
    let target = record.target.as_ref().map_or("-", |target| target.name.as_str());
    let took = match (record.started_at, record.finished_at) {
        (Some(from), Some(to)) => time::length(to.since(from)),
        _ => "-".to_owned(),
    };
    format!(
        "{}  {:<9}  {}  {:>8}  {}  {target}",
        record.run,
        record.status.word(),
        time::local(record.created_at),
        took,
        record.workflow,
    )
}

/// A run, for programs.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    run: String,
    workflow: &'a str,
    operation: &'static str,
    definition: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_identity: Option<&'a str>,
    object: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rerun_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    asked_by: Vec<std::borrow::Cow<'a, str>>,
    inputs: &'a holdfast_kernel::value::Value,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<Waits>,
    counts: holdfast_kernel::status::Counts,
    reopened: u32,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    errors: &'a [holdfast_journal::record::ErrorSummary],
}

/// What a run waits for, for programs.
#[derive(Serialize)]
struct Waits {
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

impl Waits {
    fn of(waits: WaitsFor) -> Self {
        let (what, until) = match waits {
            WaitsFor::Slot => ("slot", None),
            WaitsFor::Approval => ("approval", None),
            WaitsFor::RetryAt(at) => ("retry", Some(time::utc(at))),
            WaitsFor::ThrottledUntil(at) => ("throttled", Some(time::utc(at))),
        };
        Self { what, until }
    }
}

impl<'a> Shown<'a> {
    /// A record, for programs: instants in UTC.
    pub(super) fn of(record: &'a RunRecord) -> Self {
        Self {
            run: record.run.to_string(),
            workflow: &record.workflow,
            operation: record.operation.word(),
            definition: record.definition.to_string(),
            target: record.target.as_ref().map(|target| target.name.as_str()),
            target_identity: record.target.as_ref().map(|target| target.identity.as_str()),
            object: &record.object,
            parent: record.initiator.parent().map(|parent| parent.to_string()),
            rerun_of: record.rerun_of.map(|run| run.to_string()),
            group: record.group.as_ref().map(|group| group.name.as_str()),
            asked_by: record.asked_by().map(Initiator::name).collect(),
            inputs: &record.inputs,
            status: record.status.word(),
            reason: record.reason.map(Reason::word),
            waits_for: record.waits_for.map(Waits::of),
            counts: record.counts,
            reopened: record.reopened,
            created_at: time::utc(record.created_at),
            started_at: record.started_at.map(time::utc),
            finished_at: record.finished_at.map(time::utc),
            errors: &record.errors,
        }
    }
}
