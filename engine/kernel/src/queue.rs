//! Which of the queued runs may start: slots for runs, and a restore's hold on its target.
//!
//! Nothing is counted or stored: who holds what is derived from the runs that have started and not ended.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::definition::Operation;
use crate::event::Group;
use crate::id::{Millis, RunId};
use crate::state::Slots;
use crate::tick::ScheduleName;

/// How long a run may be queued before it fails with `queue_timeout`: 24 hours.
pub const QUEUE_TIMEOUT: Millis = Millis::seconds(24 * 60 * 60);

/// How a run uses its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// Beside anything.
    None,
    /// Beside others that share it, not beside an exclusive one.
    Shared,
    /// Beside nothing that shares or holds it.
    Exclusive,
}

/// The hold that a run of this operation asks for.
pub const fn hold_of(operation: Operation) -> Hold {
    match operation {
        Operation::Restore => Hold::Exclusive,
        Operation::Backup => Hold::Shared,
        Operation::Inventory | Operation::Preview | Operation::Verify | Operation::Maintenance => {
            Hold::None
        }
    }
}

/// A run that has or asks for slots and a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder<'a> {
    /// The run.
    pub run: RunId,
    /// The identity of its target, if it has one.
    pub target: Option<&'a str>,
    /// How it uses it.
    pub hold: Hold,
    /// Its group.
    pub group: Option<&'a Group>,
    /// The schedule that it belongs to, if the runs of that go on one after the other.
    pub turn: Option<&'a ScheduleName>,
    /// Whether it has or asks for the slots of its group and of the process. One that waits for people has
    /// none.
    pub slots: Slots,
    /// The runs whose hold and group cover it: its parent, the parent's parent and so on.
    pub ancestors: &'a [RunId],
}

/// Why a run that is queued does not start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// All slots of the process are taken.
    Slots,
    /// Its group is full, or an older run waits for it. Some run of it that is in the way.
    Group(String, RunId),
    /// The run before it in its schedule has not ended.
    Schedule(RunId),
    /// Its target is held, or an older run waits for it. Some run that is in the way.
    Hold(String, RunId),
}

/// What of slots, groups and targets is taken, and by whom.
#[derive(Debug, Default)]
struct Taken<'a> {
    slots: usize,
    groups: BTreeMap<&'a str, Vec<RunId>>,
    turns: BTreeMap<&'a ScheduleName, RunId>,
    targets: BTreeMap<&'a str, Vec<(RunId, Hold)>>,
}

impl<'a> Taken<'a> {
    fn add(&mut self, holder: &Holder<'a>) {
        let has_slots = holder.slots == Slots::Held;
        // Children have no slot of the process: a parent that waits for them has one.
        self.slots += usize::from(has_slots && holder.ancestors.is_empty());
        if let Some(group) = holder.group.filter(|_| has_slots) {
            self.groups.entry(&group.name).or_default().push(holder.run);
        }
        if let Some(schedule) = holder.turn {
            self.turns.entry(schedule).or_insert(holder.run);
        }
        if let Some(target) = holder.target.filter(|_| holder.hold != Hold::None) {
            self.targets.entry(target).or_default().push((holder.run, holder.hold));
        }
    }

    /// What is in the way of a run.
    fn obstacle(&self, asker: &Holder<'a>, slots: usize) -> Option<Obstacle> {
        let before = asker.turn.and_then(|schedule| self.turns.get(schedule));
        // One that comes back for its slots does not wait for itself.
        let before = before.filter(|run| **run != asker.run);
        let before = before.map(|run| Obstacle::Schedule(*run));
        let others = || self.group_in_the_way(asker).or_else(|| self.hold_in_the_way(asker));
        before.or_else(others).or_else(|| {
            let full = self.slots >= slots && asker.ancestors.is_empty();
            full.then_some(Obstacle::Slots)
        })
    }

    fn group_in_the_way(&self, asker: &Holder<'a>) -> Option<Obstacle> {
        let group = asker.group?;
        let members = self.groups.get(group.name.as_str())?;
        // An ancestor of the same group goes on only when this run does.
        if members.iter().any(|run| asker.ancestors.contains(run)) {
            return None;
        }
        let full = members.len() >= group.limit as usize;
        let first = members.first().filter(|_| full)?;
        Some(Obstacle::Group(group.name.clone(), *first))
    }

    fn hold_in_the_way(&self, asker: &Holder<'a>) -> Option<Obstacle> {
        let target = asker.target?;
        let holders = self.targets.get(target)?;
        let in_the_way = holders.iter().find(|(run, hold)| {
            let meets = match (asker.hold, hold) {
                (Hold::None, _) | (_, Hold::None) | (Hold::Shared, Hold::Shared) => false,
                (Hold::Exclusive, _) | (Hold::Shared, Hold::Exclusive) => true,
            };
            meets && !asker.ancestors.contains(run)
        });
        in_the_way.map(|(run, _)| Obstacle::Hold(String::from(target), *run))
    }
}

/// Whether what is in the way of those that may not start is wanted too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explain {
    /// It is.
    Yes,
    /// Only who may start: the line is looked at no further than that takes.
    No,
}

/// The queued runs that may start now, and what is in the way of each of the others; both in the order of the
/// queue.
///
/// `started` are the runs that have started and not ended, `queued` the others: children first, then the
/// oldest; at most `slots` runs, not counting children, may go on in all. A run never overtakes an older one
/// that waits for the same target or the same group.
pub fn line_up<'a>(
    started: impl Iterator<Item = Holder<'a>>,
    queued: impl Iterator<Item = Holder<'a>>,
    slots: usize,
    explain: Explain,
) -> (Vec<RunId>, Vec<(RunId, Obstacle)>) {
    let mut taken = Taken::default();
    for holder in started {
        taken.add(&holder);
    }
    let mut line = Line::default();
    let (mut chosen, mut waiting) = (Vec::new(), Vec::new());
    for asker in queued {
        let full = taken.slots >= slots && asker.ancestors.is_empty();
        if full && explain == Explain::No {
            break;
        }
        match taken.obstacle(&asker, slots).or_else(|| line.ahead_of(&asker)) {
            None => {
                taken.add(&Holder { slots: Slots::Held, ..asker });
                chosen.push(asker.run);
            }
            Some(obstacle) => {
                line.join(&asker);
                waiting.push((asker.run, obstacle));
            }
        }
    }
    (chosen, waiting)
}

/// Who stands in line already.
#[derive(Debug, Default)]
struct Line<'a> {
    groups: BTreeMap<&'a str, RunId>,
    turns: BTreeMap<&'a ScheduleName, RunId>,
    targets: BTreeMap<&'a str, RunId>,
}

impl<'a> Line<'a> {
    fn join(&mut self, asker: &Holder<'a>) {
        if let Some(group) = asker.group {
            self.groups.entry(&group.name).or_insert(asker.run);
        }
        if let Some(schedule) = asker.turn {
            self.turns.entry(schedule).or_insert(asker.run);
        }
        if let Some(target) = asker.target.filter(|_| asker.hold != Hold::None) {
            self.targets.entry(target).or_insert(asker.run);
        }
    }

    fn ahead_of(&self, asker: &Holder<'a>) -> Option<Obstacle> {
        // Whoever stands in line for what an ancestor has waits for that ancestor, and so for this run.
        if !asker.ancestors.is_empty() {
            return None;
        }
        let before = asker.turn.and_then(|schedule| self.turns.get(schedule));
        if let Some(before) = before {
            return Some(Obstacle::Schedule(*before));
        }
        let of_group = asker.group.and_then(|group| {
            let older = self.groups.get(group.name.as_str())?;
            Some(Obstacle::Group(group.name.clone(), *older))
        });
        of_group.or_else(|| {
            let target = asker.target.filter(|_| asker.hold != Hold::None)?;
            let older = self.targets.get(target)?;
            Some(Obstacle::Hold(String::from(target), *older))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::WhenFull;

    const fn holder(run: u8, target: &'static str, hold: Hold) -> Holder<'static> {
        Holder {
            run: RunId::from_bytes([run; 16]),
            target: Some(target),
            hold,
            group: None,
            turn: None,
            slots: Slots::Held,
            ancestors: &[],
        }
    }

    fn check(started: &[Holder<'_>], queued: &[Holder<'_>], slots: usize, expect: &[u8]) {
        let (chosen, waiting) =
            line_up(started.iter().copied(), queued.iter().copied(), slots, Explain::Yes);
        assert_eq!(chosen.len() + waiting.len(), queued.len());
        let expect: Vec<RunId> = expect.iter().map(|run| RunId::from_bytes([*run; 16])).collect();
        assert_eq!(chosen, expect);
    }

    #[test]
    fn backups_share_a_target_and_a_restore_has_it_alone() {
        use Hold::{Exclusive, None, Shared};
        check(
            &[holder(1, "t", Shared)],
            &[holder(2, "t", Shared), holder(3, "u", Exclusive)],
            9,
            &[2, 3],
        );
        check(
            &[holder(1, "t", Shared)],
            &[holder(2, "t", Exclusive), holder(3, "t", None)],
            9,
            &[3],
        );
        check(
            &[holder(1, "t", Exclusive)],
            &[holder(2, "t", Shared), holder(3, "t", Exclusive)],
            9,
            &[],
        );
        check(&[], &[holder(1, "t", Exclusive), holder(2, "t", Shared)], 9, &[1]);
        check(&[holder(1, "t", None)], &[holder(2, "t", Exclusive)], 9, &[2]);
    }

    #[test]
    fn nobody_overtakes_an_older_run_that_waits_for_the_same_target() {
        use Hold::{Exclusive, Shared};
        check(
            &[holder(1, "t", Shared)],
            &[holder(2, "t", Exclusive), holder(3, "t", Shared)],
            9,
            &[],
        );
    }

    #[test]
    fn no_more_runs_start_than_there_are_slots() {
        use Hold::Shared;
        check(
            &[holder(1, "t", Shared)],
            &[holder(2, "t", Shared), holder(3, "t", Shared)],
            2,
            &[2],
        );
        check(&[], &[holder(2, "t", Shared)], 0, &[]);
    }

    #[test]
    fn what_an_ancestor_has_covers_its_children_and_no_other_target() {
        use Hold::{Exclusive, Shared};
        let parents = [RunId::from_bytes([1; 16])];
        let child = |run, target, hold| Holder { ancestors: &parents, ..holder(run, target, hold) };
        let parent = holder(1, "t", Exclusive);
        // A child never waits for its own ancestors, a stranger does.
        check(&[parent], &[child(2, "t", Shared), holder(3, "t", Shared)], 9, &[2]);
        check(&[parent], &[child(2, "t", Exclusive)], 9, &[2]);
        // For another target it asks like everybody else.
        check(&[parent, holder(4, "u", Exclusive)], &[child(2, "u", Shared)], 9, &[]);
        check(&[parent], &[child(2, "u", Exclusive), holder(5, "u", Shared)], 9, &[2]);
        let group = Group { name: "g".into(), limit: 1, when_full: WhenFull::Queue };
        let of_group = |holder| Holder { group: Some(&group), ..holder };
        let parent = of_group(holder(1, "t", Shared));
        check(
            &[parent],
            &[of_group(child(2, "t", Shared)), of_group(holder(3, "u", Shared))],
            9,
            &[2],
        );
    }

    #[test]
    fn as_many_of_a_group_go_on_as_its_limit_says_first_come_first_served() {
        use Hold::None as NoHold;
        let group = |limit| Group { name: "g".into(), limit, when_full: WhenFull::Queue };
        let (one, two) = (group(1), group(2));
        let of = |run, group| Holder { group: Some(group), ..holder(run, "t", NoHold) };
        check(&[], &[of(1, &two), of(2, &two), of(3, &two)], 9, &[1, 2]);
        check(&[of(1, &two)], &[of(2, &two), of(3, &two)], 9, &[2]);
        // One that asks for less company waits, and nobody of its group passes it.
        check(&[of(1, &two)], &[of(2, &one), of(3, &two)], 9, &[]);
        check(&[of(1, &two)], &[of(2, &one), holder(4, "u", NoHold)], 9, &[4]);
    }

    #[test]
    fn the_runs_of_a_schedule_go_on_one_after_the_other_where_it_says_so() {
        use Hold::None as NoHold;
        let (one, other) = (
            ScheduleName { workflow: "w".into(), id: "a".into() },
            ScheduleName { workflow: "w".into(), id: "b".into() },
        );
        let of = |run, schedule| Holder { turn: Some(schedule), ..holder(run, "t", NoHold) };
        check(&[], &[of(1, &one), of(2, &one), of(3, &other), of(4, &one)], 9, &[1, 3]);
        check(&[of(1, &one)], &[of(2, &one), of(3, &other)], 9, &[3]);
        // Who waits for a person gave its slots back, and is still the one before.
        let idle = Holder { slots: Slots::GivenBack, ..of(1, &one) };
        check(&[idle], &[of(2, &one), holder(5, "t", NoHold)], 9, &[5]);
        check(&[idle], &[of(1, &one), of(2, &one)], 9, &[1]);
    }
}
