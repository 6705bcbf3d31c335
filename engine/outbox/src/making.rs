//! Makes channels, with their secrets read at that moment: never the same one twice at once.
//!
//! Where a secret is read from may hang for ever. Whoever waits for it stops waiting, the thread does not: a
//! second one for the same channel would hang beside it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_channels::Channel;
use holdfast_runtime::tasks;

use crate::outbox::Directory;

/// The names of the channels that are being made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Making(Arc<Mutex<BTreeSet<String>>>);

/// One that is being made.
struct Made {
    making: Making,
    name: String,
}

impl Drop for Made {
    fn drop(&mut self) {
        self.making.names().remove(&self.name);
    }
}

impl Making {
    fn names(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a channel.
    pub(crate) async fn make(
        &self,
        directory: &Arc<dyn Directory>,
        name: &str,
    ) -> Result<Channel, String> {
        if !self.names().insert(name.to_owned()) {
            return Err("what it needs is still being read".to_owned());
        }
        let directory = Arc::clone(directory);
        let made = Made { making: self.clone(), name: name.to_owned() };
        let made = tasks::spawn_blocking(move || {
            // All of it is here, so that it is dropped here.
            let made = made;
            directory.channel(&made.name)
        });
        let made = made.await;
        // What a panic says may hold a secret.
        made.unwrap_or_else(|_| Err("a bug in holdfast".to_owned()))
    }
}
