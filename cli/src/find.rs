//! Finds workflows: a path, or a name in `workflows/` beside the configuration.

use std::path::{Path, PathBuf};

use holdfast_language::{Checked, Source, check, name_of};

use crate::compose::Parts;
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;
use crate::shipped;

/// A workflow that was found and is valid.
#[derive(Clone)]
pub(crate) struct Workflow {
    /// Its text, as it is stored with the run.
    pub(crate) source: Source,
    /// The checked workflow.
    pub(crate) checked: Checked,
}

/// The workflow with this path or name.
///
/// # Errors
/// There is none, there are two, or it is not valid; its diagnostics are printed.
pub(crate) fn workflow(
    name: &str,
    settings: &Settings,
    parts: &Parts,
    output: Output,
) -> Result<Workflow, Error> {
    let path = Path::new(name);
    let source = if path.is_file() { read(path)? } else { source_named(name, settings)? };
    match check(&source, &parts.actions) {
        Ok(checked) => Ok(Workflow { source, checked }),
        Err(found) => {
            output.diagnostics(&source, &found);
            Err(Error::usage(format!("The workflow {name} is not valid.")))
        }
    }
}

/// The text of the one workflow of this name: beside the configuration, or shipped with the program.
///
/// # Errors
/// There is none, there are two, or a file cannot be read.
pub(crate) fn source_named(name: &str, settings: &Settings) -> Result<Source, Error> {
    let folder = settings.base.join("workflows");
    let Found { own, names, invalid } = own(name, &folder)?;
    own.or_else(|| shipped::source(name)).ok_or_else(|| none(name, &folder, &names, &invalid))
}

/// The workflow files of a folder, as somebody looks for one of a name.
pub(crate) struct Found {
    /// The one that has it.
    pub(crate) own: Option<Source>,
    /// The names of the others.
    names: Vec<String>,
    /// Files whose name cannot be read.
    invalid: Vec<PathBuf>,
}

/// Looks for a workflow of this name beside the configuration. A file of that name is never passed over because it
/// is not valid: another workflow than the one that was asked for would run.
///
/// # Errors
/// There are two, or a file cannot be read.
pub(crate) fn own(name: &str, folder: &Path) -> Result<Found, Error> {
    let mut found: Vec<(PathBuf, Source)> = Vec::new();
    let (mut names, mut invalid) = (Vec::new(), Vec::new());
    for path in files(folder)? {
        let source = read(&path)?;
        match name_of(&source) {
            Some(of) if of == name => found.push((path, source)),
            Some(of) => names.push(of),
            // What it is called cannot be read, but it lies where that workflow would.
            None if lies_as(&path, folder, name) => found.push((path, source)),
            None => invalid.push(path),
        }
    }
    if let [(one, _), (other, _), ..] = found.as_slice() {
        let (one, other) = (one.display(), other.display());
        let message = format!("Two files have the workflow name `{name}`: {one} and {other}.");
        return Err(Error::usage(message).hint("Give one of them another `name`."));
    }
    let own = found.pop().map(|(_, source)| source);
    Ok(Found { own, names, invalid })
}

/// Whether a file lies where a workflow of this name would.
fn lies_as(path: &Path, folder: &Path, name: &str) -> bool {
    path.strip_prefix(folder).is_ok_and(|path| path.with_extension("") == Path::new(name))
}

/// The same workflow in another repository than the default one, as if its file named it.
///
/// # Errors
/// It names another one itself, or is not written so that a line can be added.
pub(crate) fn in_repository(
    workflow: Workflow,
    name: &str,
    parts: &Parts,
) -> Result<Workflow, Error> {
    match workflow.checked.definition.repository.as_deref() {
        None => {}
        Some(own) if own == name => return Ok(workflow),
        Some(own) => {
            return Err(Error::usage(format!(
                "The workflow names a repository of its own, `{own}`."
            ))
            .hint("Leave `--repository` out, or change the line `repository:` in its file."));
        }
    }
    let source = &workflow.source;
    let line = format!("repository: {name}\n");
    let lines = source.text().split_inclusive('\n');
    let mut text = String::new();
    for part in lines {
        if part.starts_with("operation:") {
            text.push_str(&line);
        }
        text.push_str(part);
    }
    let source = Source::new(source.name().to_owned(), text);
    match check(&source, &parts.actions) {
        Ok(checked) if checked.definition.repository.as_deref() == Some(name) => {
            Ok(Workflow { source, checked })
        }
        Ok(_) | Err(_) => Err(Error::usage(format!(
            "The workflow cannot be run in the repository `{name}`: write `repository: {name}` into its file."
        ))),
    }
}

fn none(name: &str, folder: &Path, names: &[String], invalid: &[PathBuf]) -> Error {
    let place = folder.display();
    let mut error = Error::usage(format!("There is no file and no workflow `{name}` in {place}."));
    let names: Vec<&str> = names.iter().map(String::as_str).chain(shipped::names()).collect();
    let near = names.iter().max_by(|a, b| strsim::jaro(name, a).total_cmp(&strsim::jaro(name, b)));
    if let Some(near) = near.filter(|near| strsim::jaro(name, near) > 0.7) {
        error = error.hint(format!("Did you mean `{near}`?"));
    }
    if name.starts_with("microsoft365/") {
        error = error.hint("Microsoft 365 tenants are not built yet.");
    }
    error =
        error.hint(format!("Workflows that ship with holdfast: {}.", shipped::names().join(", ")));
    for path in invalid {
        error = error.hint(format!("{0} is not valid: `holdfast validate {0}`.", path.display()));
    }
    error
}

/// Every workflow file in a folder and below, sorted; none if the folder is not there.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |error: std::io::Error| {
        Error::usage(format!("The folder {} cannot be read: {error}.", folder.display()))
    };
    let mut found = Vec::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_yaml = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
        if path.is_dir() && !path.is_symlink() {
            found.extend(files(&path)?);
        } else if is_yaml {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a workflow file.
///
/// # Errors
/// It cannot be read, or is no text.
pub(crate) fn read(path: &Path) -> Result<Source, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::usage(format!("The file {} cannot be read: {error}.", path.display()))
    })?;
    Ok(Source::new(path.display().to_string(), text))
}
