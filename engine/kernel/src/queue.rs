//! Which of the queued runs may start: slots for runs, and a restore's hold on its target.
//!
//! Nothing is counted or stored: who holds what is derived from the runs that have started and not ended.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::definition::Operation;
use crate::id::{Millis, RunId};

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

/// A run that holds or asks for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder<'a> {
    /// The run.
    pub run: RunId,
    /// The identity of its target, if it has one.
    pub target: Option<&'a str>,
    /// How it uses it.
    pub hold: Hold,
}

/// The queued runs that may start now, in the order of the queue.
///
/// `started` are the runs that have started and not ended, `queued` the others, oldest first; at most
/// `slots` runs may be started in all. A run never overtakes an older one that waits for the same target.
pub fn startable<'a>(
    started: impl Iterator<Item = Holder<'a>>,
    queued: impl Iterator<Item = Holder<'a>>,
    slots: usize,
) -> Vec<RunId> {
    let mut held: BTreeMap<&str, Hold> = BTreeMap::new();
    let mut used = 0;
    for holder in started {
        used += 1;
        if let Some(target) = holder.target {
            let hold = held.entry(target).or_insert(Hold::None);
            *hold = (*hold).max(holder.hold);
        }
    }
    let mut waited_for: BTreeSet<&str> = BTreeSet::new();
    let mut chosen = Vec::new();
    for asker in queued {
        if used >= slots {
            break;
        }
        let Some(target) = asker.target.filter(|_| asker.hold != Hold::None) else {
            used += 1;
            chosen.push(asker.run);
            continue;
        };
        let hold = held.get(target).copied().unwrap_or(Hold::None);
        let free = match asker.hold {
            Hold::Exclusive => hold == Hold::None,
            Hold::Shared => hold != Hold::Exclusive,
            Hold::None => true,
        };
        if free && !waited_for.contains(target) {
            used += 1;
            held.insert(target, hold.max(asker.hold));
            chosen.push(asker.run);
        } else {
            waited_for.insert(target);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn holder(run: u8, target: &'static str, hold: Hold) -> Holder<'static> {
        Holder { run: RunId::from_bytes([run; 16]), target: Some(target), hold }
    }

    fn check(started: &[Holder<'_>], queued: &[Holder<'_>], slots: usize, expect: &[u8]) {
        let chosen = startable(started.iter().copied(), queued.iter().copied(), slots);
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
}
