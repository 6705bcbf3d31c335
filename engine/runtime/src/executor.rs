//! The executor: one task that drives all active runs of a process.
//!
//! It takes what happened ([`crate::wake`]), lets the drive decide, hands batches to the committing thread one at
//! a time, and releases what the drive gives back. It ends when it is drained, stopped, or when a commit fails:
//! then nothing is released any more, and the reason is what it returns.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_contract::action::Registry;
use holdfast_contract::evaluate::Evaluate;
use holdfast_drive::grants::Limits;
use holdfast_drive::input::{Input, Program, Token};
use holdfast_drive::output::Reply;
use holdfast_drive::ticking::Standstill;
use holdfast_drive::turn::{Drive, Intake};
use holdfast_journal::disk::Disk;
use holdfast_journal::query::Reader;
use holdfast_journal::resume::Opened;
use holdfast_journal::schedule::Paused;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{Death, Event, Timer};
use holdfast_kernel::failure::Failure;
use holdfast_kernel::id::{AttemptId, ItemIndex, Millis, RunId};
use holdfast_kernel::state::StepPhase;
use holdfast_kernel::status::Counts;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{broadcast, oneshot};

use crate::ask::input;
use crate::attempt::{Cancel, Surroundings};
use crate::children::Children;
use crate::clock;
use crate::disk_threads::DiskThreads;
use crate::feed::News;
use crate::handle::Handle;
use crate::logs::Logs;
use crate::scope::Secrets;
use crate::space::{Space, SpaceChange};
use crate::timer::Timers;
use crate::wake::{Asked, Configured, Grace, Tokens, Wake};

/// How many news a watcher may lag behind before it misses some.
const FEED: usize = 4_096;

/// How many wakes are taken before a batch is handed over.
const AT_ONCE: usize = 1_024;

/// Compiles a definition into its language.
pub type Compile = Arc<dyn Fn(Arc<Definition>) -> Arc<dyn Evaluate + Send + Sync> + Send + Sync>;

/// What an executor is made with.
pub struct Setup {
    /// The open state directory.
    pub opened: Opened,
    /// The disk it lies on.
    pub disk: Arc<dyn Disk>,
    /// How many bytes must be free there for an attempt to start.
    pub reserve: u64,
    /// The logs of attempts.
    pub logs: Logs,
    /// What steps may use.
    pub actions: Registry,
    /// The language.
    pub compile: Compile,
    /// Where secrets come from.
    pub secrets: Arc<dyn Secrets>,
    /// Makes requests for child runs.
    pub children: Arc<dyn Children>,
    /// The limits of this process.
    pub limits: Limits,
    /// How long attempts have to end on their own when the process is drained.
    pub drain_grace: Millis,
    /// How long an attempt has to end after a cancel or its timeout.
    pub cancel_grace: Millis,
}

/// Why an executor ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It was drained; so many attempts were cut short.
    Drained {
        /// How many attempts were interrupted.
        interrupted: usize,
    },
    /// It was stopped at once.
    Stopped,
    /// The journal or the store could not be written. Nothing was released after that.
    Failed(String),
}

/// The executor.
pub struct Executor {
    pub(crate) drive: Drive,
    pub(crate) reader: Reader,
    pub(crate) around: Surroundings,
    pub(crate) actions: Registry,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) children: Arc<dyn Children>,
    pub(crate) timers: Timers,
    pub(crate) cancels: BTreeMap<(RunId, AttemptId), Cancel>,
    pub(crate) feed: broadcast::Sender<News>,
    pub(crate) replies: BTreeMap<Token, oneshot::Sender<Reply>>,
    pub(crate) notes: BTreeMap<(RunId, AttemptId, ItemIndex), oneshot::Sender<Result<(), Failure>>>,
    /// Where each step was when it was last told, in the order of the definition.
    pub(crate) told: BTreeMap<RunId, Vec<Option<(StepPhase, Counts)>>>,
    pub(crate) grace: Millis,
    pub(crate) compile: Compile,
    wakes: UnboundedReceiver<Wake>,
    disk: DiskThreads,
    pub(crate) space: Space,
    committing: bool,
    tokens: Tokens,
    drain_grace: Millis,
    ending: Ending,
}

/// Whether and how the executor is about to end.
enum Ending {
    No,
    /// What is in flight has until then.
    Draining(tokio::time::Instant),
    /// Everything in flight was interrupted; so many attempts.
    Interrupted(usize),
    Over(End),
}

impl Executor {
    /// An executor over an open state: every active run is taken over.
    pub fn new(setup: Setup) -> (Self, Handle) {
        let (wake, wakes): (UnboundedSender<Wake>, _) = unbounded_channel();
        let (feed, _) = broadcast::channel(FEED);
        let handle = Handle::new(wake.clone(), &feed);
        setup.logs.tell(&feed);
        let Opened { writer, filer, reader, payloads, bodies, recovered } = setup.opened;
        let around = Surroundings {
            wake: wake.clone(),
            payloads: Arc::clone(&payloads),
            bodies,
            logs: setup.logs,
        };
        let now = clock::now();
        let mut drive =
            Drive::new(setup.limits, payloads, recovered.next_sequence, recovered.highest);
        for active in recovered.active {
            let program = compiled(&setup.compile, &active.definition);
            drive.take_over(active, program, now);
        }
        drive.know_schedules(&recovered.schedules, standstill(recovered.pause.as_ref()));
        drive.start(now);
        let executor = Self {
            drive,
            reader,
            around,
            actions: setup.actions,
            secrets: setup.secrets,
            children: setup.children,
            timers: Timers::default(),
            cancels: BTreeMap::new(),
            feed,
            replies: BTreeMap::new(),
            notes: BTreeMap::new(),
            told: BTreeMap::new(),
            grace: setup.cancel_grace,
            compile: setup.compile,
            wakes,
            disk: DiskThreads::start(writer, filer, &wake),
            space: Space::new(setup.disk, setup.reserve),
            committing: false,
            tokens: Tokens::default(),
            drain_grace: setup.drain_grace,
            ending: Ending::No,
        };
        (executor, handle)
    }

    /// Drives runs until it is drained or stopped, or cannot go on.
    pub async fn run(mut self) -> End {
        loop {
            // Whatever ended it: nothing is committed after that.
            if let Ending::Over(end) = self.ending {
                return end;
            }
            self.watch_space();
            self.hand_over();
            if let Ending::Over(end) = self.ending {
                return end;
            }
            let wake = self.next().await;
            self.take(wake);
            self.take_what_waits();
        }
    }

    /// Starts no attempt while the disk is nearly full, and goes on when there is space again.
    fn watch_space(&mut self) {
        let Some(change) = self.space.look() else { return };
        if matches!(self.ending, Ending::No) {
            let intake = match change {
                SpaceChange::Low => Intake::Paused,
                SpaceChange::Enough => Intake::Open,
            };
            self.drive.set_intake(intake, clock::now());
        }
        self.tell(News::Space(change));
    }

    /// Takes what has gathered by now, so that it shares one commit.
    fn take_what_waits(&mut self) {
        for _ in 0..AT_ONCE {
            let Ok(wake) = self.wakes.try_recv() else { return };
            self.take(Some(wake));
        }
    }

    /// Hands the next batch to the disk, if none is under way.
    fn hand_over(&mut self) {
        if self.committing {
            return;
        }
        let Some(batch) = self.drive.take_batch() else {
            let ready = self.drive.take_ready();
            self.release(ready);
            return self.end_if_idle();
        };
        self.committing = true;
        if !self.disk.commit(batch) {
            self.fail("the thread that writes the journal has ended".to_owned());
        }
    }

    /// A drained executor ends when nothing is in flight and everything is durable.
    fn end_if_idle(&mut self) {
        if matches!(self.ending, Ending::No | Ending::Over(_)) {
            return;
        }
        let in_flight = self.drive.active().any(|state| !state.in_flight.is_empty());
        let end = match &self.ending {
            Ending::Draining(_) if !in_flight => End::Drained { interrupted: 0 },
            Ending::Interrupted(interrupted) => End::Drained { interrupted: *interrupted },
            Ending::No | Ending::Draining(_) | Ending::Over(_) => return,
        };
        self.ending = Ending::Over(end);
    }

    /// The next thing that happens; none if a timer rang.
    async fn next(&mut self) -> Option<Wake> {
        let drain = match self.ending {
            Ending::Draining(until) => Some(until),
            Ending::No | Ending::Interrupted(_) | Ending::Over(_) => None,
        };
        let alarm = self.timers.next().into_iter().chain(drain).chain(self.space.next_look()).min();
        let Some(alarm) = alarm else { return self.wakes.recv().await };
        tokio::select! {
            wake = self.wakes.recv() => wake,
            () = tokio::time::sleep_until(alarm) => None,
        }
    }

    fn take(&mut self, wake: Option<Wake>) {
        let Some(wake) = wake else { return self.ring() };
        match wake {
            Wake::Asked(asked) => self.asked(asked),
            Wake::Event(run, event) => self.accept(Input::Event { run, event }),
            Wake::Note { run, attempt, item, event, done } => {
                self.notes.insert((run, attempt, item), done);
                self.accept(Input::Event { run, event });
            }
            Wake::Keep { kept, reply } => {
                let token = self.tokens.take();
                self.replies.insert(token, reply);
                self.accept(Input::Keep { kept, token });
            }
            Wake::Progress(run, step, progress) => {
                self.tell(News::Progress { run, step, progress });
            }
            Wake::Child(child) => self.child(*child),
            // Whoever asked may be gone.
            Wake::Obstacles(asked) => asked.send(self.drive.obstacles()).unwrap_or_default(),
            Wake::AttemptOver(run, attempt) => drop(self.cancels.remove(&(run, attempt))),
            Wake::Committed(Ok(batch)) => {
                self.committing = false;
                self.tell(News::Committed(Arc::clone(&batch)));
                for (run, events) in &batch.entries {
                    self.happened(*run, events);
                }
                let released = self.drive.committed(batch.sequence);
                self.release(released);
            }
            Wake::Committed(Err(reason)) | Wake::Filed(Err(reason)) => self.fail(reason),
            Wake::Filed(Ok(_)) => {}
            Wake::Configure(configured) => self.configure(*configured),
            Wake::Drain(grace) => self.drain(grace),
            Wake::Stop => self.ending = Ending::Over(End::Stopped),
        }
    }

    pub(crate) fn accept(&mut self, input: Input) {
        self.drive.accept(input, clock::now());
    }

    fn configure(&mut self, configured: Configured) {
        let Configured { actions, compile, secrets, children, limits, reserve, drain_grace } =
            configured;
        self.actions = actions;
        self.compile = compile;
        self.secrets = secrets;
        self.children = children;
        self.drain_grace = drain_grace;
        self.space.keep_free(reserve);
        self.drive.set_limits(limits, clock::now());
    }

    fn ring(&mut self) {
        let now = clock::monotonic();
        while let Some((run, timer)) = self.timers.ring(now) {
            self.accept(Input::Event { run, event: Event::TimerFired { timer } });
        }
        if let Ending::Draining(until) = self.ending
            && until <= now
        {
            self.interrupt();
        }
    }

    fn drain(&mut self, grace: Grace) {
        let grace = match grace {
            Grace::Usual => self.drain_grace,
            Grace::None => Millis::ZERO,
        };
        let until = clock::monotonic() + clock::duration(grace);
        let sooner = match self.ending {
            Ending::No => true,
            Ending::Draining(earlier) => until < earlier,
            Ending::Interrupted(_) | Ending::Over(_) => false,
        };
        if sooner {
            self.drive.set_intake(Intake::Draining, clock::now());
            self.ending = Ending::Draining(until);
        }
    }

    /// The grace is over: what is still in flight is cut short, and told as such.
    fn interrupt(&mut self) {
        let in_flight: Vec<(RunId, AttemptId)> = self
            .drive
            .active()
            .flat_map(|state| state.in_flight.keys().map(|attempt| (state.run(), *attempt)))
            .collect();
        for (run, attempt) in &in_flight {
            // Dropping the sender refuses every permit from here on.
            drop(self.cancels.remove(&(*run, *attempt)));
            let event = Event::AttemptInterrupted { attempt: *attempt, death: Death::Clean };
            self.accept(Input::Event { run: *run, event });
        }
        self.ending = Ending::Interrupted(in_flight.len());
    }

    /// Nothing is released any more: what is not durable did not happen.
    fn fail(&mut self, reason: String) {
        self.cancels.clear();
        self.ending = Ending::Over(End::Failed(reason));
    }

    fn asked(&mut self, Asked { what, reply }: Asked) {
        let token = self.tokens.take();
        let sources = (&self.reader, &self.compile);
        let input = input(what, token, &self.drive, sources);
        match input {
            Ok(input) => {
                self.replies.insert(token, reply);
                self.accept(input);
            }
            // Whoever asked may be gone.
            Err(refusal) => reply.send(Reply::Refused(refusal)).unwrap_or_default(),
        }
    }

    pub(crate) fn tell(&self, news: News) {
        // Nobody may be watching.
        self.feed.send(news).map(drop).unwrap_or_default();
    }

    pub(crate) fn set_timer(&mut self, run: RunId, timer: Timer, duration: Millis) {
        self.timers.set(run, timer, duration);
    }
}

/// Whether everything is paused.
pub(crate) fn standstill(pause: Option<&Paused>) -> Standstill {
    if pause.is_some_and(Paused::lasts) { Standstill::Paused } else { Standstill::No }
}

/// A definition with its language.
pub(crate) fn compiled(compile: &Compile, definition: &Arc<Definition>) -> Program {
    Program { definition: Arc::clone(definition), language: compile(Arc::clone(definition)) }
}
