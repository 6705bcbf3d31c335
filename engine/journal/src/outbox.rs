//! What is kept of messages on their way to people outside: what waits for which channel, and how each channel does.
//!
//! The rules that say what goes where are no part of the state: whoever knows them asks for what was not looked at
//! yet, and stores what is to be sent together with how far they came. So a notification is sent on at least once,
//! whatever dies when, and none is looked at twice by different rules.

use holdfast_kernel::id::Instant;
use serde::{Deserialize, Serialize};

/// Where a message stands among those of its channel: the earlier ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// When it is due.
    pub due: Instant,
    /// Whether it goes out with the others of its channel that are due at the same instant, as one message.
    pub gathered: bool,
    /// The number of its notification.
    pub notification: u64,
}

/// A notification that is to be sent through a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// The name of the channel.
    pub channel: String,
    /// Where it stands.
    pub place: Place,
    /// When it was due at first: the channel gives it up when it is too long ago.
    pub first_due: Instant,
    /// How often it was tried in vain.
    #[serde(default)]
    pub attempts: u32,
}

/// How a channel does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRecord {
    /// Its name.
    pub name: String,
    /// How many messages wait for it.
    pub waiting: u64,
    /// How many it has given up since it last delivered one.
    pub given_up: u64,
    /// Since when nothing goes through, and why; none: nothing is known to be wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// When it last delivered something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Instant>,
}

/// Why nothing goes through a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Since when.
    pub since: Instant,
    /// How often it was tried since.
    pub attempts: u32,
    /// What went wrong last; a fragment that fits after "cannot …:", without secrets.
    pub error: String,
    /// When it is tried again.
    pub again: Instant,
}

/// Something that changes of messages on their way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboxChange {
    /// All notifications up to one were looked at, and these are to be sent.
    Routed {
        /// The number of the last notification that was looked at.
        through: u64,
        /// What is to be sent, where.
        rows: Vec<OutboxRow>,
    },
    /// A channel delivered these.
    Delivered {
        /// The channel.
        channel: String,
        /// Which.
        places: Vec<Place>,
    },
    /// A channel could not deliver these.
    Failed {
        /// The channel.
        channel: String,
        /// Which.
        places: Vec<Place>,
        /// Why, without secrets.
        error: String,
        /// When it is tried again.
        again: Instant,
        /// When they are due then; none: they stay where they are, before all others.
        put_back: Option<Instant>,
    },
    /// A channel gives these up. The first time since it delivered something, a notification says so.
    GivenUp {
        /// The channel.
        channel: String,
        /// Which.
        places: Vec<Place>,
        /// Why, without secrets.
        error: String,
        /// Whether the receiver said so: then the channel itself is well.
        #[serde(default)]
        refused: bool,
    },
}

/// Who has seen a notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Who said so.
    pub by: String,
    /// When.
    pub at: Instant,
}

/// Notifications that somebody says they have seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledging {
    /// The numbers of the notifications, at most [`crate::query::LONGEST_PAGE`].
    pub notifications: Vec<u64>,
    /// Who.
    pub by: String,
}
