//! Looks at new notifications, asks the rules where they go, and stores that.
//!
//! What is to be sent is stored together with how far was looked, in one record. Where nothing is to be sent that is
//! remembered here and stored now and then: a state in which nobody is told anything does not grow for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_journal::outbox::{OutboxChange, OutboxRow};
use holdfast_journal::query::{ReadError, Reader};
use holdfast_journal::record::Notification;
use holdfast_kernel::id::{Instant, Millis};
use holdfast_kernel::tick::ScheduleName;
use holdfast_runtime::clock;
use holdfast_runtime::feed::News;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::nudge::{Heard, Order};
use crate::outbox::Setup;
use crate::rules::Rules;
use crate::store::{Stop, read, store};

/// How many notifications are looked at at once.
const PAGE: usize = 200;

/// How many rows are stored in one record, but for those of its last notification.
const MOST_ROWS: usize = 1_000;

/// How many notifications may be looked at again after a death, because nothing was to be sent.
const LAG: u64 = 1_000;

/// Of a state in which nobody ever looked, only what is so young is told: its history is known to whoever wanted it.
const YOUNG: Millis = Millis::seconds(24 * 60 * 60);

/// Routes notifications.
pub(crate) struct Router {
    setup: Setup,
    rules: Arc<Rules>,
    /// The last notification that was looked at; none: nothing was read yet.
    through: Option<u64>,
    /// The same as it is stored.
    stored: u64,
    /// What is older is told nobody.
    oldest: Option<Instant>,
    /// Whether it is to be stored how far was looked.
    is_asked: bool,
    heard: UnboundedSender<Heard>,
    orders: UnboundedReceiver<Order>,
}

/// Whether there will be news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feed {
    Open,
    Over,
}

/// Notifications that nobody has looked at.
struct Page {
    notifications: Vec<Notification>,
    /// There are no others up to this number.
    through: u64,
}

impl Router {
    pub(crate) fn new(
        setup: Setup,
        heard: UnboundedSender<Heard>,
        orders: UnboundedReceiver<Order>,
    ) -> Self {
        Self {
            rules: setup.directory.rules(),
            setup,
            through: None,
            stored: 0,
            oldest: None,
            is_asked: false,
            heard,
            orders,
        }
    }

    /// Routes, until the executor is gone.
    pub(crate) async fn run(mut self) {
        let mut news = self.setup.handle.watch();
        let mut failures = 0_u32;
        loop {
            let feed = match self.look().await {
                Ok(()) => {
                    failures = 0;
                    self.rest(&mut news).await
                }
                Err(Stop::Gone) => Feed::Over,
                Err(Stop::Failed(reason)) => {
                    failures = failures.saturating_add(1);
                    (self.setup.tell)(format!(
                        "Cannot look where notifications go: {reason}. It is tried again."
                    ));
                    clock::wait(self.setup.pace.rest(failures, None)).await;
                    Feed::Open
                }
            };
            if feed == Feed::Over || taken(&mut news) == Feed::Over {
                return;
            }
        }
    }

    /// Waits until there may be something to look at.
    async fn rest(&mut self, news: &mut Receiver<News>) -> Feed {
        tokio::select! {
            feed = committed(news) => {
                if feed == Feed::Open {
                    self.gather().await;
                }
                feed
            }
            Some(order) = self.orders.recv() => {
                self.is_asked |= order == Order::Store;
                Feed::Open
            }
        }
    }

    /// Lets news gather, unless somebody asks for a look.
    async fn gather(&mut self) {
        tokio::select! {
            Some(order) = self.orders.recv() => self.is_asked |= order == Order::Store,
            () = clock::wait(self.setup.pace.gather) => {}
        }
    }

    /// Looks at everything that is there.
    async fn look(&mut self) -> Result<(), Stop> {
        let mut through = self.begin().await?;
        self.take_rules(through).await?;
        loop {
            let reader = self.setup.reader.clone();
            let Some(page) = read(move || page(&reader, through)).await? else { break };
            through = page.through;
            self.route(page).await?;
        }
        self.oldest = None;
        if self.is_asked && through > self.stored {
            self.store(through, Vec::new()).await?;
        }
        self.is_asked = false;
        Ok(())
    }

    /// Where to go on. The first time it is read, and so is what waits since an earlier process.
    async fn begin(&mut self) -> Result<u64, Stop> {
        if let Some(through) = self.through {
            return Ok(through);
        }
        let reader = self.setup.reader.clone();
        let (through, channels) =
            read(move || Ok((reader.routed_through()?, reader.channels()?))).await?;
        let waiting = channels.into_iter().filter(|channel| channel.waiting > 0);
        self.tell_of(waiting.map(|channel| channel.name).collect());
        if through == 0 {
            let young = i64::try_from(YOUNG.0.saturating_mul(1_000)).unwrap_or(i64::MAX);
            self.oldest = Some(Instant(clock::now().0.saturating_sub(young)));
        }
        self.through = Some(through);
        self.stored = through;
        Ok(through)
    }

    /// Goes by the rules as they are now. What was looked at by others is not looked at again by these.
    async fn take_rules(&mut self, through: u64) -> Result<(), Stop> {
        let rules = self.setup.directory.rules();
        if Arc::ptr_eq(&rules, &self.rules) {
            return Ok(());
        }
        if through > self.stored {
            self.store(through, Vec::new()).await?;
        }
        self.rules = rules;
        Ok(())
    }

    async fn route(&mut self, page: Page) -> Result<(), Stop> {
        let now = clock::now();
        let mut rows = Vec::new();
        for notification in &page.notifications {
            rows.extend(self.rows(notification, now));
            if rows.len() >= MOST_ROWS {
                self.store(notification.id, std::mem::take(&mut rows)).await?;
            }
        }
        if !rows.is_empty() || page.through.saturating_sub(self.stored) > LAG {
            return self.store(page.through, rows).await;
        }
        self.through = Some(page.through);
        Ok(())
    }

    fn rows(&self, notification: &Notification, now: Instant) -> Vec<OutboxRow> {
        if self.oldest.is_some_and(|oldest| notification.at < oldest) {
            return Vec::new();
        }
        let directory = &self.setup.directory;
        let wants = |schedule: &ScheduleName, status| directory.wants_heartbeat(schedule, status);
        self.rules.route(notification, wants, now)
    }

    async fn store(&mut self, through: u64, rows: Vec<OutboxRow>) -> Result<(), Stop> {
        let channels = rows.iter().map(|row| row.channel.clone()).collect();
        store(&self.setup.handle, OutboxChange::Routed { through, rows }).await?;
        self.through = Some(through);
        self.stored = through;
        self.tell_of(channels);
        Ok(())
    }

    fn tell_of(&self, channels: BTreeSet<String>) {
        if !channels.is_empty() {
            // Without the outbox nobody carries them.
            self.heard.send(Heard::Waits(channels)).unwrap_or_default();
        }
    }
}

/// The notifications after one; none: there are none.
fn page(reader: &Reader, after: u64) -> Result<Option<Page>, ReadError> {
    let last = reader.last_notification()?;
    if last <= after {
        return Ok(None);
    }
    let notifications = reader.notifications_from(after, PAGE)?;
    let read = notifications.last().map_or(after, |notification| notification.id);
    // The last ones may be forgotten already.
    let through = if notifications.len() < PAGE { last.max(read) } else { read };
    Ok(Some(Page { notifications, through }))
}

/// Waits for a record.
async fn committed(news: &mut Receiver<News>) -> Feed {
    loop {
        match news.recv().await {
            // Among what was missed there was one.
            Ok(News::Committed(_)) | Err(RecvError::Lagged(_)) => return Feed::Open,
            Ok(_) => {}
            Err(RecvError::Closed) => return Feed::Over,
        }
    }
}

/// Takes the news that have gathered: what they tell of is found at the next look.
fn taken(news: &mut Receiver<News>) -> Feed {
    loop {
        match news.try_recv() {
            Ok(_) | Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty) => return Feed::Open,
            Err(TryRecvError::Closed) => return Feed::Over,
        }
    }
}
