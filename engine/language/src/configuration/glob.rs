//! Patterns of paths: what is no pattern, or could never match, is refused where it stands.
//!
//! They are matched by the provider of files; here they are only read, by the same rules.

use globset::GlobBuilder;

use crate::code::Code;
use crate::diagnostic::Sink;
use crate::yaml::Node;

/// The patterns of a list; a value that is no text was reported by the table of keys.
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
        let built =
            GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
        built.err().map(|error| {
            let message = format!("`{text}` is no pattern: {}.", error.kind());
            (message, "Put `\\` before a `[`, `{`, `*` or `?` that stands for itself.")
        })
    };
    if let Some((message, remedy)) = wrong {
        sink.error(Code::BadGlob, node.span, message).remedy(remedy);
        return None;
    }
    Some(text.to_owned())
}
