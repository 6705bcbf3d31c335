//! Where a character of a scalar's text stands in the file.
//!
//! A scalar's text and its source differ by indentation, folding, quotes and escapes. Both are walked
//! side by side, each once; where they cannot be matched any more, the place found last stands for the rest.

use crate::source::{Source, Span};
use crate::yaml::Node;

/// The places in the file of the bytes of one scalar's text.
pub(crate) struct Alignment {
    /// For each byte of the text, its offset in the file.
    places: Vec<usize>,
    end: usize,
}

/// How a scalar is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Single,
    Double,
    /// Plain, literal or folded: what stands there is meant.
    Open,
}

/// A walk through the source of a scalar.
struct Walk<'r> {
    raw: &'r [u8],
    at: usize,
    style: Style,
    lost: bool,
}

impl Alignment {
    /// Matches the text of a scalar with its source.
    pub(crate) fn of(source: &Source, node: &Node) -> Self {
        let text = node.text().unwrap_or_default();
        let mut walk = Walk::of(source.slice(node.span).as_bytes());
        let mut places = Vec::with_capacity(text.len());
        for character in text.chars() {
            let place = node.span.start + walk.find(character);
            places.extend((0..character.len_utf8()).map(|_| place));
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

impl<'r> Walk<'r> {
    fn of(raw: &'r [u8]) -> Self {
        let (style, at) = match raw.first() {
            Some(b'"') => (Style::Double, 1),
            Some(b'\'') => (Style::Single, 1),
            // The line with `|` or `>` is no part of the text.
            Some(b'|' | b'>') => {
                let header = raw.iter().position(|byte| *byte == b'\n');
                (Style::Open, header.map_or(raw.len(), |end| end + 1))
            }
            _ => (Style::Open, 0),
        };
        Self { raw, at, style, lost: false }
    }

    /// Where the next character of the text stands.
    fn find(&mut self, wanted: char) -> usize {
        let mut buffer = [0; 4];
        let bytes = wanted.encode_utf8(&mut buffer).as_bytes();
        while !self.lost {
            let here = self.at;
            if self.step(wanted, bytes) {
                return here;
            }
        }
        self.at.min(self.raw.len())
    }

    /// Goes on by one piece of the source; true if it stood for the wanted character.
    fn step(&mut self, wanted: char, bytes: &[u8]) -> bool {
        let rest = self.raw.get(self.at..).unwrap_or_default();
        if self.style == Style::Double && rest.first() == Some(&b'\\') {
            return self.escape(rest.get(1).copied());
        }
        if rest.starts_with(bytes) {
            let doubled = self.style == Style::Single && wanted == '\'';
            self.at += bytes.len() + usize::from(doubled);
            return true;
        }
        // A folded line break is read as a space.
        let folded = wanted == ' ' && rest.first() == Some(&b'\n');
        if matches!(rest.first(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        } else {
            self.lost = true;
        }
        folded
    }

    /// Passes an escape; false if it stands for nothing, as a line break does.
    fn escape(&mut self, kind: Option<u8>) -> bool {
        self.at += match kind {
            Some(b'x') => 4,
            Some(b'u') => 6,
            Some(b'U') => 10,
            _ => 2,
        };
        !matches!(kind, Some(b'\n' | b'\r'))
    }
}
