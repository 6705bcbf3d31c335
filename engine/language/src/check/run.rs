//! The version of the language, and timeouts that agree with each other.

use holdfast_kernel::value::Value;

use crate::code::Code;
use crate::diagnostic::Sink;
use crate::lower::RUN_TIMEOUT;
use crate::workflow::{Workflow, get, millis};
use crate::yaml::Node;
use holdfast_contract::duration;

/// `holdfast: 1`.
pub(super) fn check_version(sink: &mut Sink<'_>, root: &Node) {
    let Some(version) = get(root, "holdfast") else {
        return;
    };
    if version.scalar() != Some(&Value::Integer(1)) {
        sink.error(Code::BadVersion, version.span, "This version of the language is not known.")
            .remedy("Write `holdfast: 1`.");
    }
}

/// No step may take longer than the run.
pub(super) fn check_timeouts(sink: &mut Sink<'_>, workflow: &Workflow<'_>) {
    let run = millis(workflow.root, "timeout").unwrap_or(RUN_TIMEOUT);
    let defaults = get(workflow.root, "defaults");
    let places = defaults.into_iter().chain(workflow.steps.iter().map(|step| step.node));
    for place in places {
        let Some((node, timeout)) = get(place, "timeout").zip(millis(place, "timeout")) else {
            continue;
        };
        if timeout > run {
            sink.error(
                Code::TimeoutTooLong,
                node.span,
                format!("The run ends after {}, before this.", duration::format(run)),
            )
            .remedy("Write a longer `timeout` at the top, or a shorter one here.");
        }
        if timeout.0 == 0 {
            sink.error(Code::OutOfRange, node.span, "A timeout of nothing ends every attempt.")
                .remedy("Write a longer one, or leave it out.");
        }
    }
}
