//! How fast messages are tried that do not arrive: how long a channel rests, when a message lets others go before it,
//! and when it is too old.
//!
//! It is told what time it is. A wall clock may be set back: nothing is given up early for it, and nothing waits
//! until the clock has come so far again.

use holdfast_journal::outbox::{Failing, OutboxRow};
use holdfast_kernel::id::{Instant, Millis};

/// How long a receiver may ask for, and how far a message is put back: what is due later than that by the clock was
/// put there by another clock.
const FARTHEST: Millis = Millis::seconds(60 * 60);

/// The same of what is gathered: a day of a digest, quiet hours of another, and the changes of clocks.
const FARTHEST_GATHERED: Millis = Millis::seconds(50 * 60 * 60);

/// How long a channel fails before it is believed that nobody is there.
const A_WHILE: Millis = Millis::seconds(10 * 60);

/// How messages are paced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long news are gathered before somebody looks at what they brought.
    pub gather: Millis,
    /// How long a channel rests after its first failure; after each further one twice as long.
    pub first: Millis,
    /// The longest that it rests, unless the receiver asks for more.
    pub most: Millis,
    /// So many failures of a message let others go before it.
    pub patience: u32,
    /// How long they do, at first; if they arrive and it fails again, twice as long.
    pub back: Millis,
    /// The longest that they do.
    pub back_most: Millis,
    /// How long one attempt may take, whatever the channel makes of it.
    pub attempt: Millis,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            gather: Millis(200),
            first: Millis::seconds(5),
            most: Millis::seconds(5 * 60),
            patience: 3,
            back: Millis::seconds(60),
            back_most: FARTHEST,
            attempt: Millis::seconds(90),
        }
    }
}

impl Pace {
    /// How long a channel rests after so many failures in a row, where the receiver asks for so much.
    pub fn rest(&self, failures: u32, asked: Option<Millis>) -> Millis {
        let rest = doubled(self.first, self.most, failures.saturating_sub(1));
        rest.max(asked.unwrap_or_default())
    }

    /// How far a message is put back that has failed `attempts` times, in a channel that has failed `failures` times
    /// in a row, this time too in both; none: it stays before all others.
    ///
    /// It goes farther each time only if something else arrived in between. Otherwise the receiver may be away, and
    /// nothing should be late once it is back.
    pub fn put_back(&self, attempts: u32, failures: u32) -> Option<Millis> {
        let times = attempts.checked_sub(self.patience)?;
        let is_alone_with_it = failures < attempts;
        Some(doubled(self.back, self.back_most, if is_alone_with_it { times } else { 0 }))
    }
}

/// A length of time, doubled so often, up to the longest.
fn doubled(first: Millis, most: Millis, times: u32) -> Millis {
    Millis(first.0.saturating_mul(2_u64.saturating_pow(times))).min(most)
}

/// Whether a message is to go out by now.
pub(crate) fn is_due(row: &OutboxRow, now: Instant) -> bool {
    let place = row.place;
    // It was to go out at once, whatever the clock says meanwhile.
    if !place.gathered && row.attempts == 0 {
        return true;
    }
    let farthest = if place.gathered { FARTHEST_GATHERED } else { FARTHEST };
    place.due <= now || place.due.since(now) > farthest
}

/// Until when a channel rests that is to be tried again then; none: it does not rest any more.
pub(crate) fn rests_until(again: Instant, now: Instant) -> Option<Instant> {
    (again > now && again.since(now) <= FARTHEST).then_some(again)
}

/// Whether what is too old may be given up: the channel has failed just now, and for a while. Right after a machine was
/// off, or its clock was put forward, everything is old, and nothing was tried.
pub(crate) fn is_over_with(failing: &Failing, give_up_after: Millis, now: Instant) -> bool {
    let is_resting = rests_until(failing.again, now).is_some();
    is_resting && now.since(failing.since) >= A_WHILE.min(give_up_after)
}

/// Whether a message that does not get through is given up.
pub(crate) fn is_too_old(row: &OutboxRow, give_up_after: Millis, now: Instant) -> bool {
    now.since(row.first_due) > give_up_after
}

#[cfg(test)]
mod tests {
    use holdfast_journal::outbox::Place;

    use super::*;

    const NOW: Instant = Instant(1_795_539_700_000_000);

    /// So many minutes from now on.
    fn minutes(minutes: i64) -> Instant {
        Instant(NOW.0 + minutes * 60_000_000)
    }

    fn row(due: Instant, gathered: bool, attempts: u32) -> OutboxRow {
        let place = Place { due, gathered, notification: 1 };
        OutboxRow { channel: "ops".to_owned(), place, first_due: due, attempts }
    }

    #[test]
    fn a_channel_rests_twice_as_long_each_time_up_to_five_minutes() {
        let pace = Pace::default();
        let seconds = |failures| pace.rest(failures, None).0 / 1_000;
        let rests: Vec<u64> = (0..=9).map(seconds).collect();
        assert_eq!(rests, [5, 5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(seconds(u32::MAX), 300);
    }

    #[test]
    fn what_a_receiver_asks_for_counts_if_it_is_longer() {
        let pace = Pace::default();
        let check = |failures, asked: u64, expect: u64| {
            let rest = pace.rest(failures, Some(Millis::seconds(asked)));
            assert_eq!(rest, Millis::seconds(expect), "{failures} {asked}");
        };
        check(1, 3_600, 3_600);
        check(1, 1, 5);
        check(9, 120, 300);
    }

    #[test]
    fn a_message_that_fails_three_times_lets_others_go_first() {
        let pace = Pace::default();
        let check = |attempts, failures, expect: Option<u64>| {
            let minutes = pace.put_back(attempts, failures).map(|back| back.0 / 60_000);
            assert_eq!(minutes, expect, "{attempts} {failures}");
        };
        check(1, 1, None);
        check(2, 2, None);
        check(3, 3, Some(1));
        // Others arrived in between.
        check(4, 1, Some(2));
        check(5, 1, Some(4));
        check(8, 2, Some(32));
        check(9, 1, Some(60));
        check(u32::MAX, 1, Some(60));
        // Nothing arrives: nobody knows whether it is the message.
        check(4, 4, Some(1));
        check(80, 200, Some(1));
    }

    #[test]
    fn what_goes_out_at_once_does_not_wait_for_a_clock_that_was_set_back() {
        let check = |due, gathered, attempts, expect| {
            assert_eq!(is_due(&row(due, gathered, attempts), NOW), expect, "{due:?} {attempts}");
        };
        check(minutes(-1), false, 0, true);
        check(minutes(30), false, 0, true);
        check(minutes(100_000), false, 0, true);
        // Put back, and not by this clock.
        check(minutes(0), false, 3, true);
        check(minutes(59), false, 3, false);
        check(minutes(61), false, 3, true);
        check(minutes(-1), true, 0, true);
        check(minutes(49 * 60), true, 0, false);
        check(minutes(51 * 60), true, 0, true);
    }

    #[test]
    fn a_channel_does_not_rest_for_a_clock_that_was_set_back() {
        let check = |again, expect| assert_eq!(rests_until(again, NOW), expect);
        check(minutes(-1), None);
        check(NOW, None);
        check(minutes(5), Some(minutes(5)));
        check(minutes(60), Some(minutes(60)));
        check(minutes(61), None);
        check(Instant(i64::MAX), None);
    }

    #[test]
    fn nothing_is_given_up_before_it_was_tried_for_a_while() {
        let check = |since, again, give_up_after: u64, expect| {
            let failing = Failing { since, attempts: 1, error: String::new(), again };
            let limit = Millis::seconds(give_up_after * 60);
            assert_eq!(is_over_with(&failing, limit, NOW), expect, "{failing:?}");
        };
        check(minutes(-10), minutes(1), 60, true);
        check(minutes(-9), minutes(1), 60, false);
        check(minutes(-2), minutes(1), 2, true);
        // It rests no longer: it is tried first.
        check(minutes(-100), minutes(0), 60, false);
        check(minutes(-100), minutes(-70), 60, false);
    }

    #[test]
    fn a_clock_that_was_set_back_gives_nothing_up() {
        let day = Millis::seconds(24 * 60 * 60);
        let check = |first_due, expect| {
            assert_eq!(is_too_old(&row(first_due, false, 9), day, NOW), expect, "{first_due:?}");
        };
        check(NOW, false);
        check(minutes(-24 * 60), false);
        check(minutes(-24 * 60 - 1), true);
        check(minutes(24 * 60 + 1), false);
        check(Instant(i64::MAX), false);
        check(Instant(i64::MIN), true);
    }
}
