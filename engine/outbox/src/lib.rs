//! Carries stored notifications to people outside: which go through which channel and when, in what words, and what
//! becomes of those that do not arrive.
//!
//! The rules are configuration and no part of the state; what is to be sent is rows of the journal. So every
//! notification that a rule matches is sent at least once, whatever dies when. It makes no notification itself,
//! reads no file and no secret, and decides nothing about runs. How a message reaches a receiver is known by the
//! channels, which it calls.
//! Start reading at [`Outbox::run`].

mod carrier;
mod due;
mod find;
mod heartbeat;
mod letter;
mod making;
mod nudge;
mod outbox;
mod pace;
mod router;
mod rules;
mod settle;
mod shell;
mod store;
mod words;

pub use heartbeat::{heartbeat_channel, schedule_of_heartbeat};
pub use letter::Letters;
pub use nudge::Nudge;
pub use outbox::{Directory, Outbox, Setup, Tell};
pub use pace::Pace;
pub use rules::{Rules, UnfitRule};
pub use settle::{Unreadable, settle};
