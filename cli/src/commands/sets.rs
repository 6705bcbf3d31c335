//! `sets`: the backup sets of the repository, the latest first.

use std::collections::BTreeMap;
use std::process::ExitCode;

use holdfast_actions::repositories::LazyRepository;
use holdfast_contract::records::Verification;
use holdfast_repository::backup_set::{BackupSet, Completeness};
use holdfast_service::wire::ask::Ask;
use serde::Serialize;

use crate::access::Access;
use crate::arguments::Sets;
use crate::compose::parts;
use crate::error::{Error, Kind};
use crate::output::Output;
use crate::settings::Settings;
use crate::time;

/// A set, for programs.
#[derive(Serialize)]
pub(super) struct ShownSet {
    id: String,
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    sealed_at: String,
    complete: bool,
    files: u64,
    folders: u64,
    others: u64,
    bytes: u64,
    left_out: u64,
    run: String,
    /// The restic snapshot.
    snapshot: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<ShownVerification>,
}

#[derive(Serialize)]
pub(super) struct ShownVerification {
    at: String,
    percent: u8,
    damaged: u64,
}

/// Lists sets.
///
/// # Errors
/// The repository cannot be read.
pub(crate) fn perform(sets: &Sets, settings: &Settings, output: Output) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let repository = parts.repositories.named(sets.in_repository.repository.as_deref());
    let mut found = all(&repository)?;
    if let Some(target) = &sets.target {
        let named = parts.targets.named(target).map_err(Error::usage)?;
        let name = named.as_deref().unwrap_or(target);
        found.retain(|set| set.target == name);
    }
    found.reverse();
    found.truncate(sets.limit.limit);
    let access = match Access::open(settings, &parts) {
        Ok(access) => Some(access),
        // The repository is the truth about sets: the state only knows what was verified.
        Err(error) if error.kind == Kind::Unavailable => {
            output.talk(format!("What was verified is not shown. {error}"));
            None
        }
        Err(error) => return Err(error),
    };
    let shown =
        found.iter().map(|set| shown(set, access.as_ref())).collect::<Result<Vec<_>, _>>()?;
    if output.is_json() {
        output.json(&shown)?;
    } else {
        for (set, shown) in found.iter().zip(&shown) {
            output.line(line(set, shown, access.is_some()));
        }
        if found.is_empty() {
            output.talk("There are no such backup sets.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Every set of the repository, the oldest first.
pub(super) fn all(repository: &LazyRepository) -> Result<Vec<BackupSet>, Error> {
    let repository = repository.get().map_err(|failure| unusable(&failure))?;
    repository.sets().map_err(|refused| {
        Error::unavailable(format!("The backup sets cannot be listed: {refused}."))
    })
}

/// The newest complete set of each target.
///
/// # Errors
/// The repository cannot be read.
pub(super) fn newest(repository: &LazyRepository) -> Result<BTreeMap<String, BackupSet>, Error> {
    let complete = |set: &BackupSet| set.completeness == Completeness::Complete;
    let complete = all(repository)?.into_iter().filter(complete);
    // The oldest come first, and the last one of a target stays.
    Ok(complete.map(|set| (set.target.clone(), set)).collect())
}

/// The repository cannot be used.
pub(super) fn unusable(failure: &holdfast_kernel::failure::Failure) -> Error {
    Error::unavailable(format!("The repository cannot be used: {}.", failure.message))
        .hint("`holdfast doctor` says what is missing.")
}

/// What verifications of a set found, as far as the state can be asked.
pub(super) fn verifications(
    access: Option<&Access>,
    backup_set: &str,
) -> Result<Vec<Verification>, Error> {
    let Some(access) = access else { return Ok(Vec::new()) };
    access.ask(Ask::Verifications { backup_set: backup_set.to_owned() })
}

/// A set with what the last verification found.
pub(super) fn shown(set: &BackupSet, access: Option<&Access>) -> Result<ShownSet, Error> {
    let id = set.id.to_string();
    let verified = verifications(access, &id)?;
    Ok(ShownSet {
        id,
        target: set.target.clone(),
        object: set.object.clone(),
        sealed_at: time::utc(set.sealed_at),
        complete: set.completeness == Completeness::Complete,
        files: set.counts.files,
        folders: set.counts.folders,
        others: set.counts.others,
        bytes: set.counts.bytes,
        left_out: set.left_out,
        run: set.run.to_string(),
        snapshot: set.snapshot.clone(),
        verified: verified.last().map(|last| ShownVerification {
            at: time::utc(last.at),
            percent: last.percent,
            damaged: last.damaged,
        }),
    })
}

fn line(set: &BackupSet, shown: &ShownSet, is_state_known: bool) -> String {
    let verified = match &shown.verified {
        Some(found) if found.damaged > 0 => format!("{} damaged", found.damaged),
        Some(_) => "verified clean".to_owned(),
        None if is_state_known => "not verified here".to_owned(),
        None => "-".to_owned(),
    };
    let object = set.object.as_deref().map(|object| format!(" ({object})")).unwrap_or_default();
    format!(
        "{}  {}  {:<8}  {:>9} files  {:>10}  {verified:<17}  {}{object}",
        set.id,
        time::local(set.sealed_at),
        set.completeness.word(),
        set.counts.files,
        time::bytes(set.counts.bytes),
        set.target,
    )
}

/// The set that an id, or the beginning of one, names.
pub(super) fn find(repository: &LazyRepository, text: &str) -> Result<BackupSet, Error> {
    let digits = text.strip_prefix("set_").unwrap_or(text);
    let id = format!("set_{digits}");
    let mut found: Vec<BackupSet> = all(repository)?;
    found.retain(|set| set.id.to_string().starts_with(&id));
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Error::usage(format!("There is no backup set `{text}`."))
            .hint("`holdfast sets` lists them.")),
        _ => {
            let error = Error::usage(format!("`{text}` is the beginning of several backup sets."));
            Err(found.iter().fold(error, |error, set| error.hint(set.id.to_string())))
        }
    }
}
