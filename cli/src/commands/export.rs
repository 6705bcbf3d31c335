//! `set export`: a set, or one path of it, as plain files, a tar archive or a JSON bundle.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use holdfast_repository::export::{Exported, lines};
use holdfast_repository::{Permit, Refused};

use crate::arguments::ExportForm;
use crate::commands::set::{open, path_in_set};
use crate::compose::Parts;
use crate::error::Error;
use crate::output::Output;
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
    parts: &Parts,
    set: &str,
    to: &To<'_>,
    output: Output,
) -> Result<ExitCode, Error> {
    let open = open(parts, set)?;
    let only = match to.only {
        Some(path) => path_in_set(path)?,
        None => Vec::new(),
    };
    let permit: Permit = Arc::new(|| true);
    let failed = |refused: Refused| Error::usage(format!("The set cannot be exported: {refused}."));
    let exported = match to.format {
        ExportForm::Files => open.export(to.path, &only, &permit).map_err(failed)?,
        ExportForm::Tar => into_file(to.path, |out| open.export_tar(out, &only, &permit))?,
        ExportForm::Json if to.only.is_some() => {
            return Err(Error::usage("A JSON bundle has a whole set: leave `--only` out."));
        }
        ExportForm::Json => into_file(to.path, |out| open.export_json(out, &permit))?,
    };
    tell(&exported, to.path, output)
}

/// Writes beside the file, and puts it in its place when it is whole.
fn into_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<Exported, Refused>,
) -> Result<Exported, Error> {
    let failed = |error: std::io::Error| {
        Error::usage(format!("{} cannot be written: {error}.", path.display()))
    };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let file = File::create(&beside).map_err(failed)?;
    let mut out = BufWriter::new(file);
    let exported = write(&mut out)
        .map_err(|refused| Error::usage(format!("The set cannot be exported: {refused}.")))?;
    out.flush().map_err(failed)?;
    out.get_ref().sync_all().map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)?;
    Ok(exported)
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
            "{} files with {} are in {}.",
            exported.counts.files,
            time::bytes(exported.counts.bytes),
            to.display()
        ));
    }
    Ok(if left_out.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}
