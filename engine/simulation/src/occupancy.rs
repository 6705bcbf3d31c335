//! Watches from outside who is at work at once: places, slots and holds, as commands leave and answers arrive.
//!
//! It counts for itself what the engine only derives, and knows nothing of the engine's own states. What it finds
//! is the first thing that the limits and the rules of holds forbid.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_drive::grants::Limits;
use holdfast_kernel::command::ItemTry;
use holdfast_kernel::definition::Operation;
use holdfast_kernel::event::{Event, Group, Request};
use holdfast_kernel::id::{AttemptId, DedupeKey, ItemIndex, RunId, StepIndex};

/// An attempt that leaves.
#[derive(Clone, Copy, Debug)]
pub struct Leaving<'a> {
    /// Its run.
    pub run: RunId,
    /// Its step.
    pub step: StepIndex,
    /// Its number.
    pub attempt: AttemptId,
    /// Its items.
    pub items: &'a [ItemTry],
    /// How many attempts of its step may be in flight.
    pub at_once: u32,
    /// Where it works.
    pub place: Place,
}

/// Where an attempt works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the target of its run.
    Target,
    /// Elsewhere.
    Elsewhere,
}

/// An attempt that left and of which not everything is back.
#[derive(Clone, Debug)]
struct Away {
    step: StepIndex,
    place: Place,
    open: BTreeSet<ItemIndex>,
}

/// What was asked for when a run was submitted.
#[derive(Clone, Debug)]
struct Asked {
    operation: Operation,
    target: Option<String>,
    key: DedupeKey,
    group: Option<Group>,
    parent: Option<RunId>,
}

/// Who is at work.
#[derive(Clone, Debug)]
pub struct Occupancy {
    limits: Limits,
    asked: BTreeMap<RunId, Asked>,
    /// The runs of which an attempt has left since the engine started and whose end was not told.
    at_work: BTreeSet<RunId>,
    away: BTreeMap<(RunId, AttemptId), Away>,
    /// The runs that gave their slots back while they wait for people.
    idle: BTreeSet<RunId>,
}

impl Occupancy {
    /// Nobody is at work.
    pub fn new(limits: Limits) -> Self {
        let (asked, at_work, away) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Self { limits, asked, at_work, away, idle: BTreeSet::new() }
    }

    /// A run was submitted.
    pub fn submitted(&mut self, request: &Request, operation: Operation) {
        let target = request.target.as_ref().map(|target| target.identity.clone());
        let key = request.dedupe_key;
        let (group, parent) = (request.group.clone(), request.initiator.parent());
        self.asked.insert(request.run, Asked { operation, target, key, group, parent });
    }

    /// The engine died: nothing is in flight any more. Which runs have started is seen again as their attempts
    /// leave: the end of one may be durable and never be told.
    pub fn died(&mut self) {
        self.away.clear();
        self.at_work.clear();
        // That they have their slots again may be durable and never be told, too.
        self.idle.clear();
    }

    /// Events are durable: who waits for people gives its slots back, and gets them again.
    pub fn committed(&mut self, entries: &[(RunId, Vec<Event>)]) {
        let events =
            entries.iter().flat_map(|(run, events)| events.iter().map(|event| (*run, event)));
        for (run, event) in events {
            match event {
                Event::HoldReleased => drop(self.idle.insert(run)),
                Event::HoldGranted | Event::RunFinished { .. } => drop(self.idle.remove(&run)),
                _ => {}
            }
        }
    }

    /// An attempt leaves.
    ///
    /// # Errors
    /// It may not.
    pub fn starts(&mut self, leaving: Leaving<'_>) -> Result<(), String> {
        let Leaving { run, step, attempt, items, at_once, place } = leaving;
        let Some(asked) = self.asked.get(&run).cloned() else {
            return Err(format!("an attempt of {run}, which nobody submitted"));
        };
        self.at_work.insert(run);
        let open = items.iter().map(|item| item.item).collect();
        if self.away.insert((run, attempt), Away { step, place, open }).is_some() {
            return Err(format!("attempt {} of {run} left twice", attempt.0));
        }
        let within = |what: &str, used: usize, limit: u32| {
            if used <= limit as usize { Ok(()) } else { Err(format!("{used} {what}, {limit} may")) }
        };
        let same =
            |of: &&RunId| **of != run && self.asked.get(of).is_some_and(|of| of.key == asked.key);
        if let Some(other) = self.at_work.iter().find(same) {
            return Err(format!("{run} and {other} were asked for with one key"));
        }
        if let Some(above) = self.ancestors(run).find(|above| self.idle.contains(above)) {
            return Err(format!("{run} is at work, and {above} has given back what covers it"));
        }
        let roots =
            self.at_work.iter().filter(|of| !self.idle.contains(of) && !self.is_child(**of));
        within("runs have started", roots.count(), self.limits.runs)?;
        within("attempts are in flight", self.away.len(), self.limits.attempts)?;
        let of_step = self.away.iter().filter(|((of, _), away)| *of == run && away.step == step);
        within("attempts of a step are in flight", of_step.count(), at_once)?;
        if let Some(group) = &asked.group {
            self.group(run, group)?;
        }
        let Some(target) = asked.target.as_deref() else { return Ok(()) };
        if place == Place::Target {
            let there = self.away.iter().filter(|((of, _), away)| {
                away.place == Place::Target && self.target(*of) == Some(target)
            });
            let limit = self.limits.attempts_for_a_target;
            within("attempts on a target are in flight", there.count(), limit)?;
        }
        self.holds(run, asked.operation, target)
    }

    fn is_child(&self, run: RunId) -> bool {
        self.asked.get(&run).is_some_and(|asked| asked.parent.is_some())
    }

    /// The ancestors of a run, its parent first.
    fn ancestors(&self, run: RunId) -> impl Iterator<Item = RunId> + '_ {
        let parent = |run: RunId| self.asked.get(&run).and_then(|asked| asked.parent);
        std::iter::successors(parent(run), move |run| parent(*run))
    }

    /// Whether one of two runs is an ancestor of the other.
    fn are_family(&self, one: RunId, other: RunId) -> bool {
        let is_above = |above: RunId, below: RunId| self.ancestors(below).any(|run| run == above);
        is_above(one, other) || is_above(other, one)
    }

    /// No more of a group are at work than the most generous of them allows.
    fn group(&self, run: RunId, group: &Group) -> Result<(), String> {
        let of = |run: &RunId| self.asked.get(run).and_then(|asked| asked.group.as_ref());
        let members = self.at_work.iter().filter(|of| !self.idle.contains(of) || **of == run);
        let members = members.filter_map(of).filter(|other| other.name == group.name);
        let limits: Vec<u32> = members.map(|group| group.limit).collect();
        let most = limits.iter().copied().max().unwrap_or(0);
        if limits.len() > most as usize {
            return Err(format!("{} of the group {}, {most} may", limits.len(), group.name));
        }
        Ok(())
    }

    /// A restore has its target alone, but for those that change nothing and keep nothing of it.
    fn holds(&self, run: RunId, operation: Operation, target: &str) -> Result<(), String> {
        let uses = |operation| matches!(operation, Operation::Backup | Operation::Restore);
        let other = self.at_work.iter().copied().find(|of| {
            let other = self.asked.get(of).map(|asked| asked.operation);
            let one_restores = operation == Operation::Restore || other == Some(Operation::Restore);
            let both_use = uses(operation) && other.is_some_and(uses);
            let apart = *of != run && !self.idle.contains(of) && !self.are_family(run, *of);
            apart && self.target(*of) == Some(target) && both_use && one_restores
        });
        match other {
            Some(other) => Err(format!("{run} and {other} are on one target, and one restores")),
            None => Ok(()),
        }
    }

    fn target(&self, run: RunId) -> Option<&str> {
        self.asked.get(&run).and_then(|asked| asked.target.as_deref())
    }

    /// The engine gives an attempt up: it may write nothing more.
    pub fn given_up(&mut self, run: RunId, attempt: AttemptId) {
        self.away.remove(&(run, attempt));
    }

    /// The engine hears something.
    pub fn hears(&mut self, run: RunId, event: &Event) {
        match event {
            Event::AttemptSucceeded { attempt, item, .. }
            | Event::AttemptFailed { attempt, item, .. } => {
                let Some(away) = self.away.get_mut(&(run, *attempt)) else { return };
                away.open.remove(item);
                if away.open.is_empty() {
                    self.away.remove(&(run, *attempt));
                }
            }
            Event::AttemptLost { attempt, .. } => drop(self.away.remove(&(run, *attempt))),
            _ => {}
        }
    }

    /// The end of a run is told.
    ///
    /// # Errors
    /// Something of it can still write.
    pub fn ended(&mut self, run: RunId) -> Result<(), String> {
        self.at_work.remove(&run);
        match self.away.keys().find(|(of, _)| *of == run) {
            Some((_, attempt)) => Err(format!("{run} has ended before its attempt {}", attempt.0)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_kernel::event::TargetReference;

    use super::*;

    const LIMITS: Limits = Limits { runs: 2, attempts: 3, attempts_for_a_target: 2 };

    const fn run(number: u8) -> RunId {
        RunId::from_bytes([number; 16])
    }

    fn item(number: u32) -> ItemTry {
        ItemTry { item: ItemIndex(number), number: 1, epoch: 0, note: None }
    }

    const fn leaving(of: u8, step: u32, attempt: u64, items: &[ItemTry]) -> Leaving<'_> {
        let (run, step, attempt) = (run(of), StepIndex(step), AttemptId(attempt));
        Leaving { run, step, attempt, items, at_once: 2, place: Place::Target }
    }

    fn watching(runs: &[(u8, Operation, &str)]) -> Occupancy {
        let mut watching = Occupancy::new(LIMITS);
        for (number, operation, target) in runs {
            let mut request = crate::host::request(u64::from(*number));
            request.run = run(*number);
            request.target = (!target.is_empty()).then(|| TargetReference {
                name: "target".to_owned(),
                identity: (*target).to_owned(),
            });
            watching.submitted(&request, *operation);
        }
        watching
    }

    /// Attempts leave one after the other; only the last may not.
    fn check(watching: &mut Occupancy, attempts: &[(u8, u32, u64)], expect: &str) {
        for (place, (of, step, attempt)) in attempts.iter().enumerate() {
            let left = watching.starts(leaving(*of, *step, *attempt, &[item(0)]));
            let is_last = place + 1 == attempts.len();
            match left {
                Err(what) if is_last => assert!(what.contains(expect), "{what}"),
                left => assert_eq!((left, is_last), (Ok(()), false), "attempt {place}"),
            }
        }
    }

    #[test]
    fn who_may_not_work_beside_others_is_caught() {
        use Operation::{Backup, Maintenance, Restore};
        let three = [(1, Maintenance, ""), (2, Maintenance, ""), (3, Maintenance, "")];
        check(&mut watching(&three), &[(1, 0, 1), (2, 0, 1), (3, 0, 1)], "3 runs have started");
        let attempts = [(1, 0, 1), (1, 1, 2), (1, 2, 3), (1, 3, 4)];
        check(&mut watching(&three), &attempts, "4 attempts are in flight");
        check(&mut watching(&three), &[(1, 0, 1), (1, 0, 2), (1, 0, 3)], "attempts of a step");
        check(&mut watching(&three), &[(1, 0, 1), (1, 1, 1)], "left twice");
        check(&mut watching(&three), &[(9, 0, 1)], "nobody submitted");
        let shared = [(1, Backup, "t"), (2, Backup, "t")];
        check(&mut watching(&shared), &[(1, 0, 1), (2, 0, 1), (1, 1, 2)], "attempts on a target");
        let beside = [(1, Backup, "t"), (2, Restore, "t")];
        check(&mut watching(&beside), &[(1, 0, 1), (2, 0, 1)], "one restores");
        check(&mut watching(&beside), &[(2, 0, 1), (1, 0, 1)], "one restores");
        let mut twice = watching(&three);
        let mut again = crate::host::request(1);
        again.run = run(2);
        twice.submitted(&again, Maintenance);
        check(&mut twice, &[(1, 0, 1), (2, 0, 1)], "with one key");
        let apart = [(1, Maintenance, "t"), (2, Restore, "t"), (3, Restore, "u")];
        check(&mut watching(&apart), &[(1, 0, 1), (2, 0, 1), (3, 0, 1)], "3 runs");
    }

    #[test]
    fn what_is_back_makes_room_and_an_end_before_it_is_caught() {
        let mut watching = watching(&[(1, Operation::Backup, "t")]);
        watching.starts(leaving(1, 0, 1, &[item(0), item(1)])).unwrap();
        let failure = || {
            holdfast_kernel::failure::Failure::without_effect(
                holdfast_kernel::failure::Class::Permanent,
                "no",
            )
        };
        let failed = |item| Event::AttemptFailed {
            attempt: AttemptId(1),
            item: ItemIndex(item),
            failure: failure(),
        };
        watching.hears(run(1), &failed(0));
        assert!(watching.clone().ended(run(1)).is_err(), "one of two items is not back");
        watching.hears(run(1), &failed(1));
        watching.starts(leaving(1, 0, 2, &[item(0)])).unwrap();
        let lost = Event::AttemptLost { attempt: AttemptId(2), failure: failure() };
        watching.hears(run(1), &lost);
        assert_eq!(watching.ended(run(1)), Ok(()));
    }
}
