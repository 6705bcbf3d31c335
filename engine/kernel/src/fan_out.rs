//! Which items of a step may start: the list order, the stages, the step's own limit.
//!
//! A retry that is due comes before an item that never started, so an old item is not starved by new
//! ones. An item that waits keeps its place in the fan-out. Places of the process are not known here.

use alloc::vec::Vec;

use crate::id::ItemIndex;
use crate::state::Items;

/// Whether an item of the step could start if there were a place for its attempt.
pub fn is_startable(items: &Items, batch: u32) -> bool {
    items.in_flight < items.max_parallel
        && (!items.due.is_empty() || next_queued(items, batch, 0).is_some())
}

/// The items the step's next attempt takes, ascending: at most `batch`; none if it may not start one.
pub fn pick(items: &Items, batch: u32) -> Vec<ItemIndex> {
    if items.in_flight >= items.max_parallel {
        return Vec::new();
    }
    let size = batch as usize;
    let mut picked: Vec<ItemIndex> = items.due.iter().copied().take(size).collect();
    let mut fresh = 0;
    for (range, ()) in items.queue.iter() {
        for item in range {
            let may_start = next_queued(items, batch, fresh).is_some_and(|_| item < barrier(items));
            if picked.len() >= size || !may_start {
                picked.sort_unstable();
                return picked;
            }
            picked.push(ItemIndex(item));
            fresh += 1;
        }
    }
    picked.sort_unstable();
    picked
}

/// The first item that never started, if it may start beside the open ones and `more` others.
fn next_queued(items: &Items, batch: u32, more: usize) -> Option<u32> {
    let open = (items.max_parallel as usize).saturating_mul(batch as usize);
    let first = items.queue.first()?;
    (items.open.len() + more < open && first < barrier(items)).then_some(first)
}

/// The first item that may not start yet: the one after the stage of the first item that has not ended.
fn barrier(items: &Items) -> u32 {
    let open = items.open.first_key_value().map(|(ItemIndex(item), _)| *item);
    let queued = items.queue.first();
    let Some(lowest) = open.into_iter().chain(queued).min() else {
        return items.total;
    };
    let next_stage = items.stages.partition_point(|ItemIndex(first)| *first <= lowest);
    items.stages.get(next_stage).map_or(items.total, |ItemIndex(first)| *first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Listing;
    use crate::id::AttemptId;
    use crate::ranges::RangeSet;
    use crate::state::{OpenItem, OpenStage};
    use alloc::vec;

    fn listed(total: u32, stages: &[u32], max_parallel: u32) -> Items {
        let stages = stages.iter().copied().map(ItemIndex).collect();
        Items::listed(&Listing {
            list: None,
            total,
            excluded: RangeSet::new(),
            stages,
            max_parallel,
        })
    }

    fn start(items: &mut Items, picked: &[ItemIndex]) {
        for item in picked {
            items.queue.clear(item.0..item.0 + 1);
            items.due.remove(item);
            items.open.insert(*item, OpenItem::new(OpenStage::Running(AttemptId(1)), None));
        }
        items.in_flight += 1;
    }

    fn check(items: &Items, batch: u32, expect: &[u32]) {
        let expect: Vec<ItemIndex> = expect.iter().copied().map(ItemIndex).collect();
        assert_eq!(pick(items, batch), expect);
        assert_eq!(is_startable(items, batch), !expect.is_empty());
    }

    #[test]
    fn items_start_in_list_order_up_to_the_limit() {
        let mut items = listed(5, &[0], 2);
        check(&items, 1, &[0]);
        start(&mut items, &[ItemIndex(0)]);
        check(&items, 1, &[1]);
        start(&mut items, &[ItemIndex(1)]);
        check(&items, 1, &[]);
    }

    #[test]
    fn a_stage_waits_for_the_one_before_it() {
        let mut items = listed(4, &[0, 2], 4);
        start(&mut items, &[ItemIndex(0)]);
        start(&mut items, &[ItemIndex(1)]);
        check(&items, 1, &[]);
        items.open.remove(&ItemIndex(0));
        check(&items, 1, &[]);
        items.open.remove(&ItemIndex(1));
        check(&items, 1, &[2]);
    }

    #[test]
    fn a_batch_takes_what_is_ready_of_one_stage() {
        let mut items = listed(7, &[0, 5], 2);
        check(&items, 3, &[0, 1, 2]);
        start(&mut items, &[ItemIndex(0), ItemIndex(1), ItemIndex(2)]);
        check(&items, 3, &[3, 4]);
    }

    #[test]
    fn a_retry_that_is_due_comes_first() {
        let mut items = listed(4, &[0], 2);
        start(&mut items, &[ItemIndex(0)]);
        items.in_flight = 0;
        items.due.insert(ItemIndex(0));
        check(&items, 1, &[0]);
        check(&items, 2, &[0, 1]);
        items.in_flight = 2;
        check(&items, 2, &[]);
    }

    #[test]
    fn nothing_is_picked_from_an_empty_step() {
        check(&listed(0, &[], 4), 1, &[]);
        assert_eq!(pick(&listed(3, &[0], 1), 2), vec![ItemIndex(0), ItemIndex(1)]);
    }
}
