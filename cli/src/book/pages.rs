//! What the workflow files said when they were last read, and what of that is new since.
//!
//! It reads no file and no store: what people are to be told and what is to be stored is what comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_calendar::cron::Cron;
use holdfast_calendar::ticks::Calendar;
use holdfast_calendar::zone::Zone;
use holdfast_journal::schedule::{ScheduleChange, ScheduleRecord, Trouble};
use holdfast_kernel::tick::ScheduleName;
use holdfast_language::Schedule;
use holdfast_runtime::schedule::Planned;

use super::files::{Bad, Files, Names};
use super::spec;
use crate::compose::Parts;
use crate::find::Workflow;

/// What the files said when they were last read.
pub(super) struct Pages {
    pub(super) parts: Parts,
    /// By name. One whose file was broken since stays as it was.
    pub(super) workflows: BTreeMap<String, Arc<Workflow>>,
    /// Why no run can be made of a workflow as its file is now, by name.
    pub(super) broken: BTreeMap<String, String>,
    /// The workflows whose file was broken before, and is not now.
    mended: BTreeSet<String>,
    /// What people were told of a file, so that they are told once.
    told: BTreeMap<PathBuf, String>,
    /// What each file is called.
    pub(super) names: Names,
    /// Whether the files were read at all.
    pub(super) is_blank: bool,
}

impl Pages {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts,
            workflows: BTreeMap::new(),
            broken: BTreeMap::new(),
            mended: BTreeSet::new(),
            told: BTreeMap::new(),
            names: BTreeMap::new(),
            is_blank: true,
        }
    }

    /// Takes over what was read; what people are to be told of it. `earlier` is what a process before this one told of
    /// files.
    pub(super) fn turn(&mut self, files: Files, earlier: &[String]) -> Vec<ScheduleChange> {
        let Files { good, bad, names, may_pass: _ } = files;
        let (mut changes, mut told) = (Vec::new(), BTreeMap::new());
        let (mut kept, mut broken) = (BTreeMap::new(), BTreeMap::new());
        for Bad { path, name, reason } in bad {
            // A name that was only guessed takes nothing from the file that says it.
            let before = self.workflows.get(&name).filter(|_| !good.contains_key(&name));
            let text = told_of(&path, &reason, before.is_some());
            if self.told.get(&path) != Some(&text) {
                changes.extend(news(&name, &text, earlier));
            }
            told.insert(path, text);
            // What it said before still holds.
            kept.extend(before.map(|before| (name.clone(), Arc::clone(before))));
            if !good.contains_key(&name) {
                broken.insert(name, reason);
            }
        }
        let were_broken = std::mem::replace(&mut self.broken, broken).into_keys();
        self.mended = were_broken.filter(|name| !self.broken.contains_key(name)).collect();
        self.workflows = good;
        self.workflows.extend(kept);
        (self.told, self.names, self.is_blank) = (told, names, false);
        changes
    }

    /// Every schedule, with the name of its workflow.
    fn schedules(&self) -> impl Iterator<Item = (&str, &Schedule)> {
        self.workflows.iter().flat_map(|(name, workflow)| {
            workflow.checked.schedules.iter().map(move |schedule| (name.as_str(), schedule))
        })
    }

    /// The schedules to wait for; and what of the stored ones has changed. `earlier` as above.
    pub(super) fn planned(
        &self,
        stored: &[ScheduleRecord],
        changes: &mut Vec<ScheduleChange>,
        earlier: &[String],
    ) -> Vec<Planned> {
        let known: BTreeMap<&ScheduleName, &ScheduleRecord> =
            stored.iter().map(|record| (&record.spec.name, record)).collect();
        let mut planned = Vec::new();
        let mut found = BTreeSet::new();
        for (workflow, schedule) in self.schedules() {
            let spec = spec(workflow, schedule);
            found.insert(spec.name.clone());
            let is_new = known
                .get(&spec.name)
                .is_none_or(|record| record.spec != spec || self.is_over(record, earlier));
            if is_new {
                changes.push(ScheduleChange::Seen(Box::new(spec.clone())));
            }
            let calendar = Calendar { cron: schedule.cron.clone(), zone: schedule.zone.clone() };
            planned.push(Planned { spec, calendar });
        }
        for record in stored.iter().filter(|record| !found.contains(&record.spec.name)) {
            let name = &record.spec.name;
            // It was lost before its file was broken, and is not in there either.
            if matches!(record.trouble, Some(Trouble::Lost { .. })) {
                continue;
            }
            if self.broken.contains_key(&name.workflow) {
                planned.extend(as_stored(record));
            } else {
                changes.push(ScheduleChange::Lost(name.clone()));
            }
        }
        planned
    }

    /// Whether what was wrong with a schedule that a file has is over. Where it was not the file that was wrong, only
    /// its next tick can say.
    fn is_over(&self, record: &ScheduleRecord, earlier: &[String]) -> bool {
        let workflow = &record.spec.name.workflow;
        match &record.trouble {
            // A file says nothing of the clock.
            None | Some(Trouble::Ahead { .. }) => false,
            Some(Trouble::Lost { .. }) => true,
            Some(Trouble::Broken { reason, .. }) => {
                let was_told =
                    !reason.is_empty() && earlier.iter().any(|told| told.contains(reason));
                !self.broken.contains_key(workflow) && (self.mended.contains(workflow) || was_told)
            }
        }
    }
}

/// What people are to be told of a file that cannot be used; nothing if an earlier process has told them the same.
fn news(workflow: &str, text: &str, earlier: &[String]) -> Option<ScheduleChange> {
    if earlier.iter().any(|told| told == text) {
        // Who reads the log of this process has not heard it.
        tracing::warn!(workflow, "{text}");
        return None;
    }
    Some(ScheduleChange::Unusable { workflow: Some(workflow.to_owned()), text: text.to_owned() })
}

fn told_of(path: &Path, reason: &str, is_kept: bool) -> String {
    let path = path.display();
    let holds = if is_kept { "What it said before still holds." } else { "Nothing of it starts." };
    format!(
        "The file {path} cannot be used: {reason} {holds} `holdfast validate {path}` says more."
    )
}

/// A schedule whose file is broken is waited for as it was known, so that its ticks are decided.
fn as_stored(record: &ScheduleRecord) -> Option<Planned> {
    let cron = Cron::parse(&record.spec.cron).ok()?;
    let zone = Zone::named(&record.spec.timezone).ok()?;
    Some(Planned { spec: record.spec.clone(), calendar: Calendar { cron, zone } })
}
