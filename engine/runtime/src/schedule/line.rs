//! The order in which schedules are looked after: each once at a time, so many at once, those that are due first.
//!
//! It looks after nothing itself and reads no clock.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_kernel::id::Instant;
use holdfast_kernel::tick::ScheduleName;

/// How many are looked after at once.
const AT_ONCE: usize = 16;

/// With so many that hang no other look begins: each of them has a thread, and everything else needs some as well.
const ALL: usize = 256;

/// Who is looked after, and who is next.
#[derive(Debug, Default)]
pub(super) struct Line {
    queue: BTreeSet<(Instant, ScheduleName)>,
    /// When each of them is due that waits.
    places: BTreeMap<ScheduleName, Instant>,
    /// Those that are looked after.
    looks: BTreeSet<ScheduleName>,
    /// Those whose look does not come to an end: they take no turn.
    hangs: BTreeSet<ScheduleName>,
    /// Those of both that were due once more meanwhile.
    more: BTreeSet<ScheduleName>,
}

impl Line {
    /// These wait, and no others. Looks that go on do so.
    pub(super) fn set(&mut self, waiting: impl Iterator<Item = (Instant, ScheduleName)>) {
        self.queue = waiting.collect();
        self.places = self.queue.iter().map(|(at, name)| (name.clone(), *at)).collect();
        self.more.clear();
    }

    /// When the next is due; none if nobody waits, or nobody has a turn.
    pub(super) fn due(&self) -> Option<Instant> {
        let (due, _) = self.queue.first().filter(|_| self.has_turn())?;
        Some(*due)
    }

    /// The next that is due: it is looked after from here on.
    pub(super) fn next(&mut self, now: Instant) -> Option<ScheduleName> {
        while self.due().is_some_and(|due| due <= now) {
            let (_, name) = self.queue.pop_first()?;
            self.places.remove(&name);
            if self.hangs.contains(&name) || !self.looks.insert(name.clone()) {
                self.more.insert(name);
            } else {
                return Some(name);
            }
        }
        None
    }

    /// The look at one does not come to an end: others have its turn.
    pub(super) fn hangs(&mut self, name: ScheduleName) {
        if self.looks.remove(&name) {
            self.hangs.insert(name);
        }
    }

    /// The look at one is over; when it is due again, if it is. What was found of one that was due once more meanwhile
    /// may be old.
    pub(super) fn over(&mut self, name: &ScheduleName, again: Option<Instant>, now: Instant) {
        self.looks.remove(name);
        self.hangs.remove(name);
        let again = if self.more.remove(name) { Some(now) } else { again };
        let Some(again) = again.filter(|_| !self.places.contains_key(name)) else { return };
        self.places.insert(name.clone(), again);
        self.queue.insert((again, name.clone()));
    }

    fn has_turn(&self) -> bool {
        let all = self.looks.len().saturating_add(self.hangs.len());
        self.looks.len() < AT_ONCE && all < ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> ScheduleName {
        ScheduleName { workflow: "w".to_owned(), id: format!("s{number:03}") }
    }

    /// A line in which so many are due at once.
    fn of(many: usize) -> Line {
        let mut line = Line::default();
        line.set((0..many).map(|number| (Instant(1), name(number))));
        line
    }

    fn all(line: &mut Line, now: Instant) -> Vec<ScheduleName> {
        std::iter::from_fn(|| line.next(now)).collect()
    }

    #[test]
    fn those_that_hang_keep_nobody_from_a_turn_until_there_are_very_many() {
        let mut line = of(1_000);
        assert_eq!(line.next(Instant(0)), None, "nobody is due");
        let mut looked = 0;
        loop {
            let begun = all(&mut line, Instant(1));
            if begun.is_empty() {
                break;
            }
            assert!(begun.len() <= AT_ONCE);
            looked += begun.len();
            for name in begun {
                line.hangs(name);
            }
        }
        assert_eq!((looked, line.due()), (ALL, None));
        line.over(&name(0), None, Instant(2));
        assert_eq!(all(&mut line, Instant(2)), [name(ALL)]);
    }

    #[test]
    fn nobody_is_looked_after_twice_at_once() {
        let mut line = of(2);
        assert_eq!(all(&mut line, Instant(1)), [name(0), name(1)]);
        line.hangs(name(0));
        line.set([(Instant(2), name(0)), (Instant(2), name(1))].into_iter());
        assert_eq!(all(&mut line, Instant(2)), []);
        assert_eq!(line.due(), None);
        // What it found is of what it was before.
        line.over(&name(0), None, Instant(3));
        line.over(&name(1), Some(Instant(9)), Instant(3));
        assert_eq!(line.due(), Some(Instant(3)));
        assert_eq!(all(&mut line, Instant(3)), [name(0), name(1)]);
        line.over(&name(0), Some(Instant(9)), Instant(3));
        line.over(&name(1), None, Instant(3));
        assert_eq!(all(&mut line, Instant(9)), [name(0)]);
    }

    #[test]
    fn one_that_does_not_wait_any_more_is_not_looked_after_again() {
        let mut line = of(1);
        assert_eq!(line.next(Instant(1)), Some(name(0)));
        line.set([(Instant(1), name(0))].into_iter());
        assert_eq!(line.next(Instant(1)), None);
        line.set(std::iter::empty());
        line.over(&name(0), None, Instant(1));
        assert_eq!((line.next(Instant(9)), line.due()), (None, None));
    }
}
