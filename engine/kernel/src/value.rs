//! Values of inputs, outputs and items, with one canonical encoding.
//!
//! The kernel has its own value type: a dependency that turned on another crate's insertion-ordered
//! maps would otherwise change every dedupe key. Maps are sorted by the bytes of their keys.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::Digest;

/// A value: what JSON can say, with whole numbers apart from others.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing: an input that was not given, JSON's null.
    #[default]
    None,
    /// True or false.
    Boolean(bool),
    /// A whole number from `i64::MIN` to `u64::MAX`.
    Integer(i128),
    /// Any other number; always finite.
    Number(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A map with text keys, in the order of their bytes.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// An empty map, the output of a step that has none.
    pub const fn empty_map() -> Self {
        Self::Map(BTreeMap::new())
    }

    /// The text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The whole number, if it is one.
    pub fn as_integer(&self) -> Option<i128> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    /// The boolean, if it is one.
    pub fn as_boolean(&self) -> Option<bool> {
        if let Self::Boolean(boolean) = self { Some(*boolean) } else { None }
    }

    /// The list, if it is one.
    pub fn as_list(&self) -> Option<&[Value]> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&BTreeMap<String, Value>> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    /// The value under `key`, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map()?.get(key)
    }

    /// What it is called in messages: `none`, `boolean`, `integer`, `number`, `string`, `list` or `map`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Boolean(_) => "boolean",
            Self::Integer(_) => "integer",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Map(_) => "map",
        }
    }

    /// The one canonical text: JSON without spaces, keys sorted by bytes, only the escapes JSON demands,
    /// numbers as plain decimals. Equal numbers have one text, whether written `1` or `1.0`.
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        self.write_canonical(&mut text);
        text
    }

    /// SHA-256 of the canonical text.
    pub fn digest(&self) -> Digest {
        Digest::of_bytes(self.canonical().as_bytes())
    }

    fn write_canonical(&self, out: &mut String) {
        match self {
            Self::None => out.push_str("null"),
            Self::Boolean(true) => out.push_str("true"),
            Self::Boolean(false) => out.push_str("false"),
            Self::Integer(number) => write_plain(out, number),
            // -0.0 and 0.0 are equal, so they have one text.
            Self::Number(number) if *number == 0.0 => out.push('0'),
            Self::Number(number) => write_plain(out, number),
            Self::Text(text) => write_quoted(out, text),
            Self::List(list) => {
                write_joined(out, ['[', ']'], list.iter(), |out, value| value.write_canonical(out));
            }
            Self::Map(map) => write_joined(out, ['{', '}'], map.iter(), |out, (key, value)| {
                write_quoted(out, key);
                out.push(':');
                value.write_canonical(out);
            }),
        }
    }
}

fn write_joined<T>(
    out: &mut String,
    [open, close]: [char; 2],
    parts: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    out.push(open);
    for (position, part) in parts.enumerate() {
        if position > 0 {
            out.push(',');
        }
        write(out, part);
    }
    out.push(close);
}

fn write_plain(out: &mut String, number: impl fmt::Display) {
    #[expect(clippy::expect_used, reason = "writing to a String never fails")]
    write!(out, "{number}").expect("a string takes every character");
}

fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                let code = u32::from(control);
                out.push_str("\\u00");
                write_plain(out, code / 16);
                out.push(char::from_digit(code % 16, 16).unwrap_or('0'));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Integer(i128::from(number))
    }
}

impl From<Vec<Value>> for Value {
    fn from(list: Vec<Value>) -> Self {
        Self::List(list)
    }
}

impl<const N: usize> From<[(&str, Value); N]> for Value {
    fn from(entries: [(&str, Value); N]) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_unit(),
            Self::Boolean(boolean) => serializer.serialize_bool(*boolean),
            Self::Integer(number) => match (i64::try_from(*number), u64::try_from(*number)) {
                (Ok(number), _) => serializer.serialize_i64(number),
                (_, Ok(number)) => serializer.serialize_u64(number),
                _ => Err(S::Error::custom("an integer outside of i64 and u64")),
            },
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(list) => list.serialize(serializer),
            Self::Map(map) => map.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, boolean: bool) -> Result<Value, E> {
        Ok(Value::Boolean(boolean))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(i128::from(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Integer(i128::from(number)))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        if number.is_finite() {
            Ok(Value::Number(number))
        } else {
            Err(E::custom("a number that is not finite"))
        }
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = sequence.next_element()? {
            list.push(value);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((key, value)) = entries.next_entry()? {
            map.insert(key, value);
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn check(value: Value, canonical: &str) {
        assert_eq!(value.canonical(), canonical);
    }

    #[test]
    fn the_canonical_text_sorts_keys_and_escapes_only_what_it_must() {
        check(
            Value::from([("b", Value::None), ("a", Value::from(true))]),
            r#"{"a":true,"b":null}"#,
        );
        check(Value::from("ä\"\\\n\u{1}\u{1f}"), "\"ä\\\"\\\\\\n\\u0001\\u001f\"");
        check(
            Value::List(vec![Value::Integer(i128::from(u64::MAX)), Value::Number(-0.5)]),
            "[18446744073709551615,-0.5]",
        );
    }

    #[test]
    fn equal_numbers_have_one_text() {
        check(Value::Number(1.0), "1");
        check(Value::Integer(1), "1");
        check(Value::Number(-0.0), "0");
        check(Value::Number(1e21), "1000000000000000000000");
    }

    #[test]
    fn values_read_back_from_json() {
        let value = Value::from([
            ("list", Value::List(vec![Value::None, Value::Number(0.25), Value::Integer(-3)])),
            ("big", Value::Integer(i128::from(u64::MAX))),
            ("text", Value::from("x\u{1}")),
        ]);
        let json = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
        assert_eq!(serde_json::from_str::<Value>(&value.canonical()).unwrap(), value);
    }
}
