//! `set export`: a set, or one path of it, as plain files, a tar archive or a JSON bundle.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use holdfast_actions::export::allowed;
use holdfast_actions::repositories::LazyRepository;
use holdfast_kernel::failure::Failure;
use holdfast_repository::export::{Exported, into_file, lines};
use holdfast_repository::{Permit, Refused};

use crate::arguments::ExportForm;
use crate::commands::set::{open, path_in_set};
use crate::error::Error;
use crate::output::{Output, counted};
use crate::settings::Settings;
use crate::time;

/// Where an export goes, and what of the set it has.
pub(super) struct To<'a> {
    pub(super) path: &'a Path,
    pub(super) only: Option<&'a str>,
    pub(super) format: ExportForm,
}

/// Exports a set.
///
/// # Errors
/// There is no such set or path, or it cannot be written.
pub(super) fn perform(
    repository: &LazyRepository,
    set: &str,
    to: &To<'_>,
    (settings, output): (&Settings, Output),
) -> Result<ExitCode, Error> {
    let place = place(to.path, settings)?;
    let to = &To { path: &place, ..*to };
    let open = open(repository, set)?;
    let only = match to.only {
        Some(path) => path_in_set(path)?,
        None => Vec::new(),
    };
    let permit: Permit = Arc::new(|| true);
    let failed = |refused: Refused| Error::usage(format!("The set cannot be exported: {refused}."));
    let exported = match to.format {
        ExportForm::Files => open.export(to.path, &only, &permit).map_err(failed)?,
        ExportForm::Tar => {
            into_file(to.path, |out| open.export_tar(out, &only, &permit)).map_err(failed)?
        }
        ExportForm::Json if to.only.is_some() => {
            return Err(Error::usage("A JSON bundle has a whole set: leave `--only` out."));
        }
        ExportForm::Json => {
            into_file(to.path, |out| open.export_json(out, &permit)).map_err(failed)?
        }
    };
    tell(&exported, to.path, output)
}

/// Where an export goes: beneath a folder of `allow.exports`, if the configuration names some, and never among what
/// holdfast keeps for itself.
fn place(to: &Path, settings: &Settings) -> Result<PathBuf, Error> {
    let bad = |error| Error::usage(format!("{} cannot be looked at: {error}.", to.display()));
    let to = std::path::absolute(to).map_err(bad)?;
    // The folder that it goes into is there: links and `..` are followed up to it.
    let name = to.file_name().ok_or_else(|| {
        Error::usage(format!("{} names no folder or file of its own.", to.display()))
    })?;
    let to = match to.parent().and_then(|folder| folder.canonicalize().ok()) {
        Some(folder) => folder.join(name),
        None => to,
    };
    let roots = match settings.configuration.allow.exports.as_slice() {
        [] => vec![PathBuf::from("/")],
        roots => roots.iter().map(PathBuf::from).collect(),
    };
    let refused =
        |failure: Failure| Error::usage(format!("The set cannot be exported: {failure}."));
    allowed(&roots, &settings.kept_for_ourselves(), &to).map_err(refused)
}

fn tell(exported: &Exported, to: &Path, output: Output) -> Result<ExitCode, Error> {
    let left_out = lines(&exported.left_out);
    if output.is_json() {
        output.json(&serde_json::json!({
            "path": to.display().to_string(),
            "files": exported.counts.files,
            "folders": exported.counts.folders,
            "others": exported.counts.others,
            "bytes": exported.counts.bytes,
            "left_out": left_out,
        }))?;
    } else {
        for line in &left_out {
            output.line(format!("left out: {line}"));
        }
        output.talk(format!(
            "{} with {} in {}.",
            counted(exported.counts.files, "file"),
            time::bytes(exported.counts.bytes),
            to.display()
        ));
    }
    Ok(if left_out.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}
