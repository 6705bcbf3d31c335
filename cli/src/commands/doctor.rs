//! `doctor`: says what is there and what is missing, with what to do about it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use holdfast_contract::provider::Targets as _;
use holdfast_kernel::definition::SecretReference;
use serde::Serialize;

use crate::access::Access;
use crate::arguments::Shared;
use crate::compose::{Parts, parts};
use crate::error::Error;
use crate::output::{Output, counted};
use crate::repository::{Kind, place};
use crate::settings::Settings;

/// What was looked at.
#[derive(Serialize)]
struct Finding {
    what: String,
    ok: bool,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Finding {
    fn good(what: &str, message: impl Into<String>) -> Self {
        Self { what: what.to_owned(), ok: true, message: message.into(), remedy: None }
    }

    fn bad(what: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        let remedy = Some(remedy.into());
        Self { what: what.to_owned(), ok: false, message: message.into(), remedy }
    }
}

/// Looks at everything a backup needs. The exit code is 1 if something is missing.
///
/// # Errors
/// The configuration is not valid.
pub(crate) fn perform(shared: &Shared, output: Output) -> Result<ExitCode, Error> {
    let settings = Settings::read(shared, output)?;
    let parts = parts(&settings, output);
    let mut findings = vec![configuration(&settings), state(&settings, &parts)];
    for name in repositories(&settings) {
        findings.extend(key(&settings, name));
        findings.push(repository(&settings, &parts, name));
    }
    findings.extend(targets(&settings, &parts));
    let is_well = findings.iter().all(|finding| finding.ok);
    if output.is_json() {
        output.json(&findings)?;
    } else {
        for finding in &findings {
            let word = if finding.ok { "ok     " } else { "missing" };
            output.line(format!("{word}  {:<14} {}", finding.what, finding.message));
            if let Some(remedy) = &finding.remedy {
                output.line(format!("                        {remedy}"));
            }
        }
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn configuration(settings: &Settings) -> Finding {
    match &settings.file {
        Some(path) => Finding::good("configuration", path.display().to_string()),
        None => Finding::good(
            "configuration",
            "there is none: the defaults hold, and targets are paths",
        ),
    }
}

fn state(settings: &Settings, parts: &Parts) -> Finding {
    match Access::open(settings, parts) {
        Ok(_) => Finding::good("state", settings.state.display().to_string()),
        Err(error) => Finding::bad("state", error.message, error.hints.join(" ")),
    }
}

/// The names of the repositories that a configuration has; none is the one that is used without a name.
fn repositories(settings: &Settings) -> Vec<Option<&str>> {
    let names = &settings.configuration.repositories;
    if names.len() < 2 {
        vec![None]
    } else {
        names.keys().map(|name| Some(name.as_str())).collect()
    }
}

/// What a finding is about, with the name of its repository if there are several.
fn of_repository(what: &str, name: Option<&str>) -> String {
    name.map_or_else(|| what.to_owned(), |name| format!("{what} {name}"))
}

/// A key that others can read is no key.
fn key(settings: &Settings, name: Option<&str>) -> Option<Finding> {
    let what = &of_repository("key", name);
    let place = place(settings, name).ok()?;
    let SecretReference::File(path) = &place.password else { return None };
    let metadata = match Path::new(path).metadata() {
        Ok(metadata) => metadata,
        Err(_) if place.kind == Kind::Own => {
            return Some(Finding::good(
                what,
                "it is made with the repository, by the first backup",
            ));
        }
        Err(error) => {
            let remedy =
                "Put it back from its copy. `holdfast init` in an empty folder makes a new one.";
            return Some(Finding::bad(what, format!("{path} cannot be read: {error}"), remedy));
        }
    };
    let for_others = metadata.permissions().mode() & 0o077;
    if for_others == 0 {
        return Some(Finding::good(what, path.clone()));
    }
    Some(Finding::bad(what, format!("others may read {path}"), format!("chmod 600 {path}")))
}

fn repository(settings: &Settings, parts: &Parts, name: Option<&str>) -> Finding {
    let what = &of_repository("repository", name);
    let place = match place(settings, name) {
        Ok(place) => place,
        Err(reason) => return Finding::bad(what, reason, "Name one in holdfast.yaml."),
    };
    if place.kind == Kind::Own && !place.path.join("config").exists() {
        return Finding::good(
            what,
            format!("{} is made by the first backup", place.path.display()),
        );
    }
    match parts.repositories.named(name).get() {
        Ok(repository) => match repository.sets() {
            Ok(sets) => {
                let sets = counted(sets.len(), "backup set");
                Finding::good(what, format!("{}, {sets}", place.path.display()))
            }
            Err(refused) => Finding::bad(what, refused.to_string(), "holdfast repository status"),
        },
        Err(failure) => {
            let init = "holdfast repository init";
            let remedy =
                name.map_or_else(|| init.to_owned(), |name| format!("{init} --repository {name}"));
            Finding::bad(what, failure.message, remedy)
        }
    }
}

fn targets(settings: &Settings, parts: &Parts) -> Vec<Finding> {
    let names = settings.configuration.targets.keys();
    names
        .map(|name| {
            let what = format!("target {name}");
            match parts.targets.reference(name) {
                Ok(target) => Finding::good(&what, target.identity),
                Err(failure) => {
                    Finding::bad(&what, failure.message, "Mend its `root` in holdfast.yaml.")
                }
            }
        })
        .collect()
}
