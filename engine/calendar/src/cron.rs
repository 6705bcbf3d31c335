//! Cron patterns of five fields, and the names that stand for some of them.
//!
//! The parser of patterns is a library; which of what it can read is cron as it has always been, and whether a
//! pattern ever matches, is said here.

use cron::parser::{CronParser, Seconds, Year};
use jiff::civil::{Date, DateTime};
use thiserror::Error;

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    text: String,
    hour: Hour,
    // A bit for each value of the field: the library's own form takes 10 kB.
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    which: Days,
}

/// Which of its two fields decide about a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Days {
    /// The day of the month; the day of the week is `*`.
    OfMonth,
    /// The day of the week; the day of the month is `*`.
    OfWeek,
    /// Either of them.
    Either,
}

/// What the hour of a pattern says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hour {
    /// It names hours: each match of a day comes once.
    Named,
    /// It starts with `*`: whenever the clock shows a match.
    Any,
}

/// Why a text is no pattern that can be used. Fits after "cannot …:".
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CronError {
    /// It is no pattern of five fields.
    #[error("{0}")]
    Malformed(String),
    /// There is no day that it matches.
    #[error("no year has a day that it matches")]
    NeverFires,
}

/// The names that stand for a pattern.
const NAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// What the fields are called, with what they take.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31"),
    ("month", "1 to 12 or jan to dec"),
    ("day of the week", "0 to 7 or sun to sat"),
];

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// 29 February falls on each day of the week within this many years.
const YEARS: i16 = 29;

/// How many days are looked at for the next match: more than between two of them that are furthest apart, the
/// 29 February of one day of the week around the year 2100.
const FARTHEST: i32 = 41 * 366;

impl Cron {
    /// Reads a pattern of five fields, or a name such as `@daily`.
    ///
    /// # Errors
    /// It is none, or never matches.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let text = text.trim();
        let pattern = match text.strip_prefix('@') {
            Some(_) => named(text)?,
            None => text,
        };
        let fields: Vec<&str> = pattern.split_whitespace().collect();
        check(&fields)?;
        let library = parser().parse(pattern).map_err(|_unfit| guilty(&fields))?.pattern;
        let is_any = fields.get(1).is_some_and(|hour| hour.contains('*'));
        let cron = Self {
            text: text.to_owned(),
            hour: if is_any { Hour::Any } else { Hour::Named },
            minutes: bits(&library.minutes.values()),
            hours: bits(&library.hours.values()),
            days: bits(&library.days.values()),
            months: bits(&library.months.values()),
            weekdays: bits(&library.days_of_week.values()),
            which: match (library.is_dom_wildcard(), library.is_dow_wildcard()) {
                (_, true) => Days::OfMonth,
                (true, false) => Days::OfWeek,
                (false, false) => Days::Either,
            },
        };
        let first = Date::constant(2000, 1, 1);
        let last = Date::constant(2000 + YEARS, 1, 1);
        let mut days = first.series(jiff::Span::new().days(1)).take_while(|day| *day < last);
        let ever = cron.minutes != 0 && cron.hours != 0 && days.any(|day| cron.has(day));
        if ever { Ok(cron) } else { Err(CronError::NeverFires) }
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What its hour says.
    pub const fn hour(&self) -> Hour {
        self.hour
    }

    /// Whether it matches on a day.
    fn has(&self, day: Date) -> bool {
        let is_set = |bits: u64, value: i8| bits >> value & 1 == 1;
        let weekday = day.weekday().to_sunday_zero_offset();
        // Sunday is 0 and 7.
        let of_week = is_set(self.weekdays, weekday) || (weekday == 0 && is_set(self.weekdays, 7));
        let of_month = is_set(self.days, day.day());
        let fits = match self.which {
            Days::OfMonth => of_month,
            Days::OfWeek => of_week,
            Days::Either => of_month || of_week,
        };
        fits && is_set(self.months, day.month())
    }

    /// The first civil time from this one on that it matches; none if there is none for a generation.
    pub(crate) fn first_from(&self, from: DateTime) -> Option<DateTime> {
        let mut day = from.date();
        let time = from.time();
        let started = time.second() > 0 || time.subsec_nanosecond() > 0;
        let mut minute =
            i32::from(time.hour()) * 60 + i32::from(time.minute()) + i32::from(started);
        for _ in 0..FARTHEST {
            let found = self.has(day).then(|| self.first_minute(minute)).flatten();
            if let Some((hour, minute)) = found {
                return Some(day.at(hour, minute, 0, 0));
            }
            day = day.tomorrow().ok()?;
            minute = 0;
        }
        None
    }

    /// The first hour and minute of a day from a minute on.
    fn first_minute(&self, from: i32) -> Option<(i8, i8)> {
        let (hour, minute) = (from / 60, from % 60);
        let in_hour = |hour: i32, minute: i32| {
            let left = (self.minutes >> minute) << minute;
            (self.hours >> hour & 1 == 1 && left != 0).then(|| (hour, left.trailing_zeros()))
        };
        let found = (hour..24)
            .zip(std::iter::once(minute).chain(std::iter::repeat(0)))
            .find_map(|(hour, minute)| in_hour(hour, minute))?;
        Some((i8::try_from(found.0).ok()?, i8::try_from(found.1).ok()?))
    }
}

/// A bit for each value of a field; none has a value above 59.
fn bits(values: &[u16]) -> u64 {
    values.iter().fold(0, |bits, value| bits | 1_u64 << (value & 63))
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build()
}

fn named(text: &str) -> Result<&'static str, CronError> {
    let known = NAMES.iter().find(|(name, _)| *name == text);
    known.map(|(_, pattern)| *pattern).ok_or_else(|| {
        let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        CronError::Malformed(format!("`{text}` is none of the names {}", names.join(", ")))
    })
}

/// Refuses what the library can read beyond cron as it has always been.
fn check(fields: &[&str]) -> Result<(), CronError> {
    if fields.len() != FIELDS.len() {
        let count = fields.len();
        let message = format!(
            "it has {count} field{}, and a pattern has five: minute, hour, day of the month, month, day of the week",
            if count == 1 { "" } else { "s" }
        );
        return Err(CronError::Malformed(message));
    }
    let of_cron =
        |(place, field): &(usize, &&str)| field.split(',').all(|part| is_part(*place, part));
    match fields.iter().enumerate().find(|field| !of_cron(field)) {
        Some((place, field)) => Err(unfit(place, field)),
        None => Ok(()),
    }
}

/// Whether a part of a field's list is a value, a range or a step.
fn is_part(place: usize, part: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_value = |text: &str| {
        let text = text.to_lowercase();
        is_number(&text)
            || (place == 3 && MONTHS.contains(&text.as_str()))
            || (place == 4 && DAYS.contains(&text.as_str()))
    };
    let (range, step) = part.split_once('/').unwrap_or((part, "1"));
    let is_range = match range.split_once('-') {
        Some((first, last)) => is_value(first) && is_value(last),
        None => range == "*" || is_value(range),
    };
    is_range && is_number(step)
}

fn unfit(place: usize, field: &str) -> CronError {
    let (name, takes) = FIELDS.get(place).copied().unwrap_or(("field", "nothing else"));
    let forms = "with `*`, lists `1,15`, ranges `1-5` and steps `*/10`";
    CronError::Malformed(format!("`{field}` is no {name}, which takes {takes}, {forms}"))
}

/// Which field the library did not like.
fn guilty(fields: &[&str]) -> CronError {
    for (place, field) in fields.iter().enumerate() {
        let mut alone = ["*"; FIELDS.len()];
        if let Some(of) = alone.get_mut(place) {
            *of = field;
        }
        if parser().parse(&alone.join(" ")).is_err() {
            return unfit(place, field);
        }
    }
    CronError::Malformed("it is no cron pattern".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_five_fields_of_cron() {
        let check = |text: &str, expect: Result<Hour, &str>| {
            let found =
                Cron::parse(text).map(|cron| cron.hour()).map_err(|error| error.to_string());
            match (found, expect) {
                (Ok(found), Ok(expect)) => assert_eq!(found, expect, "{text}"),
                (Err(found), Err(expect)) => assert!(found.contains(expect), "{text}: {found}"),
                (found, expect) => panic!("{text}: {found:?}, and not {expect:?}"),
            }
        };
        check("15 2 * * *", Ok(Hour::Named));
        check("  15   2 * * * ", Ok(Hour::Named));
        check("0 1-23/2 * * *", Ok(Hour::Named));
        check("*/30 * * * *", Ok(Hour::Any));
        check("0 */6 * * *", Ok(Hour::Any));
        check("0 0 29 2 mon", Ok(Hour::Named));
        check("0 9 * Jan-Mar mon,WED", Ok(Hour::Named));
        check("0 0 * * 7", Ok(Hour::Named));
        check("@daily", Ok(Hour::Named));
        check("@hourly", Ok(Hour::Any));
        check("@reboot", Err("none of the names @yearly"));
        check("", Err("it has 0 fields"));
        check("* * * *", Err("it has 4 fields, and a pattern has five"));
        check("0 0 2 * * *", Err("it has 6 fields"));
        check("60 2 * * *", Err("`60` is no minute, which takes 0 to 59"));
        check("0 24 * * *", Err("`24` is no hour"));
        check("0 0 0 * *", Err("`0` is no day of the month"));
        check("0 0 * 13 *", Err("`13` is no month"));
        check("0 0 * * 8", Err("`8` is no day of the week"));
        check("0 0 L * *", Err("`L` is no day of the month"));
        check("0 0 * * mon#2", Err("`mon#2` is no day of the week"));
        check("0 0 15W * *", Err("`15W` is no day of the month"));
        check("0 0 * mon *", Err("`mon` is no month"));
        check("5-1 0 * * *", Err("`5-1` is no minute"));
        check("*/0 0 * * *", Err("`*/0` is no minute"));
        check(", 0 * * *", Err("`,` is no minute"));
        check("30 2 31 2 *", Err("no year has a day"));
        check("0 0 31 4,6,9,11 *", Err("no year has a day"));
    }
}
