//! Whether a value is what an action takes, and its one form.
//!
//! Literals are judged when the file is checked, results of expressions when an attempt starts. It does
//! not know whether a target, set or plan exists.

use holdfast_contract::list::StoredList;
use holdfast_contract::spec::{Field, Presence, Shape};
use holdfast_kernel::value::Value;
use thiserror::Error;

use crate::input::with_article;
use holdfast_contract::duration;

/// Why a value does not fit; a fragment that fits after "cannot …:".
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}{reason}")]
pub(crate) struct Misfit {
    /// Where inside of the value, `` `argv[0]`: `` or nothing.
    path: String,
    reason: String,
}

impl Misfit {
    fn new(reason: impl Into<String>) -> Self {
        Self { path: String::new(), reason: reason.into() }
    }

    fn inside(self, place: &str) -> Self {
        Self { path: format!("{place}: {}", self.path), reason: self.reason }
    }
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It stands in the file. `1.50` as text would lose its zero, so text needs quotes.
    Literal,
    /// An expression gave it. A number or boolean is written as text where text is wanted.
    Expression,
}

/// The value in the form the action takes.
pub(crate) fn accept(value: Value, shape: &Shape, origin: Origin) -> Result<Value, Misfit> {
    match (shape, value) {
        (Shape::OrNone(_), Value::None) => Ok(Value::None),
        (Shape::OrNone(shape), value) => accept(value, shape, origin),
        (Shape::String, Value::Text(text)) => {
            if text.contains('\0') {
                return Err(Misfit::new("it has a character that no name or path can have"));
            }
            Ok(Value::Text(text))
        }
        (
            Shape::Text | Shape::String,
            value @ (Value::Integer(_) | Value::Number(_) | Value::Boolean(_)),
        ) if origin == Origin::Expression => Ok(Value::Text(value.canonical())),
        (Shape::Any | Shape::Item, value)
        | (Shape::Text | Shape::Target, value @ Value::Text(_))
        | (Shape::Integer | Shape::Number, value @ Value::Integer(_))
        | (Shape::Number, value @ Value::Number(_))
        | (Shape::Boolean, value @ Value::Boolean(_))
        | (Shape::Map, value @ Value::Map(_)) => Ok(value),
        (Shape::Duration, Value::Text(text)) => match duration::parse(&text) {
            Ok(length) => Ok(Value::Text(duration::format(length))),
            Err(reason) => Err(Misfit::new(reason.to_string())),
        },
        (Shape::Word(words), Value::Text(text)) => {
            if words.contains(&text.as_str()) {
                return Ok(Value::Text(text));
            }
            Err(Misfit::new(format!("`{text}` is not one of `{}`", words.join("`, `"))))
        }
        (Shape::List(of), Value::List(list)) => elements(list, of, origin),
        (Shape::Steps, Value::List(list)) => elements(list, &Shape::String, origin),
        (Shape::Record(fields), value @ Value::Map(_)) => record(value, fields, origin),
        (Shape::List(_), value) if StoredList::from_value(&value).is_some() => Ok(value),
        (Shape::BackupSet | Shape::Plan, value) if is_reference(&value) => Ok(value),
        (shape, value) => Err(mismatch(&value, shape)),
    }
}

fn mismatch(value: &Value, shape: &Shape) -> Misfit {
    let wanted = match shape {
        Shape::Text => "a string",
        Shape::Word(_) => "a word",
        Shape::Steps => "a list of step ids",
        other => with_article(other.name()),
    };
    Misfit::new(format!("it is {}, and takes {wanted}", with_article(value.type_name())))
}

fn is_reference(value: &Value) -> bool {
    value.as_text().is_some() || value.get("id").is_some_and(|id| id.as_text().is_some())
}

fn elements(list: Vec<Value>, shape: &Shape, origin: Origin) -> Result<Value, Misfit> {
    let accepted: Result<Vec<Value>, Misfit> = list
        .into_iter()
        .enumerate()
        .map(|(place, value)| {
            accept(value, shape, origin)
                .map_err(|misfit| misfit.inside(&format!("element {}", place + 1)))
        })
        .collect();
    accepted.map(Value::List)
}

fn record(value: Value, fields: &[Field], origin: Origin) -> Result<Value, Misfit> {
    let Value::Map(map) = value else {
        return Err(mismatch(&value, &Shape::Map));
    };
    fields_of(map, fields, origin).map(Value::Map)
}

/// The fields of a map, each in its form. One that may be left out and is none is left out.
pub(crate) fn fields_of(
    map: std::collections::BTreeMap<String, Value>,
    fields: &[Field],
    origin: Origin,
) -> Result<std::collections::BTreeMap<String, Value>, Misfit> {
    let mut accepted = std::collections::BTreeMap::new();
    for (key, value) in map {
        let Some(field) = fields.iter().find(|field| field.name == key) else {
            return Err(Misfit::new(format!("there is no `{key}`")));
        };
        if field.presence == Presence::Optional && value == Value::None {
            continue;
        }
        let value = accept(value, &field.shape, origin)
            .map_err(|misfit| misfit.inside(&format!("`{key}`")))?;
        accepted.insert(key, value);
    }
    let missing = fields
        .iter()
        .find(|field| field.presence == Presence::Required && !accepted.contains_key(field.name));
    match missing {
        Some(field) => Err(Misfit::new(format!("`{}` is missing", field.name))),
        None => Ok(accepted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: impl Into<Value>, shape: Shape, origin: Origin, expect: &str) {
        let found = match accept(value.into(), &shape, origin) {
            Ok(value) => value.canonical(),
            Err(misfit) => misfit.to_string(),
        };
        assert_eq!(found, expect);
    }

    #[test]
    fn values_fit_or_say_why_not() {
        use Origin::{Expression, Literal};
        const WORDS: Shape = Shape::Word(&["a", "b"]);
        check(5, Shape::String, Expression, "\"5\"");
        check(5, Shape::String, Literal, "it is an integer, and takes a string");
        check("90m", Shape::Duration, Literal, "\"1h30m\"");
        check(
            "90",
            Shape::Duration,
            Literal,
            "`90` has no unit; write `90s`, `90m`, `90h` or `90d`",
        );
        check("c", WORDS, Literal, "`c` is not one of `a`, `b`");
        check(Value::None, Shape::OrNone(&Shape::Plan), Literal, "null");
        check(Value::None, Shape::Plan, Expression, "it is nothing, and takes a plan");
        let list = Value::List(vec![Value::from("a"), Value::from(1)]);
        check(
            list,
            Shape::List(&Shape::String),
            Literal,
            "element 2: it is an integer, and takes a string",
        );
        check("a\nb", Shape::String, Literal, "\"a\\nb\"");
        check("a\0b", Shape::String, Literal, "it has a character that no name or path can have");
    }
}
