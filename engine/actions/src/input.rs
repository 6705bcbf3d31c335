//! Reads the rendered `with` of a step, which the language has checked against the action's spec.

use holdfast_kernel::failure::{Class, Failure};
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
