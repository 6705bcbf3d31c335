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
    if path.is_file() {
        let source = read(path)?;
        return match check(&source, &parts.actions) {
            Ok(checked) => Ok(Workflow { source, checked }),
            Err(found) => {
                output.diagnostics(&source, &found);
                Err(Error::usage(format!("The workflow {name} is not valid.")))
            }
        };
    }
    named(name, settings, parts)
}

/// The one valid workflow of this name beside the configuration.
fn named(name: &str, settings: &Settings, parts: &Parts) -> Result<Workflow, Error> {
    let folder = settings.base.join("workflows");
    let mut found: Vec<(PathBuf, Workflow)> = Vec::new();
    let (mut names, mut invalid) = (Vec::new(), Vec::new());
    for path in files(&folder)? {
        let source = read(&path)?;
        match name_of(&source) {
            Some(of) if of == name => match check(&source, &parts.actions) {
                Ok(checked) => found.push((path, Workflow { source, checked })),
                Err(_) => invalid.push(path),
            },
            Some(of) => names.push(of),
            None => invalid.push(path),
        }
    }
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some((_, workflow)), None) => Ok(workflow),
        (None, _) if shipped::text(name).is_some() => shipped_workflow(name, parts),
        (Some((one, _)), Some((other, _))) => Err(Error::usage(format!(
            "Two files have the workflow name `{name}`: {} and {}.",
            one.display(),
            other.display()
        ))
        .hint("Give one of them another `name`.")),
        (None, _) => Err(none(name, &folder, &names, &invalid)),
    }
}

/// A workflow that ships with the program.
fn shipped_workflow(name: &str, parts: &Parts) -> Result<Workflow, Error> {
    let text = shipped::text(name).unwrap_or_default();
    let source = Source::new(format!("the shipped workflow {name}"), text);
    match check(&source, &parts.actions) {
        Ok(checked) => Ok(Workflow { source, checked }),
        Err(found) => {
            let reason = found.first().map_or_else(String::new, |found| found.message.clone());
            Err(Error::internal(format!("The shipped workflow {name} is not valid: {reason}")))
        }
    }
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
