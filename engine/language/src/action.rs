//! The actions a workflow may use, as they are handed in, and those that are still to come.
//!
//! It owns no spec and runs nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_contract::spec::ActionSpec;
use holdfast_kernel::definition::Writes;

use crate::child::{ChildRefusal, ChildWorkflow, Workflows};

/// Every action of the language, built or not. Sorted.
const ALL: &[&str] = &[
    "approval",
    "assert",
    "backup_set.attest",
    "backup_set.diff",
    "backup_set.export",
    "backup_set.open",
    "backup_set.prune",
    "backup_set.seal",
    "backup_set.verify",
    "capture",
    "capture.command",
    "command",
    "inventory",
    "notify",
    "plan.apply",
    "plan.compare",
    "plan.freeze",
    "plan.open",
    "plan.report",
    "sleep",
    "targets",
];

/// The action that is lowered to a pause.
pub(crate) const SLEEP: &str = "sleep";
/// The action that waits for a person.
pub(crate) const APPROVAL: &str = "approval";
/// The action that seals what was captured.
pub(crate) const SEAL: &str = "backup_set.seal";
/// The actions that capture.
pub(crate) const CAPTURES: &[&str] = &["capture", "capture.command"];
/// The action that changes a target after a plan.
pub(crate) const APPLY: &str = "plan.apply";
/// The action that tells people something.
pub(crate) const NOTIFY: &str = "notify";
/// The action whose effect class a step may promise.
pub(crate) const COMMAND: &str = "command";
/// The actions that start a program of the author's choice.
pub(crate) const PROGRAMS: &[&str] = &["command", "capture.command"];

/// The actions that workflows are checked against.
#[derive(Clone, Debug, Default)]
pub struct Actions {
    specs: BTreeMap<&'static str, &'static ActionSpec>,
    programs: BTreeMap<String, Writes>,
    channels: BTreeSet<String>,
    workflows: Option<Arc<dyn Workflows>>,
}

impl Actions {
    /// These actions, and no program that writes less than a target.
    pub fn new(specs: impl IntoIterator<Item = &'static ActionSpec>) -> Self {
        Self {
            specs: specs.into_iter().map(|spec| (spec.name, spec)).collect(),
            programs: BTreeMap::new(),
            channels: BTreeSet::new(),
            workflows: None,
        }
    }

    /// The same actions, with what the configuration's allow-list says each program writes.
    #[must_use]
    pub fn with_programs(self, programs: BTreeMap<String, Writes>) -> Self {
        Self { programs, ..self }
    }

    /// The same actions, with the names of the configuration's channels.
    #[must_use]
    pub fn with_channels(self, channels: BTreeSet<String>) -> Self {
        Self { channels, ..self }
    }

    /// The same actions, with the workflows that steps may run as children.
    #[must_use]
    pub fn with_workflows(self, workflows: Arc<dyn Workflows>) -> Self {
        Self { workflows: Some(workflows), ..self }
    }

    /// The workflow of this name.
    pub(crate) fn child(
        &self,
        name: &str,
        repository: Option<&str>,
    ) -> Result<Arc<ChildWorkflow>, ChildRefusal> {
        let found = self.workflows.as_ref().ok_or(ChildRefusal::Unknown)?;
        found.child(name, repository)
    }

    /// The names of the workflows there are.
    pub(crate) fn workflow_names(&self) -> Vec<String> {
        self.workflows.as_ref().map(|found| found.names()).unwrap_or_default()
    }

    /// The spec of an action.
    pub fn spec(&self, name: &str) -> Option<&'static ActionSpec> {
        self.specs.get(name).copied()
    }

    /// What a program writes; the target, unless the configuration says less.
    pub(crate) fn program_writes(&self, program: Option<&str>) -> Writes {
        program.and_then(|program| self.programs.get(program).copied()).unwrap_or(Writes::Target)
    }

    /// The channels that a `notify` step may name besides the inbox.
    pub(crate) const fn channels(&self) -> &BTreeSet<String> {
        &self.channels
    }

    /// Whether the language has an action of this name that is not built yet.
    pub(crate) fn is_to_come(&self, name: &str) -> bool {
        ALL.binary_search(&name).is_ok() && !self.specs.contains_key(name)
    }

    /// The names of the actions there are.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.specs.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_all_actions_is_sorted_and_holds_the_special_ones() {
        assert!(ALL.is_sorted());
        for name in [SLEEP, SEAL, APPLY, COMMAND, NOTIFY].iter().chain(CAPTURES).chain(PROGRAMS) {
            assert!(ALL.contains(name), "{name}");
        }
        assert!(Actions::default().is_to_come("notify"));
        assert!(!Actions::default().is_to_come("notified"));
    }
}
