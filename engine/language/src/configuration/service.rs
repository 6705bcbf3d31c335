//! What the service does besides driving runs: what it says of itself, where, and how it ends.
//!
//! No file is written here.

use holdfast_kernel::id::Millis;

use super::duration::{Bounds, within};
use super::path::path;
use crate::diagnostic::Sink;
use crate::workflow::{get, text};
use crate::yaml::Node;

/// How the service behaves as a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceConfiguration {
    /// The file that numbers about it are written to every minute, as Prometheus reads them; none: nowhere.
    pub metrics_file: Option<String>,
    /// In which form it says what it does.
    pub log: LogForm,
    /// How long what is being done may go on once it is told to end.
    pub drain_grace: Millis,
}

/// In which form the service says what it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogForm {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object in each line.
    Json,
}

impl LogForm {
    /// Every form, in the order of the table of keys.
    pub const ALL: [Self; 2] = [Self::Text, Self::Json];

    /// The word of `log`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

impl Default for ServiceConfiguration {
    fn default() -> Self {
        Self { metrics_file: None, log: LogForm::default(), drain_grace: Millis::seconds(30) }
    }
}

const DRAIN_GRACE: Bounds = Bounds { least: Millis::ZERO, most: Millis::seconds(60 * 60) };

/// The value of `service`.
pub(super) fn read(sink: &mut Sink<'_>, node: &Node) -> ServiceConfiguration {
    let default = ServiceConfiguration::default();
    let word = text(node, "log");
    let log = LogForm::ALL.into_iter().find(|log| word == Some(log.word()));
    let drain_grace = within(sink, node, "drain_grace", &DRAIN_GRACE);
    ServiceConfiguration {
        metrics_file: get(node, "metrics_file").and_then(|node| path(sink, node)),
        log: log.unwrap_or(default.log),
        drain_grace: drain_grace.unwrap_or(default.drain_grace),
    }
}
