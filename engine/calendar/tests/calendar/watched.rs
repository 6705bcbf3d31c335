//! Ten years of every zone that ever surprised anybody, minute by minute: the calendar says what somebody would who
//! sits before the clock of the place and writes down what it shows.
//!
//! The watcher knows nothing of offsets: it only sees the clock, and what it jumps over between two minutes.

use std::collections::BTreeSet;

use holdfast_calendar::cron::Cron;
use holdfast_calendar::ticks::Calendar;
use holdfast_calendar::zone::Zone;
use holdfast_kernel::id::Instant;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

const MINUTE: i64 = 60_000_000;

/// Patterns that ring around the hours at which clocks are changed, and others.
const PATTERNS: [&str; 14] = [
    "30 2 * * *",
    "15,45 1 * * *",
    "0,30 0-3 * * *",
    "*/30 * * * *",
    "0 */6 * * *",
    "7 */2 * * *",
    "* 1-3 * * *",
    "0 0 * * *",
    "59 23 * * *",
    "45 2 * * 0",
    "30 2 28-31 3 *",
    "15 1 1 * mon",
    "0 12 30 12 *",
    "* * * * *",
];

/// A field as a person reads it, by looking at every value.
fn values(field: &str, from: i8, to: i8) -> [bool; 64] {
    let number = |text: &str| match text {
        "sun" => 0,
        "mon" => 1,
        text => text.parse().unwrap(),
    };
    let mut found = [false; 64];
    for part in field.split(',') {
        let (range, step) =
            part.split_once('/').map_or((part, 1), |(range, step)| (range, number(step)));
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (number(first), number(last)),
            None if range == "*" => (from, to),
            None => (number(range), number(range)),
        };
        for at in (from..=to).filter(|at| *at >= first && *at <= last && (at - first) % step == 0) {
            found[usize::try_from(at).unwrap()] = true;
        }
    }
    found
}

/// A pattern as a person reads it.
struct Slow {
    minutes: [bool; 64],
    hours: [bool; 64],
    days: [bool; 64],
    months: [bool; 64],
    weekdays: [bool; 64],
    any_day: bool,
    any_weekday: bool,
    names_hours: bool,
}

impl Slow {
    fn read(pattern: &str) -> Self {
        let fields: Vec<&str> = pattern.split(' ').collect();
        Self {
            minutes: values(fields[0], 0, 59),
            hours: values(fields[1], 0, 23),
            days: values(fields[2], 1, 31),
            months: values(fields[3], 1, 12),
            weekdays: values(fields[4], 0, 6),
            any_day: fields[2] == "*",
            any_weekday: fields[4] == "*",
            names_hours: !fields[1].contains('*'),
        }
    }

    fn has(&self, civil: DateTime) -> bool {
        let is_set = |values: &[bool; 64], at: i8| values[usize::try_from(at).unwrap()];
        if !is_set(&self.minutes, civil.minute()) || !is_set(&self.hours, civil.hour()) {
            return false;
        }
        let of_month = is_set(&self.days, civil.day());
        let of_week = is_set(&self.weekdays, civil.weekday().to_sunday_zero_offset());
        let day = match (self.any_day, self.any_weekday) {
            (true, true) => true,
            (true, false) => of_week,
            (false, true) => of_month,
            (false, false) => of_month || of_week,
        };
        day && is_set(&self.months, civil.month())
    }
}

/// Who sits before the clock: what it showed until now, and what was rung for already.
struct Watcher {
    pattern: Slow,
    expected: Box<dyn Iterator<Item = Instant>>,
    next: Option<Instant>,
    rung: BTreeSet<DateTime>,
    ticks: u32,
}

impl Watcher {
    fn new(pattern: &str, zone: &str, from: Instant) -> Self {
        let cron = Cron::parse(pattern).unwrap();
        let calendar = Calendar { cron, zone: Zone::named(zone).unwrap() };
        let ticks = std::iter::successors(calendar.next_after(from), move |last| {
            calendar.next_after(*last)
        });
        let mut expected: Box<dyn Iterator<Item = Instant>> = Box::new(ticks);
        let next = expected.next();
        Self { pattern: Slow::read(pattern), expected, next, rung: BTreeSet::new(), ticks: 0 }
    }

    /// Whether it rings now: the clock shows `now`, and jumped over `skipped` to get there.
    fn rings(&mut self, now: DateTime, skipped: &[DateTime]) -> bool {
        if !self.pattern.names_hours {
            return self.pattern.has(now);
        }
        let whole_days: BTreeSet<Date> = skipped
            .iter()
            .map(|civil| civil.date())
            .filter(|day| skipped.iter().filter(|civil| civil.date() == *day).count() == 24 * 60)
            .collect();
        let mut rings = skipped
            .iter()
            .any(|civil| self.pattern.has(*civil) && !whole_days.contains(&civil.date()));
        if self.pattern.has(now) && self.rung.insert(now) {
            rings = true;
            // What was shown so long ago is not shown again.
            if self.rung.len() > 3 * 24 * 60 {
                self.rung.pop_first();
            }
        }
        rings
    }

    fn watch(&mut self, at: Instant, now: DateTime, skipped: &[DateTime]) -> Result<(), String> {
        let rings = self.rings(now, skipped);
        let expected = self.next == Some(at);
        if rings != expected {
            return Err(format!("at {now}, the clock says {rings} and the calendar {expected}"));
        }
        if rings {
            self.ticks += 1;
            self.next = self.expected.next();
        }
        Ok(())
    }
}

/// Watches a zone's clock for ten years, and gives how many minutes were compared.
fn watch(name: &str, from: &str) -> u64 {
    let zone = TimeZone::get(name).unwrap();
    let from: Timestamp = from.parse().unwrap();
    let before = Instant(from.as_microsecond() - MINUTE);
    let mut watchers: Vec<(&str, Watcher)> =
        PATTERNS.iter().map(|pattern| (*pattern, Watcher::new(pattern, name, before))).collect();
    let minutes = 10 * 365 * 24 * 60 + 3 * 24 * 60;
    let mut last = zone.to_datetime(Timestamp::from_microsecond(before.0).unwrap());
    for minute in 0..minutes {
        let at = Instant(from.as_microsecond() + minute * MINUTE);
        let now = zone.to_datetime(Timestamp::from_microsecond(at.0).unwrap());
        let mut skipped = Vec::new();
        let mut would = last.checked_add(1.minute()).unwrap();
        while would < now {
            skipped.push(would);
            would = would.checked_add(1.minute()).unwrap();
        }
        for (pattern, watcher) in &mut watchers {
            let watched = watcher.watch(at, now, &skipped);
            watched.unwrap_or_else(|found| panic!("{name}, `{pattern}`, {at:?}: {found}"));
        }
        last = now;
    }
    for (pattern, watcher) in &watchers {
        assert!(watcher.ticks > 8, "{name}, `{pattern}`: {} ticks", watcher.ticks);
    }
    let minutes = u64::try_from(minutes).unwrap();
    println!("{name}: {minutes} minutes of {} patterns, 0 differences", PATTERNS.len());
    minutes
}

/// How many minutes ten years have.
const TEN_YEARS: u64 = 5_260_320;

#[test]
fn inv_12_berlin_minute_by_minute() {
    assert_eq!(watch("Europe/Berlin", "2024-01-01T00:00:00Z"), TEN_YEARS);
}

#[test]
fn inv_12_new_york_minute_by_minute() {
    assert_eq!(watch("America/New_York", "2024-01-01T00:00:00Z"), TEN_YEARS);
}

#[test]
fn inv_12_lord_howe_minute_by_minute() {
    assert_eq!(watch("Australia/Lord_Howe", "2024-01-01T00:00:00Z"), TEN_YEARS);
}

#[test]
fn inv_12_casablanca_minute_by_minute() {
    assert_eq!(watch("Africa/Casablanca", "2017-01-01T00:00:00Z"), TEN_YEARS);
}

#[test]
fn inv_12_apia_and_its_missing_day_minute_by_minute() {
    assert_eq!(watch("Pacific/Apia", "2009-01-01T00:00:00Z"), TEN_YEARS);
}

#[test]
fn inv_12_chatham_minute_by_minute() {
    assert_eq!(watch("Pacific/Chatham", "2024-01-01T00:00:00Z"), TEN_YEARS);
}

#[test]
fn inv_12_utc_minute_by_minute() {
    assert_eq!(watch("UTC", "2024-01-01T00:00:00Z"), TEN_YEARS);
}
