//! `notifications`: the stored changes of runs' statuses.

use std::process::ExitCode;

use holdfast_journal::query::Paged;
use holdfast_journal::record::{Notification, Sent};
use holdfast_kernel::event::Initiator;
use holdfast_service::wire::ask::Ask;
use serde::Serialize;

use crate::access::Access;
use crate::arguments::Limit;
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
    at: String,
}

/// Lists notifications.
///
/// # Errors
/// The state cannot be used.
pub(crate) fn perform(
    limit: &Limit,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let access = Access::open(settings, &parts)?;
    let found: Paged<Notification, u64> =
        access.ask(Ask::Notifications { after: None, limit: limit.limit })?;
    if output.is_json() {
        output.json(&found.rows.iter().map(shown).collect::<Vec<_>>())?;
    } else {
        for notification in &found.rows {
            output.line(line(notification, &access));
        }
        if found.rows.is_empty() {
            output.talk("There are no notifications.");
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
    let line = format!("{}  {}{text}", time::local(notification.at), said.unwrap_or_default());
    let line = match (&notification.asks, notification.run) {
        (Some(asks), Some(run)) => {
            let place = place_of(access, run, Place::Named(&asks.step, asks.item));
            format!("{line} Answer: holdfast approve {place}")
        }
        (_, _) => line,
    };
    match notification.asked_by.as_slice() {
        [] | [_] => line,
        several => {
            let names: Vec<_> = several.iter().map(Initiator::name).collect();
            format!("{line} Asked for by {}.", names.join(", "))
        }
    }
}

fn shown(notification: &Notification) -> Shown<'_> {
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
        at: time::utc(notification.at),
    }
}
