//! Times, durations and sizes for people: local time with its offset, `1h 02m`, `1.5 MiB`.

use holdfast_kernel::id::{Instant, Millis};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// An instant in the local zone, with its offset.
pub(crate) fn local(at: Instant) -> String {
    let Ok(timestamp) = Timestamp::from_microsecond(at.0) else { return "?".to_owned() };
    timestamp.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
}

/// An instant in UTC, for programs.
pub(crate) fn utc(at: Instant) -> String {
    Timestamp::from_microsecond(at.0).map(|timestamp| timestamp.to_string()).unwrap_or_default()
}

/// An instant in UTC, always of the same length: the order of the texts is that of the instants.
pub(crate) fn stamp(at: Instant) -> String {
    Timestamp::from_microsecond(at.0).map(|timestamp| format!("{timestamp:.6}")).unwrap_or_default()
}

/// An instant as people write it: with a time and an offset, or a day, or a day with a time, in the local zone.
pub(crate) fn parse(text: &str) -> Option<Instant> {
    let local = |civil: DateTime| civil.to_zoned(TimeZone::system()).ok();
    let found = text.parse::<Timestamp>().ok();
    let day = || text.parse::<Date>().ok().and_then(|day| local(day.at(0, 0, 0, 0)));
    let found = found.or_else(|| {
        let civil = text.parse::<DateTime>().ok().and_then(local).or_else(day);
        civil.map(|zoned| zoned.timestamp())
    });
    found.map(|timestamp| Instant(timestamp.as_microsecond()))
}

/// A duration in its two largest units.
pub(crate) fn length(length: Millis) -> String {
    let Millis(milliseconds) = length;
    let seconds = milliseconds / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if days > 0 {
        format!("{days}d {:02}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h {:02}m", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes}m {:02}s", seconds % 60)
    } else {
        format!("{seconds}.{}s", milliseconds % 1000 / 100)
    }
}

/// A size in IEC units, with one digit where it is not whole bytes.
pub(crate) fn bytes(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = "";
    for next in units {
        unit = next;
        if tenths < 10_240 {
            break;
        }
        if next != "EiB" {
            tenths /= 1024;
        }
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_digit_and_a_unit_of_1024() {
        for (size, expect) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            (1 << 20, "1.0 MiB"),
            (5 << 40, "5.0 TiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(bytes(size), expect);
        }
    }

    #[test]
    fn durations_have_two_units() {
        for (milliseconds, expect) in [
            (0, "0.0s"),
            (1_234, "1.2s"),
            (62_000, "1m 02s"),
            (3_720_000, "1h 02m"),
            (90_000_000, "1d 01h"),
        ] {
            assert_eq!(length(Millis(milliseconds)), expect);
        }
    }
}
