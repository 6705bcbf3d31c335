//! The arguments of what is done with stored notifications.

use clap::Args;

use super::Limit;

/// `notifications`.
#[derive(Debug, Args)]
pub(crate) struct Notifications {
    /// Only those that nobody has acknowledged.
    #[arg(long)]
    pub(crate) unread: bool,
    #[command(flatten)]
    pub(crate) limit: Limit,
}

/// `ack`.
#[derive(Debug, Args)]
pub(crate) struct Ack {
    /// The numbers that `holdfast notifications` shows.
    #[arg(value_name = "NUMBER", required_unless_present_any = ["run", "all"])]
    pub(crate) notifications: Vec<u64>,
    /// All about this run: its id, or the beginning of it.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["notifications", "all"])]
    pub(crate) run: Option<String>,
    /// All that are there now.
    #[arg(long, conflicts_with = "notifications")]
    pub(crate) all: bool,
}
