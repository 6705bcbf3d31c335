//! `ack`: notifications that somebody has seen are not unread any more.

use std::process::ExitCode;

use holdfast_drive::output::Reply;
use holdfast_journal::query::{LONGEST_PAGE, Paged};
use holdfast_journal::record::Notification;
use holdfast_kernel::id::RunId;
use holdfast_service::wire::ask::{Act, Ask};
use serde::Serialize;

use crate::access::Access;
use crate::arguments::Ack;
use crate::compose::parts;
use crate::error::Error;
use crate::output::{Output, counted};
use crate::settings::Settings;

#[derive(Serialize)]
struct Acknowledged {
    /// How many were unread before.
    acknowledged: usize,
}

/// Acknowledges notifications.
///
/// # Errors
/// There is no such notification, or it could not be stored.
pub(crate) fn perform(ack: &Ack, settings: &Settings, output: Output) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let mut access = Access::open(settings, &parts)?;
    let run = ack.run.as_deref().map(|run| access.find(run)).transpose()?;
    let seen = if ack.all || run.is_some() {
        unread(&access, run)?
    } else {
        named(&access, &ack.notifications)?
    };
    for notifications in seen.chunks(LONGEST_PAGE) {
        let notifications = notifications.to_vec();
        if let Reply::Refused(refusal) = access.act(Act::Acknowledge { notifications })? {
            return Err(super::refused("Nothing was acknowledged", &refusal));
        }
    }
    if output.is_json() {
        output.json(&Acknowledged { acknowledged: seen.len() })?;
    } else {
        output.talk(format!("{} acknowledged.", counted(seen.len(), "notification")));
    }
    access.tell_unfinished(output);
    Ok(ExitCode::SUCCESS)
}

/// The unread notifications that are there now: of a run, or all.
fn unread(access: &Access, run: Option<RunId>) -> Result<Vec<u64>, Error> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page: Paged<Notification, u64> =
            access.ask(Ask::Unread { after, limit: LONGEST_PAGE })?;
        let rows = page.rows.iter().filter(|row| run.is_none() || row.run == run);
        found.extend(rows.map(|row| row.id));
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// Those of these that are unread; each has to be there.
fn named(access: &Access, ids: &[u64]) -> Result<Vec<u64>, Error> {
    let mut found = Vec::new();
    for id in ids {
        let after = id.checked_add(1);
        let page: Paged<Notification, u64> = access.ask(Ask::Notifications { after, limit: 1 })?;
        let row = page.rows.first().filter(|row| row.id == *id);
        let row = row.ok_or_else(|| {
            Error::usage(format!("There is no notification {id}."))
                .hint("`holdfast notifications` lists them with their numbers.")
        })?;
        if row.acknowledged.is_none() && !found.contains(id) {
            found.push(*id);
        }
    }
    Ok(found)
}
