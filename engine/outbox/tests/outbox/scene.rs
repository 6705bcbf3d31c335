//! An executor on a folder of this machine, something that happens, and an outbox that tells of it.

use std::sync::Arc;

use holdfast_channels::Client;
use holdfast_drive::grants::Limits;
use holdfast_drive::output::Reply;
use holdfast_journal::disk::local::Local;
use holdfast_journal::outbox::{ChannelRecord, Failing, OutboxChange, OutboxRow, Place};
use holdfast_journal::query::{Page, Reader};
use holdfast_journal::record::{Kind, Notification};
use holdfast_journal::schedule::ScheduleChange;
use holdfast_kernel::id::{Instant, Millis};
use holdfast_outbox::{Nudge, Outbox, Pace, Setup};
use holdfast_rig::{Plain, Rig, acting, done};
use holdfast_runtime::wake::Want;
use holdfast_runtime::{clock, tasks};
use tempfile::TempDir;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::desk::Desk;
use crate::receiver::LIMIT;

/// A pace at which nobody waits for long.
pub(crate) const FAST: Pace = Pace {
    gather: Millis(1),
    first: Millis(5),
    most: Millis(20),
    patience: 3,
    back: Millis(10),
    back_most: Millis(40),
    attempt: Millis::seconds(60),
};

/// A pace at which nothing that failed is tried again in this test.
pub(crate) const SLOW: Pace =
    Pace { first: Millis::seconds(50 * 60), most: Millis::seconds(50 * 60), ..FAST };

/// An executor with its state.
pub(crate) struct Scene {
    pub(crate) rig: Rig,
    _folder: TempDir,
}

/// An outbox that carries.
pub(crate) struct Carrying {
    pub(crate) nudge: Nudge,
    pub(crate) going: JoinHandle<()>,
}

impl Carrying {
    /// Ends it, as a death would.
    pub(crate) async fn kill(self) {
        self.going.abort();
        assert!(self.going.await.unwrap_err().is_cancelled());
    }
}

impl Scene {
    /// An executor on an empty folder.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Local::new(folder.path()).unwrap());
        let registry = acting(|_, _| async { done() });
        let rig = Rig::start(disk, Plain::items(1), registry, Limits::default());
        Self { rig, _folder: folder }
    }

    /// Lets an outbox carry at a pace.
    pub(crate) fn carry(&self, desk: &Arc<Desk>, pace: Pace) -> Carrying {
        let (outbox, nudge) = Outbox::new(Setup {
            handle: self.rig.handle.clone(),
            reader: self.rig.reader.clone(),
            directory: Arc::<Desk>::clone(desk),
            client: Client::with_timeouts(LIMIT, LIMIT).unwrap(),
            pace,
            tell: Arc::new(|said: String| panic!("{said}")),
        });
        Carrying { nudge, going: tasks::spawn(outbox.run()) }
    }

    /// Something happens that is told with this text.
    pub(crate) async fn happens(&self, text: &str) {
        let text = text.to_owned();
        self.change(ScheduleChange::Unusable { workflow: None, text }).await;
    }

    /// Something of schedules is stored.
    pub(crate) async fn change(&self, change: ScheduleChange) {
        let want = Want::Schedule { change: Box::new(change), by: "tester".to_owned() };
        assert_eq!(self.rig.handle.ask(want).await.unwrap(), Reply::Done);
    }

    /// Something of the outbox is stored.
    pub(crate) async fn store(&self, change: OutboxChange) {
        let want = Want::Outbox(Box::new(change));
        assert_eq!(self.rig.handle.ask(want).await.unwrap(), Reply::Done);
    }

    /// These notifications wait for a channel as one message, due now, and all there are were looked at.
    pub(crate) async fn wait_together(&self, channel: &str, notifications: &[u64]) {
        let due = clock::now();
        let row = |notification: &u64| OutboxRow {
            channel: channel.to_owned(),
            place: Place { due, gathered: true, notification: *notification },
            first_due: due,
            attempts: 0,
        };
        let through = self.rig.reader.last_notification().unwrap();
        let rows = notifications.iter().map(row).collect();
        self.store(OutboxChange::Routed { through, rows }).await;
    }

    /// Waits, record by record, until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Reader) -> bool) {
        let mut news = self.rig.handle.watch();
        let met = async {
            while !holds(&self.rig.reader) {
                let told = news.recv().await;
                assert!(!matches!(told, Err(RecvError::Closed)), "the executor is gone: {what}");
            }
        };
        assert!(timeout(LIMIT, met).await.is_ok(), "{what}");
    }
}

/// How a channel does; a new one if nothing is known.
pub(crate) fn channel(reader: &Reader, name: &str) -> ChannelRecord {
    let channels = reader.channels().unwrap();
    channels.into_iter().find(|record| record.name == name).unwrap_or_default()
}

/// What is wrong with a channel.
pub(crate) fn failing(reader: &Reader, name: &str) -> Option<Failing> {
    channel(reader, name).failing
}

/// Whether a channel was made for something, and nothing waits for it any more.
pub(crate) fn is_done(reader: &Reader, name: &str) -> bool {
    let record = channel(reader, name);
    record.name == name && record.waiting == 0
}

/// The texts of the notifications that say that a channel gave up.
pub(crate) fn given_up(reader: &Reader) -> Vec<String> {
    let all: Vec<Notification> =
        reader.notifications(Page { after: None, limit: 100 }).unwrap().rows;
    let of_channels = all.into_iter().filter(|notification| notification.kind == Kind::Channel);
    of_channels.map(|notification| notification.text).collect()
}

/// So long after now.
pub(crate) fn in_minutes(minutes: u64) -> Instant {
    clock::now().plus(Millis::seconds(minutes * 60))
}
