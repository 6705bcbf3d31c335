//! What signals ask for: the first to let what is in flight end, the second to stop at once.

use holdfast_runtime::handle::Handle;
use holdfast_runtime::tasks;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Error;
use crate::output::Output;

/// Hands SIGINT and SIGTERM on to an executor.
///
/// # Errors
/// The system lets nobody listen.
pub(crate) fn hand_on(handle: Handle, output: Output) -> Result<(), Error> {
    let listen = |kind| {
        signal(kind)
            .map_err(|error| Error::unavailable(format!("Signals cannot be heard: {error}.")))
    };
    let (mut interrupt, mut terminate) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tasks::spawn(async move {
        if either(&mut interrupt, &mut terminate).await {
            output.talk("Letting what is in flight end; once more stops at once.");
            handle.drain();
        }
        if either(&mut interrupt, &mut terminate).await {
            handle.stop();
        }
    });
    Ok(())
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) -> bool {
    tokio::select! {
        heard = interrupt.recv() => heard.is_some(),
        heard = terminate.recv() => heard.is_some(),
    }
}
