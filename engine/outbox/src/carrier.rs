//! Carries what waits for one channel, message by message: looks what is next, delivers it, stores what came of it.
//!
//! It keeps nothing between two messages: how often something failed and when it is tried again stands in the store,
//! for the next process too.

use std::sync::Arc;

use holdfast_channels::{Outgoing, Undelivered};
use holdfast_journal::outbox::OutboxChange;
use holdfast_kernel::id::Millis;
use holdfast_runtime::clock;

use crate::find::{Found, Message, find};
use crate::making::Making;
use crate::nudge::{Next, Urgency};
use crate::outbox::Setup;
use crate::store::{Stop, read, store};

/// How many messages of one channel are carried before others have their turn.
const IN_A_ROW: usize = 50;

/// Carries messages.
pub(crate) struct Carrier {
    setup: Setup,
    making: Making,
}

/// What came of a look at a channel.
enum Went {
    /// Something went out or was given up: there may be more.
    On,
    /// Something did not go out.
    Wrong,
    /// Nothing is to be done.
    Idle(Next),
}

impl Carrier {
    pub(crate) fn new(setup: Setup) -> Self {
        Self { setup, making: Making::default() }
    }

    /// Carries what is due, and says when the channel is to be looked at again.
    pub(crate) async fn carry(&self, channel: &str, mut urgency: Urgency) -> Next {
        for _ in 0..IN_A_ROW {
            match self.look(channel, urgency).await {
                Ok(Went::On) => {}
                Ok(Went::Wrong) => urgency = Urgency::Usual,
                Ok(Went::Idle(next)) => return next,
                Err(Stop::Gone) => return Next::Over,
                Err(Stop::Failed(reason)) => {
                    (self.setup.tell)(format!(
                        "Cannot look after the channel {channel}: {reason}. It is tried again."
                    ));
                    return Next::At(clock::now().plus(self.setup.pace.most));
                }
            }
        }
        Next::At(clock::now())
    }

    async fn look(&self, channel: &str, urgency: Urgency) -> Result<Went, Stop> {
        let (reader, name) = (self.setup.reader.clone(), channel.to_owned());
        let directory = Arc::clone(&self.setup.directory);
        let found =
            read(move || find(&reader, directory.as_ref(), (name.as_str(), urgency))).await?;
        match found {
            Found::Nothing => Ok(Went::Idle(Next::Never)),
            Found::Until(at) => Ok(Went::Idle(Next::At(at))),
            Found::Hopeless(places, error) => {
                let channel = channel.to_owned();
                self.store(OutboxChange::GivenUp { channel, places, error, refused: false })
                    .await?;
                Ok(Went::On)
            }
            Found::Message(message) => self.deliver(channel, *message).await,
        }
    }

    /// Delivers a message. Until what came of it is stored it counts as not delivered.
    async fn deliver(&self, name: &str, message: Message) -> Result<Went, Stop> {
        let tried = self.attempt(name, &message.outgoing).await;
        let (channel, places) = (name.to_owned(), message.places.clone());
        let (change, went) = match tried {
            Ok(()) => (OutboxChange::Delivered { channel, places }, Went::On),
            Err(Undelivered::Refused(error)) => {
                (OutboxChange::GivenUp { channel, places, error, refused: true }, Went::On)
            }
            Err(Undelivered::Failed(error)) => {
                (self.failed(name, message, error, None), Went::Wrong)
            }
            Err(Undelivered::Later { after, reason }) => {
                (self.failed(name, message, reason, Some(after)), Went::Wrong)
            }
        };
        self.store(change).await?;
        Ok(went)
    }

    fn failed(
        &self,
        name: &str,
        message: Message,
        error: String,
        asked: Option<Millis>,
    ) -> OutboxChange {
        let (now, pace) = (clock::now(), self.setup.pace);
        let failures = message.failures.saturating_add(1);
        let back = pace.put_back(message.attempts.saturating_add(1), failures);
        OutboxChange::Failed {
            channel: name.to_owned(),
            places: message.places,
            error,
            again: now.plus(pace.rest(failures, asked)),
            put_back: back.map(|back| now.plus(back)),
        }
    }

    /// Tries it once, for a while.
    async fn attempt(&self, name: &str, outgoing: &Outgoing) -> Result<(), Undelivered> {
        let delivered = async {
            let channel = self.making.make(&self.setup.directory, name).await;
            let channel = channel.map_err(Undelivered::Failed)?;
            channel.deliver(outgoing, &self.setup.client, clock::now()).await
        };
        // It keeps a connection with all its buffers.
        let delivered = Box::pin(delivered);
        tokio::select! {
            delivered = delivered => delivered,
            () = clock::wait(self.setup.pace.attempt) => {
                Err(Undelivered::Failed("it takes too long".to_owned()))
            }
        }
    }

    async fn store(&self, change: OutboxChange) -> Result<(), Stop> {
        store(&self.setup.handle, change).await
    }
}
