//! Retention: which backup sets are to be kept.
//!
//! What they keep is decided where the sets are.

use holdfast_kernel::id::Millis;

use super::Retention;
use crate::code::Code;
use crate::diagnostic::Sink;
use crate::workflow::{entry, get, integer, millis};
use crate::yaml::Node;

/// The value of `retention`, if the file has it.
pub(super) fn read(sink: &mut Sink<'_>, root: &Node) -> Option<Retention> {
    let entry = entry(root, "retention")?;
    let node = &entry.value;
    if node.entries()?.is_empty() {
        sink.error(Code::KeepsNothing, entry.key_span, "`retention` has no rule.")
            .remedy("Write at least one, as `last: 7`, or leave `retention` out.");
        return None;
    }
    let within = millis(node, "within");
    if within == Some(Millis(0)) {
        let span = get(node, "within").map_or(node.span, |node| node.span);
        sink.error(Code::OutOfRange, span, "`within` is longer than nothing.")
            .remedy("Write a longer duration.");
    }
    Some(Retention {
        last: integer(node, "last"),
        hourly: integer(node, "hourly"),
        daily: integer(node, "daily"),
        weekly: integer(node, "weekly"),
        monthly: integer(node, "monthly"),
        yearly: integer(node, "yearly"),
        within,
    })
}
