//! From a workflow and inputs to a request for a run: everything that is wrong is told at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use holdfast_drive::input::{Program as Compiled, Submit, Token};
use holdfast_journal::record::StoredDefinition;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{Initiator, Request, TargetReference};
use holdfast_language::Program;
use holdfast_language::submit::{Given, Reference, References, Wanted, dedupe_key, resolve};
use holdfast_runtime::chance;

use crate::arguments::Submission;
use crate::compose::Parts;
use crate::environment;
use crate::error::Error;
use crate::find;
use crate::output::Output;
use crate::settings::Settings;

/// The request for a run.
///
/// # Errors
/// The workflow is not there or not valid, or an input does not fit.
pub(crate) fn submit(
    submission: &Submission,
    settings: &Settings,
    parts: &Parts,
    output: Output,
) -> Result<Submit, Error> {
    let workflow = find::workflow(&submission.workflow, settings, parts, output)?;
    output.diagnostics(&workflow.source, &workflow.checked.warnings);
    let given = inputs(&submission.inputs)?;
    let definition = Arc::new(workflow.checked.definition);
    let program = Program::compile(Arc::clone(&definition), &parts.actions).map_err(|error| {
        Error::internal(format!("The workflow cannot be evaluated: cannot read {error}."))
    })?;
    let known = Known { settings };
    let resolved = resolve(&program, &workflow.checked.declarations, &given, &known)
        .map_err(|problems| refused(&submission.workflow, &problems))?;
    let target = resolved.target.map(|name| reference(&name, settings)).transpose()?;
    let identity = target.as_ref().map(|target| target.identity.as_str());
    let (operation, name) = (definition.operation, definition.name.as_str());
    let key = dedupe_key(identity, operation, name, &resolved.object, &resolved.inputs);
    let lowered = serde_json::to_string(&*definition)
        .map_err(|error| Error::internal(format!("The workflow cannot be stored: {error}.")))?;
    let digest = Definition::digest_of(lowered.as_bytes());
    let request = Request {
        run: chance::run_id(),
        definition: digest,
        target,
        object: resolved.object,
        inputs: resolved.inputs,
        dedupe_key: key,
        initiator: Initiator::User(environment::user()),
    };
    let stored = StoredDefinition { digest, text: workflow.source.text().to_owned(), lowered };
    let program = Compiled { definition, language: Arc::new(program) };
    Ok(Submit { request, stored, program, token: Token(0) })
}

fn refused(workflow: &str, problems: &[holdfast_language::submit::Problem]) -> Error {
    let mut error =
        Error::usage(format!("The workflow {workflow} cannot be run with these inputs."));
    for problem in problems {
        let remedy = problem.remedy.as_ref().map(|remedy| format!(" {remedy}")).unwrap_or_default();
        error = error.hint(format!("{problem}{remedy}"));
    }
    error
}

/// The inputs of a command line.
fn inputs(texts: &[String]) -> Result<BTreeMap<String, Given>, Error> {
    let mut given = BTreeMap::new();
    for text in texts {
        let Some((name, value)) = text.split_once('=') else {
            return Err(Error::usage(format!("`--input {text}` is not of the form NAME=VALUE.")));
        };
        let value = match value.strip_prefix('@') {
            Some(path) => from_file(name, Path::new(path))?,
            None => value.to_owned(),
        };
        if given.insert(name.to_owned(), Given::Text(value)).is_some() {
            return Err(Error::usage(format!("The input `{name}` is given twice.")));
        }
    }
    Ok(given)
}

fn from_file(name: &str, path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| {
        Error::usage(format!("The input `{name}` cannot be read from {}: {error}.", path.display()))
    })
}

/// A target with its identity.
fn reference(name: &str, settings: &Settings) -> Result<TargetReference, Error> {
    let root = settings.root(name).unwrap_or(name);
    let canonical = std::fs::canonicalize(root).map_err(|error| {
        Error::usage(format!(
            "The target `{name}` cannot be used: its root {root} cannot be read: {error}."
        ))
    })?;
    Ok(TargetReference {
        name: name.to_owned(),
        identity: format!("files:{}", canonical.display()),
    })
}

/// What inputs may refer to.
struct Known<'a> {
    settings: &'a Settings,
}

impl References for Known<'_> {
    fn has_target(&self, name: &str) -> Result<bool, String> {
        // A folder is a target made from its path.
        Ok(self.settings.root(name).is_some() || Path::new(name).is_dir())
    }

    fn backup_set(&self, _wanted: Wanted<'_>) -> Result<Option<Reference>, String> {
        Err("backup sets are not built yet".to_owned())
    }

    fn plan(&self, _digest: &str) -> Result<Option<Reference>, String> {
        Err("plans are not built yet".to_owned())
    }
}
