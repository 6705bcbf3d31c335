//! `notifications`: the inbox, all of it or what nobody has acknowledged.

use std::process::ExitCode;

use holdfast_journal::query::Paged;
use holdfast_journal::record::{Asked, Notification, Sent};
use holdfast_kernel::event::Initiator;
use holdfast_service::wire::ask::Ask;
use serde::Serialize;

use crate::access::Access;
use crate::arguments::Notifications;
use crate::commands::waits::{Place, place_of};
use crate::compose::parts;
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;
use crate::time;

#[derive(Serialize)]
struct Shown<'a> {
    id: u64,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    asked_by: Vec<std::borrow::Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a Sent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    /// The command that answers, if a person is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_by: Option<&'a str>,
    at: String,
}

/// Lists notifications.
///
/// # Errors
/// The state cannot be used.
pub(crate) fn perform(
    what: &Notifications,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let access = Access::open(settings, &parts)?;
    let (after, limit) = (None, what.limit.limit);
    let ask = if what.unread {
        Ask::Unread { after, limit }
    } else {
        Ask::Notifications { after, limit }
    };
    let found: Paged<Notification, u64> = access.ask(ask)?;
    if output.is_json() {
        output.json(&found.rows.iter().map(|row| shown(row, &access)).collect::<Vec<_>>())?;
    } else {
        for notification in &found.rows {
            output.line(line(notification, &access));
        }
        if found.rows.is_empty() {
            let which = if what.unread { "unread notifications" } else { "notifications" };
            output.talk(format!("There are no {which}."));
        }
    }
    access.tell_unfinished(output);
    Ok(ExitCode::SUCCESS)
}

fn line(notification: &Notification, access: &Access) -> String {
    let said = notification.message.as_ref().map(|sent| {
        let level = sent.level.word();
        let title = if sent.title.is_empty() { String::new() } else { format!("{}: ", sent.title) };
        let workflow = notification.workflow.as_deref().unwrap_or("-");
        format!("{level} from {workflow}: {title}")
    });
    // What follows a message's first line stands beneath it.
    let text = notification.text.replace('\n', "\n    ");
    let (id, at) = (notification.id, time::local(notification.at));
    let line = format!("{id:>4}  {at}  {}{text}", said.unwrap_or_default());
    let line = match command(notification, access) {
        Some(command) => format!("{line} Answer: {command}"),
        None => line,
    };
    match notification.asked_by.as_slice() {
        [] | [_] => line,
        several => {
            let names: Vec<_> = several.iter().map(Initiator::name).collect();
            format!("{line} Asked for by {}.", names.join(", "))
        }
    }
}

/// The command that answers what a person is asked.
fn command(notification: &Notification, access: &Access) -> Option<String> {
    let (asks, run) = (notification.asks.as_ref()?, notification.run?);
    let place = place_of(access, run, Place::Named(&asks.step, asks.item));
    Some(match asks.what {
        Asked::Approval => format!("holdfast approve {place}"),
        Asked::Effect => format!("holdfast resolve {place} done|not_done"),
    })
}

fn shown<'a>(notification: &'a Notification, access: &Access) -> Shown<'a> {
    Shown {
        id: notification.id,
        kind: notification.kind().word(),
        run: notification.run.map(|run| run.to_string()),
        workflow: notification.workflow.as_deref(),
        schedule: notification.schedule.as_ref().map(ToString::to_string),
        target: notification.target.as_deref(),
        asked_by: notification.asked_by.iter().map(Initiator::name).collect(),
        status: notification.status.map(holdfast_kernel::status::RunStatus::word),
        reason: notification.reason.map(holdfast_kernel::status::Reason::word),
        text: &notification.text,
        message: notification.message.as_ref(),
        channel: notification.channel.as_deref(),
        answer: command(notification, access),
        acknowledged_by: notification.acknowledged.as_ref().map(|seen| seen.by.as_str()),
        at: time::utc(notification.at),
    }
}
