//! Filters, tests and functions in expressions: whether they are there, and what they give.
//!
//! It is the part of [`super::infer`] that knows the vocabulary.

use super::infer::{IfMissing, Inference};
use crate::code::Code;
use crate::expression::{Applied, Expression, What};
use crate::foreign;
use crate::kind::Known;
use crate::suggest;
use crate::vocabulary::{FILTERS, RANGE, TESTS};

impl Inference<'_, '_, '_> {
    pub(super) fn filter(&mut self, applied: &Applied, expression: &Expression) -> Known {
        self.all(&applied.arguments);
        let is_default = matches!(applied.name.as_str(), "default" | "d");
        let if_missing = if is_default { IfMissing::Allowed } else { IfMissing::Refused };
        let input = self.value(&applied.input, if_missing);
        if !FILTERS.contains(&applied.name.as_str()) {
            self.unknown_function(&applied.name, "filter", FILTERS, expression);
            return Known::Any;
        }
        match applied.name.as_str() {
            "length" | "count" | "int" => Known::Integer,
            "float" => Known::Number,
            "bool" => Known::Boolean,
            "tojson" | "string" | "upper" | "lower" | "title" | "capitalize" | "trim"
            | "replace" | "join" | "format" | "indent" => Known::Text,
            "split" | "lines" => Known::list(Known::Text),
            "sort" | "list" | "unique" | "reverse" | "select" | "reject" | "selectattr"
            | "rejectattr" => Known::list(input.element()),
            "map" | "items" | "dictsort" | "batch" | "slice" | "groupby" | "zip" | "chain" => {
                Known::list(Known::Any)
            }
            "default" | "d" => {
                let other = applied.arguments.first().map(|other| match &other.what {
                    What::Constant(value) => Known::of_value(value),
                    _ => Known::Any,
                });
                input.present().clone().or(other.unwrap_or(Known::Text))
            }
            _ => Known::Any,
        }
    }

    pub(super) fn test(&mut self, applied: &Applied, expression: &Expression) -> Known {
        self.all(&applied.arguments);
        let if_missing = match applied.name.as_str() {
            "defined" | "undefined" => IfMissing::Allowed,
            _ => IfMissing::Refused,
        };
        self.value(&applied.input, if_missing);
        if !TESTS.contains(&applied.name.as_str()) {
            self.unknown_function(&applied.name, "test", TESTS, expression);
        }
        Known::Boolean
    }

    pub(super) fn call(
        &mut self,
        function: &Expression,
        arguments: &[Expression],
        expression: &Expression,
    ) -> Known {
        self.all(arguments);
        let span = self.span(expression);
        match &function.what {
            What::Name(name) if name == RANGE => return Known::list(Known::Integer),
            What::Name(name) => match foreign::function(name) {
                Some(ours) => {
                    self.sink
                        .error(
                            Code::ForeignOperator,
                            span,
                            format!("`{name}()` is a function of another tool."),
                        )
                        .remedy(ours);
                }
                None => self.unknown_function(name, "function", &[RANGE], expression),
            },
            What::Field(_, name) => {
                self.sink
                    .error(Code::UnknownFunction, span, format!("There is no method `{name}()`."))
                    .remedy(format!("Values have no methods; write a filter: `value | {name}`."));
            }
            _ => self.unknown_function("", "function", &[RANGE], expression),
        }
        Known::Any
    }

    fn unknown_function(
        &mut self,
        name: &str,
        what: &str,
        names: &[&str],
        expression: &Expression,
    ) {
        let remedy =
            foreign::function(name).map_or_else(|| suggest::remedy(name, names), str::to_owned);
        let span = self.span(expression);
        self.sink
            .error(Code::UnknownFunction, span, format!("There is no {what} `{name}`."))
            .remedy(remedy);
    }
}
