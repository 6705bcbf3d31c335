//! Evaluates prepared templates, each expression compiled once however often it is asked for.

use std::collections::BTreeMap;

use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::value::Value;
use minijinja::Environment;

use super::context::{Followed, View};
use super::engine::{self, Names, Trouble};
use super::prepared::{Otherwise, Piece, Prepared, Ready, Root};
use crate::source::Place;

/// Why a template has no value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Raised {
    /// Something it reads is not there.
    Undefined(Failure),
    /// Anything else.
    Failed(Failure),
}

impl From<Failure> for Raised {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Raised> for Failure {
    fn from(raised: Raised) -> Self {
        match raised {
            Raised::Undefined(failure) | Raised::Failed(failure) => failure,
        }
    }
}

/// Evaluates the templates of one definition against one state of a run.
pub(crate) struct Evaluator<'p> {
    environment: &'p Environment<'static>,
    /// Compiled expressions with the names they read, by their place in the file.
    compiled: BTreeMap<Place, (minijinja::Expression<'p, 'static>, Names)>,
    /// What plain paths lead to that do not start at an item, by their place in the file.
    followed: BTreeMap<Place, Value>,
}

impl<'p> Evaluator<'p> {
    pub(crate) fn new(environment: &'p Environment<'static>) -> Self {
        Self { environment, compiled: BTreeMap::new(), followed: BTreeMap::new() }
    }

    /// The value of a whole stored template.
    pub(crate) fn root(&mut self, root: &Root, view: &View<'_>) -> Result<Value, Raised> {
        self.value(&root.file, &root.template, view)
    }

    /// The value of a part of a stored template.
    pub(crate) fn value(
        &mut self,
        file: &str,
        prepared: &Prepared,
        view: &View<'_>,
    ) -> Result<Value, Raised> {
        match prepared {
            Prepared::Value(value) => Ok(value.clone()),
            Prepared::Expression(ready) => self.expression(file, ready, view),
            Prepared::Text(pieces) => self.text(file, pieces, view),
            Prepared::List(list) => list
                .iter()
                .map(|part| self.value(file, part, view))
                .collect::<Result<_, _>>()
                .map(Value::List),
            Prepared::Map(map) => map
                .iter()
                .map(|(key, part)| Ok((key.clone(), self.value(file, part, view)?)))
                .collect::<Result<_, _>>()
                .map(Value::Map),
        }
    }

    fn text(&mut self, file: &str, pieces: &[Piece], view: &View<'_>) -> Result<Value, Raised> {
        let mut text = String::new();
        for piece in pieces {
            let part = match piece {
                Piece::Literal(literal) => literal.clone(),
                Piece::Expression(ready) => {
                    let value = self.expression(file, ready, view)?;
                    insert(file, ready, &value)?
                }
            };
            text.push_str(&part);
        }
        if text.len() > engine::MAX_RESULT {
            let message = format!("{file}: a text has more than 1 MiB");
            return Err(expression_failure(message).into());
        }
        Ok(Value::Text(text))
    }

    fn expression(&mut self, file: &str, ready: &Ready, view: &View<'_>) -> Result<Value, Raised> {
        if let Some(value) = self.followed.get(&ready.place) {
            return Ok(value.clone());
        }
        if let Some(path) = &ready.path {
            match view.by_reference(path)? {
                Followed::Value(Value::None) | Followed::Nothing
                    if ready.otherwise == Otherwise::Default => {}
                Followed::Value(value) => {
                    self.remember(ready, view, &value);
                    return Ok(value);
                }
                Followed::Nothing => {
                    let trouble = Trouble::Undefined("there is nothing of that name".to_owned());
                    return Err(raised(file, ready, &trouble));
                }
                Followed::NotPlain => {}
            }
        }
        if !self.compiled.contains_key(&ready.place) {
            let compiled = engine::compile(self.environment, &ready.text)
                .map_err(|trouble| raised(file, ready, &trouble))?;
            let names = view.names(&ready.references)?;
            self.compiled.insert(ready.place, (compiled, names));
        }
        let Some((compiled, names)) = self.compiled.get(&ready.place) else {
            return Err(internal("an expression got lost").into());
        };
        let value = match &view.turn {
            None => engine::evaluate(compiled, names),
            Some(turn) => {
                let mut names = names.clone();
                turn.add_to(&mut names);
                engine::evaluate(compiled, &names)
            }
        };
        value.map_err(|trouble| raised(file, ready, &trouble))
    }

    /// Keeps what a plain path leads to, unless it is another for every item.
    fn remember(&mut self, ready: &Ready, view: &View<'_>, value: &Value) {
        let variable = view.turn.as_ref().map(|turn| turn.variable);
        let first = ready.path.as_ref().and_then(|path| path.first());
        if variable.is_none() || first.map(String::as_str) != variable {
            self.followed.insert(ready.place, value.clone());
        }
    }
}

/// A value as a part of a text.
fn insert(file: &str, ready: &Ready, value: &Value) -> Result<String, Failure> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        Value::Boolean(_) | Value::Integer(_) | Value::Number(_) => Ok(value.canonical()),
        Value::None | Value::List(_) | Value::Map(_) => Err(expression_failure(at(
            file,
            ready,
            &format!("it is {} and cannot stand inside of text", article(value)),
        ))),
    }
}

/// What a value is called, with its article.
pub(crate) fn article(value: &Value) -> &'static str {
    crate::input::with_article(value.type_name())
}

fn raised(file: &str, ready: &Ready, trouble: &Trouble) -> Raised {
    let failure = expression_failure(at(file, ready, trouble.message()));
    match trouble {
        Trouble::Undefined(_) => Raised::Undefined(failure),
        Trouble::Other(_) => Raised::Failed(failure),
    }
}

/// A message with the place of its expression.
pub(crate) fn at(file: &str, ready: &Ready, message: &str) -> String {
    let Place { line, column } = ready.place;
    format!("{file}:{line}:{column}: `{}`: {message}", ready.text)
}

/// The message with the place of a template's first expression, if it has one.
pub(crate) fn at_template(file: &str, prepared: &Prepared, message: &str) -> String {
    match prepared.expressions().first() {
        Some(ready) => at(file, ready, message),
        None => format!("{file}: {message}"),
    }
}

/// A failure of class `expression`.
pub(crate) fn expression_failure(message: String) -> Failure {
    Failure::without_effect(Class::Expression, message)
}

/// A failure that is a bug, or a damaged definition.
pub(crate) fn internal(message: &str) -> Failure {
    Failure::without_effect(Class::Internal, message)
}
