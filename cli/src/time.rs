//! Times and durations for people: local time with its offset, durations like `1h 02m`.

use holdfast_kernel::id::{Instant, Millis};
use jiff::Timestamp;
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

#[cfg(test)]
mod tests {
    use super::*;

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
