//! From a workflow and inputs to a request for a run: everything that is wrong is told at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use holdfast_actions::repositories::{LazyRepository, object_label};
use holdfast_contract::plan::Plan;
use holdfast_contract::provider::Targets as _;
use holdfast_journal::record::StoredDefinition;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{Initiator, KeyKind, Request, TargetReference};
use holdfast_kernel::id::{Digest, RunId};
use holdfast_language::input::Declarations;
use holdfast_language::submit::{
    Given, Reference, References, Wanted, custom_key, dedupe_key, in_repository, resolve,
};
use holdfast_language::{Checked, Program};
use holdfast_repository::backup_set::{BackupSet, Completeness};
use holdfast_runtime::chance;
use holdfast_service::wire::ask::{Act, Ask};

use crate::access::Access;
use crate::arguments::Submission;
use crate::children;
use crate::compose::Parts;
use crate::environment;
use crate::error::Error;
use crate::find::{self, Workflow};
use crate::output::Output;
use crate::repository;
use crate::settings::Settings;
use crate::targets::LocalTargets;

/// A request whose workflow is valid and whose inputs are not looked up yet: plans are in the state.
#[derive(Clone)]
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
    let mut workflow = find::workflow(&submission.workflow, settings, parts, output)?;
    if let Some(name) = &submission.in_repository.repository {
        workflow = find::in_repository(workflow, name, parts)?;
    }
    let named = workflow.checked.definition.repository.as_deref();
    repository::place(settings, named)
        .map_err(|reason| Error::usage(format!("The repository cannot be used: {reason}.")))?;
    output.diagnostics(&workflow.source, &workflow.checked.warnings);
    let given = inputs(&submission.inputs)?;
    Ok(Prepared { workflow, name: submission.workflow.clone(), given })
}

/// The request for a run.
///
/// # Errors
/// An input does not fit, or what it refers to is not there.
pub(crate) fn act(prepared: Prepared, parts: &Parts, access: &Access) -> Result<Act, Error> {
    let Prepared { workflow, name, given } = prepared;
    let Checked { definition, declarations, children, .. } = workflow.checked;
    let lowered = serde_json::to_string(&definition)
        .map_err(|error| Error::internal(format!("The workflow cannot be stored: {error}.")))?;
    let digest = Definition::digest_of(lowered.as_bytes());
    let text = workflow.source.text().to_owned();
    let mut stored = vec![StoredDefinition { digest, text, lowered }];
    stored.extend(children::stored(&children));
    let pinned = Pinned { name: &name, digest, definition: Arc::new(definition), declarations };
    let request = request(pinned, &given, None, (parts, access))?;
    Ok(Act::Submit { request: Box::new(request), stored })
}

/// A workflow that a run is to be pinned to.
pub(crate) struct Pinned<'a> {
    /// What whoever asks calls it.
    pub(crate) name: &'a str,
    /// The digest of its lowered form.
    pub(crate) digest: Digest,
    /// Its definition.
    pub(crate) definition: Arc<Definition>,
    /// What it declares.
    pub(crate) declarations: Declarations,
}

/// A request for a run of a workflow.
///
/// # Errors
/// An input does not fit, or what it refers to is not there.
pub(crate) fn request(
    pinned: Pinned<'_>,
    given: &BTreeMap<String, Given>,
    rerun_of: Option<RunId>,
    (parts, access): (&Parts, &Access),
) -> Result<Request, Error> {
    let Pinned { name: asked, digest, definition, declarations } = pinned;
    let program = Program::compile(Arc::clone(&definition), &parts.actions).map_err(|error| {
        Error::internal(format!("The workflow cannot be evaluated: cannot read {error}."))
    })?;
    let plans = |beginning: &str| {
        let ask = Ask::Plans { beginning: beginning.to_owned() };
        access.ask(ask).map_err(|error| error.message)
    };
    let repository = definition.repository.as_deref();
    let known = Known {
        targets: &parts.targets,
        repository: &parts.repositories.named(repository),
        plans: &plans,
    };
    let resolved = resolve(&program, &declarations, given, &known)
        .map_err(|problems| refused(asked, &problems))?;
    let target = resolved.target.map(|name| reference(&name, parts)).transpose()?;
    let identity = target.as_ref().map(|target| target.identity.as_str());
    let (operation, name) = (definition.operation, definition.name.as_str());
    let (dedupe_key, key_kind) = if let Some(key) = &resolved.dedupe_key {
        (custom_key(identity, operation, name, key), KeyKind::Custom)
    } else {
        let key = dedupe_key(identity, operation, name, &resolved.object, &resolved.inputs);
        (key, KeyKind::Inputs)
    };
    let dedupe_key = in_repository(dedupe_key, repository);
    Ok(Request {
        run: chance::run_id(),
        definition: digest,
        target,
        object: resolved.object,
        inputs: resolved.inputs,
        dedupe_key,
        key_kind,
        group: resolved.group,
        initiator: Initiator::User(environment::user()),
        rerun_of,
    })
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
pub(crate) fn inputs(texts: &[String]) -> Result<BTreeMap<String, Given>, Error> {
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
pub(crate) struct Known<'a> {
    pub(crate) targets: &'a LocalTargets,
    pub(crate) repository: &'a LazyRepository,
    /// The plans whose ids begin so.
    pub(crate) plans: &'a dyn Fn(&str) -> Result<Vec<Plan>, String>,
}

impl Known<'_> {
    fn sets(&self) -> Result<Vec<BackupSet>, String> {
        let repository = self.repository.get().map_err(|failure| failure.message)?;
        repository.sets().map_err(|refused| refused.to_string())
    }
}

impl References for Known<'_> {
    fn target(&self, name: &str) -> Result<Option<String>, String> {
        self.targets.named(name)
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
        let found = (self.plans)(id)?;
        match found.as_slice() {
            [] => Ok(None),
            [plan] => {
                Ok(Some(Reference { id: plan.id.to_string(), target: plan.target.name.clone() }))
            }
            _ => Err(format!("`{id}` is the beginning of several plans")),
        }
    }
}
