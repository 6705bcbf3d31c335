//! From a pattern and a zone to instants.
//!
//! A pattern with named hours has each match of a day once: what the clock jumps over comes when it jumps,
//! together; what it shows twice comes the first time; a day that the calendar leaves out has nothing. A pattern
//! whose hour is `*` or `*/n` matches whatever the clock shows, as often as it shows it.

use holdfast_kernel::id::Instant;
use jiff::Timestamp;
use jiff::civil::{DateTime, Time};

use crate::cron::{Cron, Hour};
use crate::zone::{Shown, Zone, instant, timestamp};

/// A pattern in a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// The pattern.
    pub cron: Cron,
    /// The zone.
    pub zone: Zone,
}

impl Calendar {
    /// The first tick after an instant; none if there is none for a generation.
    pub fn next_after(&self, after: Instant) -> Option<Instant> {
        let after = timestamp(after)?;
        let next = match self.cron.hour() {
            Hour::Named => self.next_named(after),
            Hour::Any => self.next_shown(after),
        };
        next.map(instant)
    }

    /// The ticks after an instant, ascending.
    pub fn ticks_after(&self, after: Instant) -> impl Iterator<Item = Instant> + '_ {
        std::iter::successors(self.next_after(after), |last| self.next_after(*last))
    }

    /// The first match of a day after an instant. What the clock showed, or jumped over, until then has come.
    fn next_named(&self, after: Timestamp) -> Option<Timestamp> {
        let mut from = self.zone.civil(after);
        loop {
            let civil = self.cron.first_from(from)?;
            let at = match self.zone.shows(civil)? {
                Shown::Skipped { from, to, .. } if is_left_out(civil, from, to) => None,
                Shown::At(at) | Shown::Skipped { at, .. } => Some(at),
            };
            if let Some(at) = at.filter(|at| *at > after) {
                return Some(at);
            }
            from = civil.checked_add(jiff::Span::new().minutes(1)).ok()?;
        }
    }

    /// The first instant after this one at which the clock shows a match: from one change of the clock to the next.
    fn next_shown(&self, after: Timestamp) -> Option<Timestamp> {
        let mut from = after.checked_add(jiff::SignedDuration::from_nanos(1)).ok()?;
        loop {
            let offset = self.zone.offset(from);
            let civil = self.cron.first_from(offset.to_datetime(from))?;
            let at = offset.to_timestamp(civil).ok()?;
            match self.zone.next_change(from) {
                // The clock is changed before it shows it.
                Some(change) if change <= at => from = change,
                Some(_) | None => return Some(at),
            }
        }
    }
}

/// Whether the day of a civil time is one that the calendar leaves out: the clock jumps over all of it.
fn is_left_out(civil: DateTime, from: DateTime, to: DateTime) -> bool {
    let begins = civil.date().to_datetime(Time::midnight());
    let ends = civil.date().tomorrow().map(|day| day.to_datetime(Time::midnight()));
    from <= begins && ends.is_ok_and(|ends| ends <= to)
}
