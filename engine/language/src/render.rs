//! Diagnostics as people see them in a terminal: the line itself, what is wrong under it, the remedy.
//!
//! It only makes text; whether there is colour is for the caller to say, who knows the terminal.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Location, Severity};
use crate::source::Source;

/// Whether rendered text has colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Terminal escapes for colour.
    Ansi,
    /// Plain text.
    None,
}

impl Diagnostic {
    /// This diagnostic with its line of `source`, for a terminal.
    pub fn render(&self, source: &Source, colour: Colour) -> String {
        let renderer = match colour {
            Colour::Ansi => Renderer::styled(),
            Colour::None => Renderer::plain(),
        };
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let primary =
            AnnotationKind::Primary.span(self.location.visible(source)).highlight_source(true);
        let related = self.related.iter().map(|related| {
            AnnotationKind::Context
                .span(related.location.visible(source))
                .label(related.message.as_str())
        });
        let text = self.shown(source);
        let snippet = Snippet::source(text.as_ref())
            .path(source.name())
            .annotation(primary)
            .annotations(related);
        let mut group =
            level.primary_title(self.message.as_str()).id(self.code.number()).element(snippet);
        if let Some(remedy) = &self.remedy {
            group = group.element(Level::HELP.message(remedy.as_str()));
        }
        let group: Group<'_> = group.element(Level::NOTE.message(format!("see {}", self.docs)));
        renderer.decor_style(DecorStyle::Ascii).render(&[group])
    }

    /// The text as it may be shown: a secret that was written into the file stays out of every log.
    fn shown<'s>(&self, source: &'s Source) -> Cow<'s, str> {
        if self.secrets.is_empty() {
            return Cow::Borrowed(source.text());
        }
        let is_secret = |offset| self.secrets.iter().any(|span| span.range().contains(&offset));
        let masked = source.text().char_indices().map(|(offset, character)| {
            // As many bytes as before, so that places stay where they are.
            if character != '\n' && is_secret(offset) {
                "*".repeat(character.len_utf8())
            } else {
                character.to_string()
            }
        });
        Cow::Owned(masked.collect())
    }
}

impl Location {
    /// The part of the first line that the span covers, so that a whole block is not underlined.
    fn visible(&self, source: &Source) -> Range<usize> {
        let line = source.line_of(self.span.start);
        let start = self.span.start.min(source.text().len());
        start..self.span.end.min(line.end).max(start)
    }
}
