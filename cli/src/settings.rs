//! What the configuration says, as the program needs it; and where the configuration is.

use std::path::{Path, PathBuf};

use holdfast_actions::allow::{AllowedCommand, AllowedCommands};
use holdfast_contract::roles::Roles;
use holdfast_drive::grants::Limits;
use holdfast_kernel::definition::SecretReference;
use holdfast_language::configuration::{Configuration, LogForm};
use holdfast_language::source::Source;
use holdfast_repository::prune::KeepRules;

use crate::arguments::Shared;
use crate::commands::state::Kept;
use crate::environment;
use crate::error::Error;
use crate::output::Output;
use crate::repository;

/// The name of the configuration file.
pub(crate) const NAME: &str = "holdfast.yaml";

/// The settings of one process.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// The folder of the configuration, or the working directory.
    pub(crate) base: PathBuf,
    /// The configuration file, if there is one.
    pub(crate) file: Option<PathBuf>,
    /// The state directory.
    pub(crate) state: PathBuf,
    /// What the configuration says, its paths absolute.
    pub(crate) configuration: Configuration,
}

impl Settings {
    /// Finds and reads the configuration.
    ///
    /// # Errors
    /// It cannot be read, or is not valid; its diagnostics are printed.
    pub(crate) fn read(shared: &Shared, output: Output) -> Result<Self, Error> {
        let here = std::env::current_dir().map_err(|error| {
            Error::unavailable(format!("The working directory cannot be read: {error}."))
        })?;
        let found = shared.config.clone().map(|path| here.join(path)).or_else(|| find(&here));
        let file = found.clone();
        let (base, configuration) = match found {
            Some(path) => read(&path, output)?,
            None => (here.clone(), Configuration::default()),
        };
        let state = shared.state.clone().map(|path| here.join(path));
        let state = state.or_else(environment::state_directory).ok_or_else(|| {
            Error::usage("There is no state directory.")
                .hint("Give one with `--state DIR`, or set HOME.")
        })?;
        Ok(Self { base, file, state, configuration })
    }

    /// In which form the service is to say what it does, before it says anything: as text while it cannot be read.
    pub(crate) fn log_form(shared: &Shared) -> LogForm {
        let here = std::env::current_dir().unwrap_or_default();
        let path = shared.config.clone().map(|path| here.join(path)).or_else(|| find(&here));
        let text = path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        // What is wrong with it is told by whoever reads it next.
        let read = holdfast_language::configuration::read(&Source::new(String::new(), text));
        read.map_or_else(|_found| LogForm::default(), |configuration| configuration.service.log)
    }

    /// What holds in a folder before it has a configuration.
    pub(crate) fn without_a_file(base: &Path) -> Self {
        let (base, configuration) = (base.to_owned(), Configuration::default());
        Self { state: base.clone(), base, file: None, configuration }
    }

    /// The programs that may be executed.
    pub(crate) fn allowed(&self) -> AllowedCommands {
        let entries = self.configuration.allow.commands.iter();
        let entries = entries.map(|command| AllowedCommand {
            path: PathBuf::from(&command.path),
            writes: command.writes,
        });
        AllowedCommands::new(entries.collect())
    }

    /// The rules of retention, if the configuration has some.
    pub(crate) fn keep_rules(&self) -> Option<KeepRules> {
        let retention = self.configuration.retention.as_ref()?;
        Some(KeepRules {
            last: retention.last,
            hourly: retention.hourly,
            daily: retention.daily,
            weekly: retention.weekly,
            monthly: retention.monthly,
            yearly: retention.yearly,
            within: retention.within,
        })
    }

    /// How long ended runs and notifications are kept, if the configuration says so.
    pub(crate) const fn kept(&self) -> Kept {
        let state = &self.configuration.state;
        Kept {
            runs: state.keep_runs,
            notifications: state.keep_notifications,
            ticks: state.keep_ticks,
        }
    }

    /// Who has which role.
    pub(crate) fn roles(&self) -> Roles {
        Roles(self.configuration.roles.clone())
    }

    /// The limits of this process.
    pub(crate) const fn limits(&self) -> Limits {
        let limits = &self.configuration.limits;
        Limits {
            runs: limits.runs,
            attempts: limits.attempts,
            attempts_for_a_target: limits.attempts_for_a_target,
        }
    }

    /// How many bytes must be free on the disk with the state directory for an attempt to start.
    pub(crate) fn reserve(&self) -> u64 {
        u64::from(self.configuration.limits.reserve_mib) * 1024 * 1024
    }

    /// What is left out of every tree and written by no restore: the state, the repositories, their keys.
    pub(crate) fn kept_for_ourselves(&self) -> Vec<PathBuf> {
        let mut kept = vec![self.state.clone()];
        let mut keep = |path: PathBuf, password: &SecretReference| {
            kept.push(path);
            if let SecretReference::File(key) = password {
                kept.push(PathBuf::from(key));
            }
        };
        for repository in self.configuration.repositories.values() {
            keep(PathBuf::from(&repository.path), &repository.password);
        }
        // Our own too, once a configuration names another.
        for place in repository::place(self, None).into_iter().chain(repository::own()) {
            keep(place.path, &place.password);
        }
        kept
    }
}

/// Looks upwards from a folder.
fn find(from: &Path) -> Option<PathBuf> {
    from.ancestors().map(|folder| folder.join(NAME)).find(|path| path.is_file())
}

fn read(path: &Path, output: Output) -> Result<(PathBuf, Configuration), Error> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::usage(format!("The configuration {} cannot be read: {error}.", path.display()))
    })?;
    let source = Source::new(path.display().to_string(), text);
    let base = path.parent().unwrap_or(Path::new("/")).to_owned();
    match holdfast_language::configuration::read(&source) {
        Ok(configuration) => {
            output.diagnostics(&source, &configuration.warnings);
            let configuration = configuration.resolved_against(&base).map_err(|error| {
                Error::usage(format!(
                    "The configuration {} cannot be used: {error}.",
                    path.display()
                ))
            })?;
            Ok((base, configuration))
        }
        Err(found) => {
            output.diagnostics(&source, &found);
            Err(Error::usage(format!("The configuration {} is not valid.", path.display())))
        }
    }
}
