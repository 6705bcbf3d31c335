//! Sets and maps over item numbers, kept as runs of neighbours.
//!
//! A fan-out of 100,000 items of which none failed is one run of numbers, so its state stays small
//! whatever its length. Nothing here knows what the numbers mean.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use serde::{Deserialize, Serialize};

/// A map from item numbers to small marks; neighbours with equal marks are one entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RangeMap<M> {
    /// First number → (number after the last, mark). Entries never touch another with an equal mark.
    runs: BTreeMap<u32, (u32, M)>,
}

impl<M> Default for RangeMap<M> {
    fn default() -> Self {
        Self { runs: BTreeMap::new() }
    }
}

impl<M: Copy + Eq> RangeMap<M> {
    /// An empty map.
    pub const fn new() -> Self {
        Self { runs: BTreeMap::new() }
    }

    /// The mark of `number`, if it has one.
    pub fn get(&self, number: u32) -> Option<M> {
        let (_, (end, mark)) = self.runs.range(..=number).next_back()?;
        (number < *end).then_some(*mark)
    }

    /// Whether no number has a mark.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The lowest number that has a mark.
    pub fn first(&self) -> Option<u32> {
        self.runs.first_key_value().map(|(first, _)| *first)
    }

    /// How many numbers have a mark.
    pub fn count(&self) -> u32 {
        self.runs.iter().map(|(first, (end, _))| end - first).sum()
    }

    /// Every run in ascending order, with its mark.
    pub fn iter(&self) -> impl Iterator<Item = (Range<u32>, M)> + '_ {
        self.runs.iter().map(|(first, (end, mark))| (*first..*end, *mark))
    }

    /// The pieces that make up `range`, in ascending order: each all of one mark, or all without one.
    pub fn pieces(&self, range: Range<u32>) -> Vec<(Range<u32>, Option<M>)> {
        let mut pieces = Vec::new();
        let mut at = range.start;
        let first =
            self.runs.range(..=range.start).next_back().map_or(range.start, |(first, _)| *first);
        for (start, (end, mark)) in self.runs.range(first..range.end) {
            let part = (*start).max(at)..(*end).min(range.end);
            if part.is_empty() {
                continue;
            }
            if at < part.start {
                pieces.push((at..part.start, None));
            }
            at = part.end;
            pieces.push((part, Some(*mark)));
        }
        if at < range.end {
            pieces.push((at..range.end, None));
        }
        pieces
    }

    /// How many runs it is kept in: what it costs in memory.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Gives every number of `range` the mark, in place of any it had.
    pub fn set(&mut self, range: Range<u32>, mark: M) {
        if range.is_empty() {
            return;
        }
        self.clear(range.clone());
        let (mut first, mut end) = (range.start, range.end);
        let before = self.runs.range(..first).next_back().map(|(start, run)| (*start, *run));
        if let Some((start, (stop, of))) = before
            && stop == first
            && of == mark
        {
            self.runs.remove(&start);
            first = start;
        }
        if let Some((stop, of)) = self.runs.get(&end).copied()
            && of == mark
        {
            self.runs.remove(&end);
            end = stop;
        }
        self.runs.insert(first, (end, mark));
    }

    /// Takes the mark from every number of `range`.
    pub fn clear(&mut self, range: Range<u32>) {
        if range.is_empty() {
            return;
        }
        let before = self.runs.range(..range.start).next_back().map(|(first, run)| (*first, *run));
        if let Some((first, (end, mark))) = before
            && end > range.start
        {
            self.runs.insert(first, (range.start, mark));
            if end > range.end {
                self.runs.insert(range.end, (end, mark));
            }
        }
        let inside: Vec<u32> = self.runs.range(range.clone()).map(|(first, _)| *first).collect();
        for first in inside {
            if let Some((end, mark)) = self.runs.remove(&first)
                && end > range.end
            {
                self.runs.insert(range.end, (end, mark));
            }
        }
    }
}

/// A set of item numbers.
pub type RangeSet = RangeMap<()>;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marks(map: &RangeMap<u8>) -> Vec<Option<u8>> {
        (0..40).map(|number| map.get(number)).collect()
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_plain_list(
            changes in prop::collection::vec((0_u32..40, 0_u32..12, prop::option::of(0_u8..3)), 0..40)
        ) {
            let mut map = RangeMap::new();
            let mut plain = [None; 40];
            for (first, length, mark) in changes {
                let end = (first + length).min(40);
                match mark {
                    Some(mark) => map.set(first..end, mark),
                    None => map.clear(first..end),
                }
                plain[first as usize..end as usize].fill(mark);
                prop_assert_eq!(marks(&map), plain.to_vec());
                prop_assert_eq!(map.count() as usize, plain.iter().flatten().count());
                prop_assert_eq!(map.first(), (0..40).find(|number| plain[*number as usize].is_some()));
                let pieces = map.pieces(first..end);
                let spread: Vec<_> = pieces.iter().flat_map(|(part, mark)| part.clone().map(|_| *mark)).collect();
                prop_assert_eq!(spread, plain[first as usize..end as usize].to_vec());
                let runs: Vec<_> = map.iter().collect();
                let merged = runs.windows(2).all(|pair| pair[0].0.end < pair[1].0.start || pair[0].1 != pair[1].1);
                prop_assert!(merged, "neighbours with equal marks are one run: {:?}", runs);
            }
        }
    }
}
