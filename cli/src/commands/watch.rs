//! `watch`: follows a run that another process drives.

use std::process::ExitCode;

use holdfast_kernel::id::RunId;
use holdfast_kernel::status::Outcome;
use holdfast_runtime::tasks;
use holdfast_service::client::{Client, ClientError};
use holdfast_service::wire::ask::Ask;
use holdfast_service::wire::news::{Told, open_children};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::access::{Access, gone};
use crate::arguments::Run;
use crate::commands::{show, waits};
use crate::compose::parts;
use crate::error::{Error, code_of};
use crate::output::Output;
use crate::settings::Settings;
use crate::watch::{Several, Teller, ended};

/// Follows a run until it ends.
///
/// # Errors
/// There is no such run, or nobody drives it.
pub(crate) fn perform(run: &Run, settings: &Settings, output: Output) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let access = Access::open(settings, &parts)?;
    let run = access.find(&run.run)?;
    let was_driven = access.is_driven();
    let outcome = match follow(&access, run, output)? {
        Followed::Ended(outcome) => outcome,
        Followed::Interrupted => {
            output.talk(format!("The run goes on. `holdfast watch {run}` follows it."));
            return Ok(ExitCode::from(130));
        }
        Followed::Left => {
            let message = if was_driven {
                "The process that drove the run has ended, and the run has not.".to_owned()
            } else {
                format!("Nobody drives {run}.")
            };
            return Err(
                Error::unavailable(message).hint("`holdfast resume` drives it, and follows it.")
            );
        }
    };
    show::summary(&access, run, output)?;
    output.talk(outcome.status().word());
    Ok(code_of(outcome))
}

/// What came of following a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Followed {
    /// It ended.
    Ended(Outcome),
    /// Whoever watched had enough.
    Interrupted,
    /// Nobody drives it, or does so any more.
    Left,
}

/// Tells what happens to a run until it ends, beginning with what it waits for now.
///
/// # Errors
/// What is stored cannot be read.
pub(super) fn follow(access: &Access, run: RunId, output: Output) -> Result<Followed, Error> {
    if let Some(outcome) = ended(access, run) {
        return Ok(Followed::Ended(outcome));
    }
    let Some(client) = access.client() else { return Ok(Followed::Left) };
    let mut teller = Teller::new(output, Several::No);
    let mut outcome = None;
    let end = each(&client, run, |told| match told {
        Told::Ended { run: of, outcome: how } if *of == run => {
            teller.tell_last(access, run);
            outcome = Some(*how);
        }
        Told::Watching { .. } => {
            teller.tell(access, told);
            tell_questions(access, run, output);
            teller.draw(access, run);
        }
        told => teller.tell(access, told),
    })?;
    Ok(match (end, outcome.or_else(|| ended(access, run))) {
        (Watched::Interrupted, _) => Followed::Interrupted,
        (Watched::Ended, Some(outcome)) => Followed::Ended(outcome),
        (Watched::Ended, None) => Followed::Left,
    })
}

/// What was asked before anybody listened.
fn tell_questions(access: &Access, run: RunId, output: Output) {
    let mut left = vec![run];
    while let Some(run) = left.pop() {
        // It may have ended meanwhile: then it asks nothing.
        let Ok(loaded) = access.load(run) else { continue };
        waits::answers(access, &loaded, output).unwrap_or_default();
        left.extend(open_children(&loaded.state));
    }
}

/// How watching ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    /// The run ended, or its owner did.
    Ended,
    /// Whoever watches had enough.
    Interrupted,
}

/// Hands on everything that happens to a run until it ends, or somebody presses Ctrl-C.
///
/// # Errors
/// The owner is gone.
pub(super) fn each(
    client: &Client,
    run: RunId,
    mut tell: impl FnMut(&Told),
) -> Result<Watched, Error> {
    let client = client.clone();
    super::drive::with_runtime(async {
        // Before anything is said: Ctrl-C ends watching from here on, and nothing else.
        let mut interrupt = signal(SignalKind::interrupt())
            .map_err(|error| Error::unavailable(format!("Signals cannot be heard: {error}.")))?;
        let mut stream = match client.stream(Ask::Watch { run: Some(run) }) {
            Ok(stream) => stream,
            // The owner ended just now: the store says what became of the run.
            Err(ClientError::Nobody(_) | ClientError::Broken(_)) => return Ok(Watched::Ended),
            Err(error) => return Err(gone(&error)),
        };
        let (happens, mut happened) = unbounded_channel();
        tasks::spawn_blocking(move || {
            let mut goes_on = true;
            while goes_on {
                let next = stream.next_told();
                goes_on = matches!(next, Ok(Some(_)));
                // Nobody listens any more once watching was interrupted.
                goes_on &= happens.send(next).is_ok();
            }
        });
        listen(&mut happened, &mut interrupt, &mut tell).await
    })
}

type Next = Result<Option<Told>, ClientError>;

async fn listen(
    happened: &mut UnboundedReceiver<Next>,
    interrupt: &mut Signal,
    tell: &mut impl FnMut(&Told),
) -> Result<Watched, Error> {
    loop {
        let next = tokio::select! {
            next = happened.recv() => next,
            _ = interrupt.recv() => return Ok(Watched::Interrupted),
        };
        match next {
            Some(Ok(Some(told))) => tell(&told),
            // The owner ended while it was listened to: the store says what became of the run.
            Some(Ok(None) | Err(ClientError::Broken(_))) | None => return Ok(Watched::Ended),
            Some(Err(error)) => return Err(gone(&error)),
        }
    }
}
