//! The names under which heartbeats of schedules wait among the messages of channels.
//!
//! No channel of a configuration can have such a name: it has a space and a colon.

use holdfast_kernel::tick::ScheduleName;

const START: &str = "heartbeat ";

/// The name of the channel through which the successes of a schedule are told: `heartbeat WORKFLOW:ID`.
pub fn heartbeat_channel(schedule: &ScheduleName) -> String {
    format!("{START}{schedule}")
}

/// The schedule whose successes are told through a channel; none: it is a channel of the configuration.
pub fn schedule_of_heartbeat(channel: &str) -> Option<ScheduleName> {
    let (workflow, id) = channel.strip_prefix(START)?.rsplit_once(':')?;
    Some(ScheduleName { workflow: workflow.to_owned(), id: id.to_owned() })
}
