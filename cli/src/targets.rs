//! The targets of this machine: those of the configuration, and folders by their path.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_contract::provider::{ListedTarget, Provider, Targets};
use holdfast_contract::records::Approval;
use holdfast_files::{FilesTarget, Mounts, Settings as FilesSettings};
use holdfast_kernel::event::TargetReference;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_language::configuration::TargetKind;

use crate::settings::Settings;

/// The targets that a configuration knows, and every folder of the machine.
#[derive(Clone, Debug)]
pub(crate) struct LocalTargets {
    settings: Settings,
}

impl LocalTargets {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { settings: settings.clone() }
    }

    /// The name that a target goes by: its own in the configuration, or the canonical path of a folder.
    ///
    /// # Errors
    /// The path cannot be looked at.
    pub(crate) fn named(&self, name: &str) -> Result<Option<String>, String> {
        if self.settings.configuration.targets.contains_key(name) {
            return Ok(Some(name.to_owned()));
        }
        match Path::new(name).canonicalize() {
            Ok(path) if path.is_dir() => {
                let text = path.to_str().ok_or("the path of the folder is not valid UTF-8")?;
                Ok(Some(text.to_owned()))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("cannot look at `{name}`: {error}")),
        }
    }

    /// Whose approval is asked for before anything is written to a target, names or roles; each of them is needed.
    /// A folder goes by many paths: what a target protects is protected whatever it is called, and so is what
    /// lies in it and what it lies in.
    pub(crate) fn policies(&self, name: &str) -> Vec<&[String]> {
        let root = self.root(name);
        let targets = self.settings.configuration.targets.iter();
        let asking = targets.filter(|(_, target)| !target.approval.is_empty());
        let meets = |of: &String| {
            let other = self.root(of);
            of == name || root.starts_with(&other) || other.starts_with(&root)
        };
        asking.filter(|(of, _)| meets(of)).map(|(_, target)| target.approval.as_slice()).collect()
    }

    /// The folder of a target, as far as it can be found.
    fn root(&self, name: &str) -> PathBuf {
        let configured = self.settings.configuration.targets.get(name);
        let path = match configured.map(|target| &target.kind) {
            Some(TargetKind::Files(files)) => Path::new(&files.root),
            None => Path::new(name),
        };
        path.canonicalize().unwrap_or_else(|_gone| path.to_owned())
    }

    fn open_named(&self, name: &str) -> Result<Arc<dyn Provider>, Failure> {
        let never = self.settings.kept_for_ourselves();
        let configured = self.settings.configuration.targets.get(name);
        let files = match configured.map(|target| &target.kind) {
            Some(TargetKind::Files(files)) => FilesSettings {
                root: PathBuf::from(&files.root),
                include: files.include.clone(),
                exclude: files.exclude.clone(),
                mounts: if files.one_file_system { Mounts::LeftOut } else { Mounts::Included },
                never,
                fault: None,
            },
            None if Path::new(name).is_absolute() => {
                FilesSettings { root: PathBuf::from(name), never, ..FilesSettings::default() }
            }
            None => {
                let message = format!("there is no target `{name}` in the configuration");
                return Err(Failure::without_effect(Class::NotFound, message));
            }
        };
        Ok(Arc::new(FilesTarget::open(&files)?))
    }
}

impl Targets for LocalTargets {
    fn open(&self, target: &TargetReference) -> Result<Arc<dyn Provider>, Failure> {
        let open = self.open_named(&target.name)?;
        let identity = open.identity();
        if identity == target.identity {
            return Ok(open);
        }
        let message = format!(
            "the target `{}` is {identity} now, and {} is meant",
            target.name, target.identity
        );
        Err(Failure::without_effect(Class::Conflict, message))
    }

    fn may_restore(
        &self,
        target: &TargetReference,
        words: &[Approval],
        initiator: &str,
    ) -> Result<(), String> {
        let roles = self.settings.roles();
        let mut policies = self.policies(&target.name).into_iter();
        policies.try_for_each(|wanted| roles.approved(words, wanted, initiator))
    }

    fn reference(&self, name: &str) -> Result<TargetReference, Failure> {
        let found = self.named(name);
        let found = found.map_err(|reason| Failure::without_effect(Class::NotFound, reason))?;
        let name = found.unwrap_or_else(|| name.to_owned());
        let identity = self.open_named(&name)?.identity();
        Ok(TargetReference { name, identity })
    }

    fn list(&self) -> Vec<ListedTarget> {
        let targets = self.settings.configuration.targets.iter();
        let listed = targets.map(|(name, target)| ListedTarget {
            name: name.clone(),
            kind: target.kind.word(),
            labels: target.labels.clone(),
        });
        listed.collect()
    }
}
