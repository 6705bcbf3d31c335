//! Patterns of paths and of names: what is no pattern, or could never match, is refused where it stands.
//!
//! They are matched by the provider of files and by whoever has a notification; here they are only read, by the
//! same rules.

use globset::GlobBuilder;

use crate::code::Code;
use crate::diagnostic::Sink;
use crate::yaml::Node;

/// A message with its remedy.
type Wrong = (String, &'static str);

/// The patterns of paths of a list; a value that is no text was reported by the table of keys.
pub(super) fn globs(sink: &mut Sink<'_>, node: &Node) -> Vec<String> {
    let list = node.list().unwrap_or_default();
    list.iter().filter_map(|node| glob(sink, node)).collect()
}

fn glob(sink: &mut Sink<'_>, node: &Node) -> Option<String> {
    let text = node.text()?;
    // `build/` and `/build` are what people write who know other tools.
    let pattern = text.trim_end_matches('/').trim_start_matches('/');
    let wrong = if pattern.is_empty() {
        Some(("The pattern is empty.".to_owned(), "Write `**` for everything."))
    } else if pattern.split('/').any(|part| matches!(part, "." | ".." | "")) {
        let message = format!("`{text}` matches nothing: no path has such a part.");
        Some((message, "Write the path from the root of the target, without `.` and `..`."))
    } else {
        unreadable(text, pattern)
    };
    told(sink, node, wrong)
}

/// The patterns of names of a list, as of workflows and targets.
pub(super) fn names(sink: &mut Sink<'_>, node: &Node) -> Vec<String> {
    let list = node.list().unwrap_or_default();
    list.iter().filter_map(|node| name(sink, node)).collect()
}

fn name(sink: &mut Sink<'_>, node: &Node) -> Option<String> {
    let text = node.text()?;
    let wrong = if text.is_empty() {
        Some(("The pattern is empty.".to_owned(), "Write `**` for every name."))
    } else if text.split('/').any(str::is_empty) {
        let message = format!("`{text}` matches nothing: no name starts or ends with `/`.");
        Some((message, "Write the whole name, `*` for a part of it up to a `/`, `**` for any."))
    } else {
        unreadable(text, text)
    };
    told(sink, node, wrong)
}

/// What is wrong with a pattern that is none; `text` is how it is written.
fn unreadable(text: &str, pattern: &str) -> Option<Wrong> {
    let built = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
    let error = built.err()?;
    let message = format!("`{text}` is no pattern: {}.", error.kind());
    Some((message, "Put `\\` before a `[`, `{`, `*` or `?` that stands for itself."))
}

/// The pattern as it is written, if nothing is wrong with it.
fn told(sink: &mut Sink<'_>, node: &Node, wrong: Option<Wrong>) -> Option<String> {
    if let Some((message, remedy)) = wrong {
        sink.error(Code::BadGlob, node.span, message).remedy(remedy);
        return None;
    }
    node.text().map(str::to_owned)
}
