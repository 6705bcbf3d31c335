//! What was counted since the state was made, so that nobody has to walk through history for a number.

use serde::{Deserialize, Serialize};

/// How often something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Records of the journal.
    #[serde(default)]
    pub records: u64,
    /// Notifications.
    #[serde(default)]
    pub notifications: u64,
    /// Notifications that nobody has acknowledged; those that were forgotten do not count.
    #[serde(default)]
    pub unread: u64,
    /// Runs that were queued, retries too.
    #[serde(default)]
    pub queued: u64,
    /// Runs that started, retries too.
    #[serde(default)]
    pub started: u64,
    /// Runs that succeeded.
    #[serde(default)]
    pub succeeded: u64,
    /// Runs that ended as partial.
    #[serde(default)]
    pub partial: u64,
    /// Runs that failed.
    #[serde(default)]
    pub failed: u64,
}
