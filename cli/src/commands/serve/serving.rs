//! The loop of the service: it waits for the executor to end, and does what signals and files ask for meanwhile.
//!
//! Nothing in it waits for a disk or for an answer: whatever does has a task or a thread of its own and tells it.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_kernel::id::Millis;
use holdfast_runtime::executor::End;
use holdfast_runtime::handle::Handle;
use holdfast_runtime::lock::StateLock;
use holdfast_runtime::schedule::{Planned, Plans, Scheduler};
use holdfast_runtime::{clock, tasks};
use holdfast_service::answer::Sources;
use holdfast_service::socket::{Service, Socket};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{MissedTickBehavior, interval_at};

use super::files::Files;
use super::metrics::Metrics;
use super::news;
use super::reading::{Begun, Readings, Told, Why};
use super::signals::{Heard, Signals};
use super::systemd;
use crate::access::Access;
use crate::arguments::Shared;
use crate::book::Book;
use crate::channels::{Channels, Sending, Shelf};
use crate::commands::drive::{FAREWELL, forget_old, stopped};
use crate::compose::{Engine, Parts, configured};
use crate::error::Error;
use crate::output::{Output, counted};
use crate::settings::Settings;
use crate::telemetry;

/// How often files are looked at.
const PERIOD: Millis = Millis::seconds(5);

/// How often the state forgets what is old.
const FORGETS: Millis = Millis::seconds(60 * 60);

/// A service and everything that goes on in it.
pub(super) struct Serving {
    settings: Settings,
    parts: Parts,
    readings: Readings,
    plans: Plans,
    sending: Sending,
    metrics: Metrics,
    handle: Handle,
    executor: Option<JoinHandle<End>>,
    scheduler: Option<JoinHandle<()>>,
    service: Arc<Mutex<Service>>,
    close: Option<oneshot::Sender<()>>,
    answering: JoinHandle<()>,
    /// Says what happens to runs and schedules.
    telling: JoinHandle<()>,
    signals: Signals,
    /// How many runs were unfinished when it began.
    unfinished: usize,
    stage: Stage,
    /// Why it cannot go on, if it was a bug.
    bug: Option<Error>,
    /// When the state is next to forget what is old.
    forgets: tokio::time::Instant,
    output: Output,
    _lock: StateLock,
}

/// How far a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its files were not read yet.
    Begins,
    Serves,
    /// It lets what is in flight end.
    Ends,
}

impl Serving {
    /// Starts everything. Nothing is waited for before the files are read.
    ///
    /// # Errors
    /// The socket or TLS cannot be set up.
    pub(super) fn start(
        engine: Engine,
        signals: Signals,
        shared: &Shared,
        (settings, parts): (Settings, Parts),
        output: Output,
    ) -> Result<Self, Error> {
        let Engine { executor, handle, lock, service, instance, active, pause: _ } = engine;
        let sources = service.sources.clone();
        let (close, closed) = oneshot::channel::<()>();
        let service = Arc::new(Mutex::new(service));
        let socket = Socket::bind(&settings.state).map_err(|error| {
            let state = settings.state.display();
            Error::unavailable(format!("No socket can be made in {state}: {error}."))
        })?;
        let current = Arc::clone(&service);
        let answering = tasks::spawn(async move {
            let service = move || current.lock().unwrap_or_else(PoisonError::into_inner).clone();
            socket.serve(service, async { closed.await.unwrap_or_default() }).await;
        });
        let (feed, reader) = (handle.watch(), sources.reader.clone());
        let telling = tasks::spawn_blocking(move || news::tell(feed, reader));
        let book = Arc::new(Book::new(parts.clone(), sources.clone()));
        let channels = Channels::new(&settings, Shelf::Kept(Arc::clone(&book)), &instance);
        let tell = |text: String| tracing::warn!("{text}");
        let sending = Sending::new(channels, (&handle, &sources.reader), tell)?;
        let executor = Some(tasks::spawn(executor.run()));
        systemd::alive(handle.clone());
        let requests = Arc::clone(&book);
        let (scheduler, plans) = Scheduler::new(handle.clone(), sources.reader, requests);
        let scheduler = Some(tasks::spawn(scheduler.run()));
        let files = Files::new(shared, output, (settings.clone(), parts.clone()), book);
        let readings = Readings::start(files, handle.clone());
        readings.ask(Why::Start);
        Ok(Self {
            settings,
            parts,
            readings,
            plans,
            sending,
            metrics: Metrics::start(),
            handle,
            executor,
            scheduler,
            service,
            close: Some(close),
            answering,
            telling,
            signals,
            unfinished: active.len(),
            stage: Stage::Begins,
            bug: None,
            forgets: clock::monotonic(),
            output,
            _lock: lock,
        })
    }

    /// Serves until the executor has ended.
    ///
    /// # Errors
    /// The executor failed, or a bug ended something without which there is no service.
    pub(super) async fn serve(mut self) -> Result<ExitCode, Error> {
        let end = self.until_the_end().await;
        self.close().await;
        match end? {
            End::Failed(reason) => Err(stopped(&reason)),
            End::Drained { interrupted: 0 } => Ok(ExitCode::SUCCESS),
            End::Drained { interrupted } => {
                let attempts = counted(interrupted, "attempt");
                self.output.talk(format!("{attempts} cut short; the next owner goes on there."));
                Ok(ExitCode::SUCCESS)
            }
            End::Stopped => Ok(ExitCode::from(130)),
        }
    }

    async fn until_the_end(&mut self) -> Result<End, Error> {
        let both = self.executor.take().zip(self.scheduler.take());
        let Some((mut executor, mut scheduler)) = both else { return Ok(End::Stopped) };
        let period = clock::duration(PERIOD);
        // Whatever else happens, and however often: it comes.
        let mut looks = interval_at(clock::monotonic() + period, period);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                end = &mut executor => return self.ended(end),
                heard = self.signals.hear() => match heard {
                    Heard::End => self.end(),
                    Heard::Reload => {
                        self.ask(Why::Asked);
                        self.sending.again();
                    }
                },
                told = self.readings.next(), if self.bug.is_none() => match told {
                    Some(told) => self.take(told),
                    None => self.fail("files are not read any more"),
                },
                _ = &mut scheduler, if self.bug.is_none() => {
                    self.fail("schedules are not waited for any more");
                }
                _ = looks.tick() => {
                    self.forget();
                    self.ask(Why::Look);
                }
            }
        }
    }

    /// The executor has ended.
    fn ended(&mut self, end: Result<End, JoinError>) -> Result<End, Error> {
        let end = end.unwrap_or_else(|error| End::Failed(format!("a bug in holdfast: {error}")));
        match (end, self.bug.take()) {
            (End::Drained { .. } | End::Stopped, Some(bug)) => Err(bug),
            (end, _) => Ok(end),
        }
    }

    /// Lets what is in flight end; the second time at once.
    fn end(&mut self) {
        if self.stage == Stage::Ends {
            return self.handle.stop();
        }
        self.stage = Stage::Ends;
        systemd::stopping();
        self.output.talk("Letting what is in flight end; once more stops at once.");
        self.sending.drain(self.handle.clone());
    }

    /// A service of which a part is gone is none: the service manager starts it anew.
    fn fail(&mut self, what: &str) {
        let error = Error::internal(format!("A bug in holdfast: {what}."));
        self.bug = Some(error.hint("Nothing that was acknowledged is lost: start it again."));
        if self.stage != Stage::Ends {
            self.end();
        }
    }

    /// Asks for a reading of the files. Who is about to end goes by what they said.
    fn ask(&self, why: Why) {
        if self.stage != Stage::Ends {
            self.readings.ask(why);
        }
    }

    /// Goes by what was read.
    fn take(&mut self, told: Told) {
        match told {
            Told::Begins if self.stage == Stage::Serves => systemd::reloading(),
            Told::Begins => {}
            Told::Configured(another) => {
                let (settings, parts) = *another;
                self.configure(settings, parts);
            }
            Told::Over { planned, begun } => self.go_by(planned, begun),
        }
    }

    fn go_by(&mut self, planned: Option<Vec<Planned>>, begun: Begun) {
        if self.stage == Stage::Ends {
            return;
        }
        let schedules = planned.as_ref().map_or(0, Vec::len);
        if let Some(planned) = planned {
            self.plans.set(planned);
            self.sending.begin();
        }
        self.metrics.write(&self.settings, &self.parts, self.sources());
        if self.stage == Stage::Begins {
            self.begin(schedules);
        } else if begun == Begun::Told {
            systemd::ready();
        }
    }

    fn begin(&mut self, schedules: usize) {
        self.stage = Stage::Serves;
        self.output.talk(format!(
            "holdfast serves {}: {} waited for, {} unfinished.",
            self.settings.state.display(),
            counted(schedules, "schedule"),
            counted(self.unfinished, "run")
        ));
        systemd::ready();
    }

    /// Goes by another configuration.
    fn configure(&mut self, settings: Settings, parts: Parts) {
        if settings.state != self.settings.state {
            self.output.talk("Another state directory needs another process: this one stays.");
        }
        let configured = configured(&settings, &parts);
        let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        service.compile = Arc::clone(&configured.compile);
        service.sources.roles = Arc::new(settings.roles());
        drop(service);
        self.handle.configure(configured);
        self.sending.configure(&settings);
        self.sending.again();
        telemetry::speak(settings.configuration.service.log);
        tracing::info!("The configuration was read anew.");
        (self.settings, self.parts) = (settings, parts);
    }

    /// Lets the state forget what is old, once in a while.
    fn forget(&mut self) {
        if clock::monotonic() < self.forgets {
            return;
        }
        self.forgets = clock::monotonic() + clock::duration(FORGETS);
        forget_old(&self.handle, &self.settings, Access::owner(self.sources()), self.output);
    }

    fn sources(&self) -> Sources {
        self.service.lock().unwrap_or_else(PoisonError::into_inner).sources.clone()
    }

    async fn close(&mut self) {
        drop(self.close.take());
        tokio::time::timeout(FAREWELL, &mut self.answering).await.map(drop).unwrap_or_default();
        // The executor is gone, and its last words are told; a reader of the log that hangs is not waited for.
        tokio::time::timeout(FAREWELL, &mut self.telling).await.map(drop).unwrap_or_default();
    }
}
