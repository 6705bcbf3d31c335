//! Child runs: where their workflows are found, and how what a step gives becomes a request.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_actions::repositories::Repositories;
use holdfast_contract::provider::Targets as _;
use holdfast_drive::input::{Program as Compiled, Submit, Token};
use holdfast_journal::query::Reader;
use holdfast_journal::record::StoredDefinition;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{KeyKind, Request};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::value::Value;
use holdfast_language::child::{ChildRefusal, ChildWorkflow, DEEPEST, Workflows};
use holdfast_language::input::{Declarations, Input, InputType};
use holdfast_language::submit::{Given, child_key, resolve};
use holdfast_language::{Actions, Checked, Program, Source, check};
use holdfast_runtime::children::{ChildRequest, Children};

use crate::error::Error;
use crate::find::Folder;
use crate::shipped;
use crate::submission::Known;
use crate::targets::LocalTargets;

/// Finds the workflows that steps run: beside the configuration, then those that ship with the program.
#[derive(Clone, Debug)]
pub(crate) struct LocalWorkflows {
    files: Files,
    /// The actions without workflows.
    actions: Actions,
    /// The workflows that led here, the outermost first.
    way: Vec<String>,
    /// The repository of those that name none.
    repository: Option<String>,
    /// What was found below the outermost one, by name, repository and depth: a workflow that many steps run is
    /// checked once for each depth, and not once for each way that leads to it.
    found: Arc<Mutex<BTreeMap<Place, Child>>>,
}

/// Where workflow files are.
#[derive(Clone, Debug)]
enum Files {
    /// In a folder, as it is whenever somebody asks.
    In(PathBuf),
    /// They were read once.
    Read(Arc<Folder>),
}

type Place = (String, Option<String>, usize);
type Child = Result<Arc<ChildWorkflow>, ChildRefusal>;

impl LocalWorkflows {
    /// Those of a folder, as it is whenever one of them is asked for.
    pub(crate) fn new(folder: PathBuf, actions: Actions) -> Self {
        Self::of(Files::In(folder), actions)
    }

    /// Those of a folder as it was read: no file is read again, however many run it.
    pub(crate) fn read(folder: Arc<Folder>, actions: Actions) -> Self {
        Self::of(Files::Read(folder), actions)
    }

    fn of(files: Files, actions: Actions) -> Self {
        Self { files, actions, way: Vec::new(), repository: None, found: Arc::default() }
    }

    /// Checks a workflow and everything that it runs.
    fn checked(&self, name: &str, repository: Option<String>, way: Vec<String>) -> Child {
        let source = self.source(name)?;
        // Files may change before the next one is asked for from outside.
        let found = if self.way.is_empty() { Arc::default() } else { Arc::clone(&self.found) };
        let inner = Arc::new(Self { way, repository: repository.clone(), found, ..self.clone() });
        let actions = self.actions.clone().with_workflows(inner);
        let checked = check(&source, &actions).map_err(|found| {
            let first = found.into_iter().next();
            let told = first.map(|found| format!("{} ({})", found.message, source.name()));
            ChildRefusal::Invalid(told.unwrap_or_default())
        })?;
        child(checked, &source, repository).map(Arc::new)
    }

    fn source(&self, name: &str) -> Result<Source, ChildRefusal> {
        let own = self.own(name).map_err(|error| ChildRefusal::Invalid(error.message))?;
        own.or_else(|| shipped::source(name)).ok_or(ChildRefusal::Unknown)
    }

    fn own(&self, name: &str) -> Result<Option<Source>, Error> {
        Ok(match &self.files {
            Files::In(folder) => Folder::read(folder)?.own(name)?.cloned(),
            Files::Read(folder) => folder.own(name)?.cloned(),
        })
    }
}

impl Workflows for LocalWorkflows {
    fn child(
        &self,
        name: &str,
        repository: Option<&str>,
    ) -> Result<Arc<ChildWorkflow>, ChildRefusal> {
        let repository = repository.map(str::to_owned).or_else(|| self.repository.clone());
        let mut way = self.way.clone();
        way.push(name.to_owned());
        if self.way.iter().any(|of| of == name) {
            return Err(ChildRefusal::Circle(way.join(" -> ")));
        }
        if way.len() > DEEPEST {
            return Err(ChildRefusal::TooDeep);
        }
        let place = (name.to_owned(), repository.clone(), way.len());
        if let Some(found) = locked(&self.found).get(&place).filter(|_| !self.way.is_empty()) {
            return found.clone();
        }
        let child = self.checked(name, repository, way);
        locked(&self.found).insert(place, child.clone());
        child
    }

    fn names(&self) -> Vec<String> {
        let names = |folder: &Folder| folder.names().map(str::to_owned).collect();
        let own: Vec<String> = match &self.files {
            Files::In(folder) => Folder::read(folder).map(|read| names(&read)).unwrap_or_default(),
            Files::Read(folder) => names(folder),
        };
        own.into_iter().chain(shipped::names().map(str::to_owned)).collect()
    }
}

fn child(
    checked: Checked,
    source: &Source,
    repository: Option<String>,
) -> Result<ChildWorkflow, ChildRefusal> {
    let Checked { mut definition, declarations, children, schedules: _, warnings: _ } = checked;
    definition.repository = definition.repository.or(repository);
    let lowered = serde_json::to_string(&definition)
        .map_err(|error| ChildRefusal::Invalid(error.to_string()))?;
    let digest = Definition::digest_of(lowered.as_bytes());
    let text = source.text().to_owned();
    Ok(ChildWorkflow { definition, digest, lowered, text, declarations, children })
}

/// The definitions of child runs, and of their own children, each once, to be stored with their parent's.
pub(crate) fn stored(children: &[Arc<ChildWorkflow>]) -> Vec<StoredDefinition> {
    let mut found: Vec<StoredDefinition> = Vec::new();
    let mut next: Vec<&Arc<ChildWorkflow>> = children.iter().collect();
    while let Some(child) = next.pop() {
        if found.iter().any(|stored| stored.digest == child.digest) {
            continue;
        }
        found.push(StoredDefinition {
            digest: child.digest,
            text: child.text.clone(),
            lowered: child.lowered.clone(),
        });
        next.extend(&child.children);
    }
    found
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes requests for child runs.
#[derive(Clone)]
pub(crate) struct LocalChildren {
    pub(crate) actions: Actions,
    pub(crate) targets: Arc<LocalTargets>,
    pub(crate) repositories: Arc<Repositories>,
}

impl Children for LocalChildren {
    fn request(&self, child: ChildRequest, reader: &Reader) -> Result<Submit, Failure> {
        let ChildRequest { run, initiator, digest, definition, with } = child;
        let invalid = |message: String| Failure::without_effect(Class::Invalid, message);
        let program = Program::compile(Arc::clone(&definition), &self.actions)
            .map_err(|error| invalid(format!("cannot read {error}")))?;
        let declarations = Declarations::of(&definition)
            .ok_or_else(|| invalid("the inputs of the workflow cannot be read".to_owned()))?;
        let plans = |beginning: &str| {
            reader.plans_starting_with(beginning).map_err(|error| error.to_string())
        };
        let repository = self.repositories.named(definition.repository.as_deref());
        let known = Known { targets: &self.targets, repository: &repository, plans: &plans };
        let resolved = resolve(&program, &declarations, &given(with, &declarations), &known)
            .map_err(|problems| {
                let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
                invalid(told.join(" "))
            })?;
        let target = resolved.target.map(|name| self.targets.reference(&name)).transpose()?;
        let request = Request {
            run,
            definition: digest,
            target,
            object: resolved.object,
            inputs: resolved.inputs,
            dedupe_key: child_key(run),
            key_kind: KeyKind::Inputs,
            group: resolved.group,
            initiator,
            rerun_of: None,
        };
        let program = Compiled { definition, language: Arc::new(program) };
        // Its definition was stored with its parent's.
        Ok(Submit { request, stored: Vec::new(), program, token: Token(0) })
    }
}

/// What a step gives: a plan or a backup set is named by its id.
fn given(with: Value, declarations: &Declarations) -> BTreeMap<String, Given> {
    let Value::Map(map) = with else { return BTreeMap::new() };
    let map = map.into_iter().filter(|(_, value)| *value != Value::None);
    map.map(|(name, value)| {
        let declared = declarations.inputs.iter().find(|input| input.name == name);
        let named = declared.and_then(|input| named_by(input, &value)).cloned();
        (name, Given::Value(named.unwrap_or(value)))
    })
    .collect()
}

/// The id of a plan or a backup set that an input is; none if it is nothing that is named by an id.
pub(crate) fn named_by<'v>(input: &Input, value: &'v Value) -> Option<&'v Value> {
    matches!(input.kind, InputType::BackupSet | InputType::Plan).then(|| value.get("id")).flatten()
}
