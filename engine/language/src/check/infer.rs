//! What is known of an expression's value, and whether every name and path in it is right.
//!
//! It looks at one expression at a time and evaluates nothing.

use std::collections::BTreeSet;

use crate::code::Code;
use crate::diagnostic::Sink;
use crate::expression::{Expression, What};
use crate::foreign;
use crate::kind::{Family, Field, Known, MissingKind, Record, find};
use crate::scope::{Found, Scope, Scopes};
use crate::source::Span;
use crate::suggest;
use crate::yaml::Alignment;

/// The check of one expression.
pub(super) struct Inference<'a, 'n, 's> {
    pub sink: &'a mut Sink<'s>,
    pub scopes: &'a Scopes<'a, 'n>,
    pub scope: &'a Scope,
    pub alignment: &'a Alignment,
    /// Where the expression starts in its scalar's text.
    pub offset: usize,
    /// The steps whose status is looked at.
    pub guarded: BTreeSet<String>,
    /// The steps that are read.
    pub read: &'a mut BTreeSet<String>,
}

/// Whether a missing output is an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum IfMissing {
    Refused,
    /// Inside of `default` or `is defined`.
    Allowed,
}

impl Inference<'_, '_, '_> {
    /// What is known of the value of a whole expression.
    pub(super) fn whole(&mut self, expression: &Expression) -> Known {
        for id in statuses(expression) {
            self.guarded.insert(id);
        }
        self.value(expression, IfMissing::Refused)
    }

    pub(super) fn span(&self, expression: &Expression) -> Span {
        let range = &expression.range;
        self.alignment.span(self.offset + range.start, self.offset + range.end)
    }

    /// What is known of a part that is used as a value.
    pub(super) fn value(&mut self, expression: &Expression, if_missing: IfMissing) -> Known {
        let known = self.known(expression, if_missing);
        if matches!(&expression.what, What::Name(name) if name == "secrets") {
            let span = self.span(expression);
            self.sink
                .error(Code::SecretRefused, span, "All secrets together may not be read.")
                .remedy("Name the one that is meant: `secrets.NAME`.");
            return Known::Any;
        }
        if matches!(known, Known::Steps(_)) {
            let span = self.span(expression);
            self.sink
                .error(Code::UnknownPath, span, "`steps` is no value by itself.")
                .remedy("Name the step: `steps.ID.output`.");
            return Known::Any;
        }
        known
    }

    fn known(&mut self, expression: &Expression, if_missing: IfMissing) -> Known {
        match &expression.what {
            What::Name(name) => self.name(name, expression),
            What::Constant(value) => Known::of_value(value),
            What::Field(input, name) => {
                let input_known = self.known(input, if_missing);
                self.field(&input_known, name, expression, if_missing)
            }
            What::Index(input, subscript) => {
                let known = self.value(input, if_missing);
                self.value(subscript, IfMissing::Refused);
                known.element()
            }
            What::Slice(input, bounds) => {
                self.all(bounds);
                self.value(input, if_missing)
            }
            What::Not(input) => {
                self.value(input, IfMissing::Refused);
                Known::Boolean
            }
            What::Negative(input) => self.value(input, IfMissing::Refused),
            What::Logic(left, right)
            | What::Sum(left, right)
            | What::Arithmetic(left, right)
            | What::Joined(left, right)
            | What::Within(left, right)
            | What::Comparison(left, right) => self.pair(left, right, expression),
            What::Choice { test, then, otherwise } => {
                self.value(test, IfMissing::Refused);
                let known = self.value(then, if_missing);
                match otherwise {
                    Some(otherwise) => known.or(self.value(otherwise, if_missing)),
                    None => known,
                }
            }
            What::Filter(applied) => self.filter(applied, expression),
            What::Test(applied) => self.test(applied, expression),
            What::Call { function, arguments } => self.call(function, arguments, expression),
            What::List(parts) => {
                let known = self.all(parts);
                Known::list(known.into_iter().reduce(Known::or).unwrap_or(Known::Any))
            }
            What::Map(parts) => {
                self.all(parts);
                Known::Map
            }
        }
    }

    pub(super) fn all(&mut self, parts: &[Expression]) -> Vec<Known> {
        parts.iter().map(|part| self.value(part, IfMissing::Refused)).collect()
    }

    fn either(&mut self, left: &Expression, right: &Expression) -> Known {
        let left = self.value(left, IfMissing::Refused);
        let right = self.value(right, IfMissing::Refused);
        left.or(right)
    }

    /// An operator with two sides.
    fn pair(&mut self, left: &Expression, right: &Expression, whole: &Expression) -> Known {
        match &whole.what {
            What::Comparison(..) => {
                self.comparison(left, right, whole);
                Known::Boolean
            }
            What::Within(..) => {
                let known = self.value(left, IfMissing::Refused);
                self.value(right, IfMissing::Refused);
                self.check_words(&known, left, right);
                Known::Boolean
            }
            What::Joined(..) => {
                self.either(left, right);
                Known::Text
            }
            What::Arithmetic(..) => {
                let known = self.either(left, right);
                match known.family() {
                    Some(Family::Number) => known,
                    _ => Known::Number,
                }
            }
            What::Sum(..) => {
                let known = self.either(left, right);
                match known.family() {
                    Some(Family::Number | Family::Text | Family::List) => known,
                    _ => Known::Any,
                }
            }
            _ => self.either(left, right),
        }
    }

    fn name(&mut self, name: &str, expression: &Expression) -> Known {
        if let Some(field) = find(&self.scope.names, name) {
            return field.known.clone();
        }
        let span = self.span(expression);
        if name == "secrets" {
            self.sink
                .error(Code::SecretRefused, span, "A secret may not be read here.")
                .remedy("Read it in `env`, or in a key of `with` that takes secrets.");
            return Known::Any;
        }
        let in_scope: Vec<&str> =
            self.scope.names.iter().map(|field| field.name.as_str()).collect();
        let loop_variable = self.scope.loop_variable.as_deref();
        let remedy = match name {
            _ if loop_variable.is_some_and(|variable| name == variable || name == "loop") => {
                "`if` is asked once, before there are items; ask of each item in `where`."
                    .to_owned()
            }
            "steps" | "run" => "Only the inputs are known here.".to_owned(),
            "item" | "loop" => format!("`{name}` is there only in a step with `for_each`."),
            _ => {
                foreign::name(name).map_or_else(|| suggest::remedy(name, &in_scope), str::to_owned)
            }
        };
        self.sink
            .error(Code::UnknownName, span, format!("There is no `{name}` here."))
            .remedy(remedy);
        Known::Any
    }

    fn field(
        &mut self,
        input: &Known,
        name: &str,
        expression: &Expression,
        if_missing: IfMissing,
    ) -> Known {
        match input.present() {
            Known::Any | Known::Map => Known::Any,
            Known::Steps(reader) => self.step(*reader, name, expression),
            Known::Record(record) => self.record_field(record, name, expression, if_missing),
            known => {
                let span = self.span(expression);
                self.sink
                    .error(
                        Code::UnknownPath,
                        span,
                        format!("There is no `{name}` in {}.", known.name()),
                    )
                    .remedy("Only maps have fields.");
                Known::Any
            }
        }
    }

    fn step(&mut self, reader: Option<usize>, id: &str, expression: &Expression) -> Known {
        self.read.insert(id.to_owned());
        let span = self.span(expression);
        match self.scopes.find_step(reader, id) {
            Found::Readable(known) => return known,
            Found::NotNeeded => {
                self.sink
                    .error(
                        Code::StepNotNeeded,
                        span,
                        format!("Step `{id}` is read here and is not needed by this step."),
                    )
                    .remedy(format!("Add `{id}` to the `needs` of this step."));
            }
            Found::InFinally => {
                self.sink
                    .error(
                        Code::OtherGraph,
                        span,
                        format!("Step `{id}` belongs to `finally`, which starts after this."),
                    )
                    .remedy("Read it in `finally`.");
            }
            Found::Unknown => {
                let ids: Vec<&str> =
                    self.scopes.workflow.steps.iter().map(|step| step.id).collect();
                self.sink
                    .error(Code::UnknownPath, span, format!("There is no step `{id}`."))
                    .remedy(suggest::remedy(id, &ids));
            }
        }
        Known::Any
    }

    fn record_field(
        &mut self,
        record: &Record,
        name: &str,
        expression: &Expression,
        if_missing: IfMissing,
    ) -> Known {
        let Some(field) = find(&record.fields, name) else {
            self.unknown_field(record, name, expression);
            return Known::Any;
        };
        if if_missing == IfMissing::Refused {
            self.check_missing(field, expression);
        }
        field.known.clone()
    }

    fn unknown_field(&mut self, record: &Record, name: &str, expression: &Expression) {
        let names: Vec<&str> = record.fields.iter().map(|field| field.name.as_str()).collect();
        let remedy = if record.name == "the run" && matches!(name, "status" | "reason" | "summary")
        {
            "The run's status is not known before its end.".to_owned()
        } else if names.is_empty() && record.name.starts_with("the output") {
            "The items of a fan-out have an output each: read `results`.".to_owned()
        } else {
            suggest::remedy(name, &names)
        };
        let span = self.span(expression);
        self.sink
            .error(Code::UnknownPath, span, format!("There is no `{name}` in {}.", record.name))
            .remedy(remedy);
    }

    fn check_missing(&mut self, field: &Field, expression: &Expression) {
        let Some(missing) = &field.missing else {
            return;
        };
        let by_status = missing.kind == MissingKind::ByStatus;
        let known_there =
            self.guarded.contains(&missing.step) || self.scope.guarded.contains(&missing.step);
        if by_status && known_there {
            return;
        }
        let remedy = if by_status {
            format!(
                "Write `| default(...)` behind it, or `if: steps.{}.status == \"succeeded\"` on this step.",
                missing.step
            )
        } else {
            "Write `| default(...)` behind it.".to_owned()
        };
        let span = self.span(expression);
        self.sink
            .error(
                Code::MayBeMissing,
                span,
                format!("`{}` may be missing here. {}", field.name, missing.reason),
            )
            .remedy(remedy);
    }
}

/// The steps whose status an expression looks at.
pub(super) fn statuses(expression: &Expression) -> Vec<String> {
    let mut found = Vec::new();
    expression.each_path(&mut |path| {
        if let ["steps", id, "status"] = path {
            found.push((*id).to_owned());
        }
    });
    found
}
