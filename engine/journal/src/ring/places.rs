//! Which pages of the ring hold records that are still needed, and where the next one goes.
//!
//! It only reckons, in pages: nothing here reads or writes. Pages are taken in the order in which they lie;
//! behind the last comes the first again, and where that is not free yet the file grows.

use std::collections::{BTreeMap, VecDeque};

/// The page of the header; records lie behind it.
pub(crate) const HEADER_PAGES: u64 = 1;

/// By how many pages the file grows at most at once, unless a single record needs more.
const GROWTH: u64 = 256;

/// Where a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its first page.
    pub(crate) first: u64,
    /// How many pages the file has to have for it: more than it has where it has to grow.
    pub(crate) file_pages: u64,
}

/// The pages of the ring.
#[derive(Debug)]
pub(crate) struct Places {
    file_pages: u64,
    /// Where the last record ends.
    next: u64,
    /// The first page of each record that is needed → how many pages it has.
    needed: BTreeMap<u64, u64>,
    /// The same records in the order of their sequence numbers, with their first pages.
    order: VecDeque<(u64, u64)>,
}

impl Places {
    /// The places of a file of so many pages in which nothing is needed.
    pub(crate) fn new(file_pages: u64) -> Self {
        let (needed, order) = (BTreeMap::new(), VecDeque::new());
        Self { file_pages, next: HEADER_PAGES, needed, order }
    }

    /// How many pages the file has.
    pub(crate) const fn file_pages(&self) -> u64 {
        self.file_pages
    }

    /// The first page of the newest record, if one is needed.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.order.back().map(|(_, first)| *first)
    }

    /// Where a record of `pages` pages goes.
    pub(crate) fn find(&self, pages: u64) -> Place {
        for first in [self.next, HEADER_PAGES] {
            if first + pages <= self.file_pages && self.is_free(first, first + pages) {
                return Place { first, file_pages: self.file_pages };
            }
        }
        let is_rest_free = self.is_free(self.next, self.file_pages);
        let first = if is_rest_free { self.next } else { self.file_pages };
        let grown = self.file_pages + self.file_pages.min(GROWTH);
        Place { first, file_pages: grown.max(first + pages) }
    }

    /// Notes that the file has grown.
    pub(crate) fn grown(&mut self, file_pages: u64) {
        self.file_pages = file_pages;
    }

    /// Notes where the next record in the order of their numbers lies.
    pub(crate) fn hold(&mut self, sequence: u64, first: u64, pages: u64) {
        self.needed.insert(first, pages);
        self.order.push_back((sequence, first));
        self.next = first + pages;
    }

    /// Records up to this number are not needed any more.
    pub(crate) fn release(&mut self, through: u64) {
        while let Some(&(sequence, first)) = self.order.front()
            && sequence <= through
        {
            self.needed.remove(&first);
            self.order.pop_front();
        }
    }

    fn is_free(&self, first: u64, end: u64) -> bool {
        let before = self.needed.range(..end).next_back();
        before.is_none_or(|(start, pages)| start + pages <= first)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn place(first: u64, file_pages: u64) -> Place {
        Place { first, file_pages }
    }

    #[test]
    fn pages_are_taken_in_turn_and_the_file_grows_only_when_nothing_is_free() {
        let mut places = Places::new(8);
        places.hold(1, 1, 4);
        assert_eq!(places.find(3), place(5, 8), "behind the last");
        places.hold(2, 5, 3);
        assert_eq!(places.find(1), place(8, 16), "the front is needed");
        places.release(1);
        assert_eq!(places.find(4), place(1, 8), "the front is free again");
        assert_eq!(places.find(5), place(8, 16), "and not large enough");
        places.hold(3, 1, 2);
        assert_eq!(places.find(2), place(3, 8));
        assert_eq!(places.find(3), place(8, 16), "it would reach into a needed one");
        assert_eq!(places.find(100), place(8, 108), "as much as it needs");
        places.release(3);
        assert_eq!(places.find(6), place(1, 8), "nothing is needed");
    }

    #[test]
    fn a_file_that_grows_uses_what_is_free_at_its_end() {
        let mut places = Places::new(8);
        places.hold(1, 1, 4);
        assert_eq!(places.find(5), place(5, 16));
        places.grown(16);
        places.hold(2, 5, 5);
        assert_eq!((places.find(6), places.newest()), (place(10, 16), Some(5)));
    }

    proptest! {
        #[test]
        fn a_needed_page_is_never_given_away_and_the_file_is_bounded_by_what_is_needed(
            steps in prop::collection::vec((1_u64..12, 0_u64..9), 1..200)
        ) {
            let (mut places, mut needed, mut most) = (Places::new(4), VecDeque::new(), 0);
            for (sequence, (pages, kept)) in (1..).zip(steps) {
                let found = places.find(pages);
                prop_assert!(found.first >= HEADER_PAGES && found.first + pages <= found.file_pages);
                let is_apart = |held: &(u64, u64, u64)| {
                    held.1 + held.2 <= found.first || found.first + pages <= held.1
                };
                prop_assert!(needed.iter().all(is_apart), "{found:?} in {needed:?}");
                places.grown(found.file_pages);
                places.hold(sequence, found.first, pages);
                needed.push_back((sequence, found.first, pages));
                most = most.max(needed.iter().map(|(_, _, pages)| pages).sum::<u64>());
                let through = sequence.saturating_sub(kept);
                places.release(through);
                needed.retain(|(number, _, _)| *number > through);
            }
            prop_assert!(places.file_pages() <= 8 * (most + 12), "{} for {most}", places.file_pages());
        }
    }
}
