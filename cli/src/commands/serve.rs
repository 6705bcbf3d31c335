//! `serve`: the owner of a state that stays, drives its runs and waits for the ticks of its schedules.

mod failures;
mod known;
mod metrics;
mod news;
mod schedules;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use holdfast_journal::schedule::ScheduleChange;
use holdfast_kernel::id::Millis;
use holdfast_runtime::executor::End;
use holdfast_runtime::handle::Handle;
use holdfast_runtime::lock::Use;
use holdfast_runtime::schedule::{Plans, Scheduler};
use holdfast_runtime::wake::Want;
use holdfast_runtime::{clock, tasks};
use holdfast_service::socket::{Service, Socket};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use self::metrics::Metrics;
use super::drive::{FAREWELL, forget_old, stopped, with_runtime};
use crate::access::Access;
use crate::arguments::Shared;
use crate::book::{Book, Reading};
use crate::channels::{Channels, Sending};
use crate::compose::{Engine, Opening, Parts, configured, engine, open_state, parts};
use crate::error::Error;
use crate::find;
use crate::output::{Output, counted};
use crate::settings::Settings;
use crate::telemetry;

/// How often files are looked at.
const PERIOD: Millis = Millis::seconds(5);

/// Drives runs and waits for ticks, until a signal ends it.
///
/// # Errors
/// The state cannot be used, somebody else has it, or the journal cannot be written any more.
pub(crate) fn perform(shared: &Shared, output: Output) -> Result<ExitCode, Error> {
    telemetry::start(Settings::log_form(shared))?;
    let settings = Settings::read(shared, output)?;
    with_runtime(async {
        // Until somebody listens a signal kills: one that comes while the state is opened is heard once it serves.
        let signals = Signals::listen()?;
        let parts = parts(&settings, output);
        let state = match open_state(&settings, Use::Drives)? {
            Opening::Open(state) => *state,
            Opening::Owned(error) => return Err(error),
        };
        let engine = engine(state, &settings, &parts);
        let unfinished = engine.active.len();
        let mut serving = Serving::start(engine, signals, shared, settings, parts, output)?;
        serving.read().await;
        output.talk(format!(
            "holdfast serves {}: {} waited for, {} unfinished.",
            serving.files.settings.state.display(),
            counted(serving.schedules, "schedule"),
            counted(unfinished, "run")
        ));
        tell(&[NotifyState::Ready]);
        let end = serving.until_the_end().await;
        serving.close().await;
        match end {
            End::Failed(reason) => Err(stopped(&reason)),
            End::Drained { interrupted: 0 } => Ok(ExitCode::SUCCESS),
            End::Drained { interrupted } => {
                let attempts = counted(interrupted, "attempt");
                output.talk(format!("{attempts} cut short; the next owner goes on there."));
                Ok(ExitCode::SUCCESS)
            }
            End::Stopped => Ok(ExitCode::from(130)),
        }
    })
}

/// Tells the service manager, if one asked.
fn tell(state: &[NotifyState<'_>]) {
    // A manager that does not listen is no reason to end.
    sd_notify::notify(state).unwrap_or_default();
}

/// What is read from files, and read anew when they change.
struct Files {
    shared: Shared,
    settings: Settings,
    parts: Parts,
    /// What the files looked like when they were last read.
    looked: Look,
    /// What was last said of a configuration that cannot be used.
    refused: Option<String>,
}

/// Length and time of change of every file.
type Look = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// How often the state forgets what is old.
const FORGETS: Millis = Millis::seconds(60 * 60);

struct Serving {
    files: Files,
    book: Arc<Book>,
    plans: Plans,
    sending: Sending,
    metrics: Metrics,
    /// How many schedules are waited for.
    schedules: usize,
    handle: Handle,
    executor: Option<JoinHandle<End>>,
    service: Arc<Mutex<Service>>,
    close: Option<oneshot::Sender<()>>,
    answering: JoinHandle<()>,
    /// Says what happens to runs and schedules.
    telling: JoinHandle<()>,
    signals: Signals,
    /// When the state is next to forget what is old.
    forgets: tokio::time::Instant,
    output: Output,
    _lock: holdfast_runtime::lock::StateLock,
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    End,
    Reload,
}

impl Signals {
    fn listen() -> Result<Self, Error> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Error::unavailable(format!("Signals cannot be heard: {error}.")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn hear(&mut self) -> Heard {
        tokio::select! {
            _ = self.interrupt.recv() => Heard::End,
            _ = self.terminate.recv() => Heard::End,
            _ = self.hang_up.recv() => Heard::Reload,
        }
    }
}

impl Serving {
    fn start(
        engine: Engine,
        signals: Signals,
        shared: &Shared,
        settings: Settings,
        parts: Parts,
        output: Output,
    ) -> Result<Self, Error> {
        let Engine { executor, handle, lock, service, instance, .. } = engine;
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
        let executor = Some(tasks::spawn(executor.run()));
        let book = Arc::new(Book::new(parts.clone(), sources.clone()));
        let channels = Channels::new(&settings, Some(Arc::clone(&book)), &instance);
        let tell = |text: String| tracing::warn!("{text}");
        let sending = Sending::start(channels, (&handle, &sources.reader), tell)?;
        let requests = Arc::clone(&book);
        let (scheduler, plans) = Scheduler::new(handle.clone(), sources.reader, requests);
        tasks::spawn(scheduler.run());
        let files =
            Files { shared: shared.clone(), settings, parts, looked: Look::new(), refused: None };
        Ok(Self {
            files,
            book,
            plans,
            sending,
            metrics: Metrics::start(),
            schedules: 0,
            handle,
            executor,
            service,
            close: Some(close),
            answering,
            telling,
            signals,
            forgets: clock::monotonic(),
            output,
            _lock: lock,
        })
    }

    /// Waits until the executor has ended, and does what signals and files ask for meanwhile.
    async fn until_the_end(&mut self) -> End {
        let mut ending = 0_u32;
        let watchdog = sd_notify::watchdog_enabled().map(|length| length / 2);
        let period = watchdog.unwrap_or(Duration::MAX).min(clock::duration(PERIOD));
        let Some(mut executor) = self.executor.take() else { return End::Stopped };
        loop {
            tokio::select! {
                end = &mut executor => {
                    return end.unwrap_or_else(|error| End::Failed(format!("a bug in holdfast: {error}")));
                }
                heard = self.signals.hear() => match heard {
                    Heard::End => {
                        ending += 1;
                        self.end(ending);
                    }
                    Heard::Reload => self.reload().await,
                },
                () = clock::wait(Millis(u64::try_from(period.as_millis()).unwrap_or(PERIOD.0))) => {
                    self.is_alive().await;
                    self.forget();
                    if self.files.have_changed().await {
                        self.reload().await;
                    }
                }
            }
        }
    }

    fn end(&self, times: u32) {
        if times > 1 {
            return self.handle.stop();
        }
        tell(&[NotifyState::Stopping]);
        self.output.talk("Letting what is in flight end; once more stops at once.");
        self.sending.drain(self.handle.clone());
    }

    /// Lets the state forget what is old, once in a while.
    fn forget(&mut self) {
        if clock::monotonic() < self.forgets {
            return;
        }
        self.forgets = clock::monotonic() + clock::duration(FORGETS);
        let sources = self.service.lock().unwrap_or_else(PoisonError::into_inner).sources.clone();
        forget_old(&self.handle, &self.files.settings, Access::owner(sources), self.output);
    }

    /// Tells the service manager that the executor answers: one that hangs is started anew.
    async fn is_alive(&self) {
        if self.handle.obstacles().await.is_ok() {
            tell(&[NotifyState::Watchdog]);
        }
    }

    /// Reads the configuration and the workflow files. What is broken leaves what was before.
    async fn reload(&mut self) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            tell(&[NotifyState::Reloading, now]);
        }
        self.read().await;
        self.sending.again();
        tell(&[NotifyState::Ready]);
    }

    async fn read(&mut self) {
        self.files.looked = self.files.look().await;
        self.configure().await;
        let (book, settings, parts) =
            (Arc::clone(&self.book), self.files.settings.clone(), self.files.parts.clone());
        let read = tasks::spawn_blocking(move || book.read(&settings, &parts)).await;
        match read {
            Ok(Ok(Reading { planned, changes })) => {
                for change in changes {
                    let want =
                        Want::Schedule { change: Box::new(change), by: "holdfast".to_owned() };
                    self.handle.ask(want).await.map(drop).unwrap_or_default();
                }
                self.schedules = planned.len();
                self.plans.set(planned);
            }
            Ok(Err(error)) => tracing::warn!("The schedules stay as they were. {error}"),
            Err(error) => tracing::error!("A bug in holdfast: {error}."),
        }
        let sources = self.service.lock().unwrap_or_else(PoisonError::into_inner).sources.clone();
        self.metrics.write(&self.files.settings, &self.files.parts, sources);
    }

    /// Goes by the configuration as its file says it now.
    async fn configure(&mut self) {
        match Settings::read(&self.files.shared, self.output) {
            Ok(settings) if settings == self.files.settings => self.files.refused = None,
            Ok(settings) => {
                self.files.refused = None;
                if settings.state != self.files.settings.state {
                    self.output
                        .talk("Another state directory needs another process: this one stays.");
                }
                let parts = parts(&settings, self.output);
                let configured = configured(&settings, &parts);
                let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner);
                service.compile = Arc::clone(&configured.compile);
                service.sources.roles = Arc::new(settings.roles());
                drop(service);
                self.handle.configure(configured);
                self.sending.configure(&settings);
                telemetry::speak(settings.configuration.service.log);
                tracing::info!("The configuration was read anew.");
                (self.files.settings, self.files.parts) = (settings, parts);
            }
            Err(error) => self.refuse(&error).await,
        }
    }

    async fn refuse(&mut self, error: &Error) {
        let text = format!("{} What it said before still holds.", error.message);
        if self.files.refused.replace(text.clone()).as_ref() == Some(&text) {
            return;
        }
        let change = ScheduleChange::Unusable { workflow: None, text };
        let want = Want::Schedule { change: Box::new(change), by: "holdfast".to_owned() };
        self.handle.ask(want).await.map(drop).unwrap_or_default();
    }

    async fn close(&mut self) {
        drop(self.close.take());
        tokio::time::timeout(FAREWELL, &mut self.answering).await.map(drop).unwrap_or_default();
        // The executor is gone, and its last words are told; a reader of the log that hangs is not waited for.
        tokio::time::timeout(FAREWELL, &mut self.telling).await.map(drop).unwrap_or_default();
    }
}

impl Files {
    /// Looks at the files, beside the executor: a disk that hangs holds up nothing else.
    async fn look(&self) -> Look {
        let (folder, file) = (self.settings.base.join("workflows"), self.settings.file.clone());
        let look = move || {
            let files = find::files(&folder).unwrap_or_default().into_iter().chain(file);
            files.map(|path| (path.clone(), seen(&path))).collect()
        };
        tasks::spawn_blocking(look).await.unwrap_or_default()
    }

    async fn have_changed(&self) -> bool {
        self.look().await != self.looked
    }
}

fn seen(path: &Path) -> (u64, Option<SystemTime>) {
    path.metadata().map_or((0, None), |of| (of.len(), of.modified().ok()))
}
