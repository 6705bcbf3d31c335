//! The text of a workflow with its name, and places in it.
//!
//! Offsets are bytes; lines and columns start at 1, and a column counts characters. Nothing here reads
//! a file: whoever has the text makes a [`Source`] of it.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The most bytes a workflow file may have.
pub const MAX_BYTES: usize = 1 << 20;

/// A file's name and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    name: String,
    text: String,
    /// Where each line starts.
    lines: Vec<usize>,
}

impl Source {
    /// A text under the name that diagnostics give it.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let breaks = text.match_indices('\n').map(|(offset, _)| offset + 1);
        Self { lines: std::iter::once(0).chain(breaks).collect(), name: name.into(), text }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line and column of a byte offset; beyond the end it is the end.
    pub fn place(&self, offset: usize) -> Place {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.as_bytes().get(start..offset).unwrap_or_default();
        // A byte that does not continue a character starts one.
        let characters = before.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        Place { line: count(line), column: count(characters + 1) }
    }

    /// The span of the line that holds a byte offset, without its line break.
    pub(crate) fn line_of(&self, offset: usize) -> Span {
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let end = self.lines.get(line).map_or(self.text.len(), |next| next - 1);
        Span::new(start, end)
    }

    /// The text of a span; empty if the span is not of this source.
    pub(crate) fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }
}

/// A count as the 32 bits it is stored in; a file has far fewer lines than fit.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A range of bytes of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// From `start` to before `end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The empty span at an offset.
    pub const fn at(offset: usize) -> Self {
        Self::new(offset, offset)
    }

    /// As a range, for slicing.
    pub const fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The character of the line.
    pub column: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        let source = Source::new("a.yaml", "ä: 1\nb: é x\n");
        let place = |text: &str| {
            let place = source.place(source.text().find(text).unwrap());
            (place.line, place.column)
        };
        assert_eq!(place("1"), (1, 4));
        assert_eq!(place("b"), (2, 1));
        assert_eq!(place("x"), (2, 6));
        assert_eq!(source.place(1_000).line, 3);
        assert_eq!(source.slice(source.line_of(6)), "b: é x");
    }
}
