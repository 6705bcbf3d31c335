//! Carries one message to people outside, once per call: webhook, mail, Slack, Teams, ntfy, a program of this
//! machine; and a heartbeat to whoever watches over it.
//!
//! It knows no journal, no run, no configuration file and no clock; it retries nothing and keeps nothing. The
//! outbox of the service calls it with secrets that are resolved already, and decides from [`Undelivered`]
//! what becomes of the message. What a message says may come from hostile names of files: each channel
//! escapes it in its own way.
//! Start reading at [`Channel::deliver`].

mod address;
mod answer;
mod channel;
mod client;
mod command;
mod heartbeat;
mod hook;
mod mail;
mod ntfy;
mod outgoing;
mod program;
mod secret;
mod signature;
mod slack;
mod smtp;
mod teams;
mod text;
mod undelivered;
mod unfit;
mod unreached;
mod webhook;

pub use channel::Channel;
pub use client::Client;
pub use command::Command;
pub use heartbeat::Heartbeat;
pub use hook::Hook;
pub use mail::Mail;
pub use ntfy::Ntfy;
pub use outgoing::{Entry, Outgoing};
pub use secret::Secret;
pub use signature::signature;
pub use smtp::{MailServer, Security};
pub use undelivered::Undelivered;
pub use unfit::Unfit;
pub use webhook::Webhook;
