//! Whether a failure is worth another attempt, and how long to wait before it.
//!
//! Only the retry policy speaks here. Whether another attempt is allowed at all after an effect that may
//! have happened is in [`crate::effect`]. Jitter is a hash, so a replay waits as long.

use crate::definition::RetryPolicy;
use crate::failure::Failure;
use crate::id::{Digest, Instant, ItemIndex, Millis, RunId};
use crate::state::OpenItem;

/// How long to wait before the next attempt; none if the policy allows no further one.
pub fn next_wait(
    policy: &RetryPolicy,
    open: &OpenItem,
    failure: &Failure,
    at: Instant,
    jitter: Jitter,
) -> Option<Millis> {
    if open.counted >= policy.attempts || !policy.when.contains(&failure.class) {
        return None;
    }
    let wait =
        backoff(policy, open.counted, jitter).max(failure.retry_after.unwrap_or(Millis::ZERO));
    let elapsed = open.first_at.map_or(Millis::ZERO, |first| at.plus(wait).since(first));
    let too_late = policy.max_elapsed.is_some_and(|longest| elapsed > longest);
    (!too_late).then_some(wait)
}

/// The wait after `done` attempts: min(delay × backoff^(done − 1), max delay), with full jitter, and never
/// nothing at all.
pub fn backoff(policy: &RetryPolicy, done: u32, jitter: Jitter) -> Millis {
    let longest = u128::from(policy.max_delay.0);
    let mut wait = u128::from(policy.delay.0).min(longest);
    for _ in 1..done.min(1_000) {
        let next = (wait * u128::from(policy.backoff_thousandths) / 1_000).min(longest);
        if next == wait {
            break;
        }
        wait = next;
    }
    let part = (wait * u128::from(jitter.0 >> 32)) >> 32;
    Millis(u64::try_from(part).unwrap_or(u64::MAX).max(1))
}

/// A hash that spreads waits: a fraction of 2^64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jitter(pub u64);

impl Jitter {
    /// The jitter before attempt `number` at an item's effect: the same in every replay.
    pub fn of(
        run: RunId,
        step_id: &str,
        ItemIndex(item): ItemIndex,
        epoch: u32,
        number: u32,
    ) -> Self {
        let (item, epoch, number) = (item.to_le_bytes(), epoch.to_le_bytes(), number.to_le_bytes());
        let parts: [&[u8]; 6] =
            [b"holdfast jitter", run.bytes(), step_id.as_bytes(), &item, &epoch, &number];
        Self(Digest::of_parts(&parts).leading())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Class;
    use crate::state::OpenStage;

    const MOST: Jitter = Jitter(u64::MAX);

    fn policy() -> RetryPolicy {
        RetryPolicy { attempts: 4, ..RetryPolicy::once() }
    }

    fn after(counted: u32) -> OpenItem {
        let mut open = OpenItem::new(OpenStage::Due { failure: None }, None);
        open.counted = counted;
        open.first_at = Some(Instant(0));
        open
    }

    fn check(policy: &RetryPolicy, counted: u32, failure: &Failure, expect: Option<u64>) {
        let wait = next_wait(policy, &after(counted), failure, Instant(0), MOST);
        assert_eq!(wait, expect.map(Millis), "after {counted} attempts: {failure}");
    }

    #[test]
    fn waits_grow_up_to_the_longest() {
        let failure = Failure::without_effect(Class::Transient, "x");
        let mut policy = policy();
        policy.attempts = 100;
        // The largest jitter is a hair less than one, so a wait of 2,000 ms comes out as 1,999.
        for (counted, expect) in
            [(1, 1_999), (2, 3_999), (3, 7_999), (5, 31_999), (6, 59_999), (90, 59_999)]
        {
            check(&policy, counted, &failure, Some(expect));
        }
    }

    #[test]
    fn a_wait_is_spread_by_chance_from_nothing_up_to_its_length() {
        // A timer of no length at all is never asked for.
        let wait = |jitter| backoff(&policy(), 1, jitter).0;
        assert_eq!(
            [0, 1 << 62, 1 << 63, u64::MAX].map(|part| wait(Jitter(part))),
            [1, 500, 1_000, 1_999]
        );
        // Attempts that fail together do not come back together.
        let run = RunId::from_bytes([7; 16]);
        let mut waits: alloc::vec::Vec<u64> =
            (0..1_000).map(|item| wait(Jitter::of(run, "s", ItemIndex(item), 0, 1))).collect();
        waits.sort_unstable();
        let quarters = [100, 300, 500, 700, 900].map(|place| waits[place] / 200);
        for (found, wanted) in quarters.into_iter().zip([1_u64, 3, 5, 7, 9]) {
            assert!(found.abs_diff(wanted) <= 1, "{quarters:?}");
        }
    }

    #[test]
    fn a_further_attempt_needs_one_left_and_a_class_that_is_listed() {
        check(&policy(), 4, &Failure::without_effect(Class::Transient, "x"), None);
        check(&policy(), 1, &Failure::without_effect(Class::Conflict, "x"), None);
    }

    #[test]
    fn the_targets_own_wait_wins_if_it_is_longer() {
        let mut failure = Failure::without_effect(Class::Throttled, "x");
        failure.retry_after = Some(Millis::seconds(90));
        check(&policy(), 1, &failure, Some(90_000));
        failure.retry_after = Some(Millis(5));
        check(&policy(), 1, &failure, Some(1_999));
    }

    #[test]
    fn no_attempt_starts_after_the_longest_time() {
        let failure = Failure::without_effect(Class::Transient, "x");
        let policy = RetryPolicy { max_elapsed: Some(Millis(1_500)), ..policy() };
        check(&policy, 1, &failure, None);
        // It is the time since the first attempt, with the wait, that counts.
        let policy = RetryPolicy { max_elapsed: Some(Millis(10_000)), ..policy };
        let wait = |after_millis: i64| {
            next_wait(&policy, &after(1), &failure, Instant(after_millis * 1_000), MOST)
        };
        assert_eq!(
            [0_i64, 8_000, 8_002, 60_000].map(wait),
            [Some(Millis(1_999)), Some(Millis(1_999)), None, None]
        );
    }
}
