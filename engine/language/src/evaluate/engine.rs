//! The template engine: strict, with bounded fuel, no clock, no chance, no files.
//!
//! It turns our values into the engine's and back, and knows nothing of runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_contract::list::MARK;
use holdfast_kernel::value::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use crate::vocabulary::{REMOVED_FILTERS, REMOVED_FUNCTIONS};

/// What evaluating one expression may cost.
const FUEL: u64 = 2_000_000;
/// The most bytes a value may have that an expression gives.
pub(crate) const MAX_RESULT: usize = 1 << 20;
/// How deep a value may be nested that an expression gives.
const MAX_DEPTH: usize = 64;

/// An expression's value is not there, or cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Something it reads is not there.
    Undefined(String),
    /// Anything else.
    Other(String),
}

impl Trouble {
    /// The fragment that says what is wrong.
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Undefined(message) | Self::Other(message) => message,
        }
    }
}

/// The names an expression sees.
pub(crate) type Names = BTreeMap<String, minijinja::Value>;

/// The engine with the language's vocabulary.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(100);
    for filter in REMOVED_FILTERS {
        environment.remove_filter(filter);
    }
    for function in REMOVED_FUNCTIONS {
        environment.remove_global(function);
    }
    environment.add_filter("tojson", to_json);
    environment.add_filter("default", or_default);
    environment.add_filter("d", or_default);
    environment
}

/// The `tojson` filter: the canonical text, so that it is the same on every machine.
fn to_json(value: &minijinja::Value) -> Result<String, Error> {
    let value = from_engine(value)
        .map_err(|trouble| Error::new(ErrorKind::InvalidOperation, trouble.message().to_owned()))?;
    Ok(value.canonical())
}

/// The `default` filter: for what is not there, and for what is none, as an input that was not given.
fn or_default(value: &minijinja::Value, other: Option<minijinja::Value>) -> minijinja::Value {
    if value.is_undefined() || value.is_none() {
        return other.unwrap_or_else(|| minijinja::Value::from(""));
    }
    value.clone()
}

/// The value of a compiled expression.
pub(crate) fn evaluate(
    expression: &minijinja::Expression<'_, '_>,
    names: &Names,
) -> Result<Value, Trouble> {
    let names: minijinja::Value = names
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect::<BTreeMap<_, _>>()
        .into();
    let value = expression.eval(names).map_err(|error| trouble(&error))?;
    from_engine(&value)
}

/// Reads an expression for the engine.
pub(crate) fn compile<'e>(
    environment: &'e Environment<'static>,
    text: &str,
) -> Result<minijinja::Expression<'e, 'static>, Trouble> {
    environment.compile_expression_owned(text.to_owned()).map_err(|error| trouble(&error))
}

fn trouble(error: &Error) -> Trouble {
    let message = match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "it takes too long".to_owned(),
        (ErrorKind::UndefinedError, None) => "something that it reads is not there".to_owned(),
        (_, Some(detail)) => detail.to_owned(),
        (kind, None) => kind.to_string(),
    };
    if error.kind() == ErrorKind::UndefinedError {
        Trouble::Undefined(message)
    } else {
        Trouble::Other(message)
    }
}

/// One of our values as the engine's.
pub(crate) fn to_engine(value: &Value) -> minijinja::Value {
    match value {
        Value::None => minijinja::Value::from(()),
        Value::Boolean(boolean) => minijinja::Value::from(*boolean),
        Value::Integer(number) => match i64::try_from(*number) {
            Ok(number) => minijinja::Value::from(number),
            Err(_) => minijinja::Value::from(*number),
        },
        Value::Number(number) => minijinja::Value::from(*number),
        Value::Text(text) => minijinja::Value::from(text.as_str()),
        Value::List(list) => list.iter().map(to_engine).collect::<Vec<_>>().into(),
        Value::Map(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), to_engine(value)))
            .collect::<BTreeMap<_, _>>()
            .into(),
    }
}

/// One of the engine's values as ours.
pub(crate) fn from_engine(value: &minijinja::Value) -> Result<Value, Trouble> {
    let mut left = MAX_RESULT;
    convert(value, &mut left, 0)
}

fn convert(value: &minijinja::Value, left: &mut usize, depth: usize) -> Result<Value, Trouble> {
    let other = |message: &str| Err(Trouble::Other(message.to_owned()));
    let size = 8 + value.as_str().map_or(0, str::len);
    *left = match left.checked_sub(size) {
        Some(left) => left,
        None => return other("it gives more than 1 MiB"),
    };
    if depth > MAX_DEPTH {
        return other("it gives a value that is nested too deeply");
    }
    match value.kind() {
        ValueKind::Undefined => {
            Err(Trouble::Undefined("something that it reads is not there".to_owned()))
        }
        ValueKind::None => Ok(Value::None),
        ValueKind::Bool => Ok(Value::Boolean(value.is_true())),
        ValueKind::Number => number(value),
        ValueKind::String => Ok(Value::from(value.as_str().unwrap_or_default())),
        ValueKind::Seq | ValueKind::Iterable => {
            let mut list = Vec::new();
            let elements = value.try_iter().map_err(|error| trouble(&error))?;
            for element in elements.checked() {
                let element = element.map_err(|error| trouble(&error))?;
                list.push(convert(&element, left, depth + 1)?);
            }
            Ok(Value::List(list))
        }
        ValueKind::Map => {
            let mut map = BTreeMap::new();
            for key in value.try_iter().map_err(|error| trouble(&error))? {
                let Some(name) = key.as_str() else {
                    return other("it gives a map with a key that is no text");
                };
                let element = value.get_item(&key).map_err(|error| trouble(&error))?;
                if name == MARK {
                    return other("it gives a map with a reserved key");
                }
                *left = left.saturating_sub(name.len());
                map.insert(name.to_owned(), convert(&element, left, depth + 1)?);
            }
            Ok(Value::Map(map))
        }
        ValueKind::Invalid => {
            // An invalid value tells its error only to whoever meets it in a list.
            let alone = minijinja::Value::from(vec![value.clone()]);
            let mut elements = alone.try_iter().map_err(|error| trouble(&error))?.checked();
            match elements.next() {
                Some(Err(error)) => Err(trouble(&error)),
                Some(Ok(_)) | None => other("it gives no value"),
            }
        }
        ValueKind::Bytes | ValueKind::Plain => other("it gives no value that can be stored"),
        _ => other("it gives a value of an unknown type"),
    }
}

fn number(value: &minijinja::Value) -> Result<Value, Trouble> {
    let outside = |message: &str| Trouble::Other(message.to_owned());
    if value.is_integer() {
        let number = i128::try_from(value.clone())
            .map_err(|_error| outside("it gives a whole number that is too large"))?;
        if i64::try_from(number).is_err() && u64::try_from(number).is_err() {
            return Err(outside("it gives a whole number that is too large"));
        }
        return Ok(Value::Integer(number));
    }
    let number = f64::try_from(value.clone()).map_err(|error| trouble(&error))?;
    if number.is_finite() {
        Ok(Value::Number(number))
    } else {
        Err(outside("it gives a number that is not finite"))
    }
}

/// A list of which an expression sees the first elements, and the length.
///
/// Whoever goes beyond what is seen gets an error: a count that is silently wrong would be worse.
#[derive(Debug)]
pub(crate) struct LongList {
    pub seen: Vec<minijinja::Value>,
    pub total: usize,
}

impl LongList {
    fn beyond(&self) -> minijinja::Value {
        let message = format!(
            "the list has {} elements, and an expression sees the first {} of them",
            self.total,
            self.seen.len()
        );
        minijinja::Value::from(Error::new(ErrorKind::InvalidOperation, message))
    }
}

impl Object for LongList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        let place = key.as_usize()?;
        if place >= self.total {
            return None;
        }
        Some(self.seen.get(place).cloned().unwrap_or_else(|| self.beyond()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let list = Arc::clone(self);
        let beyond = self.beyond();
        let elements = (0..self.seen.len()).filter_map(move |place| list.seen.get(place).cloned());
        Enumerator::Iter(Box::new(elements.chain(std::iter::once(beyond))))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let long = LongList { seen: (0..3).map(minijinja::Value::from).collect(), total: 10 };
        let item = Value::from([("a", Value::from(1)), ("none", Value::None)]);
        BTreeMap::from([
            ("long".to_owned(), minijinja::Value::from_object(long)),
            ("item".to_owned(), to_engine(&item)),
        ])
    }

    fn check(text: &str, expect: &str) {
        let environment = environment();
        let found = match compile(&environment, text).and_then(|e| evaluate(&e, &names())) {
            Ok(value) => value.canonical(),
            Err(trouble) => format!("{trouble:?}"),
        };
        assert!(found.contains(expect), "{text}: {found}");
    }

    #[test]
    fn values_keep_their_types() {
        check("item.a + 1", "2");
        check("item.a / 2", "0.5");
        check("[item, none, true, 'x']", r#"[{"a":1,"none":null},null,true,"x"]"#);
        check("item | tojson", r#""{\"a\":1,\"none\":null}""#);
        check("18446744073709551615", "18446744073709551615");
        check("{'b': 1, 'a': 2}", r#"{"a":2,"b":1}"#);
    }

    #[test]
    fn undefined_is_an_error_at_every_level() {
        for text in [
            "item.b",
            "item.b.c",
            "missing",
            "[item.b]",
            "item.b ~ 'x'",
            "item.b == 1",
            "not item.b",
            "item.b or true",
            "1 if item.b else 2",
            "item.b in [1]",
        ] {
            check(text, "Undefined");
        }
        check("item.b | default(3)", "3");
        check("item.none | default(3)", "3");
        check("item.a | default(3)", "1");
        check("item.b | d", "\"\"");
        check("{'$list': 1}", "reserved");
        check("item.b is defined", "false");
    }

    #[test]
    fn a_long_list_is_seen_up_to_its_bound_and_no_further() {
        check("long | length", "10");
        check("long[1]", "1");
        check("long | first", "0");
        for text in [
            "long",
            "long[7]",
            "long | sum",
            "long | list",
            "long | map('string') | list",
            "9 in long",
            "long | select('odd') | list | length",
        ] {
            check(text, "10 elements");
        }
    }

    #[test]
    fn work_and_results_are_bounded() {
        check("range(100000) | map('string') | join(',') | length", "");
        check("'x' * 2000000", "1 MiB");
        for text in [
            "range(100000) | sort | sort | sort | sort | sort",
            "('x' * 100000) * 100000",
            "2 ** 1000",
        ] {
            check(text, "Other");
        }
        check("1e308 * 10", "not finite");
        check("9223372036854775807 * 100", "too large");
        check("{1: 2}", "no text");
    }
}
