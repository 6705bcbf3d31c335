//! How the channels do that people outside are told things through: what of `status` is about them.

use holdfast_journal::outbox::ChannelRecord;
use holdfast_service::wire::ask::Ask;
use serde::Serialize;

use crate::access::Access;
use crate::error::Error;
use crate::output::{clean, counted};
use crate::settings::Settings;
use crate::time;

/// A channel, as it is shown.
#[derive(Serialize)]
pub(super) struct Shown {
    channel: String,
    /// How many messages wait for it.
    waiting: u64,
    /// How many it has given up since it last delivered one.
    given_up: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing: Option<Failing>,
    /// When it last delivered something.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered: Option<String>,
    #[serde(skip)]
    line: String,
}

/// Why nothing goes through.
#[derive(Serialize)]
struct Failing {
    since: String,
    attempts: u32,
    error: String,
    again: String,
}

impl Shown {
    fn of(record: &ChannelRecord) -> Self {
        let failing = record.failing.as_ref().map(|failing| Failing {
            since: time::utc(failing.since),
            attempts: failing.attempts,
            error: failing.error.clone(),
            again: time::utc(failing.again),
        });
        Self {
            channel: record.name.clone(),
            waiting: record.waiting,
            given_up: record.given_up,
            failing,
            delivered: record.delivered.map(time::utc),
            line: line(record),
        }
    }

    /// The line of it.
    pub(super) fn line(&self) -> &str {
        &self.line
    }
}

/// What is shown of them.
///
/// # Errors
/// The state cannot be read.
pub(super) fn shown(settings: &Settings, access: &Access) -> Result<Vec<Shown>, Error> {
    Ok(records(settings, access)?.iter().map(Shown::of).collect())
}

/// The channels of the configuration, and others for which something still waits, by name.
///
/// # Errors
/// The state cannot be read.
pub(super) fn records(settings: &Settings, access: &Access) -> Result<Vec<ChannelRecord>, Error> {
    let mut records: Vec<ChannelRecord> = access.ask(Ask::Channels)?;
    let configured = &settings.configuration.channels;
    records.retain(|record| record.waiting > 0 || configured.contains_key(&record.name));
    for name in configured.keys() {
        if records.iter().all(|record| record.name != *name) {
            records.push(ChannelRecord { name: name.clone(), ..ChannelRecord::default() });
        }
    }
    records.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(records)
}

fn line(record: &ChannelRecord) -> String {
    let waiting = match record.waiting {
        0 => "nothing waits".to_owned(),
        1 => "1 message waits".to_owned(),
        many => format!("{many} messages wait"),
    };
    let given_up = match record.given_up {
        0 => String::new(),
        many => format!(", {many} given up"),
    };
    let how = match (&record.failing, record.delivered) {
        (Some(failing), _) => format!(
            ", fails since {} ({}, the next at {}): {}",
            time::local(failing.since),
            counted(failing.attempts, "attempt"),
            time::local(failing.again),
            clean(&failing.error).replace('\n', " ")
        ),
        (None, Some(at)) => format!(", the last was delivered at {}", time::local(at)),
        (None, None) => String::new(),
    };
    format!("channel {}  {waiting}{given_up}{how}", clean(&record.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_journal::outbox;
    use holdfast_kernel::id::Instant;

    #[test]
    fn a_line_says_what_waits_and_what_is_wrong() {
        let record = ChannelRecord { name: "ops".to_owned(), ..ChannelRecord::default() };
        assert_eq!(line(&record), "channel ops  nothing waits");
        let failing = outbox::Failing {
            since: Instant(0),
            attempts: 3,
            error: "no\nroute".to_owned(),
            again: Instant(1),
        };
        let failing = ChannelRecord { waiting: 2, given_up: 1, failing: Some(failing), ..record };
        let line = line(&failing);
        assert!(
            line.starts_with("channel ops  2 messages wait, 1 given up, fails since "),
            "{line}"
        );
        assert!(!line.contains('\n'), "{line}");
    }
}
