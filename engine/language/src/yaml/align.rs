//! Where a character of a scalar's text stands in the file.
//!
//! A scalar's text and its source differ by indentation, folding, quotes and escapes. Both are walked
//! side by side; where they cannot be matched any more, the place found last stands for the rest.

use crate::source::{Source, Span};
use crate::yaml::Node;

/// The places in the file of the bytes of one scalar's text.
pub(crate) struct Alignment {
    /// For each byte of the text, its offset in the file.
    places: Vec<usize>,
    end: usize,
}

impl Alignment {
    /// Matches the text of a scalar with its source.
    pub(crate) fn of(source: &Source, node: &Node) -> Self {
        let text = node.text().unwrap_or_default();
        let raw = source.slice(node.span).as_bytes();
        let mut at = raw.first().filter(|byte| matches!(byte, b'"' | b'\'')).map_or(0, |_| 1);
        let mut places = Vec::with_capacity(text.len());
        for wanted in text.bytes() {
            if let Some(found) = find(raw, at, wanted) {
                places.push(node.span.start + found);
                at = found + 1;
            } else {
                places.push(node.span.start + at.min(raw.len()));
            }
        }
        Self { places, end: node.span.end }
    }

    /// The span in the file of a range of the text.
    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        let place = |offset: usize| self.places.get(offset).copied().unwrap_or(self.end);
        let first = place(start);
        let last = match end.checked_sub(1) {
            Some(last) if end > start => place(last) + 1,
            _ => first,
        };
        Span::new(first, last.max(first))
    }
}

/// The next byte of the source that stands for `wanted`, skipping what a scalar may hide.
fn find(raw: &[u8], from: usize, wanted: u8) -> Option<usize> {
    let mut at = from;
    loop {
        let byte = *raw.get(at)?;
        if byte == wanted {
            return Some(at);
        }
        // A folded line break is read as a space, and an escape as what it stands for.
        if wanted == b' ' && byte == b'\n' {
            return Some(at);
        }
        if byte == b'\\' && matches!(wanted, b'\n' | b'\t' | b'\r') {
            return Some(at + 1).filter(|next| *next < raw.len());
        }
        if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b'\\' | b'\'' | b'|' | b'>' | b'-' | b'+')
        {
            return None;
        }
        at += 1;
    }
}
