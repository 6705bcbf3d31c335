//! Which notification goes to whom outside, and when: the rules of the configuration, ready to be asked.
//!
//! It is told what time it is and reads nothing. What becomes of the rows is the matter of the router and of
//! whoever carries them.

use std::collections::{BTreeMap, BTreeSet};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use holdfast_calendar::cron::CronError;
use holdfast_journal::outbox::{OutboxRow, Place};
use holdfast_journal::record::{Kind, Notification};
use holdfast_kernel::definition::Operation;
use holdfast_kernel::id::{Instant, Millis};
use holdfast_kernel::status::RunStatus;
use holdfast_kernel::tick::ScheduleName;
use holdfast_language::configuration::{INBOX, NotifyRule, Occasion};

use crate::due::{Hours, end_of_digest};
use crate::heartbeat::heartbeat_channel;

/// Why a rule cannot be used; a fragment that fits after "cannot …:".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitRule {
    /// A pattern is none.
    #[error("`{pattern}` is no pattern: {reason}")]
    Pattern {
        /// As it is written.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The quiet hours begin or end at no time of the day.
    #[error("its quiet hours are none: {0}")]
    Hours(#[from] CronError),
}

impl From<globset::Error> for UnfitRule {
    fn from(error: globset::Error) -> Self {
        let pattern = error.glob().unwrap_or_default().to_owned();
        Self::Pattern { pattern, reason: error.kind().to_string() }
    }
}

/// What is told through which channel, and when. The default tells nothing but what a step sends to a channel.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

impl Rules {
    /// Takes the rules of a configuration.
    ///
    /// # Errors
    /// One of them is none.
    pub fn new(rules: &[NotifyRule]) -> Result<Self, UnfitRule> {
        let rules = rules.iter().map(Rule::new).collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// Where a notification goes: at most one row for each channel. Of several rules for one channel the one counts
    /// by which it goes out first, and of two that are equal the one by which it goes out alone.
    ///
    /// `wants_heartbeat` says whether somebody outside is to hear that a run of a schedule came to a status. `now` is
    /// when this is asked: what was made at a later instant, before the clock was set back, counts as made now.
    pub fn route(
        &self,
        notification: &Notification,
        wants_heartbeat: impl Fn(&ScheduleName, RunStatus) -> bool,
        now: Instant,
    ) -> Vec<OutboxRow> {
        let mut places = Places::default();
        let at_once =
            Place { due: notification.at.min(now), gathered: false, notification: notification.id };
        if let Some(occasion) = occasion(notification) {
            for rule in self.rules.iter().filter(|rule| rule.matches(occasion, notification)) {
                places.add(&rule.channel, rule.place(occasion, at_once, now));
            }
        }
        let sent = notification.message.as_ref().map(|sent| sent.channel.as_str());
        if let Some(channel) = sent.filter(|channel| *channel != INBOX) {
            places.add(channel, at_once);
        }
        if let (Kind::Status, Some(schedule), Some(status)) =
            (notification.kind(), &notification.schedule, notification.status)
            && matches!(status, RunStatus::Succeeded | RunStatus::Partial)
            && wants_heartbeat(schedule, status)
        {
            places.add(&heartbeat_channel(schedule), at_once);
        }
        places.rows(now)
    }
}

/// The place of a notification in each channel.
#[derive(Default)]
struct Places(BTreeMap<String, Place>);

impl Places {
    fn add(&mut self, channel: &str, place: Place) {
        let known = self.0.entry(channel.to_owned()).or_insert(place);
        *known = place.min(*known);
    }

    fn rows(self, now: Instant) -> Vec<OutboxRow> {
        let row = |(channel, place): (String, Place)| {
            // What was made while nobody looked has its whole time from here on.
            let first_due = place.due.max(now);
            OutboxRow { channel, place, first_due, attempts: 0 }
        };
        self.0.into_iter().map(row).collect()
    }
}

/// A rule, its patterns compiled.
#[derive(Clone, Debug)]
struct Rule {
    on: BTreeSet<Occasion>,
    channel: String,
    operations: Vec<Operation>,
    /// None: all of them, and what is about none.
    workflows: Option<GlobSet>,
    /// None: all of them, and what is about none.
    targets: Option<GlobSet>,
    quiet: Option<Hours>,
    digest: Option<Millis>,
}

impl Rule {
    fn new(rule: &NotifyRule) -> Result<Self, UnfitRule> {
        Ok(Self {
            on: rule.on.clone(),
            channel: rule.channel.clone(),
            operations: rule.operations.clone(),
            workflows: patterns(&rule.workflows)?,
            targets: patterns(&rule.targets)?,
            quiet: rule.quiet.as_ref().map(Hours::new).transpose()?,
            digest: rule.digest,
        })
    }

    fn matches(&self, occasion: Occasion, notification: &Notification) -> bool {
        // Through a channel that reaches nobody, nobody hears of it.
        let is_about_itself = occasion == Occasion::Channel
            && notification.channel.as_deref() == Some(self.channel.as_str());
        let operation = notification.operation;
        let is_of_operation = self.operations.is_empty()
            || operation.is_some_and(|operation| self.operations.contains(&operation));
        self.on.contains(&occasion)
            && !is_about_itself
            && is_of_operation
            && is_named(self.workflows.as_ref(), notification.workflow.as_deref())
            && is_named(self.targets.as_ref(), notification.target.as_deref())
    }

    /// Where something stands that the rule matches.
    fn place(&self, occasion: Occasion, at_once: Place, now: Instant) -> Place {
        let mut place = at_once;
        if let Some(length) = self.digest {
            place.due = end_of_digest(at_once.due, length);
            place.gathered = true;
        }
        let quiet = self.quiet.as_ref().filter(|hours| hours.keep(occasion));
        // What was due while nobody looked is due now.
        if let Some(end) = quiet.and_then(|hours| hours.end(place.due.max(now))) {
            place.due = end;
            place.gathered = true;
        }
        place
    }
}

/// Patterns of names: `*` stops at a `/`, `**` does not. None if there are none.
fn patterns(patterns: &[String]) -> Result<Option<GlobSet>, globset::Error> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build()?);
    }
    set.build().map(Some)
}

/// Whether a name is one that is asked for.
fn is_named(patterns: Option<&GlobSet>, name: Option<&str>) -> bool {
    patterns.is_none_or(|patterns| name.is_some_and(|name| patterns.is_match(name)))
}

/// What a notification is told on the occasion of; none of one that says of no status that it is one.
pub(crate) fn occasion(notification: &Notification) -> Option<Occasion> {
    Some(match notification.kind() {
        Kind::Status => match notification.status? {
            RunStatus::Queued => Occasion::Queued,
            RunStatus::Running => Occasion::Running,
            RunStatus::Succeeded => Occasion::Succeeded,
            RunStatus::Partial => Occasion::Partial,
            RunStatus::Failed => Occasion::Failed,
        },
        Kind::Wait => Occasion::Waiting,
        Kind::Message => Occasion::Message,
        Kind::Late => Occasion::Late,
        Kind::Schedule | Kind::Definition => Occasion::Schedule,
        Kind::Channel => Occasion::Channel,
    })
}
