//! Puts the changes that were compared into the one order in which they are applied, and digests them.
//!
//! In memory are the stage and place of each change, and the names of files with several; the changes
//! themselves are read from the run's encrypted file and written back to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use holdfast_contract::attempt::Attempt;
use holdfast_contract::list::ListIn;
use holdfast_contract::plan::{
    Change, OtherName, Plan, PlanCounts, PlanDigest, PlanId, Risk, Sort,
};
use holdfast_contract::records::EarlierEnd;
use holdfast_contract::time::written;
use holdfast_kernel::event::TargetReference;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{Digest, Millis};

use crate::plan_compare::{Compared, NAME};
use crate::repositories::{LazyRepository, set_id};

/// The longest summary, in bytes.
const SUMMARY: usize = 4_096;

/// The kind of a folder.
const FOLDER: &str = "folder";

/// A plan that was made, and its summary.
pub(crate) struct Frozen {
    pub(crate) plan: Plan,
    pub(crate) text: String,
}

/// Where a change is to be found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    stage: i64,
    list: usize,
    place: u32,
}

/// A file of the set with several names: its device and number, and its digest. A file that was written to while
/// it was captured is another one for each state.
type File = ((u64, u64), Option<Digest>);

/// The names of a file with several, in the order of a tree.
struct Group {
    first: Found,
    changes: Vec<Change>,
}

/// What was compared.
#[derive(Default)]
struct Gathered {
    set: Option<String>,
    /// What it was compared with.
    target: Option<TargetReference>,
    lists: Vec<Box<dyn ListIn>>,
    unchanged: u64,
    order: Vec<Found>,
    groups: BTreeMap<File, Group>,
    /// The folders that lead to what was selected: units that share one each have it.
    leading: BTreeSet<String>,
}

/// Makes a plan of what the steps before this one compared.
pub(crate) fn freeze(
    repository: &LazyRepository,
    attempt: &Attempt,
    from: Option<&[String]>,
    expires: Millis,
) -> Result<Frozen, Failure> {
    let mut gathered = gather(attempt, from)?;
    let set = gathered.set.take().ok_or_else(|| {
        Failure::without_effect(Class::Invalid, "nothing was compared, so there is no plan")
    })?;
    let target = match gathered.target.take() {
        Some(target) => target,
        None => attempt.target()?.clone(),
    };
    let mut changes = attempt.records().bodies();
    let mut digest = PlanDigest::new(&target.identity, &set);
    let mut counts = PlanCounts { unchanged: gathered.unchanged, ..PlanCounts::default() };
    let mut text = Summary::default();
    let mut numbering = Numbering::default();
    gathered.place_groups(&mut counts);
    for found in std::mem::take(&mut gathered.order) {
        attempt.permit()?;
        let mut change = gathered.change(found)?;
        change.stage = numbering.number(change.stage);
        let value = change.to_value()?;
        digest.add(&value);
        counts.add(&change);
        text.add(&change);
        changes.push(value)?;
    }
    let (digest, made_at) = (digest.end(), attempt.facts().started_at);
    let plan = Plan {
        id: PlanId::of(digest),
        digest,
        run: attempt.facts().run,
        changes: changes.finish()?,
        target,
        backup_set: set.clone(),
        repository: attempt.facts().repository.clone(),
        made_at,
        expires_at: made_at.plus(expires),
        counts,
    };
    let kept = repository.set(&set_id(&set)?)?;
    let made_of = &kept.open.manifest().target.identity;
    let text = text.end(&plan, (*made_of != plan.target.identity).then_some(made_of.as_str()));
    Ok(Frozen { plan, text })
}

fn gather(attempt: &Attempt, from: Option<&[String]>) -> Result<Gathered, Failure> {
    let invalid = |message: String| Failure::without_effect(Class::Invalid, message);
    let records = attempt.records();
    let mut gathered = Gathered::default();
    for step in records.earlier(from, &[NAME])? {
        for item in records.items(&step.id) {
            let item = item?;
            if item.end == EarlierEnd::Skipped {
                continue;
            }
            let compared = Compared::of(&item.output).ok_or_else(|| {
                let key = item.key.as_deref().unwrap_or(&step.id);
                invalid(format!("`{key}` was not compared: a plan would lack what is in it"))
            })?;
            if gathered.set.get_or_insert_with(|| compared.set.clone()) != &compared.set {
                return Err(invalid(
                    "a plan is of one backup set, and two were compared".to_owned(),
                ));
            }
            let target = match compared.other {
                Some(other) => other,
                None => attempt.target()?.clone(),
            };
            if gathered.target.get_or_insert_with(|| target.clone()) != &target {
                return Err(invalid("a plan is for one target, and two were compared".to_owned()));
            }
            gathered.unchanged += compared.unchanged;
            let list = records.read_bodies(attempt.facts().run, &compared.list)?;
            gathered.take(attempt, list)?;
        }
    }
    gathered.order.sort_unstable();
    Ok(gathered)
}

impl Gathered {
    fn take(&mut self, attempt: &Attempt, list: Box<dyn ListIn>) -> Result<(), Failure> {
        let number = self.lists.len();
        for place in 0..list.count() {
            attempt.permit()?;
            let change = Change::from_value(&list.get(place)?)?;
            let found = Found { stage: change.stage, list: number, place };
            let is_folder = change.kind == FOLDER && change.sort == Sort::Create;
            match file_of(&change) {
                None if is_folder && !self.leading.insert(change.key.clone()) => {}
                None => self.order.push(found),
                Some(file) => {
                    let group = Group { first: found, changes: Vec::new() };
                    self.groups.entry(file).or_insert(group).changes.push(change);
                }
            }
        }
        self.lists.push(list);
        Ok(())
    }

    /// Names that are hard links of one file are one change, where its first name stands.
    fn place_groups(&mut self, counts: &mut PlanCounts) {
        self.groups.retain(|_, group| {
            let differs = group.changes.iter().any(|change| change.sort != Sort::None);
            if !differs {
                // Each comparison has counted its own names as unchanged.
                return false;
            }
            let same = group.changes.iter().filter(|change| change.sort == Sort::None).count();
            counts.unchanged = counts.unchanged.saturating_sub(same as u64);
            self.order.push(group.first);
            true
        });
        self.order.sort_unstable();
    }

    fn change(&self, found: Found) -> Result<Change, Failure> {
        let list = self.lists.get(found.list);
        let value = list.map_or_else(
            || Err(Failure::without_effect(Class::Internal, "a list of changes got lost")),
            |list| list.get(found.place),
        )?;
        let change = Change::from_value(&value)?;
        match file_of(&change).and_then(|file| self.groups.get(&file)) {
            Some(group) => Ok(merged(group)),
            None => Ok(change),
        }
    }
}

fn file_of(change: &Change) -> Option<File> {
    change.linked.map(|file| (file, change.wanted))
}

/// One change for all names of a file.
fn merged(group: &Group) -> Change {
    let mut changes = group.changes.iter();
    let Some(mut whole) = changes.next().cloned() else {
        // A group is made with its first name.
        return blank();
    };
    for change in changes {
        whole
            .names
            .push(OtherName { path: change.path.clone().unwrap_or_default(), live: change.live });
        whole.risk = whole.risk.max(change.risk);
        if whole.reason.is_empty() {
            whole.reason.clone_from(&change.reason);
        }
    }
    whole.name = names(&whole);
    let has = |sort: Sort| group.changes.iter().any(|change| change.sort == sort);
    whole.sort = if has(Sort::Blocked) {
        Sort::Blocked
    } else if group.changes.iter().all(|change| change.sort == Sort::Create) {
        Sort::Create
    } else {
        Sort::Update
    };
    whole
}

/// The names of a file for people: the first three.
fn names(change: &Change) -> String {
    let others = change.names.iter().map(|name| name.path.as_str());
    let shown: Vec<&str> = std::iter::once(change.key.as_str()).chain(others).take(3).collect();
    let more = (change.names.len() + 1).saturating_sub(shown.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more} (hard links)", shown.join(", "))
}

fn blank() -> Change {
    Change {
        key: String::new(),
        kind: String::new(),
        name: String::new(),
        sort: Sort::None,
        risk: Risk::Low,
        reason: String::new(),
        stage: 0,
        live: None,
        wanted: None,
        old_bytes: None,
        new_bytes: None,
        path: None,
        linked: None,
        names: Vec::new(),
        diff: String::new(),
    }
}

/// Numbers stages from 0 on without gaps.
#[derive(Default)]
struct Numbering {
    last: Option<i64>,
    next: i64,
}

impl Numbering {
    fn number(&mut self, stage: i64) -> i64 {
        if self.last != Some(stage) {
            self.next += i64::from(self.last.is_some());
            self.last = Some(stage);
        }
        self.next
    }
}

/// A readable summary: what weighs most first.
#[derive(Default)]
struct Summary {
    risky: Vec<String>,
    others: Vec<String>,
    bytes: usize,
}

impl Summary {
    fn add(&mut self, change: &Change) {
        let mut line = format!("{:8} {}", change.sort.word(), change.name);
        if !change.reason.is_empty() {
            // Writing to a string cannot fail.
            write!(line, " ({})", change.reason).unwrap_or_default();
        }
        let is_risky = change.risk == Risk::High || change.sort == Sort::Blocked;
        if self.bytes > SUMMARY && !is_risky {
            return;
        }
        self.bytes += line.len();
        let lines = if is_risky { &mut self.risky } else { &mut self.others };
        if lines.len() < 100 {
            lines.push(line);
        }
    }

    fn end(self, plan: &Plan, made_of: Option<&str>) -> String {
        let counts = &plan.counts;
        let mut text = format!(
            "{}: {} to create, {} to update, {} to delete, {} blocked, {} unchanged.\n",
            plan.id, counts.create, counts.update, counts.delete, counts.blocked, counts.unchanged
        );
        let mut line = |line: &str| {
            let fits = text.len() + line.len() < SUMMARY - 100;
            if fits {
                text.push_str(line);
                text.push('\n');
            }
            fits
        };
        line(&format!("Target {} from {}.", plan.target.name, plan.backup_set));
        line(&format!("It may be applied until {}.", written(plan.expires_at)));
        if let Some(made_of) = made_of {
            line(&format!("The set was made of another target: {made_of}."));
        }
        let mut shown = 0_u64;
        for change in self.risky.iter().chain(&self.others) {
            if !line(change) {
                break;
            }
            shown += 1;
        }
        let all = counts.changes() + counts.blocked;
        if shown < all {
            writeln!(text, "and {} more", all - shown).unwrap_or_default();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str, sort: Sort) -> Change {
        Change {
            key: path.to_owned(),
            path: Some(path.to_owned()),
            sort,
            linked: Some((1, 2)),
            ..blank()
        }
    }

    #[test]
    fn the_names_of_one_file_are_one_change() {
        let first = Found { stage: 0, list: 0, place: 0 };
        let group = |sorts: &[Sort]| Group {
            first,
            changes: sorts
                .iter()
                .zip(["a", "b", "c"])
                .map(|(sort, path)| change(path, *sort))
                .collect(),
        };
        let check = |sorts: &[Sort], expect: Sort| {
            let whole = merged(&group(sorts));
            assert_eq!((whole.key.as_str(), whole.sort), ("a", expect));
            assert_eq!(whole.names.len(), sorts.len() - 1);
        };
        check(&[Sort::Create, Sort::Create], Sort::Create);
        check(&[Sort::None, Sort::Create, Sort::None], Sort::Update);
        check(&[Sort::Update, Sort::Blocked], Sort::Blocked);
    }

    #[test]
    fn stages_are_numbered_without_gaps() {
        let mut numbering = Numbering::default();
        let stages = [-3, -3, 0, 2_000_000, 2_000_000, 3_000_000];
        assert_eq!(stages.map(|stage| numbering.number(stage)), [0, 0, 1, 2, 2, 3]);
    }
}
