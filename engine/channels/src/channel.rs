//! The kinds of channels, and the one way into all of them.

use holdfast_kernel::id::Instant;
use reqwest::header::HeaderMap;

use crate::client::Client;
use crate::command::Command;
use crate::heartbeat::Heartbeat;
use crate::hook::Hook;
use crate::mail::Mail;
use crate::ntfy::Ntfy;
use crate::outgoing::Outgoing;
use crate::undelivered::Undelivered;
use crate::webhook::Webhook;
use crate::{slack, teams};

/// A way to people outside, or to a program that tells them, its secrets resolved.
#[derive(Clone, Debug)]
pub enum Channel {
    /// A request with JSON to a program.
    Webhook(Webhook),
    /// A mail.
    Mail(Mail),
    /// A message in Slack.
    Slack(Hook),
    /// A card in Teams.
    Teams(Hook),
    /// A message of an ntfy server.
    Ntfy(Ntfy),
    /// A program of this machine.
    Command(Command),
    /// A request that says no more than that all is well.
    Heartbeat(Heartbeat),
}

impl Channel {
    /// Delivers a message, once. `now` stands in signatures, and is what a receiver's dates are compared with.
    ///
    /// # Errors
    /// It was not delivered, or it is not known that it was.
    pub async fn deliver(
        &self,
        outgoing: &Outgoing,
        client: &Client,
        now: Instant,
    ) -> Result<(), Undelivered> {
        let (hook, body) = match self {
            Self::Webhook(webhook) => return webhook.deliver(outgoing, client, now).await,
            // It keeps a connection with all its buffers.
            Self::Mail(mail) => return Box::pin(mail.deliver(outgoing, client)).await,
            Self::Ntfy(ntfy) => return ntfy.deliver(outgoing, client, now).await,
            Self::Command(command) => return command.deliver(outgoing, client).await,
            Self::Heartbeat(heartbeat) => return client.get(heartbeat.address(), now).await,
            Self::Slack(hook) => (hook, slack::body(outgoing)),
            Self::Teams(hook) => (hook, teams::body(outgoing)),
        };
        client.post(hook.address(), HeaderMap::new(), body, now).await
    }
}
