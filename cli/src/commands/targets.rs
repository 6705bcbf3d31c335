//! `targets`: the targets of the configuration, and whether they can be used.

use std::process::ExitCode;

use holdfast_contract::provider::{ListedTarget, Targets as _};
use serde::Serialize;

use crate::compose::parts;
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    target: Facts,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct Facts {
    name: String,
    kind: &'static str,
    labels: std::collections::BTreeMap<String, String>,
}

/// Lists the targets. The exit code is 1 if one cannot be used.
///
/// # Errors
/// They cannot be printed.
pub(crate) fn perform(settings: &Settings, output: Output) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let shown: Vec<Shown> = parts
        .targets
        .list()
        .into_iter()
        .map(|target| {
            let opened = parts.targets.reference(&target.name);
            let (identity, error) = match opened {
                Ok(reference) => (Some(reference.identity), None),
                Err(failure) => (None, Some(failure.message)),
            };
            let ListedTarget { name, kind, labels } = target;
            Shown { target: Facts { name, kind, labels }, identity, error }
        })
        .collect();
    if output.is_json() {
        output.json(&shown)?;
    } else {
        for one in &shown {
            let labels: Vec<String> =
                one.target.labels.iter().map(|(name, label)| format!("{name}={label}")).collect();
            let state = one.identity.clone().or_else(|| one.error.clone()).unwrap_or_default();
            let (name, kind) = (&one.target.name, one.target.kind);
            output.line(format!("{name:<20}  {kind:<6}  {state}  {}", labels.join(" ")));
        }
        if shown.is_empty() {
            output.talk(
                "The configuration names no targets. A folder needs none: `--input target=PATH`.",
            );
        }
    }
    let is_well = shown.iter().all(|one| one.error.is_none());
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
