//! What is said of one notification: how much it matters, a title in one line, and a command to see more or to answer.
//!
//! Names and texts are passed on as they are: whoever carries them knows what must be escaped.

use holdfast_contract::records::Level;
use holdfast_journal::record::{Asked, Asks, Kind, Notification};
use holdfast_journal::schedule::Turn;
use holdfast_kernel::id::RunId;
use holdfast_kernel::status::RunStatus;

use crate::shell::word;

/// How much a notification matters.
pub(crate) fn level(notification: &Notification) -> Level {
    match notification.kind() {
        Kind::Status => match notification.status {
            Some(RunStatus::Failed) => Level::Error,
            Some(RunStatus::Partial) => Level::Warning,
            Some(RunStatus::Queued | RunStatus::Running | RunStatus::Succeeded) | None => {
                Level::Info
            }
        },
        Kind::Message => notification.message.as_ref().map_or(Level::Info, |sent| sent.level),
        Kind::Late => Level::Error,
        Kind::Schedule => level_of(notification.turn),
        Kind::Wait | Kind::Definition | Kind::Channel => Level::Warning,
    }
}

/// What happened to what, in one line.
pub(crate) fn title(notification: &Notification) -> String {
    let about = about(notification);
    match notification.kind() {
        Kind::Status => {
            let status = notification.status.map_or("changed", RunStatus::word);
            let reason = notification.reason.map(|reason| format!(" ({})", reason.word()));
            format!("{about}: {status}{}", reason.unwrap_or_default())
        }
        Kind::Wait => format!("{about}: {}", wait(notification.asks.as_ref())),
        Kind::Message => match &notification.message {
            Some(sent) if !sent.title.trim().is_empty() => sent.title.clone(),
            Some(_) | None => format!("{about}: a message"),
        },
        Kind::Late => format!("{about}: no success for too long"),
        Kind::Schedule => format!("{about}: {}", words_of(notification.turn)),
        Kind::Definition => format!("{about}: a file cannot be used"),
        Kind::Channel => format!("{about}: gave up a message"),
    }
}

/// What a notification is about.
fn about(notification: &Notification) -> String {
    let of_schedule = matches!(notification.kind(), Kind::Late | Kind::Schedule);
    if let Some(schedule) = notification.schedule.as_ref().filter(|_| of_schedule) {
        return format!("schedule {schedule}");
    }
    if let Some(channel) = &notification.channel {
        return format!("channel {channel}");
    }
    match (&notification.workflow, &notification.target) {
        (Some(workflow), Some(target)) => format!("{workflow} on {target}"),
        (Some(workflow), None) => workflow.clone(),
        (None, _) => "holdfast".to_owned(),
    }
}

fn wait(asks: Option<&Asks>) -> String {
    match asks {
        Some(Asks { what: Asked::Approval, step, .. }) => {
            format!("waits for an approval at step {step}")
        }
        Some(Asks { what: Asked::Effect, step, .. }) => {
            format!("nobody knows what happened at step {step}")
        }
        None => "waits for a person".to_owned(),
    }
}

/// What to type to see more or to answer. `item` is the key of the item that asks, if it is known.
pub(crate) fn command(notification: &Notification, item: Option<&str>) -> Option<String> {
    let show = notification.run.map(|run| format!("holdfast show {run}"));
    match notification.kind() {
        Kind::Status | Kind::Message => show,
        Kind::Wait => {
            let place = notification.asks.as_ref().zip(notification.run);
            place.and_then(|(asks, run)| answer(asks, run, item)).or(show)
        }
        Kind::Late | Kind::Schedule => {
            let schedule = notification.schedule.as_ref()?.to_string();
            Some(format!("holdfast ticks --schedule {}", word(&schedule)))
        }
        Kind::Definition => Some("holdfast schedules".to_owned()),
        Kind::Channel => Some("holdfast status".to_owned()),
    }
}

/// The command that answers, or that shows what has to be looked at before; none if it would name no item.
fn answer(asks: &Asks, run: RunId, item: Option<&str>) -> Option<String> {
    if asks.item.is_some() && item.is_none() {
        return None;
    }
    let step = word(&asks.step);
    let item = item.map(word);
    Some(match asks.what {
        Asked::Approval => {
            let item = item.map(|item| format!(" {item}")).unwrap_or_default();
            format!("holdfast approve {run} {step}{item}")
        }
        // Nobody is to say what happened before they have looked.
        Asked::Effect => {
            let item = item.map(|item| format!(" --item {item}")).unwrap_or_default();
            format!("holdfast show {run} --step {step}{item}")
        }
    })
}

/// How much the turn matters that a schedule has taken.
const fn level_of(turn: Option<Turn>) -> Level {
    match turn {
        Some(Turn::Lost) => Level::Error,
        Some(Turn::Broken) | None => Level::Warning,
        Some(Turn::WaitedFor | Turn::Well) => Level::Info,
    }
}

/// The same in words.
const fn words_of(turn: Option<Turn>) -> &'static str {
    match turn {
        Some(Turn::Lost) => "lost",
        Some(Turn::Broken) => "starts nothing",
        Some(Turn::WaitedFor) => "waited for again",
        Some(Turn::Well) => "well again",
        None => "has news",
    }
}
