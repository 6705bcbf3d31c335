//! The one place that wires everything: actions, language, state directory, executor.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_actions::registry::{Policy, standard};
use holdfast_actions::repositories::Repositories;
use holdfast_contract::action::Registry;
use holdfast_contract::provider::Targets;
use holdfast_contract::roles::Roles;
use holdfast_drive::ticking::Standstill;
use holdfast_journal::database::Check;
use holdfast_journal::disk::Disk;
use holdfast_journal::disk::local::Local;
use holdfast_journal::fault::FileFault;
use holdfast_journal::query::{ReadError, Reader};
use holdfast_journal::resume::{OpenError, Opened, open};
use holdfast_journal::schedule::Paused;
use holdfast_journal::sealing::KeySource;
use holdfast_kernel::id::RunId;
use holdfast_language::configuration::TargetKind;
use holdfast_language::{Actions, Program};
use holdfast_runtime::attempt::CANCEL_GRACE;
use holdfast_runtime::executor::{Compile, Executor, Setup};
use holdfast_runtime::handle::Handle;
use holdfast_runtime::lock::{LockError, PATIENCE, StateLock, Use};
use holdfast_runtime::logs::Logs;
use holdfast_runtime::offline::Offline;
use holdfast_runtime::unreadable::Unreadable;
use holdfast_runtime::wake::Configured;
use holdfast_runtime::{chance, clock};
use holdfast_service::answer::Sources;
use holdfast_service::socket::Service;

use crate::access::{BETWEEN, Here};
use crate::children::{LocalChildren, LocalWorkflows};
use crate::error::Error;
use crate::output::Output;
use crate::repository;
use crate::secrets::DeclaredSecrets;
use crate::settings::Settings;
use crate::targets::LocalTargets;

/// After so many unclean ends in a row every page of the state is verified.
const UNCLEAN_ENDS: u32 = 3;

/// What steps can use, and what the language knows of it.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) registry: Registry,
    pub(crate) actions: Actions,
    pub(crate) targets: Arc<LocalTargets>,
    pub(crate) repositories: Arc<Repositories>,
}

/// The actions of this program, with the targets and the repository that they work on.
pub(crate) fn parts(settings: &Settings, output: Output) -> Parts {
    let policy = Policy {
        commands: settings.allowed(),
        exports: settings.configuration.allow.exports.iter().map(PathBuf::from).collect(),
        never: never_exported(settings),
        keep: settings.keep_rules(),
        channels: channels(settings),
    };
    let targets = Arc::new(LocalTargets::new(settings));
    let repositories = Arc::new(repository::repositories(settings, output));
    let programs = settings.configuration.allow.commands.iter();
    let programs = programs.map(|command| (command.path.clone(), command.writes)).collect();
    let dynamic = Arc::clone(&targets) as Arc<dyn Targets>;
    let registry = standard(policy, &dynamic, &repositories);
    let plain =
        Actions::new(registry.specs()).with_programs(programs).with_channels(channels(settings));
    let workflows = LocalWorkflows::new(settings.base.join("workflows"), plain.clone());
    let actions = plain.with_workflows(Arc::new(workflows));
    Parts { registry, actions, targets, repositories }
}

/// The names of the configuration's channels.
fn channels(settings: &Settings) -> BTreeSet<String> {
    settings.configuration.channels.keys().cloned().collect()
}

/// Where nothing is exported to: what we keep for ourselves, and the targets.
fn never_exported(settings: &Settings) -> Vec<PathBuf> {
    let targets = settings.configuration.targets.values().map(|target| match &target.kind {
        TargetKind::Files(files) => PathBuf::from(&files.root),
    });
    settings.kept_for_ourselves().into_iter().chain(targets).collect()
}

/// A state directory that is open and locked.
pub(crate) struct State {
    /// Let go last.
    lock: StateLock,
    pub(crate) opened: Opened,
    disk: Arc<dyn Disk>,
    roles: Arc<Roles>,
}

impl State {
    /// What can be read of it.
    pub(crate) fn sources(&self) -> Sources {
        Sources {
            reader: self.opened.reader.clone(),
            bodies: Arc::clone(&self.opened.bodies),
            logs: Logs::new(Arc::clone(&self.disk)),
            roles: Arc::clone(&self.roles),
        }
    }
}

/// What became of opening a state.
pub(crate) enum Opening {
    /// It is open.
    Open(Box<State>),
    /// Another process has it; told as an error.
    Owned(Error),
}

/// Opens the state directory, which is made if it is not there.
///
/// # Errors
/// Something in it cannot be used.
pub(crate) fn open_state(settings: &Settings, purpose: Use) -> Result<Opening, Error> {
    let disk = Local::new(&settings.state).map_err(|error| {
        Error::unavailable(format!(
            "The state directory {} cannot be made: {error}.",
            settings.state.display()
        ))
    })?;
    let lock = match StateLock::take(&settings.state, purpose) {
        Ok(lock) => lock,
        Err(error @ LockError::Owned { .. }) => return Ok(Opening::Owned(locked(&error))),
        Err(error) => return Err(locked(&error)),
    };
    let check = if lock.unclean_ends() >= UNCLEAN_ENDS { Check::Full } else { Check::Quick };
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let opened = open_patiently(&disk, check).map_err(|error| unusable(&settings.state, &error))?;
    let roles = Arc::new(settings.roles());
    Ok(Opening::Open(Box::new(State { lock, opened, disk, roles })))
}

/// Opens a state whose lock is taken. Who had it before may still be closing its files: it is waited for.
fn open_patiently(disk: &Arc<dyn Disk>, check: Check) -> Result<Opened, OpenError> {
    let began = clock::monotonic();
    loop {
        match open(Arc::clone(disk), &chance::instance_id(), check) {
            Err(OpenError::File(FileFault::InUse { .. }))
                if began.elapsed().as_millis() < u128::from(PATIENCE.0) =>
            {
                std::thread::park_timeout(BETWEEN);
            }
            opened => return opened,
        }
    }
}

fn locked(error: &LockError) -> Error {
    let told = Error::unavailable(format!("The state cannot be used: {error}."));
    match error {
        LockError::Owned { pid, .. } => told.hint(format!(
            "Wait until the process {pid} has ended, or end it: what it runs goes on with `holdfast resume`."
        )),
        LockError::Disk { .. } => told,
    }
}

fn unusable(path: &Path, error: &OpenError) -> Error {
    Error::unavailable(format!("The state in {} cannot be used: {error}.", path.display()))
        .hint(error.remedy())
}

/// What the bodies of a run are sealed with: a key that only who can open its repository can make.
fn body_key(parts: &Parts, reader: Reader) -> KeySource {
    let repositories = Arc::clone(&parts.repositories);
    Arc::new(move |run| {
        let repository = repository_of(run, &reader).map_err(|error| error.to_string())?;
        let repository = repositories.named(repository.as_deref()).get();
        Ok(repository.map_err(|failure| failure.message)?.derived_key("bodies"))
    })
}

/// The repository that a run's workflow names.
fn repository_of(run: RunId, reader: &Reader) -> Result<Option<String>, ReadError> {
    let Some(record) = reader.run(run)? else { return Ok(None) };
    let stored = reader.definition(record.definition)?;
    Ok(stored.and_then(|stored| stored.definition()?.repository))
}

/// The language for definitions of this program's actions. One that cannot be read back answers every question
/// with why, so that its run fails visibly and no other is touched.
pub(crate) fn compile(actions: &Actions) -> Compile {
    let actions = actions.clone();
    Arc::new(move |definition| match Program::compile(definition, &actions) {
        Ok(program) => Arc::new(program),
        Err(error) => {
            Arc::new(Unreadable::new(format!("cannot read the stored workflow: {error}")))
        }
    })
}

/// An executor on a state directory, with what must outlive it.
pub(crate) struct Engine {
    pub(crate) executor: Executor,
    pub(crate) handle: Handle,
    pub(crate) lock: StateLock,
    /// What answers whoever connects.
    pub(crate) service: Service,
    /// The runs that were unfinished.
    pub(crate) active: Vec<RunId>,
    /// Whether somebody paused everything.
    pub(crate) pause: Standstill,
    /// The id of the state.
    pub(crate) instance: String,
}

/// What of an executor goes by the configuration.
pub(crate) fn configured(settings: &Settings, parts: &Parts) -> Configured {
    Configured {
        actions: parts.registry.clone(),
        compile: compile(&parts.actions),
        secrets: Arc::new(DeclaredSecrets { allowed: settings.allowed() }),
        children: Arc::new(LocalChildren {
            actions: parts.actions.clone(),
            targets: Arc::clone(&parts.targets),
            repositories: Arc::clone(&parts.repositories),
        }),
        limits: settings.limits(),
        reserve: settings.reserve(),
        drain_grace: settings.configuration.service.drain_grace,
    }
}

/// Makes an executor of an open state.
pub(crate) fn engine(state: State, settings: &Settings, parts: &Parts) -> Engine {
    let State { lock, opened, disk, roles } = state;
    let reader = opened.reader.clone();
    opened.bodies.seal_with(body_key(parts, opened.reader.clone()));
    let active = opened.recovered.active.iter().map(|active| active.run).collect();
    let is_paused = opened.recovered.pause.as_ref().is_some_and(Paused::lasts);
    let pause = if is_paused { Standstill::Paused } else { Standstill::No };
    let instance = opened.recovered.instance.clone();
    let logs = Logs::new(Arc::clone(&disk));
    let bodies = Arc::clone(&opened.bodies);
    let Configured { actions, compile, secrets, children, limits, reserve, drain_grace } =
        configured(settings, parts);
    let setup = Setup {
        opened,
        disk,
        reserve,
        logs: logs.clone(),
        actions,
        compile: Arc::clone(&compile),
        secrets,
        children,
        limits,
        drain_grace,
        cancel_grace: CANCEL_GRACE,
    };
    let (executor, handle) = Executor::new(setup);
    let sources = Sources { reader, bodies, logs, roles };
    let service = Service { handle: handle.clone(), sources, compile };
    Engine { executor, handle, lock, service, active, pause, instance }
}

/// What became of opening a state that is not to be driven.
pub(crate) enum Tried {
    /// It is open.
    Open(Box<Here>),
    /// Another process has it, for as long as its runs take; told as an error.
    Owned(Error),
}

/// Opens the state to look at it, or to act and let go, if nobody drives its runs.
///
/// # Errors
/// Something in it cannot be used.
pub(crate) fn try_undriven(settings: &Settings, parts: &Parts) -> Result<Tried, Error> {
    let State { lock, opened, disk, roles } = match open_state(settings, Use::Acts)? {
        Opening::Open(state) => *state,
        Opening::Owned(error) => return Ok(Tried::Owned(error)),
    };
    let unfinished = opened.recovered.active.len();
    opened.bodies.seal_with(body_key(parts, opened.reader.clone()));
    let compile = compile(&parts.actions);
    let offline = Offline::new(opened, Arc::clone(&compile));
    let (reader, bodies) = (offline.reader.clone(), Arc::clone(&offline.bodies));
    let sources = Sources { reader, bodies, logs: Logs::new(disk), roles };
    Ok(Tried::Open(Box::new(Here { offline, sources, unfinished, compile, _lock: lock })))
}
