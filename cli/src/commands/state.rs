//! `state`: everything that the state directory keeps, as JSON; and letting it forget what is old.

use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;

use holdfast_contract::duration;
use holdfast_drive::output::Reply;
use holdfast_journal::export::{Exported, tables};
use holdfast_journal::record::RunRecord;
use holdfast_journal::retain::Forgotten;
use holdfast_kernel::id::{Instant, Millis};
use holdfast_runtime::clock;
use holdfast_service::wire::ask::{Act, Ask};
use serde_json::{Value, json};

use crate::access::Access;
use crate::arguments::StateWhat;
use crate::compose::parts;
use crate::error::Error;
use crate::output::{Output, counted};
use crate::settings::Settings;
use crate::time;

/// How many runs a dry run looks at.
const SHOWN: usize = 10_000;

/// How many runs one record lets go of at most.
pub(super) const AT_ONCE: usize = 500;

/// Exports or prunes the state.
///
/// # Errors
/// The state cannot be used, or the file cannot be written.
pub(crate) fn perform(
    what: &StateWhat,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let mut access = Access::open(settings, &parts)?;
    match what {
        StateWhat::Export { to } => export(&access, to.as_deref(), output),
        StateWhat::Prune { older_than, dry_run } => {
            let limits = limits(older_than.as_deref(), settings)?;
            prune(&mut access, limits, *dry_run, output)
        }
    }
}

/// One JSON document a line: the table, the key, the row.
fn export(access: &Access, to: Option<&Path>, output: Output) -> Result<ExitCode, Error> {
    let Some(path) = to else {
        let mut rows: usize = 0;
        let damaged = each(access, |line| {
            rows += 1;
            output.bytes(line).map_err(|error| failed("standard output", &error))
        })?;
        output.talk(format!("{} were exported.", counted(rows, "row")));
        return whole(damaged);
    };
    let place = path.display().to_string();
    let failed = |error: std::io::Error| failed(&place, &error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // For its owner alone, like the state.
    let beside =
        tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(failed)?;
    let mut out = BufWriter::new(beside.as_file());
    let mut rows: usize = 0;
    let damaged = each(access, |line| {
        rows += 1;
        out.write_all(line).map_err(failed)
    })?;
    out.flush().map_err(failed)?;
    drop(out);
    beside.as_file().sync_all().map_err(failed)?;
    beside.persist(path).map_err(|error| failed(error.error))?;
    output.talk(format!("{} are in {place}.", counted(rows, "row")));
    whole(damaged)
}

fn failed(place: &str, error: &std::io::Error) -> Error {
    Error::unavailable(format!("{place} cannot be written: {error}."))
}

/// Hands on every row. How many of them say that something is damaged.
fn each(access: &Access, mut take: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<usize, Error> {
    let mut damaged = 0;
    for table in tables() {
        let mut after = None;
        loop {
            let asked = Ask::Export { table: table.to_owned(), after: after.clone() };
            let Exported { rows, more, next } = access.ask(asked)?;
            for (key, row) in rows {
                damaged += usize::from(row.get("error").is_some_and(Value::is_string));
                let line = json!({ "table": table, "key": key, "row": row });
                take(format!("{line}\n").as_bytes())?;
                after = Some(key);
            }
            after = next.or(after);
            if !more {
                break;
            }
        }
    }
    Ok(damaged)
}

/// What is damaged is told once everything else is kept.
fn whole(damaged: usize) -> Result<ExitCode, Error> {
    match damaged {
        0 => Ok(ExitCode::SUCCESS),
        _ => Err(Error::unavailable(format!(
            "{} of the state cannot be read: rows of `payloads` with `error` say which, and why.",
            counted(damaged, "part")
        ))),
    }
}

/// How long runs and notifications are kept.
#[derive(Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) runs: Option<Millis>,
    pub(crate) notifications: Option<Millis>,
    pub(crate) ticks: Option<Millis>,
}

impl Kept {
    /// Whether everything is kept for ever.
    pub(crate) const fn is_for_ever(self) -> bool {
        self.runs.is_none() && self.notifications.is_none() && self.ticks.is_none()
    }
}

fn limits(older_than: Option<&str>, settings: &Settings) -> Result<Kept, Error> {
    let configured = settings.kept();
    let Some(text) = older_than else {
        if configured.is_for_ever() {
            return Err(Error::usage("Nothing says how long runs are kept.").hint(
                "Give `--older-than 90d`, or write `state: { keep_runs: 90d }` into the configuration.",
            ));
        }
        return Ok(configured);
    };
    let length = duration::parse(text)
        .map_err(|error| Error::usage(format!("`--older-than {text}` is no duration: {error}.")))?;
    Ok(Kept { runs: Some(length), notifications: Some(length), ticks: Some(length) })
}

fn prune(
    access: &mut Access,
    kept: Kept,
    dry_run: bool,
    output: Output,
) -> Result<ExitCode, Error> {
    let now = clock::now();
    let mut runs = 0;
    loop {
        let found = forgettable(access, kept, now, if dry_run { SHOWN } else { AT_ONCE })?;
        if output.is_json() && dry_run {
            let ids: Vec<String> = found.iter().map(|run| run.run.to_string()).collect();
            output.json(&ids)?;
        } else {
            for record in &found {
                output.line(line(record));
            }
        }
        runs += found.len();
        if dry_run || found.is_empty() {
            break;
        }
        let runs = found.iter().map(|record| record.run).collect();
        forget(access, Forgotten { runs, ..Forgotten::default() })?;
    }
    let rest = Forgotten {
        runs: Vec::new(),
        notifications_before: before(kept.notifications, now),
        ticks_before: before(kept.ticks, now),
    };
    if !dry_run && !rest.is_empty() {
        forget(access, rest)?;
    }
    let done = if dry_run { "would be forgotten" } else { "forgotten" };
    output.talk(format!("{} {done}.", counted(runs, "run")));
    Ok(ExitCode::SUCCESS)
}

/// What of the state the configuration does not keep, as much as one record lets go of.
///
/// # Errors
/// The store cannot be read.
pub(super) fn due(access: &Access, kept: Kept) -> Result<Option<Forgotten>, Error> {
    let now = clock::now();
    let runs = forgettable(access, kept, now, AT_ONCE)?.iter().map(|record| record.run).collect();
    let mut notifications_before = before(kept.notifications, now);
    if let Some(before) = notifications_before
        && !access.ask::<bool>(Ask::OldNotifications { before })?
    {
        notifications_before = None;
    }
    let mut ticks_before = before(kept.ticks, now);
    if let Some(before) = ticks_before
        && !access.ask::<bool>(Ask::OldTicks { before })?
    {
        ticks_before = None;
    }
    let forgotten = Forgotten { runs, notifications_before, ticks_before };
    Ok(Some(forgotten).filter(|forgotten| !forgotten.is_empty()))
}

fn forgettable(
    access: &Access,
    kept: Kept,
    now: Instant,
    limit: usize,
) -> Result<Vec<RunRecord>, Error> {
    match before(kept.runs, now) {
        Some(before) => access.ask(Ask::Forgettable { before, now, limit }),
        None => Ok(Vec::new()),
    }
}

fn before(kept: Option<Millis>, now: Instant) -> Option<Instant> {
    let micros = i64::try_from(kept?.0.saturating_mul(1_000)).unwrap_or(i64::MAX);
    Some(Instant(now.0.saturating_sub(micros)))
}

fn forget(access: &mut Access, forgotten: Forgotten) -> Result<(), Error> {
    match access.act(Act::Forget(forgotten))? {
        Reply::Done => Ok(()),
        Reply::Refused(refusal) => Err(super::refused("The runs stay", &refusal)),
        Reply::Queued(_) | Reply::Deduplicated { .. } | Reply::Ticked(_) => {
            Err(Error::internal("To forget got a reply that is none."))
        }
    }
}

fn line(record: &RunRecord) -> String {
    let ended = record.finished_at.map(time::local).unwrap_or_default();
    format!("{}  {:<9}  {ended}  {}", record.run, record.status.word(), record.workflow)
}
