//! The workflow files of the configuration's folder: each read once, checked, and known by a name.
//!
//! It compares nothing with what was there before; of that it only knows the names of files that cannot say theirs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_language::{Diagnostic, Severity, check};

use crate::children::LocalWorkflows;
use crate::compose::Parts;
use crate::error::Error;
use crate::find::{Folder, Workflow, WorkflowFile};
use crate::settings::Settings;

/// The names of files, by path.
pub(super) type Names = BTreeMap<PathBuf, String>;

/// The workflow files of a folder.
#[derive(Default)]
pub(super) struct Files {
    /// By name.
    pub(super) good: BTreeMap<String, Arc<Workflow>>,
    /// Those that cannot be used.
    pub(super) bad: Vec<Bad>,
    /// What each is called, or was called when its name could last be read.
    pub(super) names: Names,
    /// Whether one cannot be read now, and may be later although nobody changes it.
    pub(super) may_pass: bool,
}

/// A workflow file that cannot be used.
pub(super) struct Bad {
    pub(super) path: PathBuf,
    /// The workflow that it is, or most likely is.
    pub(super) name: String,
    /// Why it cannot be used.
    pub(super) reason: String,
}

impl Files {
    /// Reads and checks every workflow of the configuration's folder. `known` are the names that files had before. It
    /// blocks.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn read(settings: &Settings, parts: &Parts, known: &Names) -> Result<Self, Error> {
        let folder = Arc::new(Folder::read(&settings.base.join("workflows"))?);
        let children = LocalWorkflows::read(Arc::clone(&folder), parts.actions.clone());
        let actions = parts.actions.clone().with_workflows(Arc::new(children));
        let mut files = Self::default();
        let mut said: BTreeMap<&str, &Path> = BTreeMap::new();
        for file in &folder.files {
            let name = files.name(file, &folder, known);
            let says = file.name.as_deref();
            if let Some(other) = says.and_then(|says| said.insert(says, &file.path)) {
                files.good.remove(&name);
                let reason = twice(&name, other, &file.path);
                files.bad.push(Bad { path: file.path.clone(), name, reason });
                continue;
            }
            match check(&file.source, &actions) {
                Ok(checked) => {
                    let source = file.source.clone();
                    files.good.insert(name, Arc::new(Workflow { source, checked }));
                }
                Err(found) => {
                    let (path, reason) = (file.path.clone(), first_of(&found));
                    files.bad.push(Bad { path, name, reason });
                }
            }
        }
        for unread in &folder.unread {
            files.may_pass |= unread.may_pass;
            let name = known.get(&unread.path).cloned();
            files.names.extend(name.clone().map(|name| (unread.path.clone(), name)));
            let name = name.unwrap_or_else(|| folder.place_of(&unread.path));
            let (path, reason) = (unread.path.clone(), unread.message.clone());
            files.bad.push(Bad { path, name, reason });
        }
        Ok(files)
    }

    /// What a file is called. One whose name cannot be read is still what it was; of one that nobody knows a line may
    /// say it, and else its place does.
    fn name(&mut self, file: &WorkflowFile, folder: &Folder, known: &Names) -> String {
        let name = file.name.clone().or_else(|| known.get(&file.path).cloned());
        let name = name.or_else(|| written_name(file.source.text()));
        if let Some(name) = &name {
            self.names.insert(file.path.clone(), name.clone());
        }
        name.unwrap_or_else(|| folder.place_of(&file.path))
    }
}

fn twice(name: &str, one: &Path, other: &Path) -> String {
    let (one, other) = (one.display(), other.display());
    format!("Two files have the workflow name `{name}`: {one} and {other}.")
}

/// The first mistake of a file; `validate` shows all.
fn first_of(found: &[Diagnostic]) -> String {
    let first = found.iter().find(|found| found.severity == Severity::Error).or(found.first());
    first.map_or_else(String::new, |found| found.message.clone())
}

/// The name in a text that is not valid: what stands behind the first `name:` at the margin.
fn written_name(text: &str) -> Option<String> {
    let said = text.lines().find_map(|line| line.strip_prefix("name:"))?;
    let said = said.split(" #").next().unwrap_or_default().trim();
    let said = said.trim_matches(['"', '\'']);
    (!said.is_empty()).then(|| said.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_text_that_is_not_valid_is_what_its_line_says() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(written_name(text).as_deref(), expect, "{text}");
        };
        check("holdfast: 1\nname: files/nightly\n  bad: [\n", Some("files/nightly"));
        check("name: \"w\"   # ours\n", Some("w"));
        check("name: 'w'\nname: other\n", Some("w"));
        check("on:\n  name: w\n", None);
        check("name:\n", None);
        check("", None);
    }
}
