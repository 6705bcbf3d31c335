//! The outbox: one who looks where notifications go, and one for each channel for which something waits, several at
//! once, so that a channel that hangs delays no other.
//!
//! It keeps no message: what waits stands in the store. The wall clock may jump: it is looked at anew at every step,
//! and no wait is long.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::Arc;

use holdfast_channels::{Channel, Client};
use holdfast_journal::query::Reader;
use holdfast_kernel::id::{Instant, Millis};
use holdfast_kernel::status::RunStatus;
use holdfast_kernel::tick::ScheduleName;
use holdfast_runtime::clock;
use holdfast_runtime::handle::Handle;
use holdfast_runtime::tasks;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::carrier::Carrier;
use crate::letter::Letters;
use crate::nudge::{Heard, Next, Nudge, Urgency};
use crate::pace::Pace;
use crate::router::Router;
use crate::rules::Rules;

/// How many channels are looked after at once.
const AT_ONCE: usize = 16;

/// What the configuration says of channels, as it is now.
pub trait Directory: Send + Sync {
    /// The rules: the same ones while nothing is changed.
    fn rules(&self) -> Arc<Rules>;

    /// How long it is tried to deliver something through a channel; none: there is no such channel.
    fn give_up_after(&self, channel: &str) -> Option<Millis>;

    /// A channel with its secrets as they are now; also that of a heartbeat. It blocks.
    ///
    /// # Errors
    /// It cannot be made now: why, a fragment that fits after "cannot …:", without secrets.
    fn channel(&self, name: &str) -> Result<Channel, String>;

    /// Whether somebody outside is to hear that a run of a schedule came to this status.
    fn wants_heartbeat(&self, schedule: &ScheduleName, status: RunStatus) -> bool;

    /// Who writes.
    fn letters(&self) -> Letters;
}

/// Where something is told that the people who run holdfast should know: a full sentence, without secrets.
pub type Tell = Arc<dyn Fn(String) + Send + Sync>;

/// What an outbox is made with.
#[derive(Clone)]
pub struct Setup {
    /// The executor, which stores what becomes of messages.
    pub handle: Handle,
    /// Reads its store.
    pub reader: Reader,
    /// The configuration.
    pub directory: Arc<dyn Directory>,
    /// What delivers.
    pub client: Client,
    /// How fast.
    pub pace: Pace,
    /// Where trouble with the store is told.
    pub tell: Tell,
}

/// Carries notifications to people outside.
pub struct Outbox {
    router: Router,
    distributor: Distributor,
}

impl Outbox {
    /// An outbox that does nothing yet, and what speaks to it.
    pub fn new(setup: Setup) -> (Self, Nudge) {
        let (tell, heard) = unbounded_channel();
        let (order, orders) = unbounded_channel();
        let router = Router::new(setup.clone(), tell.clone(), orders);
        let distributor = Distributor {
            carrier: Arc::new(Carrier::new(setup)),
            waits: BTreeMap::new(),
            busy: BTreeMap::new(),
            looked: Instant(i64::MIN),
            tell: tell.clone(),
            heard,
        };
        (Self { router, distributor }, Nudge::new(tell, order))
    }

    /// Carries, until the executor is gone. A delivery that is under way then is broken off, and done again by the
    /// next process: [`crate::settle()`] waits for it before.
    pub async fn run(self) {
        let Self { router, distributor } = self;
        let mut routing = Going(tasks::spawn(router.run()));
        tokio::select! {
            // Also if it broke off: nothing would be looked at any more.
            _ended = &mut routing.0 => {}
            () = distributor.run() => {}
        }
    }
}

/// Something that goes on beside, and ends with whoever started it.
struct Going(JoinHandle<()>);

impl Drop for Going {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Has channels looked after.
struct Distributor {
    carrier: Arc<Carrier>,
    /// When each channel is to be looked at, for which something waits.
    waits: BTreeMap<String, (Instant, Urgency)>,
    /// Those that are being looked after.
    busy: BTreeMap<String, Going>,
    /// When this was last looked at.
    looked: Instant,
    tell: UnboundedSender<Heard>,
    heard: UnboundedReceiver<Heard>,
}

/// Whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    On,
    Over,
}

impl Distributor {
    async fn run(mut self) {
        loop {
            self.look_after_what_is_due();
            let wait = self.wait();
            tokio::select! {
                // It has a sender itself, so there is always one.
                Some(heard) = self.heard.recv() => {
                    if self.hear(heard) == Goes::Over {
                        return;
                    }
                }
                () = clock::wait(wait) => {}
            }
        }
    }

    /// How long nothing is to be looked at, by the wall clock: never long, for that may jump.
    fn wait(&self) -> Millis {
        let idle = self.waits.iter().filter(|(channel, _)| !self.busy.contains_key(*channel));
        let first = idle.map(|(_, (at, _))| *at).min().filter(|_| self.busy.len() < AT_ONCE);
        let until = first.map_or_else(clock::longest_nap, |at| {
            // A millisecond is not waited for less than it lasts.
            Millis(at.since(clock::now()).0.saturating_add(1))
        });
        until.min(clock::longest_nap())
    }

    fn look_after_what_is_due(&mut self) {
        let now = clock::now();
        if now < self.looked {
            // The clock was set back: nothing waits until it has come so far again.
            for (at, _) in self.waits.values_mut() {
                *at = now;
            }
        }
        self.looked = now;
        let due = self
            .waits
            .iter()
            .filter(|(channel, (at, _))| *at <= now && !self.busy.contains_key(*channel));
        let mut due: Vec<(Instant, String)> =
            due.map(|(channel, (at, _))| (*at, channel.clone())).collect();
        due.sort();
        let free = AT_ONCE.saturating_sub(self.busy.len());
        for (_, channel) in due.into_iter().take(free) {
            self.look_after(channel);
        }
    }

    fn look_after(&mut self, channel: String) {
        let Some((_, urgency)) = self.waits.remove(&channel) else { return };
        let carrier = Arc::clone(&self.carrier);
        let report = Report { tell: self.tell.clone(), channel: channel.clone(), next: None };
        let going = tasks::spawn(async move {
            let mut report = report;
            report.next = Some(carrier.carry(&report.channel, urgency).await);
        });
        self.busy.insert(channel, Going(going));
    }

    fn hear(&mut self, heard: Heard) -> Goes {
        let now = clock::now();
        match heard {
            Heard::Waits(channels) => {
                for channel in channels {
                    self.wants(channel, (now, Urgency::Usual));
                }
            }
            Heard::Again => {
                let busy: Vec<String> = self.busy.keys().cloned().collect();
                for channel in busy {
                    self.wants(channel, (now, Urgency::Now));
                }
                for wait in self.waits.values_mut() {
                    *wait = (now, Urgency::Now);
                }
            }
            Heard::Looked { channel, next } => {
                self.busy.remove(&channel);
                match next {
                    Next::Never => {}
                    Next::At(at) => self.wants(channel, (at, Urgency::Usual)),
                    Next::Over => return Goes::Over,
                }
            }
        }
        Goes::On
    }

    /// A channel is to be looked at. What it is to be looked at for already is not put off, and stays as urgent.
    fn wants(&mut self, channel: String, (at, urgency): (Instant, Urgency)) {
        let known = self.waits.entry(channel).or_insert((at, urgency));
        known.0 = at.min(known.0);
        if urgency == Urgency::Now {
            known.1 = urgency;
        }
    }
}

/// Tells that a channel was looked at, whatever ended it.
struct Report {
    tell: UnboundedSender<Heard>,
    channel: String,
    /// None: it broke off.
    next: Option<Next>,
}

impl Drop for Report {
    fn drop(&mut self) {
        let next = self.next.unwrap_or_else(|| Next::At(clock::now().plus(clock::longest_nap())));
        let channel = take(&mut self.channel);
        // Without the outbox nobody waits for it.
        self.tell.send(Heard::Looked { channel, next }).unwrap_or_default();
    }
}
