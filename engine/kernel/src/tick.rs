//! What becomes of the ticks of a schedule: which of them start a run, and which are passed over.
//!
//! It knows no calendar and no clock: the nominal instants and the present come from the host. A tick is
//! decided once; whoever hands the same instant in again asks for a second decision, which the drive refuses.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{Digest, Instant, Millis, RunId};

/// A tick that is at most this late is on time: it is not one that is caught up with.
pub const ON_TIME: Millis = Millis::seconds(60);

/// How far back ticks are caught up with unless the schedule says otherwise: 24 hours.
pub const CATCH_UP_WINDOW: Millis = Millis::seconds(24 * 60 * 60);

/// What a schedule is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ScheduleName {
    /// The name of its workflow.
    pub workflow: String,
    /// Its id there.
    pub id: String,
}

impl fmt::Display for ScheduleName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.workflow, self.id)
    }
}

/// What becomes of a tick while an earlier run of its schedule is active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It starts nothing.
    #[default]
    Skip,
    /// Its run waits for the earlier one; a second one does not wait.
    QueueOne,
    /// Its run waits for all earlier ones.
    QueueAll,
    /// Its run goes on beside them.
    Allow,
}

impl Overlap {
    /// Every one, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Skip, Self::QueueOne, Self::QueueAll, Self::Allow];

    /// The word of it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::QueueOne => "queue_one",
            Self::QueueAll => "queue_all",
            Self::Allow => "allow",
        }
    }

    /// Whether the runs of the schedule go on one after the other.
    pub const fn is_in_turn(self) -> bool {
        match self {
            Self::QueueOne | Self::QueueAll => true,
            Self::Skip | Self::Allow => false,
        }
    }
}

/// What becomes of ticks that nobody was there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// They are missed.
    None,
    /// The last of them starts a run, for all of them.
    #[default]
    Latest,
    /// Each of them starts a run.
    All,
}

impl CatchUp {
    /// Every one, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::None, Self::Latest, Self::All];

    /// The word of it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Latest => "latest",
            Self::All => "all",
        }
    }
}

/// How the ticks of a schedule are decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Beside an earlier run.
    pub overlap: Overlap,
    /// When nobody was there.
    pub catch_up: CatchUp,
    /// How late a tick may be to be caught up with.
    pub catch_up_window: Millis,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            overlap: Overlap::default(),
            catch_up: CatchUp::default(),
            catch_up_window: CATCH_UP_WINDOW,
        }
    }
}

/// What was decided about a tick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TickDecision {
    /// It started this run.
    Fired(RunId),
    /// It started nothing.
    Skipped(Skipped),
    /// Nobody was there, and it is not caught up with.
    Missed,
    /// Nobody was there, and a later one stands for it.
    Coalesced,
    /// Somebody started this run for it.
    ByHand {
        /// The run.
        run: RunId,
        /// Who.
        by: String,
    },
}

/// Why a tick started nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skipped {
    /// This run is active.
    Overlap(RunId),
    /// The schedule, or everything, was paused.
    Paused,
    /// No run can be made of its workflow: why.
    Definition(String),
}

/// Ticks that follow each other and were decided in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The first.
    pub first: Instant,
    /// The last.
    pub last: Instant,
    /// How many there are.
    pub count: u32,
    /// What was decided.
    pub decision: TickDecision,
}

impl Decided {
    /// One tick.
    pub const fn one(tick: Instant, decision: TickDecision) -> Self {
        Self { first: tick, last: tick, count: 1, decision }
    }
}

/// A tick whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its nominal instant.
    pub tick: Instant,
    /// When it was to start its run: later than its instant by its share of the jitter.
    pub at: Instant,
}

/// What is decided next about the ticks of a schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sifted {
    /// Those that are passed over, ascending.
    pub passed: Vec<Decided>,
    /// The one after them that is to start a run.
    pub fires: Option<Instant>,
}

/// Whether a schedule is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// It is not, and never was.
    None,
    /// It was: what was to start between these instants starts nothing.
    Was {
        /// When it began.
        from: Instant,
        /// When it ended.
        until: Instant,
    },
    /// It is.
    Lasts,
}

impl Pause {
    /// Whether what is to start at an instant starts nothing.
    fn takes_in(self, at: Instant) -> bool {
        match self {
            Self::None => false,
            Self::Was { from, until } => from <= at && at <= until,
            Self::Lasts => true,
        }
    }
}

/// When each tick is to start its run: later by its share of the jitter, and never before an earlier one.
///
/// `ticks` is ascending. For those that are more than `jitter` after its first one the answer does not depend on where
/// it began.
pub fn spread(
    name: &ScheduleName,
    jitter: Millis,
    ticks: impl Iterator<Item = Instant>,
) -> impl Iterator<Item = Due> {
    ticks.scan(Instant(i64::MIN), move |latest, tick| {
        *latest = tick.plus(delay(name, tick, jitter)).max(*latest);
        Some(Due { tick, at: *latest })
    })
}

/// One that is caught up with, unless a later one stands for it.
struct Latest {
    tick: Instant,
    /// What is passed over after it.
    after: Vec<Decided>,
}

impl Latest {
    /// A later one stands for it.
    fn coalesce(self, passed: &mut Vec<Decided>) {
        pass(passed, Decided::one(self.tick, TickDecision::Coalesced));
        for ticks in self.after {
            pass(passed, ticks);
        }
    }
}

/// Decides about the ticks that are due, up to the first one that starts a run. Those after it are due still.
///
/// `due` is ascending in both of its instants and ends with what is due by `now`. What any of `pauses` takes in starts
/// nothing.
pub fn sift(
    policy: &Policy,
    pauses: &[Pause],
    due: impl Iterator<Item = Due>,
    now: Instant,
) -> Sifted {
    let mut passed = Vec::new();
    let mut latest: Option<Latest> = None;
    for Due { tick, at } in due {
        if let Some(decision) = passed_over(policy, pauses, at, now) {
            let to = latest.as_mut().map_or(&mut passed, |latest| &mut latest.after);
            pass(to, Decided::one(tick, decision));
            continue;
        }
        if let Some(earlier) = latest.take() {
            earlier.coalesce(&mut passed);
        }
        if now.since(at) <= ON_TIME || policy.catch_up == CatchUp::All {
            return Sifted { passed, fires: Some(tick) };
        }
        latest = Some(Latest { tick, after: Vec::new() });
    }
    Sifted { passed, fires: latest.map(|latest| latest.tick) }
}

/// Why what is to start at an instant starts nothing, if that is clear without an earlier or a later one.
fn passed_over(
    policy: &Policy,
    pauses: &[Pause],
    at: Instant,
    now: Instant,
) -> Option<TickDecision> {
    if pauses.iter().any(|pause| pause.takes_in(at)) {
        return Some(TickDecision::Skipped(Skipped::Paused));
    }
    let late = now.since(at);
    let is_outside = late > policy.catch_up_window || policy.catch_up == CatchUp::None;
    (late > ON_TIME && is_outside).then_some(TickDecision::Missed)
}

/// Adds ticks to those that are passed over: to the last of them, if they were decided alike.
fn pass(passed: &mut Vec<Decided>, ticks: Decided) {
    match passed.last_mut().filter(|last| last.decision == ticks.decision) {
        Some(last) => {
            last.last = ticks.last;
            last.count = last.count.saturating_add(ticks.count);
        }
        None => passed.push(ticks),
    }
}

/// The active runs of a schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// One that has started.
    pub started: Option<RunId>,
    /// One that waits to start.
    pub waiting: Option<RunId>,
}

/// The run that keeps a tick from starting one.
pub fn in_the_way(overlap: Overlap, earlier: Earlier) -> Option<RunId> {
    match overlap {
        Overlap::Skip => earlier.started.or(earlier.waiting),
        Overlap::QueueOne => earlier.waiting,
        Overlap::QueueAll | Overlap::Allow => None,
    }
}

/// How much later than its instant a tick starts its run: below `jitter`, and always the same.
pub fn delay(name: &ScheduleName, tick: Instant, jitter: Millis) -> Millis {
    if jitter == Millis::ZERO {
        return Millis::ZERO;
    }
    let hash = Digest::of_parts(&[
        b"holdfast jitter",
        name.workflow.as_bytes(),
        name.id.as_bytes(),
        tick.0.to_string().as_bytes(),
    ]);
    Millis(hash.leading() % jitter.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned as _;
    use alloc::vec;
    use proptest::prelude::*;

    const MINUTE: i64 = 60_000_000;

    fn at(minute: i64) -> Instant {
        Instant(minute * MINUTE)
    }

    fn policy(catch_up: CatchUp, minutes: u64) -> Policy {
        Policy { catch_up, catch_up_window: Millis::seconds(minutes * 60), ..Policy::default() }
    }

    fn decided(first: i64, last: i64, count: u32, decision: TickDecision) -> Decided {
        Decided { first: at(first), last: at(last), count, decision }
    }

    #[test]
    fn late_ticks_are_caught_up_with_as_the_schedule_says() {
        let check = |catch_up, ticks: &[i64], now, passed: Vec<Decided>, fires: Option<i64>| {
            let due = ticks.iter().map(|minute| Due { tick: at(*minute), at: at(*minute) });
            let sifted = sift(&policy(catch_up, 60), &[Pause::None], due, at(now));
            let expect = Sifted { passed, fires: fires.map(at) };
            assert_eq!(sifted, expect, "{catch_up:?} {ticks:?} at {now}");
        };
        let (missed, coalesced) = (TickDecision::Missed, TickDecision::Coalesced);
        for catch_up in CatchUp::ALL {
            check(catch_up, &[], 100, vec![], None);
            check(catch_up, &[100], 100, vec![], Some(100));
            check(catch_up, &[99], 100, vec![], Some(99));
            check(catch_up, &[10, 20, 30], 100, vec![decided(10, 30, 3, missed.clone())], None);
        }
        let late = [10, 20, 50, 60, 70];
        check(CatchUp::None, &late, 100, vec![decided(10, 70, 5, missed.clone())], None);
        let two = decided(10, 20, 2, missed.clone());
        check(CatchUp::All, &late, 100, vec![two.clone()], Some(50));
        let others = decided(50, 60, 2, coalesced.clone());
        check(CatchUp::Latest, &late, 100, vec![two.clone(), others], Some(70));
        // One that is on time stands for all that are late.
        let with_one = [10, 20, 50, 60, 70, 100];
        let others = decided(50, 70, 3, coalesced);
        check(CatchUp::Latest, &with_one, 100, vec![two, others], Some(100));
        check(CatchUp::None, &with_one, 100, vec![decided(10, 70, 5, missed)], Some(100));
    }

    #[test]
    fn jitter_makes_nothing_late_and_is_the_same_every_time() {
        let name = ScheduleName { workflow: "w".to_owned(), id: "s".to_owned() };
        let jitter = Millis::seconds(600);
        let delays: Vec<Millis> = (0..200).map(|minute| delay(&name, at(minute), jitter)).collect();
        assert_eq!(
            delays,
            (0..200).map(|minute| delay(&name, at(minute), jitter)).collect::<Vec<_>>()
        );
        assert!(delays.iter().all(|delay| *delay < jitter));
        let (early, late) = (Millis::seconds(60), Millis::seconds(540));
        assert!(
            delays.iter().any(|delay| *delay < early) && delays.iter().any(|delay| *delay > late)
        );
        assert_eq!(delay(&name, at(1), Millis::ZERO), Millis::ZERO);
        let due = [Due { tick: at(90), at: at(100) }];
        let sifted = sift(&policy(CatchUp::None, 60), &[], due.into_iter(), at(100));
        assert_eq!(sifted.fires, Some(at(90)));
    }

    #[test]
    fn nothing_starts_of_a_schedule_that_is_paused() {
        let due = [10, 99, 100].map(|minute| Due { tick: at(minute), at: at(minute) });
        let sifted = sift(&policy(CatchUp::All, 6_000), &[Pause::Lasts], due.into_iter(), at(100));
        let paused = decided(10, 100, 3, TickDecision::Skipped(Skipped::Paused));
        assert_eq!(sifted, Sifted { passed: vec![paused], fires: None });
        let policy = policy(CatchUp::All, 6_000);
        let was = |from, until| Pause::Was { from: at(from), until: at(until) };
        let sifted = sift(&policy, &[was(5, 9), was(10, 99)], due.into_iter(), at(100));
        let paused = decided(10, 99, 2, TickDecision::Skipped(Skipped::Paused));
        assert_eq!(sifted, Sifted { passed: vec![paused.clone()], fires: Some(at(100)) });
        // What was to start before a pause is not of the pause, and of two each takes in its own.
        let sifted = sift(&policy, &[Pause::None, was(11, 99)], due.into_iter(), at(100));
        assert_eq!(sifted, Sifted { passed: vec![], fires: Some(at(10)) });
        let sifted = sift(&policy, &[was(99, 99), was(10, 10)], due.into_iter(), at(100));
        assert_eq!(sifted, Sifted { passed: vec![paused], fires: Some(at(100)) });
    }

    #[test]
    fn jitter_that_is_longer_than_the_interval_keeps_the_order_and_loses_nothing() {
        let name = ScheduleName { workflow: "w".to_owned(), id: "s".to_owned() };
        for (interval, jitter) in [(60, 360), (1, 5), (10, 7), (60, 0)] {
            let delayed = Millis::seconds(jitter * 60);
            let ticks = |from: i64| (from..400).map(move |number| at(number * interval));
            let all: Vec<Due> = spread(&name, delayed, ticks(0)).collect();
            for pair in all.windows(2) {
                assert!(pair[0].at <= pair[1].at, "{pair:?}");
            }
            for due in &all {
                let latest = due.tick.plus(delayed).max(Instant(due.tick.0 + 1));
                assert!(due.tick <= due.at && due.at < latest, "{due:?}");
            }
            // Whoever begins later says the same, once the jitter is over.
            let begun = 200;
            let same = all.iter().filter(|due| due.tick >= at(begun * interval).plus(delayed));
            let later: Vec<Due> = spread(&name, delayed, ticks(begun)).collect();
            assert!(same.clone().count() > 50 && same.clone().all(|due| later.contains(due)));
            // Somebody who looks at every start has every tick start, in order, whatever is caught up with.
            for catch_up in CatchUp::ALL {
                assert_eq!(looked_at(&all, catch_up), ticks(0).collect::<Vec<_>>());
            }
        }
    }

    /// The ticks that fire if somebody looks whenever one is to start.
    fn looked_at(all: &[Due], catch_up: CatchUp) -> Vec<Instant> {
        let mut fired = Vec::new();
        for (place, first) in all.iter().enumerate() {
            let due = all[place..].iter().copied().take_while(|due| due.at <= first.at);
            let sifted = sift(&policy(catch_up, 60), &[], due, first.at);
            assert_eq!(sifted.passed, [], "{catch_up:?} {first:?}");
            fired.extend(sifted.fires);
        }
        fired
    }

    #[test]
    fn what_a_pause_takes_in_between_ticks_that_are_caught_up_with_keeps_the_order() {
        let check = |minutes: &[i64], now, passed: Vec<Decided>, fires| {
            let due = minutes.iter().map(|minute| Due { tick: at(*minute), at: at(*minute) });
            let pause = Pause::Was { from: at(20), until: at(30) };
            let sifted = sift(&policy(CatchUp::Latest, 600), &[pause], due, at(now));
            assert_eq!(sifted, Sifted { passed, fires: Some(at(fires)) }, "{minutes:?} at {now}");
        };
        let paused = TickDecision::Skipped(Skipped::Paused);
        let between = decided(20, 30, 2, paused);
        let first = decided(10, 10, 1, TickDecision::Coalesced);
        // One before the pause starts its run before it is said what the pause skipped.
        check(&[10, 20, 30], 100, vec![], 10);
        check(&[20, 30, 40], 100, vec![between.clone()], 40);
        check(&[10, 20, 30, 40], 100, vec![first.clone(), between.clone()], 40);
        check(&[10, 20, 30, 100], 100, vec![first, between], 100);
    }

    /// Decides about everything that is due, as whoever looks now does; how many are decided then.
    fn looked(all: &[Due], decided: usize, how: (&Policy, &[Pause]), now: Instant) -> usize {
        let (mut count, (policy, pauses)) = (decided, how);
        loop {
            let due = all[count..].iter().copied().take_while(|due| due.at <= now);
            let Sifted { passed, fires } = sift(policy, pauses, due, now);
            let fired = fires.map(|tick| Decided::one(tick, TickDecision::Missed));
            let before = count;
            for ticks in passed.into_iter().chain(fired) {
                assert_eq!(ticks.first, all[count].tick, "in order, and none is left out");
                count += ticks.count as usize;
                assert_eq!(ticks.last, all[count - 1].tick);
            }
            if count == before {
                return count;
            }
        }
    }

    proptest! {
        #[test]
        fn every_tick_is_decided_once_and_in_order_whenever_somebody_looks(
            (interval, jitter, window) in (1_i64..90, 0_u64..300, 0_u64..600),
            catch_up in prop::sample::select(CatchUp::ALL.to_vec()),
            (from, long) in (0_i64..2_000, 0_i64..500),
            looks in prop::collection::vec(1_u64..700, 1..20),
        ) {
            let name = ScheduleName { workflow: "w".to_owned(), id: "s".to_owned() };
            let ticks = (0..40).map(|number| at(number * interval));
            let all: Vec<Due> = spread(&name, Millis::seconds(jitter * 60), ticks).collect();
            let pauses = [Pause::None, Pause::Was { from: at(from), until: at(from + long) }];
            let policy = policy(catch_up, window);
            let (mut now, mut count) = (at(0), 0);
            // At last everything has come.
            for minutes in looks.into_iter().chain([100_000]) {
                now = now.plus(Millis::seconds(minutes * 60));
                count = looked(&all, count, (&policy, &pauses), now);
            }
            prop_assert_eq!(count, all.len());
        }
    }

    #[test]
    fn an_earlier_run_is_in_the_way_as_the_schedule_says() {
        let run = |byte| RunId::from_bytes([byte; 16]);
        let (none, going) = (Earlier::default(), Earlier { started: Some(run(1)), waiting: None });
        let waiting = Earlier { started: None, waiting: Some(run(2)) };
        let both = Earlier { started: Some(run(1)), waiting: Some(run(2)) };
        let check = |overlap, expect: [Option<RunId>; 4]| {
            assert_eq!(
                [none, going, waiting, both].map(|earlier| in_the_way(overlap, earlier)),
                expect
            );
        };
        check(Overlap::Skip, [None, Some(run(1)), Some(run(2)), Some(run(1))]);
        check(Overlap::QueueOne, [None, None, Some(run(2)), Some(run(2))]);
        check(Overlap::QueueAll, [None; 4]);
        check(Overlap::Allow, [None; 4]);
    }
}
