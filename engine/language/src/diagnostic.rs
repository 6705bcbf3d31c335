//! What is wrong with a workflow: code, place, message and remedy; and the collector of all of it.
//!
//! A diagnostic is for the author of a file. What goes wrong while a run runs is a failure, not this.

use serde::Serialize;

use crate::code::Code;
use crate::source::{Place, Source, Span};

/// The most diagnostics that are kept of one file; a file with more is not being written by hand.
const MAX_DIAGNOSTICS: usize = 1_000;

/// One mistake, or one thing that is most likely a mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// What kind of mistake.
    pub code: Code,
    /// Whether the file is refused because of it.
    pub severity: Severity,
    /// What is wrong, in a full sentence.
    pub message: String,
    /// The name of the file.
    pub file: String,
    /// Where it is.
    #[serde(flatten)]
    pub location: Location,
    /// What to do about it, in full sentences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Other places that belong to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// The page that explains the code.
    pub docs: String,
    /// Secrets that stand in the file by mistake: they are not shown with its lines.
    #[serde(skip)]
    pub(crate) secrets: Vec<Span>,
}

/// Whether a file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It is.
    Error,
    /// It is not, but most likely it does not do what was meant.
    Warning,
}

/// A place in the file, in the forms that people, editors and renderers want.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    /// The bytes.
    #[serde(skip)]
    pub span: Span,
    /// The line and column of its first character.
    #[serde(flatten)]
    pub start: Place,
    /// The line and column after its last character.
    pub end: Place,
}

/// Another place that belongs to a diagnostic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Related {
    /// What is there.
    pub message: String,
    /// Where.
    #[serde(flatten)]
    pub location: Location,
}

impl Diagnostic {
    /// The stable JSON form.
    pub fn to_json(&self) -> serde_json::Value {
        // Every field is text, a number or a list of such, which JSON can always say.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Gives it a remedy.
    pub(crate) fn remedy(&mut self, remedy: impl Into<String>) -> &mut Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// Collects the diagnostics of one file.
#[derive(Debug)]
pub(crate) struct Sink<'s> {
    source: &'s Source,
    found: Vec<Diagnostic>,
}

impl<'s> Sink<'s> {
    pub(crate) fn new(source: &'s Source) -> Self {
        Self { source, found: Vec::new() }
    }

    pub(crate) fn source(&self) -> &'s Source {
        self.source
    }

    /// Adds an error.
    pub(crate) fn error(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
    ) -> Added<'_, 's> {
        self.add(code, Severity::Error, span, message.into())
    }

    /// Adds a warning.
    pub(crate) fn warning(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
    ) -> Added<'_, 's> {
        self.add(code, Severity::Warning, span, message.into())
    }

    fn add(
        &mut self,
        code: Code,
        severity: Severity,
        span: Span,
        message: String,
    ) -> Added<'_, 's> {
        self.found.push(Diagnostic {
            code,
            severity,
            message,
            file: self.source.name().to_owned(),
            location: locate(self.source, span),
            remedy: None,
            related: Vec::new(),
            docs: code.docs(),
            secrets: Vec::new(),
        });
        Added { sink: self }
    }

    /// Whether it is full and further search is of no use.
    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= MAX_DIAGNOSTICS
    }

    /// Whether anything refuses the file.
    pub(crate) fn has_errors(&self) -> bool {
        self.found.iter().any(|found| found.severity == Severity::Error)
    }

    /// Everything that was found, in the order of the file, each once.
    pub(crate) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        // Through an alias one mistake is found as often as it is referred to.
        self.found.sort_by(|a, b| {
            (a.location.span, a.code, &a.message).cmp(&(b.location.span, b.code, &b.message))
        });
        self.found.dedup();
        self.found.truncate(MAX_DIAGNOSTICS);
        let written = self.found.iter().filter(|found| found.code == Code::SecretWritten);
        let secrets: Vec<Span> = written.map(|found| found.location.span).collect();
        for found in &mut self.found {
            found.secrets.clone_from(&secrets);
        }
        self.found
    }
}

fn locate(source: &Source, span: Span) -> Location {
    // A span never ends inside of a character.
    let span = Span::new(
        source.text().floor_char_boundary(span.start),
        source.text().ceil_char_boundary(span.end),
    );
    Location { span, start: source.place(span.start), end: source.place(span.end) }
}

/// A diagnostic that was just added and may be told more of.
pub(crate) struct Added<'a, 's> {
    sink: &'a mut Sink<'s>,
}

impl Added<'_, '_> {
    /// What to do about it.
    pub(crate) fn remedy(self, remedy: impl Into<String>) -> Self {
        if let Some(last) = self.sink.found.last_mut() {
            last.remedy(remedy);
        }
        self
    }

    /// Another place that belongs to it.
    pub(crate) fn related(self, span: Span, message: impl Into<String>) -> Self {
        let location = locate(self.sink.source, span);
        if let Some(last) = self.sink.found.last_mut() {
            last.related.push(Related { message: message.into(), location });
        }
        self
    }
}
