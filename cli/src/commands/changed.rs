//! Whether the workflow of a run has changed since the run was pinned to it.

use std::collections::BTreeSet;

use holdfast_journal::record::{RunRecord, StoredDefinition};
use holdfast_language::check;

use crate::access::Access;
use crate::commands::rerun::{family, lowered, pinned};
use crate::compose::Parts;
use crate::find::{Workflow, source_named};
use crate::settings::Settings;

/// What is different by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    /// A run that is asked for now would do something else.
    Differs,
    /// The file is not valid any more.
    Invalid,
}

impl Changed {
    /// What it means for the run.
    pub(super) const fn told(self) -> &'static str {
        match self {
            Self::Differs => "has changed since; this run keeps what it began with",
            Self::Invalid => {
                "has changed since, and is not valid now: `holdfast validate`; this run keeps what it began with"
            }
        }
    }
}

/// Compares the files as they are with what the run is pinned to. None also where that cannot be told: a run of a
/// file that lies somewhere else has left nothing to compare with.
pub(super) fn since(
    access: &Access,
    record: &RunRecord,
    settings: &Settings,
    parts: &Parts,
) -> Option<Changed> {
    let source = source_named(&record.workflow, settings).ok()?;
    let earlier = family(access, record.definition).ok()?;
    if texts(&earlier).contains(source.text()) && earlier.len() == 1 {
        return None;
    }
    let Ok(checked) = check(&source, &parts.actions) else { return Some(Changed::Invalid) };
    let repository = pinned(access, record.definition).ok()?.repository;
    let workflow = Workflow { source, checked };
    let (now, _) = lowered(workflow, repository.as_deref(), parts).ok()?;
    let is_same = now.first().is_some_and(|now| now.digest == record.definition);
    // A later version of holdfast may lower the same files in another way.
    (!is_same && texts(&now) != texts(&earlier)).then_some(Changed::Differs)
}

fn texts(family: &[StoredDefinition]) -> BTreeSet<&str> {
    family.iter().map(|stored| stored.text.as_str()).collect()
}
