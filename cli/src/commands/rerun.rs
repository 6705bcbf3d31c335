//! `rerun`: a new run like an earlier one, with other inputs if they are given.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use holdfast_journal::record::StoredDefinition;
use holdfast_kernel::definition::{Definition, Work};
use holdfast_kernel::id::Digest;
use holdfast_kernel::value::Value;
use holdfast_language::input::Declarations;
use holdfast_language::submit::Given;
use holdfast_language::{Source, declarations_of};
use holdfast_service::wire::ask::{Act, Ask};

use crate::access::Access;
use crate::arguments::Rerun;
use crate::children::{self, named_by};
use crate::compose::{Parts, parts};
use crate::error::Error;
use crate::find::{self, Workflow};
use crate::output::Output;
use crate::settings::Settings;
use crate::submission::{Pinned, inputs, request};

/// Submits the run.
///
/// # Errors
/// There is no such run, its workflow or its inputs do not fit any more, or it is rejected.
pub(crate) fn perform(
    rerun: &Rerun,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let mut access = Access::open(settings, &parts)?;
    let run = access.find(&rerun.run)?;
    let record = access.record(run)?;
    let (stored, definition) = if rerun.latest {
        let repository = pinned(&access, record.definition).ok().and_then(|of| of.repository);
        latest(&record.workflow, repository.as_deref(), settings, (&parts, output))?
    } else {
        (Vec::new(), pinned(&access, record.definition)?)
    };
    let declarations = declared(&access, &definition, record.definition).ok_or_else(|| {
        Error::internal("The inputs of the run's workflow cannot be read.")
            .hint("`--latest` takes the file of the workflow as it is now.")
    })?;
    let mut given = earlier(&record.inputs, &declarations);
    given.extend(inputs(&rerun.set)?);
    let digest = stored.first().map_or(record.definition, |stored| stored.digest);
    let stored = if stored.is_empty() { family(&access, digest)? } else { stored };
    let pinned =
        Pinned { name: &record.workflow, digest, definition: Arc::new(definition), declarations };
    let request = request(pinned, &given, Some(run), (&parts, &access))?;
    let act = Act::Submit { request: Box::new(request), stored };
    super::submit::store(act, &mut access, output)
}

/// What the run's workflow declares: its stored text says so where its definition does not yet.
fn declared(access: &Access, definition: &Definition, digest: Digest) -> Option<Declarations> {
    let is_silent = definition.declarations.is_none();
    let text = if is_silent { stored(access, digest).ok() } else { None };
    let of_text =
        text.and_then(|stored| declarations_of(&Source::new("the workflow", stored.text)));
    of_text.or_else(|| Declarations::of(definition))
}

/// The workflow's file as it is now.
fn latest(
    name: &str,
    repository: Option<&str>,
    settings: &Settings,
    (parts, output): (&Parts, Output),
) -> Result<(Vec<StoredDefinition>, Definition), Error> {
    let workflow = find::workflow(name, settings, parts, output)?;
    lowered(workflow, repository, parts)
}

/// A workflow as it would be stored, with its children, in the repository of an earlier run.
///
/// # Errors
/// It cannot be run in that repository, or cannot be stored.
pub(super) fn lowered(
    mut workflow: Workflow,
    repository: Option<&str>,
    parts: &Parts,
) -> Result<(Vec<StoredDefinition>, Definition), Error> {
    // The repository of the earlier run, unless the file names one by now.
    if let (Some(repository), None) = (repository, &workflow.checked.definition.repository) {
        workflow = find::in_repository(workflow, repository, parts)?;
    }
    let definition = workflow.checked.definition;
    let lowered = serde_json::to_string(&definition)
        .map_err(|error| Error::internal(format!("The workflow cannot be stored: {error}.")))?;
    let digest = Definition::digest_of(lowered.as_bytes());
    let text = workflow.source.text().to_owned();
    let mut stored = vec![StoredDefinition { digest, text, lowered }];
    stored.extend(children::stored(&workflow.checked.children));
    Ok((stored, definition))
}

fn stored(access: &Access, digest: Digest) -> Result<StoredDefinition, Error> {
    let stored: Option<StoredDefinition> = access.ask(Ask::Definition { digest })?;
    stored.ok_or_else(|| Error::unavailable(format!("The workflow {digest} is not stored.")))
}

/// The definition that a run is pinned to.
///
/// # Errors
/// It is not stored, or cannot be read.
pub(super) fn pinned(access: &Access, digest: Digest) -> Result<Definition, Error> {
    stored(access, digest)?
        .definition()
        .ok_or_else(|| Error::unavailable(format!("The workflow {digest} cannot be read.")))
}

/// A stored definition, and those of its child runs.
///
/// # Errors
/// One is not stored, or cannot be read.
pub(super) fn family(access: &Access, digest: Digest) -> Result<Vec<StoredDefinition>, Error> {
    let mut found = vec![stored(access, digest)?];
    let mut next = 0;
    while let Some(definition) = found.get(next).and_then(StoredDefinition::definition) {
        next += 1;
        for step in &definition.steps {
            let Work::Child(child) = &step.work else { continue };
            if found.iter().all(|stored| stored.digest != child.definition) {
                found.push(stored(access, child.definition)?);
            }
        }
    }
    Ok(found)
}

/// The inputs of the earlier run that the workflow still has.
fn earlier(inputs: &Value, declarations: &Declarations) -> BTreeMap<String, Given> {
    let declared = declarations.inputs.iter();
    declared
        .filter_map(|input| {
            let value = inputs.get(&input.name).filter(|value| **value != Value::None)?;
            let value = named_by(input, value).unwrap_or(value);
            Some((input.name.clone(), Given::Value(value.clone())))
        })
        .collect()
}
