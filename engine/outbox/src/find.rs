//! What is next for a channel, as it is stored: nothing, a wait, a message, or what is given up.
//!
//! It blocks and changes nothing. Never more than one message is read.

use holdfast_channels::Outgoing;
use holdfast_journal::outbox::{Failing, OutboxRow, Place};
use holdfast_journal::query::{ReadError, Reader};
use holdfast_journal::record::{Kind, Notification};
use holdfast_kernel::id::{Instant, Millis};
use holdfast_runtime::clock;

use crate::heartbeat::schedule_of_heartbeat;
use crate::nudge::Urgency;
use crate::outbox::Directory;
use crate::pace;

/// The most notifications of one message, and the most that are given up at once.
const MOST: usize = 200;

/// How long something waits for a channel that nobody knows.
const UNKNOWN: Millis = Millis::seconds(24 * 60 * 60);

/// What is next for a channel.
pub(crate) enum Found {
    /// Nothing waits.
    Nothing,
    /// Nothing is to be done before this instant.
    Until(Instant),
    /// These are given up, and why.
    Hopeless(Vec<Place>, String),
    /// This is to be delivered.
    Message(Box<Message>),
}

/// Something to deliver.
pub(crate) struct Message {
    /// Its rows.
    pub(crate) places: Vec<Place>,
    /// How often it has failed.
    pub(crate) attempts: u32,
    /// How often its channel has failed in a row.
    pub(crate) failures: u32,
    /// What is told.
    pub(crate) outgoing: Outgoing,
}

/// Looks for what is next for a channel.
pub(crate) fn find(
    reader: &Reader,
    directory: &dyn Directory,
    (channel, urgency): (&str, Urgency),
) -> Result<Found, ReadError> {
    let now = clock::now();
    let Some(head) = reader.outbox(channel, 1)?.pop() else { return Ok(Found::Nothing) };
    let failing = reader.channel(channel)?.and_then(|of| of.failing);
    // What is old is tried once more before it is given up: whoever it is for may be back.
    let limit = directory.give_up_after(channel).unwrap_or(UNKNOWN);
    if let Some(failing) = &failing
        && pace::is_over_with(failing, limit, now)
    {
        let mut old = reader.outbox(channel, MOST)?;
        old.retain(|row| pace::is_too_old(row, limit, now));
        if !old.is_empty() {
            return Ok(Found::Hopeless(places(&old), failing.error.clone()));
        }
    }
    let is_urgent = urgency == Urgency::Now && head.attempts > 0;
    if !is_urgent && !pace::is_due(&head, now) {
        return Ok(Found::Until(head.place.due));
    }
    let again = failing.as_ref().and_then(|failing| pace::rests_until(failing.again, now));
    if let Some(again) = again.filter(|_| urgency == Urgency::Usual) {
        return Ok(Found::Until(again));
    }
    let rows = together(reader, channel, head)?;
    pack(reader, directory, (channel, rows, failing))
}

fn places(rows: &[OutboxRow]) -> Vec<Place> {
    rows.iter().map(|row| row.place).collect()
}

/// What goes out as one message with the first one.
fn together(reader: &Reader, channel: &str, head: OutboxRow) -> Result<Vec<OutboxRow>, ReadError> {
    if !head.place.gathered {
        return Ok(vec![head]);
    }
    let due = head.place.due;
    let mut rows = reader.outbox(channel, MOST)?;
    rows.retain(|row| row.place.gathered && row.place.due == due);
    Ok(rows)
}

/// Writes the message of some rows. Those that cannot be part of one are given up first, and the others are found
/// again without them.
fn pack(
    reader: &Reader,
    directory: &dyn Directory,
    (channel, rows, failing): (&str, Vec<OutboxRow>, Option<Failing>),
) -> Result<Found, ReadError> {
    let mut notifications = Vec::with_capacity(rows.len());
    let mut forgotten = Vec::new();
    for row in &rows {
        match reader.notification(row.place.notification)? {
            Some(notification) => notifications.push(notification),
            None => forgotten.push(row.place),
        }
    }
    if !forgotten.is_empty() {
        let reason = "the notification was forgotten before it could be sent";
        return Ok(Found::Hopeless(forgotten, reason.to_owned()));
    }
    let is_status = |notification: &Notification| notification.kind() == Kind::Status;
    if schedule_of_heartbeat(channel).is_some() && !notifications.iter().all(is_status) {
        let reason = "a heartbeat is sent when a run succeeds, and by no step";
        return Ok(Found::Hopeless(places(&rows), reason.to_owned()));
    }
    let letters = directory.letters();
    let outgoing = match notifications.as_slice() {
        [one] => letters.letter(one, item(reader, one).as_deref()),
        several => letters.digest(several),
    };
    Ok(Found::Message(Box::new(Message {
        places: places(&rows),
        attempts: rows.iter().map(|row| row.attempts).max().unwrap_or(0),
        failures: failing.map_or(0, |failing| failing.attempts),
        outgoing,
    })))
}

/// The key of the item that asks; none if it cannot be told any more: the message goes out without it.
fn item(reader: &Reader, notification: &Notification) -> Option<String> {
    let run = notification.run?;
    let asks = notification.asks.as_ref()?;
    let item = asks.item?;
    let loaded = reader.load(run).ok()??;
    let (step, _) = loaded.definition.step_named(&asks.step)?;
    reader.item(run, step, item).ok()??.key
}
