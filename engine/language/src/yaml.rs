//! The spanned tree of a YAML document: every key, value and item knows where it stands.
//!
//! It is made by [`read`] under the language's narrow profile of YAML 1.2. What was reported and cannot
//! be used any further is [`Data::Broken`], which no later check complains about again.

mod align;
mod read;
mod refuse;
mod tabs;

use holdfast_kernel::value::Value;

pub(crate) use align::Alignment;
pub(crate) use read::read;

use crate::source::Span;

/// A value of the document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Where it stands; behind an alias, where the alias points to.
    pub span: Span,
    /// What it is.
    pub data: Data,
}

/// What a value of the document is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    /// None, a boolean, a number or text.
    Scalar(Value),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<Entry>),
    /// Something that has been reported.
    Broken,
}

/// A key of a map with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The text, if it is text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar(value) => value.as_text(),
            Data::List(_) | Data::Map(_) | Data::Broken => None,
        }
    }

    /// The scalar, if it is one.
    pub(crate) fn scalar(&self) -> Option<&Value> {
        match &self.data {
            Data::Scalar(value) => Some(value),
            Data::List(_) | Data::Map(_) | Data::Broken => None,
        }
    }

    /// The list, if it is one.
    pub(crate) fn list(&self) -> Option<&[Node]> {
        match &self.data {
            Data::List(list) => Some(list),
            Data::Scalar(_) | Data::Map(_) | Data::Broken => None,
        }
    }

    /// The entries, if it is a map.
    pub(crate) fn entries(&self) -> Option<&[Entry]> {
        match &self.data {
            Data::Map(entries) => Some(entries),
            Data::Scalar(_) | Data::List(_) | Data::Broken => None,
        }
    }

    /// What it is called in messages.
    pub(crate) fn type_name(&self) -> &'static str {
        match &self.data {
            Data::Scalar(value) => value.type_name(),
            Data::List(_) => "list",
            Data::Map(_) => "map",
            Data::Broken => "nothing",
        }
    }

    /// The plain value, templates in it left as they are written.
    pub(crate) fn to_value(&self) -> Value {
        match &self.data {
            Data::Scalar(value) => value.clone(),
            Data::List(list) => Value::List(list.iter().map(Self::to_value).collect()),
            Data::Map(entries) => Value::Map(
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_value())).collect(),
            ),
            Data::Broken => Value::None,
        }
    }
}
