//! `init`: a commented configuration, three workflows, a key and a repository in an empty folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::arguments::{Init, Shared};
use crate::commands::{repository, schema};
use crate::compose::parts;
use crate::error::Error;
use crate::output::Output;
use crate::repository::{make_key, write_new};
use crate::settings::{NAME, Settings};
use crate::shipped;

/// The configuration that is written.
const CONFIGURATION: &str = include_str!("../../../workflows/holdfast.yaml");

/// What no version control should take in.
const IGNORED: &str =
    "# Neither the key nor the backups belong into version control.\nbackups.key\nbackups/\n";

/// The key, as the configuration names it.
const KEY: &str = "backups.key";

/// Writes everything that a first backup needs.
///
/// # Errors
/// There is a configuration already, or a file cannot be written.
pub(crate) fn perform(init: &Init, shared: &Shared, output: Output) -> Result<ExitCode, Error> {
    let folder = init.folder.clone().unwrap_or_else(|| PathBuf::from("."));
    write(&folder, shared, output)?;
    output.talk("\nNext:\n  holdfast doctor\n  holdfast run files/backup --input target=PATH");
    Ok(ExitCode::SUCCESS)
}

/// Writes it into a folder.
///
/// # Errors
/// As [`perform`].
pub(super) fn write(folder: &Path, shared: &Shared, output: Output) -> Result<(), Error> {
    if folder.join(NAME).exists() {
        return Err(Error::usage(format!("There is a {NAME} in {} already.", folder.display()))
            .hint("`holdfast doctor` says what is missing."));
    }
    let workflows = folder.join("workflows");
    fs::create_dir_all(&workflows).map_err(|error| unwritten(&workflows, &error))?;
    for name in ["files/backup", "files/preview", "files/restore"] {
        let file = format!("{}.yaml", name.replace('/', "-"));
        let text = shipped::text(name).unwrap_or_default();
        // A workflow's name is its identity: a copy gets one of its own.
        let text =
            text.replace(&format!("name: {name}"), &format!("name: {}", name.replace('/', "-")));
        let text = text.replace(
            &format!("holdfast run {name}"),
            &format!("holdfast run {}", name.replace('/', "-")),
        );
        keep(&workflows.join(file), &with_schema(&format!("../{}", schema::WORKFLOW_FILE), &text))?;
    }
    keep(&folder.join(".gitignore"), IGNORED)?;
    make_key(&folder.join(KEY))?;
    let configuration = with_schema(&format!("./{}", schema::CONFIGURATION_FILE), CONFIGURATION);
    let before = Settings::without_a_file(folder);
    for (file, text) in schema::files(&parts(&before, output))? {
        keep(&folder.join(file), &text)?;
    }
    // Last: whoever is interrupted before can start again.
    keep(&folder.join(NAME), &configuration)?;
    let shared = Shared { config: Some(folder.join(NAME)), ..shared.clone() };
    let settings = Settings::read(&shared, output)?;
    repository::init(&settings, None, output)?;
    let key = settings.base.join(KEY);
    output.talk(format!(
        "{} was written, with three workflows to change as you like.\n\
         Keep a copy of {} somewhere else: without it nothing can be restored.",
        settings.base.join(NAME).display(),
        key.display()
    ));
    Ok(())
}

/// A text whose first line tells editors where its schema is.
fn with_schema(path: &str, text: &str) -> String {
    format!("# yaml-language-server: $schema={path}\n{text}")
}

/// Writes a file unless it is there.
fn keep(path: &Path, text: &str) -> Result<(), Error> {
    if path.exists() {
        return Ok(());
    }
    write_new(path, text, 0o644).map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Error {
    Error::unavailable(format!("{} cannot be written: {error}.", path.display()))
}
