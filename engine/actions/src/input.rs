//! Reads the rendered `with` of a step, which the language has checked against the action's spec.

use holdfast_contract::duration;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::Millis;
use holdfast_kernel::value::Value;

/// The text under `key`; none if it is not given.
///
/// # Errors
/// Class `invalid`: it is no text.
pub fn text(with: &Value, key: &str) -> Result<Option<String>, Failure> {
    match with.get(key) {
        None | Some(Value::None) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text.clone())),
        Some(other) => Err(wrong(key, "a string", other)),
    }
}

/// The list of texts under `key`; numbers and booleans are written out. Empty if it is not given.
///
/// # Errors
/// Class `invalid`: it is no list, or an element is a list, a map or none.
pub fn texts(with: &Value, key: &str) -> Result<Vec<String>, Failure> {
    elements(with, key)?
        .iter()
        .map(|element| match element {
            Value::Text(text) => Ok(text.clone()),
            Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => Ok(element.canonical()),
            Value::None | Value::List(_) | Value::Map(_) => {
                Err(wrong(key, "a list of strings", element))
            }
        })
        .collect()
}

/// The list of whole numbers under `key`; empty if it is not given.
///
/// # Errors
/// Class `invalid`: it is no list of whole numbers.
pub fn integers(with: &Value, key: &str) -> Result<Vec<i128>, Failure> {
    let of = |element: &Value| {
        element.as_integer().ok_or_else(|| wrong(key, "a list of integers", element))
    };
    elements(with, key)?.iter().map(of).collect()
}

fn elements<'a>(with: &'a Value, key: &str) -> Result<&'a [Value], Failure> {
    match with.get(key) {
        None | Some(Value::None) => Ok(&[]),
        Some(Value::List(list)) => Ok(list),
        Some(other) => Err(wrong(key, "a list", other)),
    }
}

fn wrong(key: &str, expected: &str, found: &Value) -> Failure {
    let message = format!("`{key}` must be {expected}, it is of type {}", found.type_name());
    Failure::without_effect(Class::Invalid, message)
}

/// The boolean under `key`; none if it is not given.
///
/// # Errors
/// Class `invalid`: it is no boolean.
pub fn boolean(with: &Value, key: &str) -> Result<Option<bool>, Failure> {
    match with.get(key) {
        None | Some(Value::None) => Ok(None),
        Some(Value::Boolean(boolean)) => Ok(Some(*boolean)),
        Some(other) => Err(wrong(key, "a boolean", other)),
    }
}

/// The ids of steps under `key`; none if they are not given.
///
/// # Errors
/// Class `invalid`: it is no list of texts.
pub fn named_steps(with: &Value, key: &str) -> Result<Option<Vec<String>>, Failure> {
    let is_given = with.get(key).is_some_and(|value| *value != Value::None);
    is_given.then(|| texts(with, key)).transpose()
}

/// The id of a backup set or plan under `key`; none if it is not given.
///
/// # Errors
/// Class `invalid`: it is neither text nor a reference.
pub fn reference_id(with: &Value, key: &str) -> Result<Option<String>, Failure> {
    match with.get(key) {
        None | Some(Value::None) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text.clone())),
        Some(other) => match other.get("id").and_then(Value::as_text) {
            Some(id) => Ok(Some(id.to_owned())),
            None => Err(wrong(key, "a reference", other)),
        },
    }
}

/// The duration under `key`, which the language has put into its one form; none if it is not given.
///
/// # Errors
/// Class `invalid`: it is no duration.
pub fn length_of_time(with: &Value, key: &str) -> Result<Option<Millis>, Failure> {
    let Some(text) = text(with, key)? else { return Ok(None) };
    let length = duration::parse(&text);
    length.map(Some).map_err(|_error| wrong(key, "a duration", &Value::from(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_in_all_its_units() {
        let read = |text: &str| length_of_time(&Value::from([("d", Value::from(text))]), "d");
        assert_eq!(read("1h30m").unwrap(), Some(Millis::seconds(5_400)));
        assert_eq!(read("7d").unwrap(), Some(Millis::seconds(604_800)));
        assert_eq!(read("250ms").unwrap(), Some(Millis(250)));
        assert!(read("soon").is_err());
        assert_eq!(length_of_time(&Value::empty_map(), "d").unwrap(), None);
    }
}
