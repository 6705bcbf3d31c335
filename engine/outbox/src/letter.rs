//! Notifications in the form in which channels take them: one by itself, or several as a digest.
//!
//! What stands in them is passed on as it is: file names and texts of programs may be hostile, and each channel
//! escapes them in its own way.

use holdfast_channels::{Entry, Outgoing};
use holdfast_contract::records::Level;
use holdfast_contract::time::written;
use holdfast_journal::record::Notification;
use holdfast_kernel::event::Initiator;
use holdfast_kernel::id::{Digest, Instant};
use holdfast_language::configuration::Occasion;

use crate::rules::occasion;
use crate::words::{command, level, title};

/// The order in which the title of a digest counts: what somebody should look at first.
const COUNTED: [Occasion; 10] = [
    Occasion::Failed,
    Occasion::Late,
    Occasion::Partial,
    Occasion::Waiting,
    Occasion::Schedule,
    Occasion::Channel,
    Occasion::Message,
    Occasion::Succeeded,
    Occasion::Running,
    Occasion::Queued,
];

/// Who writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    /// What tells the ids of this installation from those of all others: letters, digits, `-` and `_`, at most 60.
    pub installation: String,
    /// The name of the machine; empty: it is not said.
    pub host: String,
}

impl Letters {
    /// A notification by itself. `item` is the key of the item that asks for something, if one does and it is known.
    pub fn letter(&self, notification: &Notification, item: Option<&str>) -> Outgoing {
        let Entry { id, at, level, title } = self.entry(notification);
        Outgoing {
            id,
            at,
            level,
            title,
            text: notification.text.clone(),
            facts: self.facts(notification),
            command: command(notification, item),
            entries: Vec::new(),
        }
    }

    /// Several notifications as one message, the earliest first. Its id is the same for the same notifications,
    /// in whatever order they come.
    pub fn digest(&self, notifications: &[Notification]) -> Outgoing {
        let mut sorted: Vec<&Notification> = notifications.iter().collect();
        sorted.sort_by_key(|notification| notification.id);
        let entries: Vec<Entry> = sorted.iter().map(|of| self.entry(of)).collect();
        let numbers: Vec<u8> = sorted.iter().flat_map(|of| of.id.to_be_bytes()).collect();
        let set = Digest::of_bytes(&numbers).leading();
        let first = entries.iter().map(|entry| entry.at).min().unwrap_or(Instant(0));
        let last = entries.iter().map(|entry| entry.at).max().unwrap_or(Instant(0));
        let is_there = |level: &Level| entries.iter().any(|entry| entry.level == *level);
        Outgoing {
            id: format!("{}-digest-{set:016x}", self.installation),
            at: last,
            level: Level::ALL.into_iter().rev().find(is_there).unwrap_or(Level::Info),
            title: counted(&sorted),
            text: format!("From {} to {}.", written(first), written(last)),
            facts: self.host().into_iter().collect(),
            command: Some("holdfast notifications".to_owned()),
            entries,
        }
    }

    fn entry(&self, notification: &Notification) -> Entry {
        Entry {
            id: format!("{}-{}", self.installation, notification.id),
            at: notification.at,
            level: level(notification),
            title: title(notification),
        }
    }

    fn host(&self) -> Option<(String, String)> {
        (!self.host.is_empty()).then(|| ("host".to_owned(), self.host.clone()))
    }

    /// Names and values, those that are known.
    fn facts(&self, notification: &Notification) -> Vec<(String, String)> {
        let asks = notification.asks.as_ref();
        let facts = [
            ("workflow", notification.workflow.clone()),
            ("target", notification.target.clone()),
            ("operation", notification.operation.map(|operation| operation.word().to_owned())),
            ("run", notification.run.map(|run| run.to_string())),
            ("status", notification.status.map(|status| status.word().to_owned())),
            ("reason", notification.reason.map(|reason| reason.word().to_owned())),
            ("schedule", notification.schedule.as_ref().map(ToString::to_string)),
            ("step", asks.map(|asks| asks.step.clone())),
            ("plan", asks.and_then(|asks| asks.plan.clone())),
            ("channel", notification.channel.clone()),
            ("asked by", asked_by(&notification.asked_by)),
        ];
        let known = facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        known.chain(self.host()).collect()
    }
}

/// The names of everybody who asked.
fn asked_by(asked_by: &[Initiator]) -> Option<String> {
    let names: Vec<_> = asked_by.iter().map(Initiator::name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// How many notifications there are, and how many of which kind.
fn counted(notifications: &[&Notification]) -> String {
    let count = |of: Occasion| {
        let same = notifications.iter().filter(|notification| occasion(notification) == Some(of));
        (of, same.count())
    };
    let counts = COUNTED.into_iter().map(count).filter(|(_, count)| *count > 0);
    let parts: Vec<String> = counts.map(|(of, count)| part(of, count)).collect();
    let all = format!("{} notifications", notifications.len());
    if parts.is_empty() { all } else { format!("{all}: {}", parts.join(", ")) }
}

fn part(of: Occasion, count: usize) -> String {
    match of {
        Occasion::Schedule => format!("{count} about schedules"),
        Occasion::Channel => format!("{count} about channels"),
        Occasion::Message if count > 1 => format!("{count} messages"),
        Occasion::Queued
        | Occasion::Running
        | Occasion::Succeeded
        | Occasion::Partial
        | Occasion::Failed
        | Occasion::Waiting
        | Occasion::Late
        | Occasion::Message => format!("{count} {}", of.word()),
    }
}
