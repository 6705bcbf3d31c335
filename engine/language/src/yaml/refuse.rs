//! The messages for what is valid YAML elsewhere and refused here, and for what is no YAML at all.
//!
//! It reads nothing itself: the reader says where it stands.

use holdfast_contract::list::MARK;
use serde_yaml::granit_parser::{ScanError, Tag};

use crate::code::Code;
use crate::diagnostic::Sink;
use crate::source::{MAX_BYTES, Span};

pub(super) fn too_large(sink: &mut Sink<'_>, size: usize) {
    sink.error(
        Code::FileTooLarge,
        Span::at(0),
        format!("The file has {size} bytes; it may have at most {MAX_BYTES}."),
    )
    .remedy("Move large texts into files of their own.");
}

pub(super) fn tag(sink: &mut Sink<'_>, tag: &Tag, span: Span) {
    let written = tag.original();
    let name = written.trim_start_matches('!');
    let remedy = if written.starts_with("!!") {
        "Leave the tag out; put text that looks like a number into quotes.".to_owned()
    } else if name.is_empty() {
        "In a condition, write `not` for `!`.".to_owned()
    } else {
        format!("In a condition, write `not {name}`. Elsewhere leave the tag out.")
    };
    sink.error(Code::TagRefused, span, format!("The tag `{written}` is refused.")).remedy(remedy);
}

/// The key that stands for a stored list: whoever could write it could read what is stored elsewhere.
pub(super) fn reserved(sink: &mut Sink<'_>, span: Span) {
    sink.error(Code::BadName, span, format!("The key `{MARK}` is reserved."))
        .remedy("Use another key.");
}

/// A template without quotes that starts here.
pub(super) fn unquoted(sink: &mut Sink<'_>, start: usize) {
    let line = sink.source().line_of(start);
    let rest = sink.source().slice(Span::new(start, line.end));
    let template = rest.find("}}").and_then(|end| rest.get(..end + 2)).unwrap_or(rest);
    let quoted = template.replace('"', "'");
    sink.error(
        Code::UnquotedTemplate,
        Span::new(start, start + template.len()),
        "This template has no quotes.",
    )
    .remedy(format!("Write \"{quoted}\" with the quotes."));
}

/// The parser gave up here, and this is the most likely reason.
pub(super) fn broken_off(sink: &mut Sink<'_>, error: &ScanError) {
    let offset = error.marker().byte_offset().unwrap_or(0);
    let source = sink.source();
    let line = source.line_of(offset);
    let text = source.slice(line);
    if let Some(at) = unquoted_template(text) {
        unquoted(sink, line.start + at);
    } else if let Some(at) = text.find("{%") {
        let start = line.start + at;
        sink.error(
            Code::StatementRefused,
            Span::new(start, start + 2),
            "Templates have no statements.",
        )
        .remedy("Write an expression in `{{ }}`; `if` and `for_each` are keys of the step.");
    } else if !text.trim_start_matches(' ').starts_with('\t') {
        // A tab at the start of the line is reported for itself.
        sink.error(
            Code::NotYaml,
            Span::new(offset, offset + 1),
            format!("This is not YAML: {}.", error.info()),
        )
        .remedy(
            "Mind the indentation, and put text with `: `, `#`, `{`, `[`, `*`, `&`, `@` or `%` \
             into quotes.",
        );
    }
}

/// Where a line starts a template without quotes.
fn unquoted_template(line: &str) -> Option<usize> {
    let trimmed = line.trim_start();
    if trimmed.strip_prefix("- ").unwrap_or(trimmed).starts_with("{{") {
        return line.find("{{");
    }
    [": {{", "[{{", ", {{"].iter().find_map(|start| line.find(start).map(|at| at + start.len() - 2))
}
