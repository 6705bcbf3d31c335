//! Finds workflows: a path, or a name in `workflows/` beside the configuration.

use std::collections::BTreeMap;
use std::io;
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
    let folder = Folder::read(&settings.base.join("workflows"))?;
    let own = folder.own(name)?.cloned();
    own.or_else(|| shipped::source(name)).ok_or_else(|| none(name, &folder))
}

/// The workflow files of a folder and below, each read once.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// The files that can be read, by path.
    pub(crate) files: Vec<WorkflowFile>,
    /// The files that cannot.
    pub(crate) unread: Vec<Unread>,
    /// By name: the places of the files that say it.
    named: BTreeMap<String, Vec<usize>>,
    /// The places of those whose name cannot be read.
    nameless: Vec<usize>,
}

/// A workflow file, as it was read.
#[derive(Debug)]
pub(crate) struct WorkflowFile {
    pub(crate) path: PathBuf,
    pub(crate) source: Source,
    /// Its name, if that can be read.
    pub(crate) name: Option<String>,
}

/// A workflow file that cannot be read.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) path: PathBuf,
    /// Why, a full sentence.
    pub(crate) message: String,
    /// Whether that may pass although nobody changes the file.
    pub(crate) may_pass: bool,
}

impl Folder {
    /// Reads the files. It blocks.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let (files, unread) = (Vec::new(), Vec::new());
        let (named, nameless) = (BTreeMap::new(), Vec::new());
        let mut folder = Self { path: path.to_owned(), files, unread, named, nameless };
        for path in self::files(path)? {
            match text(&path) {
                Ok(source) => folder.take(path, source),
                Err(error) => folder.unread.push(Unread {
                    message: unreadable(&path, &error),
                    may_pass: may_pass(&error),
                    path,
                }),
            }
        }
        Ok(folder)
    }

    fn take(&mut self, path: PathBuf, source: Source) {
        let (name, place) = (name_of(&source), self.files.len());
        match &name {
            Some(name) => self.named.entry(name.clone()).or_default().push(place),
            None => self.nameless.push(place),
        }
        self.files.push(WorkflowFile { path, source, name });
    }

    /// The text of the workflow of this name. A file of that name is never passed over because it is not valid:
    /// another workflow than the one that was asked for would run.
    ///
    /// # Errors
    /// There are two, or a file cannot be read.
    pub(crate) fn own(&self, name: &str) -> Result<Option<&Source>, Error> {
        if let Some(unread) = self.unread.first() {
            return Err(Error::usage(unread.message.clone()));
        }
        let named = self.named.get(name).into_iter().flatten();
        let named = named.filter_map(|place| self.files.get(*place));
        // What it is called cannot be read, but it lies where that workflow would.
        let lies = self.nameless().filter(|file| lies_as(&file.path, &self.path, name));
        let mut found: Vec<&WorkflowFile> = named.chain(lies).collect();
        found.sort_unstable_by_key(|file| &file.path);
        if let [one, other, ..] = found.as_slice() {
            let (one, other) = (one.path.display(), other.path.display());
            let message = format!("Two files have the workflow name `{name}`: {one} and {other}.");
            return Err(Error::usage(message).hint("Give one of them another `name`."));
        }
        Ok(found.pop().map(|file| &file.source))
    }

    fn nameless(&self) -> impl Iterator<Item = &WorkflowFile> {
        self.nameless.iter().filter_map(|place| self.files.get(*place))
    }

    /// Where a file lies below the folder, without its ending: what it would be called.
    pub(crate) fn place_of(&self, path: &Path) -> String {
        path.strip_prefix(&self.path).unwrap_or(path).with_extension("").display().to_string()
    }

    /// The names that files say, each once.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }
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

fn none(name: &str, folder: &Folder) -> Error {
    let place = folder.path.display();
    let mut error = Error::usage(format!("There is no file and no workflow `{name}` in {place}."));
    let names: Vec<&str> = folder.names().chain(shipped::names()).collect();
    let near = names.iter().max_by(|a, b| strsim::jaro(name, a).total_cmp(&strsim::jaro(name, b)));
    if let Some(near) = near.filter(|near| strsim::jaro(name, near) > 0.7) {
        error = error.hint(format!("Did you mean `{near}`?"));
    }
    if name.starts_with("microsoft365/") {
        error = error.hint("Microsoft 365 tenants are not built yet.");
    }
    error =
        error.hint(format!("Workflows that ship with holdfast: {}.", shipped::names().join(", ")));
    for WorkflowFile { path, .. } in folder.nameless() {
        error = error.hint(format!("{0} is not valid: `holdfast validate {0}`.", path.display()));
    }
    error
}

/// Every workflow file in a folder and below, sorted; none if the folder is not there.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |error: io::Error| {
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
    text(path).map_err(|error| Error::usage(unreadable(path, &error)))
}

fn text(path: &Path) -> io::Result<Source> {
    Ok(Source::new(path.display().to_string(), std::fs::read_to_string(path)?))
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("The file {} cannot be read: {error}.", path.display())
}

/// Whether a file may be read later although nobody changes it.
fn may_pass(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::InvalidData
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::NotFound
            | io::ErrorKind::PermissionDenied
    )
}
