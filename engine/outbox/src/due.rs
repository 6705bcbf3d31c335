//! When something goes out that does not go out at once: the ends of digests and of quiet hours.
//!
//! It reads no clock; what the clocks of a place show is computed by the calendar.

use std::collections::BTreeSet;

use holdfast_calendar::cron::{Cron, CronError};
use holdfast_calendar::ticks::Calendar;
use holdfast_kernel::id::{Instant, Millis};
use holdfast_language::configuration::{Occasion, Quiet};

/// Quiet hours: they begin and end once a day each, as two schedules would.
///
/// A time that the clock jumps over comes when it jumps, and one that it shows twice comes the first time. So hours
/// that end in the repeated hour of autumn do not last once more.
#[derive(Clone, Debug)]
pub(crate) struct Hours {
    from: Calendar,
    to: Calendar,
    except: BTreeSet<Occasion>,
}

impl Hours {
    /// Takes what the configuration says.
    pub(crate) fn new(quiet: &Quiet) -> Result<Self, CronError> {
        let daily = |minute: u16| -> Result<Calendar, CronError> {
            let cron = Cron::parse(&format!("{} {} * * *", minute % 60, minute / 60))?;
            Ok(Calendar { cron, zone: quiet.zone.clone() })
        };
        Ok(Self { from: daily(quiet.from)?, to: daily(quiet.to)?, except: quiet.except.clone() })
    }

    /// Whether something waits in them that is told on this occasion.
    pub(crate) fn keep(&self, occasion: Occasion) -> bool {
        !self.except.contains(&occasion)
    }

    /// When those end that last at an instant; none: none do.
    pub(crate) fn end(&self, at: Instant) -> Option<Instant> {
        let end = self.to.next_after(at)?;
        let begin = self.from.next_after(at)?;
        (end < begin).then_some(end)
    }
}

/// When what comes at an instant goes out with the rest of its digest: the next whole multiple of its length, counted
/// from 1970 on. So whoever starts anew in the middle of one goes on with it.
pub(crate) fn end_of_digest(Instant(at): Instant, length: Millis) -> Instant {
    let length = i64::try_from(length.0.saturating_mul(1_000)).unwrap_or(i64::MAX).max(1);
    Instant(at.div_euclid(length).saturating_add(1).saturating_mul(length))
}
