//! Durations as authors write them: `250ms`, `15m`, `1h30m`, `7d`.
//!
//! In expressions a duration is its text; it is read where something wants a length of time.

use holdfast_kernel::id::Millis;
use thiserror::Error;

/// A text that is no duration; a fragment that fits after "cannot …:".
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidDuration {
    /// There is nothing.
    #[error("a duration is missing")]
    Empty,
    /// A number without a unit.
    #[error("`{0}` has no unit; write `{0}s`, `{0}m`, `{0}h` or `{0}d`")]
    NoUnit(String),
    /// Something that is neither a number nor a unit.
    #[error("`{0}` is not a duration such as `250ms`, `15m`, `1h30m` or `7d`")]
    Malformed(String),
    /// It does not fit, or its units do not fall.
    #[error("`{0}` is not a duration: each unit comes once, from the longest to the shortest")]
    Order(String),
    /// Longer than a hundred years.
    #[error("`{0}` is longer than a hundred years")]
    TooLong(String),
}

/// The units, from the longest to the shortest, with their milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The longest duration: a hundred years of 365 days.
const LONGEST: u64 = 100 * 365 * 86_400_000;

/// The length of time a text says.
///
/// # Errors
/// It is no duration.
pub fn parse(text: &str) -> Result<Millis, InvalidDuration> {
    let whole = || text.to_owned();
    if text.is_empty() {
        return Err(InvalidDuration::Empty);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(InvalidDuration::NoUnit(whole()));
    }
    let mut rest = text;
    let mut total: u64 = 0;
    let mut shortest_so_far = None;
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
        let place = UNITS.iter().position(|(name, _)| *name == unit);
        let (Ok(number), Some(place)) = (number.parse::<u64>(), place) else {
            return Err(InvalidDuration::Malformed(whole()));
        };
        if shortest_so_far.is_some_and(|before| before >= place) {
            return Err(InvalidDuration::Order(whole()));
        }
        shortest_so_far = Some(place);
        let length = UNITS.get(place).map_or(0, |(_, length)| *length);
        total = number
            .checked_mul(length)
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= LONGEST)
            .ok_or_else(|| InvalidDuration::TooLong(whole()))?;
        rest = after;
    }
    Ok(Millis(total))
}

/// The one text of a length of time: `90m` and `1h30m` are both `1h30m`.
pub fn format(Millis(duration): Millis) -> String {
    let mut rest = duration;
    let mut text = String::new();
    for (unit, length) in UNITS {
        let number = rest / length;
        rest %= length;
        if number > 0 {
            text.push_str(&number.to_string());
            text.push_str(unit);
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

/// The leading characters that fit, and the rest.
fn split(text: &str, fits: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !fits(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, millis: u64, normal: &str) {
        assert_eq!(parse(text), Ok(Millis(millis)), "{text}");
        assert_eq!(format(Millis(millis)), normal);
    }

    #[test]
    fn durations_read_as_they_are_written() {
        check("250ms", 250, "250ms");
        check("15m", 900_000, "15m");
        check("1h30m", 5_400_000, "1h30m");
        check("90m", 5_400_000, "1h30m");
        check("7d", 604_800_000, "7d");
        check("0s", 0, "0s");
        check("36500d", LONGEST, "36500d");
    }

    #[test]
    fn what_is_no_duration_is_refused_with_the_reason() {
        let refused = |text: &str| parse(text).unwrap_err();
        assert_eq!(refused(""), InvalidDuration::Empty);
        assert_eq!(refused("15"), InvalidDuration::NoUnit("15".to_owned()));
        assert_eq!(refused("1.5"), InvalidDuration::NoUnit("1.5".to_owned()));
        for text in ["-5m", "5 m", "m", "5min", "1h30", "1,5h", "٣m"] {
            assert!(matches!(refused(text), InvalidDuration::Malformed(_)), "{text}");
        }
        for text in ["30m1h", "1h1h"] {
            assert!(matches!(refused(text), InvalidDuration::Order(_)), "{text}");
        }
        for text in ["36501d", "99999999999999999999d"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
