//! What may be done on this machine: programs that may be executed, folders that may be exported to.
//!
//! Whether a program is there is not asked here.

use std::collections::BTreeMap;

use holdfast_kernel::definition::Writes;

use super::keys::COMMAND;
use super::path::{paths, program};
use super::{Allow, AllowedCommand};
use crate::code::Code;
use crate::diagnostic::Sink;
use crate::shape::check::{place, wrong_type};
use crate::source::Span;
use crate::workflow::{get, text};
use crate::yaml::{Data, Node};

/// The value of `allow`.
pub(super) fn read(sink: &mut Sink<'_>, node: &Node) -> Allow {
    let list = get(node, "commands").and_then(Node::list).unwrap_or_default();
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    let mut commands = Vec::new();
    for node in list {
        if sink.is_full() {
            break;
        }
        let Some((command, span)) = command(sink, node) else {
            continue;
        };
        if let Some(first) = seen.insert(command.path.clone(), span) {
            sink.error(Code::CommandTwice, span, format!("`{}` is listed twice.", command.path))
                .related(first, "it is here first")
                .remedy("Keep one of the entries.");
        }
        commands.push(command);
    }
    let exports = get(node, "exports").map(|list| paths(sink, list)).unwrap_or_default();
    Allow { commands, exports }
}

/// A command with where its path stands.
fn command(sink: &mut Sink<'_>, node: &Node) -> Option<(AllowedCommand, Span)> {
    let (path, writes) = match &node.data {
        Data::Map(_) => {
            place(sink, node, &COMMAND);
            (get(node, "path")?, text(node, "writes").and_then(writes))
        }
        Data::Scalar(_) if node.text().is_some() => (node, None),
        Data::Scalar(_) | Data::List(_) | Data::Broken => {
            wrong_type(sink, node, "a path or a map");
            return None;
        }
    };
    let writes = writes.unwrap_or(Writes::Target);
    Some((AllowedCommand { path: program(sink, path)?, writes }, path.span))
}

fn writes(word: &str) -> Option<Writes> {
    let all = [Writes::Nothing, Writes::Repository, Writes::Local, Writes::Outside, Writes::Target];
    all.into_iter().find(|writes| writes.word() == word)
}
