//! What a workflow declares: its inputs with their types and bounds, and its secrets by reference.
//!
//! A declaration judges one value at a time. Where values come from, and what `latest` is, is the
//! matter of [`crate::submit`].

use std::collections::BTreeMap;

use holdfast_kernel::definition::Definition;
pub use holdfast_kernel::definition::SecretReference;
use holdfast_kernel::value::Value;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use holdfast_contract::duration;

/// Everything a workflow declares; stored with its definition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Declarations {
    /// The inputs, in the order of the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// The secrets, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretReference>,
}

impl Declarations {
    /// The form in which a definition stores them; none if there is nothing to store.
    pub fn to_value(&self) -> Option<Value> {
        if self.inputs.is_empty() && self.secrets.is_empty() {
            return None;
        }
        let text = serde_json::to_string(self).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The declarations of a stored definition; none if they cannot be read.
    pub fn of(definition: &Definition) -> Option<Self> {
        let Some(stored) = &definition.declarations else {
            return Some(Self::default());
        };
        serde_json::from_str(&stored.canonical()).ok()
    }
}

/// The declaration of one input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: InputType,
    /// Whether a submit without it is refused.
    pub required: bool,
    /// What it is when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The type of a list's elements; none: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<InputType>,
    /// Whether a list is sorted and rid of doubles.
    pub unordered: bool,
    /// The only values it may have; empty: any.
    #[serde(default, rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Value>,
    /// What a text must match as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The least value, or the least length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Value>,
    /// The greatest value, or the greatest length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Value>,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// The type of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputType {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A duration.
    Duration,
    /// A list.
    List,
    /// A map.
    Map,
    /// A target of the configuration, by name.
    Target,
    /// A backup set.
    BackupSet,
    /// A plan.
    Plan,
}

impl InputType {
    /// Every type, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::String,
        Self::Integer,
        Self::Number,
        Self::Boolean,
        Self::Duration,
        Self::List,
        Self::Map,
        Self::Target,
        Self::BackupSet,
        Self::Plan,
    ];

    /// The word in YAML.
    pub const fn word(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Duration => "duration",
            Self::List => "list",
            Self::Map => "map",
            Self::Target => "target",
            Self::BackupSet => "backup_set",
            Self::Plan => "plan",
        }
    }
}

/// Why a value does not fit an input; a fragment.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Unfit {
    /// It has another type.
    #[error("it is {found}, and {wanted} is wanted")]
    Type {
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// It is not one of the choices.
    #[error("it is not one of {0}")]
    Choice(String),
    /// It does not match the pattern.
    #[error("it does not match the pattern `{0}`")]
    Pattern(String),
    /// The pattern cannot be used.
    #[error("its pattern is no regular expression")]
    BadPattern,
    /// It is too small or too short.
    #[error("{0} is less than {1}")]
    Less(String, String),
    /// It is too large or too long.
    #[error("{0} is more than {1}")]
    More(String, String),
    /// It is no duration.
    #[error(transparent)]
    Duration(#[from] duration::InvalidDuration),
    /// An element of a list does not fit.
    #[error("element {place}: {reason}")]
    Element {
        /// Counted from 1.
        place: usize,
        /// Why.
        reason: Box<Unfit>,
    },
}

impl Input {
    /// The value in its one form: durations normal, an unordered list sorted.
    ///
    /// # Errors
    /// It does not fit the declaration.
    pub fn accept(&self, value: Value) -> Result<Value, Unfit> {
        let mut value = of_type(self.kind, value)?;
        if let Value::List(list) = &mut value {
            self.accept_elements(list)?;
        }
        if !self.choices.is_empty() {
            // Of a list every element is one of the choices.
            let all = match (&value, self.kind) {
                (Value::List(list), InputType::List) => list.as_slice(),
                (value, _) => std::slice::from_ref(value),
            };
            if all.iter().any(|value| !self.has_choice(value)) {
                return Err(self.not_a_choice());
            }
        }
        self.check_pattern(&value)?;
        self.check_bounds(&value)?;
        Ok(value)
    }

    fn accept_elements(&self, list: &mut Vec<Value>) -> Result<(), Unfit> {
        if let Some(items) = self.items {
            for (place, element) in list.iter_mut().enumerate() {
                let value = std::mem::take(element);
                *element = of_type(items, value).map_err(|reason| Unfit::Element {
                    place: place + 1,
                    reason: Box::new(reason),
                })?;
            }
        }
        if self.unordered {
            list.sort_by_cached_key(Value::canonical);
            list.dedup_by_key(|value| value.canonical());
        }
        Ok(())
    }

    fn has_choice(&self, value: &Value) -> bool {
        let wanted = value.canonical();
        self.choices.iter().any(|choice| choice.canonical() == wanted)
    }

    fn not_a_choice(&self) -> Unfit {
        let choices: Vec<String> = self.choices.iter().map(Value::canonical).collect();
        Unfit::Choice(choices.join(", "))
    }

    fn check_pattern(&self, value: &Value) -> Result<(), Unfit> {
        let (Some(pattern), Some(text)) = (&self.pattern, value.as_text()) else {
            return Ok(());
        };
        let whole = whole_pattern(pattern).ok_or(Unfit::BadPattern)?;
        if whole.is_match(text) { Ok(()) } else { Err(Unfit::Pattern(pattern.clone())) }
    }

    fn check_bounds(&self, value: &Value) -> Result<(), Unfit> {
        let Some(size) = measure(self.kind, value) else {
            return Ok(());
        };
        let bound =
            |bound: &Option<Value>| bound.as_ref().and_then(|bound| limit(self.kind, bound));
        let shown = |bound: &Option<Value>| bound.as_ref().map(plain).unwrap_or_default();
        let what = match value {
            Value::List(list) => format!("its length {}", list.len()),
            Value::Text(text) if self.kind != InputType::Duration => {
                format!("its length {}", text.chars().count())
            }
            other => plain(other),
        };
        if bound(&self.min).is_some_and(|min| size < min) {
            return Err(Unfit::Less(what, shown(&self.min)));
        }
        if bound(&self.max).is_some_and(|max| size > max) {
            return Err(Unfit::More(what, shown(&self.max)));
        }
        Ok(())
    }
}

/// The regular expression that a whole text must match; none if it is none.
pub(crate) fn whole_pattern(pattern: &str) -> Option<regex_lite::Regex> {
    // By itself first: `a)|(b` is none, though it would be one between our parentheses.
    regex_lite::RegexBuilder::new(pattern).size_limit(1 << 20).build().ok()?;
    regex_lite::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(1 << 20).build().ok()
}

/// A value of a type, or why it is none.
fn of_type(kind: InputType, value: Value) -> Result<Value, Unfit> {
    let fits = match (kind, &value) {
        (InputType::String | InputType::Target, Value::Text(_))
        | (InputType::Integer | InputType::Number, Value::Integer(_))
        | (InputType::Number, Value::Number(_))
        | (InputType::Boolean, Value::Boolean(_))
        | (InputType::List, Value::List(_))
        | (InputType::Map, Value::Map(_)) => true,
        (InputType::Duration, Value::Text(text)) => {
            return Ok(Value::Text(duration::format(duration::parse(text)?)));
        }
        (InputType::BackupSet | InputType::Plan, value) => {
            value.as_text().is_some() || value.get("id").is_some()
        }
        _ => false,
    };
    if fits {
        return Ok(value);
    }
    Err(Unfit::Type { found: with_article(value.type_name()), wanted: with_article(kind.word()) })
}

pub(crate) fn with_article(name: &'static str) -> &'static str {
    match name {
        "none" => "nothing",
        "boolean" => "a boolean",
        "integer" => "an integer",
        "number" => "a number",
        "string" => "a string",
        "list" => "a list",
        "map" => "a map",
        "duration" => "a duration",
        "target" => "a target",
        "backup_set" => "a backup set",
        "plan" => "a plan",
        other => other,
    }
}

/// What `min` and `max` are compared with: a value, or a length.
#[expect(clippy::cast_precision_loss, reason = "a bound on more than 2^53 is of no use")]
fn measure(kind: InputType, value: &Value) -> Option<f64> {
    Some(match (kind, value) {
        (InputType::Duration, Value::Text(text)) => duration::parse(text).ok()?.0 as f64,
        (InputType::String, Value::Text(text)) => text.chars().count() as f64,
        (InputType::List, Value::List(list)) => list.len() as f64,
        (InputType::Integer | InputType::Number, Value::Integer(number)) => *number as f64,
        (InputType::Number, Value::Number(number)) => *number,
        _ => return None,
    })
}

/// What a bound says; none if it does not fit the type.
#[expect(clippy::cast_precision_loss, reason = "a bound on more than 2^53 is of no use")]
pub(crate) fn limit(kind: InputType, bound: &Value) -> Option<f64> {
    match (kind, bound) {
        (InputType::Duration, Value::Text(text)) => Some(duration::parse(text).ok()?.0 as f64),
        (InputType::String | InputType::List, Value::Integer(number)) if *number >= 0 => {
            Some(*number as f64)
        }
        (InputType::Integer | InputType::Number, Value::Integer(number)) => Some(*number as f64),
        (InputType::Number, Value::Number(number)) => Some(*number),
        _ => None,
    }
}

/// A scalar as an author would write it.
fn plain(value: &Value) -> String {
    value.as_text().map_or_else(|| value.canonical(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(kind: InputType) -> Input {
        Input {
            name: "x".to_owned(),
            kind,
            required: false,
            default: None,
            items: None,
            unordered: false,
            choices: Vec::new(),
            pattern: None,
            min: None,
            max: None,
            description: String::new(),
        }
    }

    fn texts(texts: &[&str]) -> Value {
        Value::List(texts.iter().map(|text| Value::from(*text)).collect())
    }

    #[test]
    fn values_take_their_one_form() {
        let duration = input(InputType::Duration);
        assert_eq!(duration.accept(Value::from("90m")), Ok(Value::from("1h30m")));
        let list =
            Input { items: Some(InputType::String), unordered: true, ..input(InputType::List) };
        assert_eq!(list.accept(texts(&["b", "a", "b"])), Ok(texts(&["a", "b"])));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_reason() {
        let refused = |input: Input, value: Value| input.accept(value).unwrap_err().to_string();
        let small = Input {
            min: Some(Value::from(2)),
            max: Some(Value::from(3)),
            ..input(InputType::Integer)
        };
        assert_eq!(refused(small.clone(), Value::from(1)), "1 is less than 2");
        assert_eq!(refused(small, Value::from("2")), "it is a string, and an integer is wanted");
        let short = Input { max: Some(Value::from(1)), ..input(InputType::List) };
        assert_eq!(refused(short, texts(&["a", "b"])), "its length 2 is more than 1");
        let pattern = Input { pattern: Some("[a-z]+".to_owned()), ..input(InputType::String) };
        assert_eq!(refused(pattern, Value::from("ab1")), "it does not match the pattern `[a-z]+`");
        let choice =
            Input { choices: vec![Value::from("a"), Value::from("b")], ..input(InputType::String) };
        assert_eq!(refused(choice, Value::from("c")), "it is not one of \"a\", \"b\"");
        let list = Input { items: Some(InputType::Integer), ..input(InputType::List) };
        assert_eq!(
            refused(list, texts(&["a"])),
            "element 1: it is a string, and an integer is wanted"
        );
    }
}
