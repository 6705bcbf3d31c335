//! From a workflow and inputs to a request for a run: everything that is wrong is told at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use holdfast_actions::repositories::object_label;
use holdfast_drive::input::{Program as Compiled, Submit, Token};
use holdfast_journal::query::Reader;
use holdfast_journal::record::StoredDefinition;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{Initiator, Request, TargetReference};
use holdfast_language::Program;
use holdfast_language::submit::{Given, Reference, References, Wanted, dedupe_key, resolve};
use holdfast_repository::backup_set::{BackupSet, Completeness};
use holdfast_runtime::chance;

use crate::arguments::Submission;
use crate::compose::Parts;
use crate::environment;
use crate::error::Error;
use crate::find::{self, Workflow};
use crate::output::Output;
use crate::settings::Settings;

/// A request whose workflow is valid and whose inputs are not looked up yet: plans are in the state.
pub(crate) struct Prepared {
    workflow: Workflow,
    name: String,
    given: BTreeMap<String, Given>,
}

/// Reads the workflow and the inputs of a request.
///
/// # Errors
/// The workflow is not there or not valid, or an input is none.
pub(crate) fn prepare(
    submission: &Submission,
    settings: &Settings,
    parts: &Parts,
    output: Output,
) -> Result<Prepared, Error> {
    let workflow = find::workflow(&submission.workflow, settings, parts, output)?;
    output.diagnostics(&workflow.source, &workflow.checked.warnings);
    let given = inputs(&submission.inputs)?;
    Ok(Prepared { workflow, name: submission.workflow.clone(), given })
}

/// The request for a run.
///
/// # Errors
/// An input does not fit, or what it refers to is not there.
pub(crate) fn submit(prepared: Prepared, parts: &Parts, reader: &Reader) -> Result<Submit, Error> {
    let Prepared { workflow, name: asked, given } = prepared;
    let definition = Arc::new(workflow.checked.definition);
    let program = Program::compile(Arc::clone(&definition), &parts.actions).map_err(|error| {
        Error::internal(format!("The workflow cannot be evaluated: cannot read {error}."))
    })?;
    let known = Known { parts, reader };
    let resolved = resolve(&program, &workflow.checked.declarations, &given, &known)
        .map_err(|problems| refused(&asked, &problems))?;
    let target = resolved.target.map(|name| reference(&name, parts)).transpose()?;
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
fn reference(name: &str, parts: &Parts) -> Result<TargetReference, Error> {
    parts.targets.reference(name).map_err(|failure| {
        Error::usage(format!("The target `{name}` cannot be used: {}.", failure.message))
    })
}

/// What inputs may refer to.
struct Known<'a> {
    parts: &'a Parts,
    reader: &'a Reader,
}

impl Known<'_> {
    fn sets(&self) -> Result<Vec<BackupSet>, String> {
        let repository = self.parts.repositories.get().map_err(|failure| failure.message)?;
        repository.sets().map_err(|refused| refused.to_string())
    }
}

impl References for Known<'_> {
    fn target(&self, name: &str) -> Result<Option<String>, String> {
        self.parts.targets.named(name)
    }

    fn backup_set(&self, wanted: Wanted<'_>) -> Result<Option<Reference>, String> {
        let mut sets = self.sets()?;
        let found = match wanted {
            Wanted::Id(id) => sets.into_iter().find(|set| set.id.to_string() == id),
            Wanted::Latest { target, object } => {
                let target = self.target(target)?.unwrap_or_else(|| target.to_owned());
                let object = object_label(object);
                sets.retain(|set| {
                    let is_complete = set.completeness == Completeness::Complete;
                    set.target == target && set.object == object && is_complete
                });
                sets.pop()
            }
        };
        Ok(found.map(|set| Reference { id: set.id.to_string(), target: set.target }))
    }

    fn plan(&self, id: &str) -> Result<Option<Reference>, String> {
        let found = self.reader.plans_starting_with(id).map_err(|error| error.to_string())?;
        match found.as_slice() {
            [] => Ok(None),
            [plan] => {
                Ok(Some(Reference { id: plan.id.to_string(), target: plan.target.name.clone() }))
            }
            _ => Err(format!("`{id}` is the beginning of several plans")),
        }
    }
}
