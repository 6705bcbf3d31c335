//! Targets: by their kind, each with the keys of that kind.
//!
//! Nothing is looked for at a target here.

use std::collections::BTreeMap;

use holdfast_kernel::value::Value;

use super::glob::globs;
use super::keys::{FILES, FILES_KIND, LATER_KINDS};
use super::path::path;
use super::{FilesConfiguration, TargetConfiguration, TargetKind};
use crate::code::Code;
use crate::diagnostic::Sink;
use crate::shape::check::{not_built_yet, place, wrong_type};
use crate::suggest;
use crate::workflow::get;
use crate::yaml::{Entry, Node};

/// The targets of the file, by name.
pub(super) fn read(sink: &mut Sink<'_>, root: &Node) -> BTreeMap<String, TargetConfiguration> {
    let entries = get(root, "targets").and_then(Node::entries).unwrap_or_default();
    let mut targets = BTreeMap::new();
    for entry in entries {
        if sink.is_full() {
            break;
        }
        let target = target(sink, entry);
        targets.extend(target.map(|target| (entry.key.clone(), target)));
    }
    targets
}

fn target(sink: &mut Sink<'_>, entry: &Entry) -> Option<TargetConfiguration> {
    let node = &entry.value;
    if node.entries().is_none() {
        wrong_type(sink, node, "a map");
        return None;
    }
    let Some(kind) = get(node, "kind") else {
        sink.error(
            Code::MissingKey,
            entry.key_span,
            format!("The key `kind` of the target `{}` is missing.", entry.key),
        )
        .remedy("Add `kind: files` for a tree of files.");
        return None;
    };
    match kind.text() {
        Some(FILES_KIND) => files(sink, node),
        Some(later) if LATER_KINDS.contains(&later) => {
            not_built_yet(sink, kind.span, &format!("targets of the kind `{later}`"));
            None
        }
        Some(unknown) => {
            unknown_kind(sink, kind, unknown);
            None
        }
        None => {
            wrong_type(sink, kind, "a word");
            None
        }
    }
}

fn unknown_kind(sink: &mut Sink<'_>, node: &Node, kind: &str) {
    let remedy = match kind {
        "folder" | "directory" | "dir" | "path" | "local" | "filesystem" => {
            format!("Write `{FILES_KIND}`.")
        }
        _ => suggest::remedy(kind, &[&[FILES_KIND], LATER_KINDS].concat()),
    };
    sink.error(Code::UnknownWord, node.span, format!("There are no targets of the kind `{kind}`."))
        .remedy(remedy);
}

fn files(sink: &mut Sink<'_>, node: &Node) -> Option<TargetConfiguration> {
    place(sink, node, &FILES);
    let root = get(node, "root").and_then(|node| path(sink, node));
    let mut patterns = |key| get(node, key).map(|list| globs(sink, list)).unwrap_or_default();
    let include = patterns("include");
    let exclude = patterns("exclude");
    let one_file_system = get(node, "one_file_system").and_then(Node::scalar);
    let labels = get(node, "labels").and_then(Node::entries).unwrap_or_default();
    Some(TargetConfiguration {
        labels: labels
            .iter()
            .filter_map(|label| Some((label.key.clone(), label.value.text()?.to_owned())))
            .collect(),
        approval: texts(get(node, "restore").and_then(|restore| get(restore, "approval"))),
        kind: TargetKind::Files(FilesConfiguration {
            root: root?,
            include,
            exclude,
            one_file_system: one_file_system.and_then(Value::as_boolean).unwrap_or(true),
        }),
    })
}

/// The texts of a list.
pub(super) fn texts(list: Option<&Node>) -> Vec<String> {
    let list = list.and_then(Node::list).unwrap_or_default();
    list.iter().filter_map(Node::text).map(str::to_owned).collect()
}
