//! What is read of messages on their way to people outside, and of what nobody has seen.

use holdfast_kernel::id::Instant;

use crate::outbox::{ChannelRecord, OutboxRow};
use crate::query::{LONGEST_PAGE, Page, Paged, ReadError, Reader};
use crate::record::Notification;
use crate::store::{Keys, Order, ROUTED, Table, outbox_prefix};
use crate::totals::Totals;

impl Reader {
    /// The number of the last notification that was looked at for people outside; 0: none was.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn routed_through(&self) -> Result<u64, ReadError> {
        self.look(|core, source| {
            let through: Option<u64> = core.view(source).get(Table::Meta, ROUTED)?;
            Ok(through.unwrap_or(0))
        })
    }

    /// The number of the last notification; 0: there never was one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn last_notification(&self) -> Result<u64, ReadError> {
        self.look(|core, _| Ok(core.position().next_notification.saturating_sub(1)))
    }

    /// The notifications after one, the first ones first. What was forgotten is missing.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn notifications_from(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Notification>, ReadError> {
        let keys = Keys::starting_with(&[]).after(&after.to_be_bytes());
        self.look(|core, source| {
            let view = core.view(source);
            let limit = limit.min(LONGEST_PAGE);
            let rows = view.scan(Table::Notifications, &keys, Order::Ascending, limit)?;
            let rows = rows.iter().map(|(_, row)| view.decode(Table::Notifications, row));
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// A notification.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn notification(&self, id: u64) -> Result<Option<Notification>, ReadError> {
        self.look(|core, source| {
            Ok(core.view(source).get(Table::Notifications, &id.to_be_bytes())?)
        })
    }

    /// Notifications that nobody has acknowledged, the latest first. The cursor is a notification's number.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn unread(&self, page: Page<u64>) -> Result<Paged<Notification, u64>, ReadError> {
        let limit = page.limit.clamp(1, LONGEST_PAGE);
        let mut keys = Keys::starting_with(&[]);
        if let Some(after) = page.after {
            keys = keys.before(&after.to_be_bytes());
        }
        self.look(|core, source| {
            let view = core.view(source);
            let rows = view.scan(Table::Unread, &keys, Order::Descending, limit)?;
            let ids = rows.iter().filter_map(|(key, _)| key.last_chunk().copied());
            let ids: Vec<u64> = ids.map(u64::from_be_bytes).collect();
            let mut found = Vec::with_capacity(ids.len());
            for id in &ids {
                let row: Option<Notification> =
                    view.get(Table::Notifications, &id.to_be_bytes())?;
                found.extend(row);
            }
            let next = ids.last().copied().filter(|_| ids.len() == limit);
            Ok(Paged { rows: found, next })
        })
    }

    /// The next messages of a channel, those that are due first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn outbox(&self, channel: &str, limit: usize) -> Result<Vec<OutboxRow>, ReadError> {
        let keys = Keys::starting_with(&outbox_prefix(channel));
        self.look(|core, source| {
            let view = core.view(source);
            let limit = limit.min(LONGEST_PAGE);
            let rows = view.scan(Table::Outbox, &keys, Order::Ascending, limit)?;
            let rows = rows.iter().map(|(_, row)| view.decode(Table::Outbox, row));
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Every channel for which something ever waited, by name.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn channels(&self) -> Result<Vec<ChannelRecord>, ReadError> {
        let keys = Keys::starting_with(&[]);
        self.look(|core, source| {
            let view = core.view(source);
            let rows = view.scan(Table::Channels, &keys, Order::Ascending, usize::MAX)?;
            let rows = rows.iter().map(|(_, row)| view.decode(Table::Channels, row));
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// How a channel does; none: nothing ever waited for it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn channel(&self, name: &str) -> Result<Option<ChannelRecord>, ReadError> {
        self.look(|core, source| Ok(core.view(source).get(Table::Channels, name.as_bytes())?))
    }

    /// What was counted since the state was made.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn totals(&self) -> Result<Totals, ReadError> {
        self.look(|core, _| {
            let position = core.position();
            let made = position.next_notification.saturating_sub(1);
            Ok(Totals { records: position.sequence, notifications: made, ..position.totals })
        })
    }

    /// The instant of the last record; none before the first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn last_instant(&self) -> Result<Option<Instant>, ReadError> {
        self.look(|core, _| {
            let position = core.position();
            Ok((position.sequence > 0).then_some(position.at))
        })
    }
}
