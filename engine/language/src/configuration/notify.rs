//! The rules of `notify`: what is told, through which channel, and when.
//!
//! Nothing is told here: whoever has a notification asks the rules.

use std::collections::BTreeSet;

use holdfast_calendar::zone::Zone;
use holdfast_kernel::definition::Operation;
use holdfast_kernel::id::Millis;

use super::channel::INBOX;
use super::duration::{Bounds, within};
use super::glob::names;
use crate::code::Code;
use crate::diagnostic::Sink;
use crate::suggest;
use crate::workflow::{entry, get};
use crate::yaml::{Entry, Node};

/// What is told through a channel, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyRule {
    /// On which occasions, at least one.
    pub on: BTreeSet<Occasion>,
    /// The name of the channel, which is one of the configuration's.
    pub channel: String,
    /// Of which operations; empty: of all, and of what is about no run.
    pub operations: Vec<Operation>,
    /// Patterns of the names of workflows; empty: of all.
    pub workflows: Vec<String>,
    /// Patterns of the names of targets; empty: of all, and of what is about no run.
    pub targets: Vec<String>,
    /// When most of it waits; none: never.
    pub quiet: Option<Quiet>,
    /// How long what comes is gathered, to go out as one message; none: each goes out by itself.
    pub digest: Option<Millis>,
}

/// What a notification is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    /// A run waits for its turn.
    Queued,
    /// A run has started.
    Running,
    /// A run has succeeded.
    Succeeded,
    /// A run is partial.
    Partial,
    /// A run has failed.
    Failed,
    /// A person is waited for.
    Waiting,
    /// A schedule had no success for too long.
    Late,
    /// A schedule is lost, cannot run, or is well again.
    Schedule,
    /// A channel gave up.
    Channel,
    /// A `notify` step of a workflow says something.
    Message,
}

impl Occasion {
    /// Every occasion, in the order of the table of keys.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Partial,
        Self::Failed,
        Self::Waiting,
        Self::Late,
        Self::Schedule,
        Self::Channel,
        Self::Message,
    ];

    /// The occasions of a rule that names none: those that somebody should look at.
    pub const DEFAULT: [Self; 6] =
        [Self::Partial, Self::Failed, Self::Waiting, Self::Late, Self::Schedule, Self::Channel];

    /// The word of `on` and `except`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Waiting => "waiting",
            Self::Late => "late",
            Self::Schedule => "schedule",
            Self::Channel => "channel",
            Self::Message => "message",
        }
    }

    /// Whether it is about a run. Rules with `operations` or `targets` match nothing else.
    pub const fn is_of_a_run(self) -> bool {
        !matches!(self, Self::Late | Self::Schedule | Self::Channel)
    }
}

/// The hours in which what a rule tells waits, every day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// The minute of the day at which they begin.
    pub from: u16,
    /// The minute of the day at which they end; if it is before `from`, on the next day.
    pub to: u16,
    /// The zone of the clock that shows these.
    pub zone: Zone,
    /// What does not wait.
    pub except: BTreeSet<Occasion>,
}

const DIGEST: Bounds = Bounds { least: Millis::seconds(10), most: Millis::seconds(24 * 60 * 60) };

/// The rules of the file, in its order.
pub(super) fn read(sink: &mut Sink<'_>, root: &Node) -> Vec<NotifyRule> {
    let channels = get(root, "channels").and_then(Node::entries).unwrap_or_default();
    let channels: Vec<&Entry> = channels.iter().filter(|entry| entry.key != INBOX).collect();
    let known: Vec<&str> = channels.iter().map(|entry| entry.key.as_str()).collect();
    let no_rules: &[Node] = &[];
    let list = get(root, "notify").map_or(Some(no_rules), Node::list);
    let mut rules = Vec::new();
    for node in list.unwrap_or_default() {
        if sink.is_full() {
            break;
        }
        rules.extend(rule(sink, node, &known));
    }
    // A rule that could not be read may have meant any of them.
    if list.is_some_and(|list| list.len() == rules.len()) {
        warn_of_channels_without_a_rule(sink, &channels, &rules);
    }
    rules
}

fn rule(sink: &mut Sink<'_>, node: &Node, channels: &[&str]) -> Option<NotifyRule> {
    let named = get(node, "channel").and_then(|node| channel(sink, node, channels));
    if let Some(on) = get(node, "on").filter(|on| on.list().is_some_and(<[Node]>::is_empty)) {
        sink.error(Code::OutOfRange, on.span, "The rule is for no occasion.")
            .remedy("Write at least one word, such as `on: [failed]`, or leave `on` out.");
    }
    let mut patterns = |key| get(node, key).map(|list| names(sink, list)).unwrap_or_default();
    let workflows = patterns("workflows");
    let targets = patterns("targets");
    let rule = NotifyRule {
        on: occasions(node, "on", &Occasion::DEFAULT),
        channel: String::new(),
        operations: operations(node),
        workflows,
        targets,
        quiet: get(node, "quiet").and_then(|node| quiet(sink, node)),
        digest: within(sink, node, "digest", &DIGEST),
    };
    check_use(sink, node, &rule);
    Some(NotifyRule { channel: named?, ..rule })
}

/// The channel of a rule.
fn channel(sink: &mut Sink<'_>, node: &Node, channels: &[&str]) -> Option<String> {
    let text = node.text()?;
    if channels.contains(&text) {
        return Some(text.to_owned());
    }
    if text == INBOX {
        sink.error(Code::InboxReserved, node.span, "Every notification is in the inbox anyway.")
            .remedy("Leave the rule out, or name another channel.");
        return None;
    }
    let remedy = if channels.is_empty() {
        format!("Declare `{text}` under `channels`.")
    } else {
        suggest::remedy(text, channels)
    };
    sink.error(Code::UnknownChannel, node.span, format!("There is no channel `{text}`."))
        .remedy(remedy);
    None
}

/// The occasions of a list; words that are none were reported by the table of keys.
fn occasions(node: &Node, key: &str, otherwise: &[Occasion]) -> BTreeSet<Occasion> {
    let Some(list) = get(node, key).and_then(Node::list) else {
        return otherwise.iter().copied().collect();
    };
    let of = |word: &str| Occasion::ALL.into_iter().find(|occasion| occasion.word() == word);
    list.iter().filter_map(Node::text).filter_map(of).collect()
}

fn operations(node: &Node) -> Vec<Operation> {
    let list = get(node, "operations").and_then(Node::list).unwrap_or_default();
    let of = |word: &str| Operation::ALL.into_iter().find(|operation| operation.word() == word);
    list.iter().filter_map(Node::text).filter_map(of).collect()
}

/// A rule that asks for runs of some kind and is only for what is about no run matches nothing.
fn check_use(sink: &mut Sink<'_>, node: &Node, rule: &NotifyRule) {
    let asks_for_runs = !(rule.operations.is_empty() && rule.targets.is_empty());
    let is_of_a_run = rule.on.iter().any(|occasion| occasion.is_of_a_run());
    if rule.on.is_empty() || is_of_a_run || !asks_for_runs {
        return;
    }
    let span = entry(node, "on").map_or(node.span, |entry| entry.key_span);
    let message = "Nothing of this is about a run, and with `operations` or `targets` a rule is for runs alone.";
    sink.warning(Code::RuleWithoutUse, span, message)
        .remedy("Leave `operations` and `targets` out of the rule.");
}

fn warn_of_channels_without_a_rule(sink: &mut Sink<'_>, channels: &[&Entry], rules: &[NotifyRule]) {
    for entry in channels {
        let name = &entry.key;
        if rules.iter().any(|rule| rule.channel == *name) {
            continue;
        }
        let message = format!(
            "No rule of `notify` names the channel `{name}`: only a `notify` step of a workflow can use it."
        );
        sink.warning(Code::ChannelWithoutRule, entry.key_span, message).remedy(format!(
            "Add `- {{ channel: {name} }}` to `notify`, or leave the channel out if no workflow uses it."
        ));
    }
}

fn quiet(sink: &mut Sink<'_>, node: &Node) -> Option<Quiet> {
    let from = time(sink, node, "from");
    let to = time(sink, node, "to");
    if let Some(end) = get(node, "to").filter(|_| from.is_some() && from == to) {
        sink.error(Code::BadQuietHours, end.span, "The quiet hours end when they begin.")
            .remedy("Write another time, or leave `quiet` out.");
    }
    let zone = match get(node, "timezone") {
        Some(node) => zone(sink, node),
        None => Some(Zone::utc()),
    };
    let except = occasions(node, "except", &[Occasion::Failed]);
    Some(Quiet { from: from?, to: to?, zone: zone?, except })
}

/// The minute of the day that a key says.
fn time(sink: &mut Sink<'_>, node: &Node, key: &str) -> Option<u16> {
    let node = get(node, key)?;
    let text = node.text()?;
    let minute = minute_of_day(text);
    if minute.is_none() {
        sink.error(Code::BadQuietHours, node.span, format!("`{text}` is no time of the day."))
            .remedy("Write hours and minutes, from `\"00:00\"` to `\"23:59\"`.");
    }
    minute
}

/// The minute of the day of a text such as `22:00`.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |digits: &str, below: u16| {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|number| plain && *number < below)
    };
    Some(two_digits(hour, 24)? * 60 + two_digits(minute, 60)?)
}

fn zone(sink: &mut Sink<'_>, node: &Node) -> Option<Zone> {
    let text = node.text()?;
    if let Ok(zone) = Zone::named(text) {
        return Some(zone);
    }
    let names = Zone::names();
    let meant = suggest::closest(text, names.iter().map(String::as_str));
    let remedy = meant.map_or_else(
        || "Write its IANA name, such as `Europe/Berlin`.".to_owned(),
        |meant| format!("Did you mean `{meant}`?"),
    );
    sink.error(Code::UnknownZone, node.span, format!("There is no time zone `{text}`."))
        .remedy(remedy);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_day_has_two_digits_on_either_side() {
        let check =
            |text: &str, expect: Option<u16>| assert_eq!(minute_of_day(text), expect, "{text}");
        check("00:00", Some(0));
        check("07:05", Some(425));
        check("22:00", Some(1_320));
        check("23:59", Some(1_439));
        for wrong in ["24:00", "22:60", "7:00", "22:0", "22", "2200", "+7:00", "22:00:00", "", ":"]
        {
            check(wrong, None);
        }
    }
}
