//! Templates and conditions in a file: cut, read, checked, and put into their stored form.
//!
//! It goes through values of `with`, `env`, `outputs` and the like. What their places want is handed in.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use holdfast_contract::spec::Shape;
use holdfast_kernel::value::Value;

use super::infer::{Inference, statuses};
use crate::code::Code;
use crate::diagnostic::Sink;
use crate::expression::{self, Expression, Reason, Unreadable};
use crate::fit::{self, Origin};
use crate::kind::{Family, Known};
use crate::scope::{Scope, Scopes};
use crate::template::{Fault, Part, Piece, Stored, Template, scan};
use crate::yaml::{Alignment, Data, Node};

/// Checks the expressions of one workflow.
pub(super) struct Examiner<'a, 'n, 's> {
    pub sink: &'a mut Sink<'s>,
    pub scopes: &'a Scopes<'a, 'n>,
    /// The steps that were read since this was last emptied.
    pub read: BTreeSet<String>,
}

impl Examiner<'_, '_, '_> {
    /// A value with templates inside, with what is known of it.
    pub(super) fn template(
        &mut self,
        node: &Node,
        scope: &Scope,
        shape: Option<&Shape>,
    ) -> (Template, Known) {
        match &node.data {
            Data::List(list) => self.list(node, list, scope, shape),
            Data::Map(entries) => {
                let mut parts = BTreeMap::new();
                for entry in entries {
                    let field = shape.and_then(|shape| field_of(shape, &entry.key));
                    let (part, _) = self.template(&entry.value, scope, field);
                    parts.insert(entry.key.clone(), part);
                }
                let template = Template::map(parts);
                self.check_literal(node, &template, &Known::Map, shape);
                (template, Known::Map)
            }
            Data::Scalar(Value::Text(text)) => {
                let (template, known) = self.text(node, text, scope);
                self.check_literal(node, &template, &known, shape);
                (template, known)
            }
            Data::Scalar(value) => {
                let known = Known::of_value(value);
                let template = Template::Value(value.clone());
                self.check_literal(node, &template, &known, shape);
                (template, known)
            }
            Data::Broken => (Template::Value(Value::None), Known::Any),
        }
    }

    fn list(
        &mut self,
        node: &Node,
        list: &[Node],
        scope: &Scope,
        shape: Option<&Shape>,
    ) -> (Template, Known) {
        let of = shape.and_then(element_of);
        let mut parts = Vec::new();
        let mut element: Option<Known> = None;
        for part in list {
            let (template, known) = self.template(part, scope, of);
            element = Some(match element {
                Some(element) => element.or(known),
                None => known,
            });
            parts.push(template);
        }
        let known = Known::list(element.unwrap_or(Known::Any));
        let template = Template::list(parts);
        // The elements were judged one by one, each at its own place.
        if of.is_none() {
            self.check_literal(node, &template, &known, shape);
        }
        (template, known)
    }

    /// Judges a value by what an action takes.
    fn check_literal(
        &mut self,
        node: &Node,
        template: &Template,
        known: &Known,
        shape: Option<&Shape>,
    ) {
        let Some(shape) = shape else {
            return;
        };
        let reason = match template.literal() {
            Some(value) => match fit::accept(value.clone(), shape, Origin::Literal) {
                Ok(_) => return,
                Err(misfit) => misfit.to_string(),
            },
            None if known.may_be(shape) => return,
            None => format!("it gives {}, and takes {}", known.name(), shape.name()),
        };
        let scalar = node.scalar().filter(|value| value.as_text().is_none());
        let wants_text = matches!(shape, Shape::String | Shape::Text | Shape::Duration);
        let added = self.sink.error(
            Code::UnfitActionInput,
            node.span,
            format!("This does not fit: {reason}."),
        );
        if scalar.is_some() && wants_text {
            added.remedy("Put it into quotes.");
        }
    }

    fn text(&mut self, node: &Node, text: &str, scope: &Scope) -> (Template, Known) {
        let pieces = match scan(text) {
            Ok(pieces) => pieces,
            Err(fault) => {
                let alignment = Alignment::of(self.sink.source(), node);
                self.fault(&fault, &alignment);
                // No literal, so that nobody judges it any further.
                return (Template::Text(Vec::new()), Known::Any);
            }
        };
        if !pieces.iter().any(|piece| matches!(piece, Piece::Expression(_))) {
            return (Template::Value(Value::from(text)), Known::Text);
        }
        let alignment = Alignment::of(self.sink.source(), node);
        if let [Piece::Expression(range)] = pieces.as_slice() {
            let (stored, known) = self.expression(text, range, &alignment, scope);
            return (Template::Expression(stored), known);
        }
        let mut parts = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Literal(range) => {
                    let literal = text.get(range).unwrap_or_default();
                    parts.push(Part::Literal(literal.to_owned()));
                }
                Piece::Expression(range) => {
                    let (stored, known) = self.expression(text, &range, &alignment, scope);
                    self.check_in_text(&known, &range, &alignment);
                    parts.push(Part::Expression(stored));
                }
            }
        }
        (Template::Text(parts), Known::Text)
    }

    fn check_in_text(&mut self, known: &Known, range: &Range<usize>, alignment: &Alignment) {
        let present = known.present();
        if !matches!(present.family(), Some(Family::List | Family::Map)) {
            return;
        }
        let is_reference = matches!(present, Known::Record(record) if
            record.name == "a backup set" || record.name == "a plan");
        self.sink
            .error(
                Code::ListInText,
                alignment.span(range.start, range.end),
                format!("{} cannot stand inside of text.", super::capital(known.name())),
            )
            .remedy(if is_reference {
                "Write `.id` behind it."
            } else {
                "Write `| tojson` behind it."
            });
    }

    /// The bare expression of `if` or `where`.
    pub(super) fn condition(&mut self, node: &Node, scope: &Scope) -> Option<Stored> {
        let text = match &node.data {
            Data::Scalar(Value::Text(text)) => text.clone(),
            Data::Scalar(Value::Boolean(boolean)) => boolean.to_string(),
            Data::Scalar(_) | Data::List(_) | Data::Map(_) | Data::Broken => return None,
        };
        let alignment = Alignment::of(self.sink.source(), node);
        if let Some(at) = text.find("{{") {
            let end = text.rfind("}}").map_or(text.len(), |end| end + 2);
            if text.get(..at).is_some_and(|before| before.ends_with('$')) {
                self.fault(&Fault::Dollar(at - 1..at + 2), &alignment);
                return None;
            }
            let inner = text.get(at + 2..end.saturating_sub(2)).unwrap_or_default();
            self.sink
                .error(
                    Code::BracesInCondition,
                    alignment.span(at, end.max(at)),
                    "A condition has no braces.",
                )
                .remedy(format!("Write `{}`.", inner.trim()));
            return None;
        }
        let start = text.len() - text.trim_start().len();
        let range = start..start + text.trim().len();
        let (stored, known) = self.expression(&text, &range, &alignment, scope);
        if known.present().family().is_some_and(|family| family != Family::Boolean) {
            self.sink
                .error(
                    Code::UnfitResult,
                    node.span,
                    format!("A condition gives a boolean, and this gives {}.", known.name()),
                )
                .remedy("Compare it: `inputs.name == \"x\"`, `inputs.kinds | length > 0`.");
        }
        Some(stored)
    }

    /// The steps whose status a condition looks at.
    pub(super) fn guards(stored: Option<&Stored>) -> Vec<String> {
        stored
            .and_then(|stored| expression::parse(&stored.text).ok())
            .map(|expression| statuses(&expression))
            .unwrap_or_default()
    }

    fn expression(
        &mut self,
        text: &str,
        range: &Range<usize>,
        alignment: &Alignment,
        scope: &Scope,
    ) -> (Stored, Known) {
        let written = text.get(range.clone()).unwrap_or_default();
        let span = alignment.span(range.start, range.end);
        let stored =
            Stored { text: written.to_owned(), place: self.sink.source().place(span.start) };
        let known = match expression::parse(written) {
            Ok(expression) => self.infer(&expression, range.start, alignment, scope),
            Err(unreadable) => {
                self.unreadable(&unreadable, written, range.start, alignment);
                Known::Any
            }
        };
        (stored, known)
    }

    fn infer(
        &mut self,
        expression: &Expression,
        offset: usize,
        alignment: &Alignment,
        scope: &Scope,
    ) -> Known {
        Inference {
            sink: self.sink,
            scopes: self.scopes,
            scope,
            alignment,
            offset,
            guarded: BTreeSet::new(),
            read: &mut self.read,
        }
        .whole(expression)
    }

    fn fault(&mut self, fault: &Fault, alignment: &Alignment) {
        let (code, range, message, remedy) = match fault {
            Fault::Unclosed(range) => (
                Code::ExpressionSyntax,
                range,
                "The `{{` has no `}}`.",
                "Close it; for braces as text write `{{ \"{{\" }}`.",
            ),
            Fault::Empty(range) => (
                Code::ExpressionSyntax,
                range,
                "There is no expression between the braces.",
                "Write one, or leave the braces out.",
            ),
            Fault::Dollar(range) => (
                Code::ForeignTemplate,
                range,
                "`${{ }}` is how another tool writes a template.",
                "Leave the `$` out: `{{ inputs.name }}`.",
            ),
            Fault::Statement(range) => (
                Code::StatementRefused,
                range,
                "Templates have no statements and no comments.",
                "Write an expression in `{{ }}`; `if` and `for_each` are keys of the step.",
            ),
        };
        self.sink.error(code, alignment.span(range.start, range.end), message).remedy(remedy);
    }

    fn unreadable(
        &mut self,
        unreadable: &Unreadable,
        text: &str,
        offset: usize,
        alignment: &Alignment,
    ) {
        if unreadable.reason == Reason::Syntax
            && let Some((range, message, remedy)) = foreign_operator(text)
        {
            let span = alignment.span(offset + range.start, offset + range.end);
            self.sink.error(Code::ForeignOperator, span, message).remedy(remedy);
            return;
        }
        let code = match unreadable.reason {
            Reason::Syntax => Code::ExpressionSyntax,
            Reason::TooLong => Code::ExpressionTooLong,
        };
        let range = &unreadable.range;
        let end = range.end.max(range.start + 1).min(text.len());
        let span = alignment.span(offset + range.start.min(end), offset + end);
        self.sink.error(code, span, format!("{}.", unreadable.message)).remedy(
            match unreadable.reason {
                Reason::Syntax => "Write it as in Jinja: `inputs.kinds | length > 0`.",
                Reason::TooLong => "Take it apart, or let a command compute it.",
            },
        );
    }
}

/// The operator of another language that keeps an expression from being read.
fn foreign_operator(text: &str) -> Option<(Range<usize>, &'static str, &'static str)> {
    const OPERATORS: [(&str, &str, &str); 4] = [
        ("&&", "`&&` is an operator of another tool.", "Write `and`."),
        ("||", "`||` is an operator of another tool.", "Write `or`."),
        ("===", "`===` is an operator of another tool.", "Write `==`."),
        ("??", "`??` is an operator of another tool.", "Write `value | default(other)`."),
    ];
    for (operator, message, remedy) in OPERATORS {
        if let Some(at) = text.find(operator) {
            return Some((at..at + operator.len(), message, remedy));
        }
    }
    let not = text.match_indices('!').find(|(at, _)| text.as_bytes().get(at + 1) != Some(&b'='))?;
    Some((not.0..not.0 + 1, "`!` is an operator of another tool.", "Write `not`."))
}

/// What the elements of a list are.
fn element_of(shape: &Shape) -> Option<&Shape> {
    match shape {
        Shape::List(of) => Some(of),
        Shape::OrNone(of) => element_of(of),
        _ => None,
    }
}

/// What a key of a map is.
fn field_of<'s>(shape: &'s Shape, key: &str) -> Option<&'s Shape> {
    match shape {
        Shape::Record(fields) => {
            fields.iter().find(|field| field.name == key).map(|field| &field.shape)
        }
        Shape::OrNone(of) => field_of(of, key),
        _ => None,
    }
}
