//! The signals that a service hears from the moment it listens on; until then the system's own answer holds.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Error;

/// Where signals are heard. One that comes while nobody waits is heard later.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    End,
    Reload,
}

impl Signals {
    /// Listens from here on.
    ///
    /// # Errors
    /// The system lets nobody listen.
    pub(super) fn listen() -> Result<Self, Error> {
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

    /// The next signal.
    pub(super) async fn hear(&mut self) -> Heard {
        tokio::select! {
            _ = self.interrupt.recv() => Heard::End,
            _ = self.terminate.recv() => Heard::End,
            _ = self.hang_up.recv() => Heard::Reload,
        }
    }

    /// Waits for one that asks for the end.
    pub(super) async fn end(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
