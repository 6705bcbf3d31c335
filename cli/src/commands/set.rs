//! `set`: what a backup set has, what one file of it says, what changed between two.

use std::process::ExitCode;

use holdfast_actions::repositories::LazyRepository;
use holdfast_contract::entry::{shown, unshown};
use holdfast_contract::records::Attestation;
use holdfast_repository::diff::Change;
use holdfast_repository::read::OpenSet;
use holdfast_repository::unit::FILES;
use holdfast_service::wire::ask::Ask;
use serde::Serialize;

use crate::access::Access;
use crate::arguments::{SetCommand, SetWhat, Submission};
use crate::commands::sets::{ShownSet, find, shown as shown_set, unusable, verifications};
use crate::commands::{drive, export};
use crate::compose::{Parts, parts};
use crate::error::Error;
use crate::output::{Output, counted};
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
    attested: Vec<ShownAttestation>,
}

#[derive(Serialize)]
struct ShownAttestation {
    at: String,
    #[serde(rename = "as")]
    used_as: String,
    run: String,
    text: String,
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
    set: SetCommand,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let SetCommand { what, in_repository } = set;
    let repository = parts.repositories.named(in_repository.repository.as_deref());
    let run = |workflow: &str, inputs: Vec<String>| {
        let workflow = workflow.to_owned();
        drive::run(
            &Submission { workflow, inputs, in_repository: in_repository.clone() },
            settings,
            output,
        )
    };
    match what {
        SetWhat::Show { set } => show((&parts, &repository), settings, &set, output),
        SetWhat::Cat { set, path } => cat(&repository, &set, &path, output),
        SetWhat::Diff { from, to } => diff(&repository, &from, &to, output),
        SetWhat::Verify { set, read } => {
            let set = find(&repository, &set)?;
            let inputs =
                [("target", &set.target), ("backup_set", &set.id.to_string()), ("read", &read)];
            let inputs = inputs.map(|(name, value)| format!("{name}={value}"));
            run("files/verify", inputs.to_vec())
        }
        SetWhat::Prune { dry_run } => run("files/prune", vec![format!("dry_run={dry_run}")]),
        SetWhat::Export { set, to, only, format } => export::perform(
            &repository,
            &set,
            &export::To { path: &to, only: only.as_deref(), format },
            (settings, output),
        ),
    }
}

/// What was found out about a set by using it, as far as the state can be asked.
fn attestations(access: Option<&Access>, backup_set: &str) -> Result<Vec<Attestation>, Error> {
    let Some(access) = access else { return Ok(Vec::new()) };
    access.ask(Ask::Attestations { backup_set: backup_set.to_owned() })
}

/// Opens a set by its id or the beginning of it.
pub(super) fn open(repository: &LazyRepository, text: &str) -> Result<OpenSet, Error> {
    let set = find(repository, text)?;
    let repository = repository.get().map_err(|failure| unusable(&failure))?;
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

fn show(
    (parts, repository): (&Parts, &LazyRepository),
    settings: &Settings,
    text: &str,
    output: Output,
) -> Result<ExitCode, Error> {
    let open = open(repository, text)?;
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
            attested: attestations(access, &set.id.to_string())?
                .into_iter()
                .map(|found| ShownAttestation {
                    at: time::utc(found.at),
                    used_as: found.used_as,
                    run: found.run.to_string(),
                    text: found.text,
                })
                .collect(),
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    output.line(format!("{}  {}", set.id, set.completeness.word()));
    output.line(format!("target     {} ({})", set.target, manifest.target.identity));
    output.line(format!("sealed     {}", time::local(set.sealed_at)));
    output.line(format!(
        "holds      {}, {}, {}, {}",
        counted(set.counts.files, "file"),
        counted(set.counts.folders, "folder"),
        counted(set.counts.others, "other"),
        time::bytes(set.counts.bytes)
    ));
    output.line(format!("run        {}", set.run));
    output.line(format!("snapshot   {}", set.snapshot));
    found_out(access, &set.id.to_string(), output)?;
    for missing in manifest.left_out.iter().take(LISTED) {
        output.line(format!("missing    {}: {}", missing.what, missing.reason));
    }
    let more = manifest.left_out.len().saturating_sub(LISTED);
    if more > 0 {
        output.line(format!("and {more} more: `holdfast set show {} --output json`", set.id));
    }
    Ok(ExitCode::SUCCESS)
}

/// What is known of a set here: that it was read back, and that it was used.
fn found_out(access: Option<&Access>, set: &str, output: Output) -> Result<(), Error> {
    match verifications(access, set)?.last() {
        Some(found) => output.line(format!(
            "verified   {}, {}% read, {} damaged",
            time::local(found.at),
            found.percent,
            found.damaged
        )),
        None => output.line("verified   not verified here"),
    }
    for found in attestations(access, set)? {
        let text = if found.text.is_empty() { String::new() } else { format!(": {}", found.text) };
        output.line(format!(
            "attested   {}, {} by {}{text}",
            time::local(found.at),
            found.used_as,
            found.run
        ));
    }
    Ok(())
}

fn cat(
    repository: &LazyRepository,
    set: &str,
    path: &str,
    output: Output,
) -> Result<ExitCode, Error> {
    let open = open(repository, set)?;
    open.read(&path_in_set(path)?, |bytes| {
        output.bytes(bytes).map_err(|source| holdfast_repository::Refused::Io {
            doing: "writing to standard output".to_owned(),
            source,
        })
    })
    .map_err(|refused| Error::usage(format!("`{path}` cannot be printed: {refused}.")))?;
    Ok(ExitCode::SUCCESS)
}

fn diff(
    repository: &LazyRepository,
    from: &str,
    to: &str,
    output: Output,
) -> Result<ExitCode, Error> {
    let (from, to) = (open(repository, from)?, open(repository, to)?);
    let found = from.diff(&to).map_err(|refused| unreadable(&refused))?;
    if output.is_json() {
        let changes = found
            .changes
            .iter()
            .map(|one| ShownChange { path: shown(one.for_people()), change: one.change.word() });
        output.json(&changes.collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    for one in &found.changes {
        output.line(format!("{:<8} {}", one.change.word(), shown(one.for_people())));
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
