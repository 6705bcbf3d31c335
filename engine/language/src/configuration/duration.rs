//! Durations that make sense only within bounds.
//!
//! What is no duration at all was reported by the table of keys.

use holdfast_contract::duration;
use holdfast_kernel::id::Millis;

use crate::code::Code;
use crate::diagnostic::Sink;
use crate::workflow::get;
use crate::yaml::Node;

/// The most and the least that a duration may be.
pub(super) struct Bounds {
    /// The least.
    pub least: Millis,
    /// The most.
    pub most: Millis,
}

/// The duration of a key of a map.
pub(super) fn within(
    sink: &mut Sink<'_>,
    node: &Node,
    key: &str,
    bounds: &Bounds,
) -> Option<Millis> {
    let value = get(node, key)?;
    let found = duration::parse(value.text()?).ok()?;
    if (bounds.least..=bounds.most).contains(&found) {
        return Some(found);
    }
    let (least, most) = (duration::format(bounds.least), duration::format(bounds.most));
    sink.error(Code::OutOfRange, value.span, format!("`{key}` is between {least} and {most}."))
        .remedy("Choose a value in that range.");
    None
}
