//! The version of the language, and timeouts that agree with each other.

use holdfast_kernel::id::Millis;
use holdfast_kernel::value::Value;

use crate::action::APPROVAL;
use crate::code::Code;
use crate::diagnostic::Sink;
use crate::lower::{FINALLY_TIMEOUT, RUN_TIMEOUT};
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
    let finally = workflow.finally_timeout().unwrap_or(FINALLY_TIMEOUT);
    let defaults = get(workflow.root, "defaults").map(|node| (node, run));
    let steps = workflow.steps.iter().enumerate();
    let steps = steps.map(|(index, step)| match (step.uses, workflow.is_late(index)) {
        // A person is waited for as long as the step says: that time is not the run's.
        (Some((APPROVAL, _)), _) => (step.node, Millis(u64::MAX)),
        (_, true) => (step.node, finally),
        (_, false) => (step.node, run),
    });
    let late = get(workflow.root, "finally").map(|node| (node, Millis(u64::MAX)));
    for (place, most) in defaults.into_iter().chain(steps).chain(late) {
        let Some((node, timeout)) = get(place, "timeout").zip(millis(place, "timeout")) else {
            continue;
        };
        if timeout > most {
            sink.error(
                Code::TimeoutTooLong,
                node.span,
                format!("What it belongs to ends after {}, before this.", duration::format(most)),
            )
            .remedy("Write a longer `timeout` there, or a shorter one here.");
        }
        if timeout.0 == 0 {
            sink.error(Code::OutOfRange, node.span, "A timeout of nothing ends every attempt.")
                .remedy("Write a longer one, or leave it out.");
        }
    }
}
