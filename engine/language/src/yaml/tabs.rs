//! Finds tabs outside of text and comments.
//!
//! It hears from the reader where the scalars stand, and looks at nothing else.

use crate::code::Code;
use crate::diagnostic::Sink;
use crate::source::Span;

/// The most tabs that are reported; an editor puts them into every line.
const MAX_REPORTED: usize = 10;

/// Reports every tab that is neither in one of the `scalars` (ascending) nor in a comment.
pub(super) fn check(sink: &mut Sink<'_>, scalars: &[Span]) {
    let source = sink.source();
    let inside = |offset: usize| {
        let before = scalars.partition_point(|span| span.start <= offset);
        before
            .checked_sub(1)
            .and_then(|last| scalars.get(last))
            .is_some_and(|span| offset < span.end)
    };
    let in_comment = |offset: usize| {
        let line = source.line_of(offset);
        source
            .slice(Span::new(line.start, offset))
            .match_indices('#')
            .any(|(at, _)| !inside(line.start + at))
    };
    let tabs: Vec<usize> = source
        .text()
        .match_indices('\t')
        .map(|(offset, _)| offset)
        .filter(|offset| !inside(*offset) && !in_comment(*offset))
        .take(MAX_REPORTED)
        .collect();
    for offset in tabs {
        sink.error(Code::Tab, Span::new(offset, offset + 1), "There is a tab outside of text.")
            .remedy("Indent with spaces.");
    }
}
