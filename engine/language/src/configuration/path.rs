//! Paths as they are written: what is certainly not meant as a path is refused.
//!
//! Whether there is anything at a path is not asked here.

use crate::code::Code;
use crate::diagnostic::Sink;
use crate::yaml::Node;

/// The path a text is; a value that is no text was reported by the table of keys.
pub(super) fn path(sink: &mut Sink<'_>, node: &Node) -> Option<String> {
    let text = node.text()?;
    let wrong = if text.is_empty() {
        Some(("The path is empty.", "Write the path; `.` is the folder of the file."))
    } else if text.starts_with('~') {
        Some((
            "`~` is not expanded in a path.",
            "Write the whole path; if the name itself starts with `~`, write `./` before it.",
        ))
    } else if text.starts_with('$') || text.contains("${") {
        Some((
            "Variables are not expanded in a path.",
            "Write the whole path; if the name itself starts with `$`, write `./` before it.",
        ))
    } else if text.contains("{{") {
        Some(("There are no templates in a configuration.", "Write the path itself."))
    } else if text.contains('\0') {
        Some(("A path has no byte 0.", "Take it away."))
    } else {
        None
    };
    if let Some((message, remedy)) = wrong {
        sink.error(Code::BadPath, node.span, message).remedy(remedy);
        return None;
    }
    Some(text.to_owned())
}

/// The absolute path of a program.
pub(super) fn program(sink: &mut Sink<'_>, node: &Node) -> Option<String> {
    let path = path(sink, node)?;
    if !path.starts_with('/') {
        sink.error(
            Code::NotAbsolute,
            node.span,
            format!("`{path}` is not the absolute path of a program."),
        )
        .remedy(if path.contains('/') {
            "Write its path from `/` on.".to_owned()
        } else {
            format!("Write where it is, as `command -v {path}` says it.")
        });
        return None;
    }
    if path.ends_with('/') {
        sink.error(Code::NotAbsolute, node.span, format!("`{path}` is the path of a folder."))
            .remedy("Write the path of one program; list each that is needed.");
        return None;
    }
    Some(path)
}

/// The paths of a list.
pub(super) fn paths(sink: &mut Sink<'_>, node: &Node) -> Vec<String> {
    let list = node.list().unwrap_or_default();
    list.iter().filter_map(|node| path(sink, node)).collect()
}
