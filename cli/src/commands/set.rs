//! `set`: what a backup set has, what one file of it says, what changed between two.

use std::process::ExitCode;

use holdfast_contract::entry::{shown, unshown};
use holdfast_repository::diff::Change;
use holdfast_repository::read::OpenSet;
use holdfast_repository::unit::FILES;
use serde::Serialize;

use crate::access::Access;
use crate::arguments::{SetWhat, Submission};
use crate::commands::sets::{ShownSet, find, shown as shown_set, unusable, verifications};
use crate::commands::{drive, export};
use crate::compose::{Parts, parts};
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;
use crate::time;

/// How much of what a set leaves out is listed for people.
const LISTED: usize = 50;

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    set: ShownSet,
    identity: &'a str,
    workflow: String,
    written_by: &'a str,
    missing: &'a [holdfast_repository::manifest::Missing],
}

#[derive(Serialize)]
struct ShownChange {
    path: String,
    change: &'static str,
}

/// Looks into a set.
///
/// # Errors
/// There is none, or it cannot be read.
pub(crate) fn perform(
    what: &SetWhat,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    match what {
        SetWhat::Show { set } => show(&parts, settings, set, output),
        SetWhat::Cat { set, path } => cat(&parts, set, path, output),
        SetWhat::Diff { from, to } => diff(&parts, from, to, output),
        SetWhat::Verify { set, read } => {
            let set = find(&parts, set)?;
            let inputs = [("target", &set.target), ("backup_set", &set.id.to_string())]
                .map(|(name, value)| format!("{name}={value}"));
            let inputs = inputs.into_iter().chain([format!("read={read}")]).collect();
            let submission = Submission { workflow: "files/verify".to_owned(), inputs };
            drive::run(&submission, settings, output)
        }
        SetWhat::Prune { dry_run } => {
            let inputs = vec![format!("dry_run={dry_run}")];
            let submission = Submission { workflow: "files/prune".to_owned(), inputs };
            drive::run(&submission, settings, output)
        }
        SetWhat::Export { set, to, only, format } => export::perform(
            &parts,
            set,
            &export::To { path: to, only: only.as_deref(), format: *format },
            output,
        ),
    }
}

/// Opens a set by its id or the beginning of it.
pub(super) fn open(parts: &Parts, text: &str) -> Result<OpenSet, Error> {
    let set = find(parts, text)?;
    let repository = parts.repositories.get().map_err(|failure| unusable(&failure))?;
    repository.open_set(&set.id).map_err(|refused| unreadable(&refused))
}

/// A set cannot be read.
pub(super) fn unreadable(refused: &holdfast_repository::Refused) -> Error {
    Error::unavailable(format!("The backup set cannot be read: {refused}."))
}

/// A path as people write it, as it stands in a set.
pub(super) fn path_in_set(text: &str) -> Result<Vec<u8>, Error> {
    let path = unshown(text.trim_matches('/'));
    let path = path.ok_or_else(|| Error::usage(format!("`{text}` is no path.")))?;
    if path.is_empty() {
        return Ok(FILES.as_bytes().to_vec());
    }
    Ok([FILES.as_bytes(), b"/", &path].concat())
}

/// A path of a set for people: from the root of its tree.
fn for_people(path: &[u8]) -> String {
    let inside = path.strip_prefix(FILES.as_bytes()).and_then(|path| path.strip_prefix(b"/"));
    shown(inside.unwrap_or(path))
}

fn show(parts: &Parts, settings: &Settings, text: &str, output: Output) -> Result<ExitCode, Error> {
    let open = open(parts, text)?;
    let access = Access::open(settings, parts).ok();
    let access = access.as_ref();
    let (set, manifest) = (open.set(), open.manifest());
    if output.is_json() {
        output.json(&Whole {
            set: shown_set(set, access)?,
            identity: &manifest.target.identity,
            workflow: manifest.workflow.to_string(),
            written_by: &manifest.written_by,
            missing: &manifest.left_out,
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    output.line(format!("{}  {}", set.id, set.completeness.word()));
    output.line(format!("target     {} ({})", set.target, manifest.target.identity));
    output.line(format!("sealed     {}", time::local(set.sealed_at)));
    output.line(format!(
        "holds      {} files, {} folders, {} others, {}",
        set.counts.files,
        set.counts.folders,
        set.counts.others,
        time::bytes(set.counts.bytes)
    ));
    output.line(format!("run        {}", set.run));
    output.line(format!("snapshot   {}", set.snapshot));
    match verifications(access, &set.id.to_string())?.last() {
        Some(found) => output.line(format!(
            "verified   {}, {}% read, {} damaged",
            time::local(found.at),
            found.percent,
            found.damaged
        )),
        None => output.line("verified   not verified here"),
    }
    for missing in manifest.left_out.iter().take(LISTED) {
        output.line(format!("missing    {}: {}", missing.what, missing.reason));
    }
    let more = manifest.left_out.len().saturating_sub(LISTED);
    if more > 0 {
        output.line(format!("and {more} more: `holdfast set show {} --output json`", set.id));
    }
    Ok(ExitCode::SUCCESS)
}

fn cat(parts: &Parts, set: &str, path: &str, output: Output) -> Result<ExitCode, Error> {
    let open = open(parts, set)?;
    open.read(&path_in_set(path)?, |bytes| {
        output.bytes(bytes).map_err(|source| holdfast_repository::Refused::Io {
            doing: "writing to standard output".to_owned(),
            source,
        })
    })
    .map_err(|refused| Error::usage(format!("`{path}` cannot be printed: {refused}.")))?;
    Ok(ExitCode::SUCCESS)
}

fn diff(parts: &Parts, from: &str, to: &str, output: Output) -> Result<ExitCode, Error> {
    let (from, to) = (open(parts, from)?, open(parts, to)?);
    let found = from.diff(&to).map_err(|refused| unreadable(&refused))?;
    if output.is_json() {
        let changes = found
            .changes
            .iter()
            .map(|one| ShownChange { path: for_people(&one.path), change: one.change.word() });
        output.json(&changes.collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    for one in &found.changes {
        output.line(format!("{:<8} {}", one.change.word(), for_people(&one.path)));
    }
    let count = |change| found.count(change);
    output.talk(format!(
        "{} created, {} updated, {} deleted.",
        count(Change::Created),
        count(Change::Updated),
        count(Change::Deleted)
    ));
    Ok(ExitCode::SUCCESS)
}
