//! Time zones by their IANA names: the system's, or those that are built in where it has none.

use std::fmt;

use holdfast_kernel::id::Instant;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, db};
use thiserror::Error;

/// A time zone.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone {
    zone: TimeZone,
    name: String,
}

/// There is no time zone of this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no time zone `{0}`")]
pub struct UnknownZone(pub String);

/// When the clock of a zone shows a civil time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// At this instant, the first of two if it shows it twice.
    At(Timestamp),
    /// Never: it jumps over it.
    Skipped {
        /// When it jumps.
        at: Timestamp,
        /// What it would show then if it did not.
        from: DateTime,
        /// What it shows then.
        to: DateTime,
    },
}

impl Zone {
    /// The zone with this IANA name, in the spelling of the list of zones.
    ///
    /// # Errors
    /// There is none.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        let unknown = || UnknownZone(name.to_owned());
        // Anything else than a name of the list is another way to write a zone: an offset, a rule, the machine's own.
        let zone = db().get(name).map_err(|_not_there| unknown())?;
        let found = zone.iana_name().unwrap_or(name);
        if found != name {
            return Err(unknown());
        }
        Ok(Self { name: name.to_owned(), zone })
    }

    /// The zone of UTC.
    pub fn utc() -> Self {
        Self { zone: TimeZone::UTC, name: "UTC".to_owned() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of all zones.
    pub fn names() -> Vec<String> {
        db().available().map(|name| name.as_str().to_owned()).collect()
    }

    /// What its clock shows at an instant, in the form `2026-03-29 03:00 +02:00`.
    pub fn show(&self, at: Instant) -> String {
        let Some(at) = timestamp(at) else { return "-".to_owned() };
        let shown = at.to_zoned(self.zone.clone());
        shown.strftime("%Y-%m-%d %H:%M %:z").to_string()
    }

    /// The minute of the day that its clock shows at an instant, from 0 to 1,439.
    pub fn minute_of_day(&self, at: Instant) -> u16 {
        let shown = timestamp(at).map(|at| self.civil(at).time());
        let minute = shown.map_or(0, |time| i32::from(time.hour()) * 60 + i32::from(time.minute()));
        u16::try_from(minute).unwrap_or(0)
    }

    /// What its clock shows at an instant.
    pub(crate) fn civil(&self, at: Timestamp) -> DateTime {
        self.zone.to_datetime(at)
    }

    /// The offset that holds at an instant.
    pub(crate) fn offset(&self, at: Timestamp) -> Offset {
        self.zone.to_offset(at)
    }

    /// The next instant after this one at which its clock is changed.
    pub(crate) fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        self.zone.following(after).next().map(|change| change.timestamp())
    }

    /// When its clock shows a civil time; none if that is out of range.
    pub(crate) fn shows(&self, civil: DateTime) -> Option<Shown> {
        match self.zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => {
                offset.to_timestamp(civil).ok().map(Shown::At)
            }
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(civil).ok().map(Shown::At),
            AmbiguousOffset::Gap { before, after } => {
                // By the clock that is not put forward, the time comes at or after the jump.
                let late = before.to_timestamp(civil).ok()?;
                let change = self.zone.preceding(next(late)?).next()?;
                let at = change.timestamp();
                let (from, to) = (before.to_datetime(at), after.to_datetime(at));
                Some(Shown::Skipped { at, from, to })
            }
        }
    }
}

fn next(at: Timestamp) -> Option<Timestamp> {
    at.checked_add(jiff::SignedDuration::from_nanos(1)).ok()
}

/// An instant, as the library of zones takes it; none if it is out of its range.
pub(crate) fn timestamp(at: Instant) -> Option<Timestamp> {
    Timestamp::from_microsecond(at.0).ok()
}

/// An instant of the library of zones, as the engine takes it.
pub(crate) fn instant(at: Timestamp) -> Instant {
    Instant(at.as_microsecond())
}

impl fmt::Debug for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}
