//! `run` and `resume`: the commands that drive runs, until theirs have ended.

use std::process::ExitCode;
use std::time::Duration;

use holdfast_drive::output::{Refusal, Reply};
use holdfast_drive::ticking::Standstill;
use holdfast_kernel::id::RunId;
use holdfast_kernel::status::Outcome;
use holdfast_kernel::value::Value;
use holdfast_runtime::executor::End;
use holdfast_runtime::handle::Handle;
use holdfast_runtime::lock::Use;
use holdfast_runtime::tasks;
use holdfast_runtime::wake::Want;
use holdfast_service::answer::want;
use holdfast_service::socket::Socket;
use holdfast_service::wire::ask::Ask;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::access::Access;
use crate::arguments::Submission;
use crate::channels::{Channels, PATIENCE, Sending, Shelf};
use crate::commands::state::Kept;
use crate::commands::watch::Followed;
use crate::commands::{show, state, watch};
use crate::compose::{Engine, Opening, Parts, State, compile, engine, open_state, parts};
use crate::environment;
use crate::error::{Error, code_of};
use crate::output::{Output, counted};
use crate::settings::Settings;
use crate::signals;
use crate::submission::{self, Prepared};
use crate::watch::{Several, Watch, ended};

/// How many pages of old runs are forgotten in a row.
const PAGES: usize = 20;

/// How long clients have for their last line when the process ends.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);

/// Runs a workflow.
///
/// # Errors
/// It cannot be submitted, or the state cannot be used.
pub(crate) fn run(
    submission: &Submission,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    complete(submission, settings, output).map(|completed| completed.code)
}

/// A run in the foreground that is over, or was interrupted.
pub(super) struct Completed {
    pub(super) code: ExitCode,
    /// How it ended; none if it was interrupted.
    pub(super) outcome: Option<Outcome>,
    /// What it returned.
    pub(super) outputs: Option<Value>,
}

/// Runs a workflow, and gives what it came to.
///
/// # Errors
/// It cannot be submitted, or the state cannot be used.
pub(super) fn complete(
    submission: &Submission,
    settings: &Settings,
    output: Output,
) -> Result<Completed, Error> {
    let parts = parts(settings, output);
    let mut wanted =
        Wanted::New(Box::new(submission::prepare(submission, settings, &parts, output)?));
    loop {
        wanted = match open_state(settings, Use::Drives)? {
            Opening::Open(state) => return here(*state, wanted, settings, (&parts, output)),
            // Somebody else drives the runs of this state: they run this one too.
            Opening::Owned(_) => {
                let access = Access::open(settings, &parts)?;
                match elsewhere(access, wanted, (&parts, output))? {
                    Elsewhere::Completed(completed) => return Ok(completed),
                    // They have ended, or are about to: it is run from here, unless somebody else was faster.
                    Elsewhere::Left(wanted) => wanted,
                }
            }
        };
    }
}

/// What is to be completed.
enum Wanted {
    /// A run that nobody has stored yet.
    New(Box<Prepared>),
    /// A run that is stored.
    Stored(RunId),
}

/// What came of a run that was handed to the owner of the state.
enum Elsewhere {
    /// It ended, or whoever watched had enough.
    Completed(Completed),
    /// The owner ended before it did.
    Left(Wanted),
}

/// Drives the runs of the state from here, until the wanted one has ended.
fn here(
    state: State,
    wanted: Wanted,
    settings: &Settings,
    (parts, output): (&Parts, Output),
) -> Result<Completed, Error> {
    let access = Access::owner(state.sources());
    let wanted = match wanted {
        Wanted::New(prepared) => {
            let act = submission::act(*prepared, parts, &access)?;
            let want = want(act, environment::user(), &compile(&parts.actions));
            Err(want.map_err(|error| Error::internal(format!("{error}.")))?)
        }
        Wanted::Stored(run) => Ok(run),
    };
    with_runtime(async {
        let engine = engine(state, settings, parts);
        announce(&engine, output);
        let mut driven = Driven::start(engine, (settings, parts), output, Several::No)?;
        let run = match wanted {
            Ok(run) => Ok(run),
            Err(want) => match driven.handle.ask(want).await {
                Ok(reply) => queued(reply, output),
                Err(_) => return Err(driven.failed().await),
            },
        };
        let run = match run {
            Ok(run) => run,
            // What was taken over and goes on by now is settled like at any other end.
            Err(error) => return Err(driven.refused(error).await),
        };
        let outcome = match ended(driven.watch.access(), run) {
            Some(outcome) => Some(outcome),
            None => driven.watch.until_ended(run).await,
        };
        if outcome.is_some() {
            driven.tell_people(output).await;
        }
        let end = driven.end().await;
        let access = driven.watch.access();
        let code = finish(run, outcome, end, (access, output))?;
        let outputs: Option<Value> = access.ask(Ask::Outputs { run })?;
        Ok(Completed { code, outcome, outputs })
    })
}

/// The run that a submit came to.
fn queued(reply: Reply, output: Output) -> Result<RunId, Error> {
    let run = match reply {
        Reply::Queued(run) => run,
        Reply::Deduplicated { run, definition_differs } => {
            output.talk("An identical run is active: following it.");
            if definition_differs {
                output.talk("Its workflow is another than the one that is submitted now.");
            }
            run
        }
        Reply::Refused(refusal) => return Err(super::refused("The run was rejected", &refusal)),
        Reply::Done | Reply::Ticked(_) => {
            return Err(Error::internal("The submit got a reply that is none."));
        }
    };
    output.talk(format!("{run} queued"));
    Ok(run)
}

/// Lets the owner of the state run it, and follows it from here.
fn elsewhere(
    mut access: Access,
    wanted: Wanted,
    (parts, output): (&Parts, Output),
) -> Result<Elsewhere, Error> {
    if !access.is_driven() {
        return Ok(Elsewhere::Left(wanted));
    }
    let run = match wanted {
        Wanted::Stored(run) => run,
        Wanted::New(prepared) => {
            let act = submission::act((*prepared).clone(), parts, &access)?;
            match access.act(act)? {
                Reply::Refused(Refusal::Draining) => {
                    return Ok(Elsewhere::Left(Wanted::New(prepared)));
                }
                reply => queued(reply, output)?,
            }
        }
    };
    if access.is_driven() {
        output.talk(
            "Another process drives the runs of this state directory, and runs this one too.",
        );
    }
    let outcome = match watch::follow(&access, run, output)? {
        Followed::Ended(outcome) => outcome,
        Followed::Interrupted => {
            output.talk(format!("The run goes on. `holdfast watch {run}` follows it."));
            let completed = Completed { code: ExitCode::from(130), outcome: None, outputs: None };
            return Ok(Elsewhere::Completed(completed));
        }
        Followed::Left => return Ok(Elsewhere::Left(Wanted::Stored(run))),
    };
    show::summary(&access, run, output)?;
    output.talk(outcome.status().word());
    let outputs: Option<Value> = access.ask(Ask::Outputs { run })?;
    let completed = Completed { code: code_of(outcome), outcome: Some(outcome), outputs };
    Ok(Elsewhere::Completed(completed))
}

/// Drives every unfinished run.
///
/// # Errors
/// The state cannot be used.
pub(crate) fn resume(settings: &Settings, output: Output) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let state = match open_state(settings, Use::Drives)? {
        Opening::Open(state) => *state,
        Opening::Owned(error) => return Err(error),
    };
    with_runtime(async {
        let engine = engine(state, settings, &parts);
        if engine.active.is_empty() {
            output.talk("No run is unfinished.");
            if !has_messages(&engine) {
                return Ok(ExitCode::SUCCESS);
            }
        }
        announce(&engine, output);
        let active = engine.active.clone();
        let mut driven = Driven::start(engine, (settings, &parts), output, Several::Yes)?;
        let idle = driven.watch.until_idle(active).await;
        if idle {
            driven.tell_people(output).await;
        }
        match driven.end().await {
            End::Failed(reason) => Err(stopped(&reason)),
            // What was in flight may have ended in time, and still the runs have not.
            End::Drained { interrupted: 0 } | End::Stopped if idle => Ok(ExitCode::SUCCESS),
            End::Drained { .. } | End::Stopped => Ok(interrupted(output)),
        }
    })
}

/// Whether something waits for people outside. What cannot be read waits for whoever can read it.
fn has_messages(engine: &Engine) -> bool {
    let channels = engine.service.sources.reader.channels().unwrap_or_default();
    channels.iter().any(|channel| channel.waiting > 0)
}

/// Runs asynchronous work to its end.
pub(super) fn with_runtime<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::unavailable(format!("No threads can be started: {error}.")))?;
    let done = runtime.block_on(work);
    // A thread that waits for an owner's next word is not waited for.
    runtime.shutdown_background();
    done
}

fn announce(engine: &Engine, output: Output) {
    if engine.pause == Standstill::Paused {
        output.talk("Everything is paused, so nothing starts: `holdfast unpause` ends it.");
    }
    let pid = std::process::id();
    match engine.active.len() {
        0 => output.talk(format!("This process ({pid}) drives the runs of this state directory.")),
        1 => output.talk(format!("This process ({pid}) also drives 1 run that was unfinished.")),
        many => output
            .talk(format!("This process ({pid}) also drives {many} runs that were unfinished.")),
    }
}

/// An executor that runs, and what follows it.
struct Driven {
    handle: Handle,
    watch: Watch,
    task: Option<JoinHandle<End>>,
    /// Closes the socket.
    close: Option<oneshot::Sender<()>>,
    /// Answers whoever connects.
    serving: JoinHandle<()>,
    sending: Sending,
    _lock: holdfast_runtime::lock::StateLock,
}

impl Driven {
    fn start(
        engine: Engine,
        (settings, parts): (&Settings, &Parts),
        output: Output,
        several: Several,
    ) -> Result<Self, Error> {
        let Engine { executor, handle, lock, service, instance, .. } = engine;
        let shelf = Shelf::unread(settings, parts, &service.sources);
        let channels = Channels::new(settings, shelf, &instance);
        let reader = service.sources.reader.clone();
        let sending = Sending::new(channels, (&handle, &reader), move |text| output.talk(text))?;
        sending.begin();
        let access = Access::owner(service.sources.clone());
        let service_access = Access::owner(service.sources.clone());
        let watch = Watch::new(handle.watch(), access, output, several);
        signals::hand_on(handle.clone(), output)?;
        let (close, closed) = oneshot::channel::<()>();
        let serving = match Socket::bind(&settings.state) {
            Ok(socket) => tasks::spawn(async move {
                socket
                    .serve(move || service.clone(), async { closed.await.unwrap_or_default() })
                    .await;
            }),
            Err(error) => {
                // Some file systems have none: the runs matter more than who asks about them.
                output.talk(format!(
                    "No socket can be made in {}: {error}. Other commands cannot ask this process.",
                    settings.state.display()
                ));
                tasks::spawn(async {})
            }
        };
        let task = Some(tasks::spawn(executor.run()));
        forget_old(&handle, settings, service_access, output);
        Ok(Self { handle, watch, task, close: Some(close), serving, sending, _lock: lock })
    }

    /// Waits for a while until people outside are told what there is to tell.
    async fn tell_people(&self, output: Output) {
        let waiting = self.sending.settle(PATIENCE).await;
        if waiting > 0 {
            let waiting = counted(usize::try_from(waiting).unwrap_or(usize::MAX), "message");
            output.talk(format!(
                "{waiting} for people outside not delivered yet: `holdfast status` says why, the next process that \
                 drives runs goes on."
            ));
        }
    }

    /// Lets the executor end, and says how it did.
    async fn end(&mut self) -> End {
        self.handle.drain_now();
        let end = match self.task.take() {
            Some(task) => task
                .await
                .unwrap_or_else(|error| End::Failed(format!("a bug in holdfast: {error}"))),
            None => End::Stopped,
        };
        // Whoever watched hears the end; a client that does not listen is not waited for.
        drop(self.close.take());
        tokio::time::timeout(FAREWELL, &mut self.serving).await.map(drop).unwrap_or_default();
        end
    }

    /// Ends in order, and says why nothing more was done.
    async fn refused(&mut self, error: Error) -> Error {
        match self.end().await {
            End::Failed(reason) => stopped(&reason),
            End::Drained { .. } | End::Stopped => error,
        }
    }

    async fn failed(&mut self) -> Error {
        match self.end().await {
            End::Failed(reason) => stopped(&reason),
            End::Drained { .. } | End::Stopped => Error::unavailable("holdfast was stopped."),
        }
    }
}

/// Lets the state forget what the configuration does not keep. Runs matter more: a failure is only told.
pub(super) fn forget_old(handle: &Handle, settings: &Settings, access: Access, output: Output) {
    let (handle, kept) = (handle.clone(), settings.kept());
    if !kept.is_for_ever() {
        tasks::spawn(forget_pages(handle, kept, access, output));
    }
}

/// Forgets page after page, until there is nothing old any more or it was enough for now.
async fn forget_pages(handle: Handle, kept: Kept, mut access: Access, output: Output) {
    for _ in 0..PAGES {
        let due = tasks::spawn_blocking(move || (state::due(&access, kept), access)).await;
        let Ok((due, back)) = due else { return };
        access = back;
        let forgotten = match due {
            Ok(Some(forgotten)) => forgotten,
            Ok(None) => return,
            Err(error) => return output.talk(format!("Old runs stay for now. {error}")),
        };
        let runs = forgotten.runs.len();
        let reply = handle.ask(Want::Forget { forgotten, by: environment::user() }).await;
        if !matches!(reply, Ok(Reply::Done)) {
            return;
        }
        tracing::debug!("forgot {}", counted(runs, "run"));
        if runs < state::AT_ONCE {
            return;
        }
        // Whoever else has something to do comes first.
        tokio::task::yield_now().await;
    }
}

pub(super) fn stopped(reason: &str) -> Error {
    Error::unavailable(format!("Nothing goes on: {reason}."))
        .hint("What was not stored did not happen. Mend the cause; `holdfast resume` goes on where the journal ends.")
}

fn interrupted(output: Output) -> ExitCode {
    output.talk("Interrupted. `holdfast resume` goes on where it stopped.");
    // 128 + SIGINT, as a shell says it.
    ExitCode::from(130)
}

fn finish(
    run: RunId,
    outcome: Option<Outcome>,
    end: End,
    (access, output): (&Access, Output),
) -> Result<ExitCode, Error> {
    match (outcome, end) {
        (None, End::Failed(reason)) => Err(stopped(&reason)),
        (None, End::Drained { .. } | End::Stopped) => Ok(interrupted(output)),
        (Some(outcome), _) => {
            show::summary(access, run, output)?;
            output.talk(outcome.status().word());
            Ok(code_of(outcome))
        }
    }
}
