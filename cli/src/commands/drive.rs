//! `run` and `resume`: the commands that drive runs, until theirs have ended.

use std::process::ExitCode;

use holdfast_drive::output::Reply;
use holdfast_journal::query::Reader;
use holdfast_kernel::id::RunId;
use holdfast_kernel::status::Outcome;
use holdfast_kernel::value::Value;
use holdfast_runtime::executor::End;
use holdfast_runtime::handle::Handle;
use holdfast_runtime::lock::Use;
use holdfast_runtime::tasks;
use tokio::task::JoinHandle;

use crate::arguments::Submission;
use crate::commands::show;
use crate::compose::{Engine, engine, open_state, parts};
use crate::error::{Error, code_of};
use crate::output::Output;
use crate::settings::Settings;
use crate::signals;
use crate::submission;
use crate::watch::{Several, Watch};

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
    let prepared = submission::prepare(submission, settings, &parts, output)?;
    let state = open_state(settings, Use::Drives)?;
    let submit = submission::submit(prepared, &parts, &state.opened.reader)?;
    with_runtime(async {
        let engine = engine(state, settings, &parts);
        announce(&engine, output);
        let mut driven = Driven::start(engine, output, Several::No)?;
        let reply = driven.handle.submit(submit).await;
        let run = match reply {
            Ok(Reply::Queued(run)) => run,
            Ok(Reply::Deduplicated(run)) => {
                output.talk("An identical run is active: following it.");
                run
            }
            Ok(Reply::Refused(refusal)) => {
                return Err(super::refused("The run was rejected", &refusal));
            }
            Ok(Reply::Done) => return Err(Error::internal("The submit got a reply that is none.")),
            Err(_) => return Err(driven.failed().await),
        };
        output.talk(format!("{run} queued"));
        let outcome = driven.watch.until_ended(run).await;
        let end = driven.end().await;
        let code = finish(run, outcome, end, (&driven.reader, output))?;
        let loaded = driven.reader.load(run).map_err(|error| super::unreadable(&error))?;
        let outputs = loaded.map(|loaded| driven.reader.outputs(&loaded.state)).transpose();
        let outputs = outputs.map_err(|error| super::unreadable(&error))?.flatten();
        Ok(Completed { code, outcome, outputs })
    })
}

/// Drives every unfinished run.
///
/// # Errors
/// The state cannot be used.
pub(crate) fn resume(settings: &Settings, output: Output) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let state = open_state(settings, Use::Drives)?;
    with_runtime(async {
        let engine = engine(state, settings, &parts);
        if engine.active.is_empty() {
            output.talk("No run is unfinished.");
            return Ok(ExitCode::SUCCESS);
        }
        announce(&engine, output);
        let active = engine.active.clone();
        let mut driven = Driven::start(engine, output, Several::Yes)?;
        driven.watch.until_idle(active).await;
        match driven.end().await {
            End::Failed(reason) => Err(stopped(&reason)),
            End::Drained { interrupted: 0 } | End::Stopped => Ok(ExitCode::SUCCESS),
            End::Drained { .. } => Ok(interrupted(output)),
        }
    })
}

fn with_runtime<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::unavailable(format!("No threads can be started: {error}.")))?;
    runtime.block_on(work)
}

fn announce(engine: &Engine, output: Output) {
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
    reader: Reader,
    task: Option<JoinHandle<End>>,
    _lock: holdfast_runtime::lock::StateLock,
}

impl Driven {
    fn start(engine: Engine, output: Output, several: Several) -> Result<Self, Error> {
        let Engine { executor, handle, reader, lock, .. } = engine;
        let watch = Watch::new(handle.watch(), reader.clone(), output, several);
        signals::hand_on(handle.clone(), output)?;
        let task = Some(tasks::spawn(executor.run()));
        Ok(Self { handle, watch, reader, task, _lock: lock })
    }

    /// Lets the executor end, and says how it did.
    async fn end(&mut self) -> End {
        self.handle.drain_now();
        match self.task.take() {
            Some(task) => task
                .await
                .unwrap_or_else(|error| End::Failed(format!("a bug in holdfast: {error}"))),
            None => End::Stopped,
        }
    }

    async fn failed(&mut self) -> Error {
        match self.end().await {
            End::Failed(reason) => stopped(&reason),
            End::Drained { .. } | End::Stopped => Error::unavailable("holdfast was stopped."),
        }
    }
}

fn stopped(reason: &str) -> Error {
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
    (reader, output): (&Reader, Output),
) -> Result<ExitCode, Error> {
    match (outcome, end) {
        (None, End::Failed(reason)) => Err(stopped(&reason)),
        (None, End::Drained { .. } | End::Stopped) => Ok(interrupted(output)),
        (Some(outcome), _) => {
            show::summary(reader, run, output)?;
            output.talk(outcome.status().word());
            Ok(code_of(outcome))
        }
    }
}
