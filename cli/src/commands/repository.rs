//! `repository`: makes a repository of the configuration, or says what it holds.

use std::process::ExitCode;

use holdfast_kernel::failure::Failure;
use holdfast_repository::Repository;
use holdfast_runtime::clock;

use crate::arguments::{RepositoryCommand, RepositoryWhat};
use crate::commands::sets::unusable;
use crate::compose::parts;
use crate::error::Error;
use crate::output::Output;
use crate::repository::{password, place};
use crate::settings::Settings;
use crate::time;

/// Makes or looks at the repository.
///
/// # Errors
/// It is there already, or cannot be used.
pub(crate) fn perform(
    command: &RepositoryCommand,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let name = command.in_repository.repository.as_deref();
    match command.what {
        RepositoryWhat::Init => init(settings, name, output),
        RepositoryWhat::Status => status(settings, name, output),
        RepositoryWhat::Unlock => unlock(settings, name, output),
    }
}

/// Makes the repository that the configuration names.
///
/// # Errors
/// Something is there already, or the password is not.
pub(super) fn init(
    settings: &Settings,
    name: Option<&str>,
    output: Output,
) -> Result<ExitCode, Error> {
    let place = place(settings, name).map_err(Error::usage)?;
    let password = password(settings, &place).map_err(|failure| unusable(&failure))?;
    let made = Repository::create(&place.path, &password);
    made.map_err(|refused| unusable(&Failure::from(refused)))?;
    output.talk(format!("The repository {} was made.", place.path.display()));
    Ok(ExitCode::SUCCESS)
}

/// Removes the lock files that restic left; those of one that works are named and stay.
fn unlock(settings: &Settings, name: Option<&str>, output: Output) -> Result<ExitCode, Error> {
    let place = place(settings, name).map_err(Error::usage)?;
    let unlocked = holdfast_repository::lock::unlock(&place.path, clock::now());
    let unlocked = unlocked.map_err(|refused| unusable(&Failure::from(refused)))?;
    for path in &unlocked.removed {
        output.line(path.display().to_string());
    }
    if let Some(fresh) = unlocked.fresh.first() {
        return Err(Error::rejected(format!("restic works on the repository: {}.", fresh.display()))
            .hint("If it does not, its lock counts as left after 30 minutes; `restic unlock` removes it now."));
    }
    output.talk(match unlocked.removed.len() {
        0 => "There was no lock of restic. Our own locks end with their process.".to_owned(),
        1 => "1 lock of restic was removed.".to_owned(),
        many => format!("{many} locks of restic were removed."),
    });
    Ok(ExitCode::SUCCESS)
}

fn status(settings: &Settings, name: Option<&str>, output: Output) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let repository = parts.repositories.named(name).get().map_err(|failure| unusable(&failure))?;
    let status = repository.status(clock::now());
    let status = status.map_err(|refused| unusable(&Failure::from(refused)))?;
    let locks: Vec<String> =
        status.restic_locks.iter().map(|path| path.display().to_string()).collect();
    if output.is_json() {
        output.json(&serde_json::json!({
            "path": status.path.display().to_string(),
            "sets": status.sets,
            "units": status.units,
            "foreign_snapshots": status.foreign_snapshots,
            "packs": status.packs,
            "pack_bytes": status.pack_bytes,
            "restic_locks": locks,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output.line(format!("path       {}", status.path.display()));
    output.line(format!("sets       {}", status.sets));
    output.line(format!("units      {} of runs that are not sealed whole", status.units));
    output
        .line(format!("foreign    {} snapshots that are not holdfast's", status.foreign_snapshots));
    output.line(format!("packs      {} with {}", status.packs, time::bytes(status.pack_bytes)));
    for lock in &locks {
        output.line(format!("locked by  restic: {lock}"));
    }
    Ok(ExitCode::SUCCESS)
}
