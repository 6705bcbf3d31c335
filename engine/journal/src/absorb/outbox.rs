//! Messages on their way to people outside, and what people have seen: rows from what changed.

use holdfast_kernel::id::{Instant, Millis};

use super::{Core, Source};
use crate::codec::encode;
use crate::commit::Batch;
use crate::filer::FilingError;
use crate::outbox::{
    Acknowledged, Acknowledging, ChannelRecord, Failing, OutboxChange, OutboxRow, Place,
};
use crate::record::{Kind, Notification};
use crate::store::{ROUTED, Table, outbox_key};

impl Core {
    /// Takes in what changed of messages, and what people have seen.
    pub(super) fn absorb_outbox(
        &mut self,
        source: &Source<'_>,
        batch: &Batch,
    ) -> Result<(), FilingError> {
        for change in &batch.outbox {
            self.change_outbox(source, change, batch.at)?;
        }
        for seen in &batch.acknowledged {
            self.acknowledge(source, seen, batch.at)?;
        }
        Ok(())
    }

    fn change_outbox(
        &mut self,
        source: &Source<'_>,
        change: &OutboxChange,
        at: Instant,
    ) -> Result<(), FilingError> {
        match change {
            OutboxChange::Routed { through, rows } => {
                self.fresh.put(Table::Meta, ROUTED.to_vec(), encode(through)?);
                rows.iter().try_for_each(|row| self.put_message(source, row))
            }
            OutboxChange::Delivered { channel, places } => {
                let mut record = self.channel(source, channel)?;
                self.take_messages(source, &mut record, places)?;
                (record.failing, record.given_up, record.delivered) = (None, 0, Some(at));
                self.put_channel(&record)
            }
            OutboxChange::Failed { channel, places, error, again, put_back } => {
                let mut record = self.channel(source, channel)?;
                self.put_back(source, channel, places, *put_back)?;
                record.failing = Some(failing(record.failing.take(), error, *again, at));
                self.put_channel(&record)
            }
            OutboxChange::GivenUp { channel, places, error, refused } => {
                let mut record = self.channel(source, channel)?;
                let is_first = record.given_up == 0;
                record.given_up += self.take_messages(source, &mut record, places)?;
                if *refused {
                    record.failing = None;
                }
                self.put_channel(&record)?;
                if is_first && record.given_up > 0 {
                    self.tell_of_channel(channel, error, at)?;
                }
                Ok(())
            }
        }
    }

    fn channel(&self, source: &Source<'_>, name: &str) -> Result<ChannelRecord, FilingError> {
        let known = self.view(source).get(Table::Channels, name.as_bytes())?;
        Ok(known.unwrap_or_else(|| ChannelRecord { name: name.to_owned(), ..Default::default() }))
    }

    fn put_channel(&mut self, record: &ChannelRecord) -> Result<(), FilingError> {
        let key = record.name.as_bytes().to_vec();
        self.fresh.put(Table::Channels, key, encode(record)?);
        Ok(())
    }

    /// One that is there already is not counted twice.
    fn put_message(&mut self, source: &Source<'_>, row: &OutboxRow) -> Result<(), FilingError> {
        let key = outbox_key(&row.channel, row.place);
        if self.view(source).bytes(Table::Outbox, &key)?.is_none() {
            let mut record = self.channel(source, &row.channel)?;
            record.waiting += 1;
            self.put_channel(&record)?;
        }
        self.fresh.put(Table::Outbox, key, encode(row)?);
        Ok(())
    }

    /// Takes messages of a channel away, and says how many were there.
    fn take_messages(
        &mut self,
        source: &Source<'_>,
        record: &mut ChannelRecord,
        places: &[Place],
    ) -> Result<u64, FilingError> {
        let mut taken = 0;
        for place in places {
            let key = outbox_key(&record.name, *place);
            if self.view(source).bytes(Table::Outbox, &key)?.is_some() {
                self.fresh.take_away(Table::Outbox, key);
                taken += 1;
            }
        }
        record.waiting = record.waiting.saturating_sub(taken);
        Ok(taken)
    }

    /// Counts an attempt of messages, and lets them be due later if others are to come before them.
    fn put_back(
        &mut self,
        source: &Source<'_>,
        channel: &str,
        places: &[Place],
        due: Option<Instant>,
    ) -> Result<(), FilingError> {
        for place in places {
            let key = outbox_key(channel, *place);
            let row: Option<OutboxRow> = self.view(source).get(Table::Outbox, &key)?;
            let Some(mut row) = row else { continue };
            self.fresh.take_away(Table::Outbox, key);
            row.attempts = row.attempts.saturating_add(1);
            row.place.due = due.unwrap_or(row.place.due);
            self.fresh.put(Table::Outbox, outbox_key(channel, row.place), encode(&row)?);
        }
        Ok(())
    }

    fn tell_of_channel(
        &mut self,
        channel: &str,
        error: &str,
        at: Instant,
    ) -> Result<(), FilingError> {
        let text = format!(
            "The channel {channel} has given up a message that it cannot deliver: {error}. Until it delivers \
             something, it is not said of others: `holdfast status` counts them."
        );
        self.put_notification(Notification {
            channel: Some(channel.to_owned()),
            ..Notification::new(Kind::Channel, text, at)
        })
    }

    fn acknowledge(
        &mut self,
        source: &Source<'_>,
        seen: &Acknowledging,
        at: Instant,
    ) -> Result<(), FilingError> {
        for id in &seen.notifications {
            let key = id.to_be_bytes().to_vec();
            let notification: Option<Notification> =
                self.view(source).get(Table::Notifications, &key)?;
            let Some(mut notification) = notification else { continue };
            if notification.acknowledged.is_none() {
                notification.acknowledged = Some(Acknowledged { by: seen.by.clone(), at });
                self.fresh.put(Table::Notifications, key.clone(), encode(&notification)?);
            }
            self.no_longer_unread(source, key)?;
        }
        Ok(())
    }

    /// A notification counts as unread no longer: somebody has seen it, or it is forgotten.
    pub(crate) fn no_longer_unread(
        &mut self,
        source: &Source<'_>,
        key: Vec<u8>,
    ) -> Result<(), FilingError> {
        if self.view(source).bytes(Table::Unread, &key)?.is_some() {
            self.fresh.take_away(Table::Unread, key);
            let totals = &mut self.position.totals;
            totals.unread = totals.unread.saturating_sub(1);
        }
        Ok(())
    }
}

/// Who was not tried for so long fails anew: nobody was there to try.
const AWAY: Millis = Millis::seconds(60 * 60);

fn failing(before: Option<Failing>, error: &str, again: Instant, at: Instant) -> Failing {
    let before = before.filter(|before| at.since(before.again) <= AWAY);
    let (since, attempts) = before.map_or((at, 0), |before| (before.since, before.attempts));
    Failing { since, attempts: attempts.saturating_add(1), error: error.to_owned(), again }
}
