//! References to secrets: what a configuration knows of the paths in them, and secrets that were written out.
//!
//! No secret is looked up here.

use holdfast_kernel::definition::SecretReference;

use super::path::{path, program};
use crate::check::secret;
use crate::code::Code;
use crate::diagnostic::Sink;
use crate::workflow::get;
use crate::yaml::{Entry, Node};

/// Where a secret is found; what the table of keys reported is none here.
pub(super) fn reference(sink: &mut Sink<'_>, declared: &Entry) -> Option<SecretReference> {
    let reference = secret(sink, declared)?;
    let node = &declared.value;
    let checked = match &reference {
        SecretReference::Env(_) => return Some(reference),
        SecretReference::File(_) => path(sink, get(node, "file")?),
        SecretReference::Command(_) => program(sink, get(node, "command")?.list()?.first()?),
    };
    checked.map(|_| reference)
}

/// Says that a secret stands in the file; it is not repeated.
pub(super) fn written(sink: &mut Sink<'_>, node: &Node, message: &str, remedy: &str) {
    sink.error(Code::SecretWritten, node.span, message).remedy(remedy);
}
