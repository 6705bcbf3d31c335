//! `serve`: the owner of a state that stays, drives its runs and waits for the ticks of its schedules.
//!
//! Here the state is opened. What goes on then is in `serving`, what is read from files in `files`.

mod failures;
mod files;
mod known;
mod metrics;
mod news;
mod reading;
mod schedules;
mod serving;
mod signals;
mod systemd;

use std::process::ExitCode;

use holdfast_runtime::lock::Use;
use holdfast_runtime::tasks;

use self::serving::Serving;
use self::signals::Signals;
use super::drive::{FAREWELL, with_runtime};
use crate::arguments::Shared;
use crate::compose::{Opening, Parts, State, engine, open_state, parts};
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;
use crate::telemetry;

/// Drives runs and waits for ticks, until a signal ends it.
///
/// # Errors
/// The state cannot be used, somebody else has it, or the journal cannot be written any more.
pub(crate) fn perform(shared: &Shared, output: Output) -> Result<ExitCode, Error> {
    telemetry::start(Settings::log_form(shared))?;
    let settings = Settings::read(shared, output)?;
    with_runtime(async {
        // Until somebody listens a signal kills.
        let mut signals = Signals::listen()?;
        let Some((state, parts)) = open(&settings, &mut signals, output).await? else {
            return Ok(ExitCode::SUCCESS);
        };
        let engine = engine(*state, &settings, &parts);
        Serving::start(engine, signals, shared, (settings, parts), output)?.serve().await
    })
}

/// Opens the state, however long that takes; none if a signal asks for the end meanwhile. One that asks to read the
/// files again is heard later.
async fn open(
    settings: &Settings,
    signals: &mut Signals,
    output: Output,
) -> Result<Option<(Box<State>, Parts)>, Error> {
    let settings = settings.clone();
    let mut opening = tasks::spawn_blocking(move || {
        let parts = parts(&settings, output);
        match open_state(&settings, Use::Drives)? {
            Opening::Open(state) => Ok((state, parts)),
            Opening::Owned(error) => Err(error),
        }
    });
    tokio::select! {
        opened = &mut opening => match opened {
            Ok(opened) => opened.map(Some),
            Err(error) => Err(Error::internal(format!("A bug in holdfast: {error}."))),
        },
        () = signals.end() => {
            systemd::stopping();
            output.talk("It ends before the state is open.");
            // One that is open in a moment is let go of in order, and no unclean end.
            tokio::time::timeout(FAREWELL, opening).await.map(drop).unwrap_or_default();
            Ok(None)
        }
    }
}
