//! What is known of a value before it is there: its type, its fields, its words.
//!
//! It is only as exact as messages need. [`Known::Any`] fits everywhere, so nothing is refused that
//! might be right.

use std::rc::Rc;

use holdfast_contract::spec::{Field as SpecField, Presence, Shape};
use holdfast_kernel::value::Value;

/// What is known of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Known {
    /// Nothing.
    Any,
    /// It is none.
    None,
    Boolean,
    Integer,
    Number,
    Text,
    /// Text, one of these words.
    Word(&'static [&'static str]),
    List(Rc<Known>),
    /// A map with any keys.
    Map,
    /// A map with these fields.
    Record(Rc<Record>),
    /// `steps`, read by the step of this number, or by none where all are final.
    Steps(Option<usize>),
    /// This, or none.
    OrNone(Rc<Known>),
}

/// A map with known fields.
#[derive(Debug, PartialEq)]
pub(crate) struct Record {
    /// What it is called in messages: "the output of step `list`".
    pub name: String,
    pub fields: Vec<Field>,
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub name: String,
    pub known: Known,
    /// Why it may be missing where it is read.
    pub missing: Option<Missing>,
}

/// Why an output may be missing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Missing {
    /// The step it is an output of.
    pub step: String,
    /// A sentence.
    pub reason: String,
    pub kind: MissingKind,
}

/// Whether a look at the step's status tells that an output is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MissingKind {
    /// It does: the step may not have succeeded.
    ByStatus,
    /// It does not: the action may leave it out.
    ByAction,
}

/// Types that can be equal to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Boolean,
    Number,
    Text,
    List,
    Map,
}

impl Known {
    pub(crate) fn list(of: Known) -> Self {
        Self::List(Rc::new(of))
    }

    pub(crate) fn or_none(of: Known) -> Self {
        match of {
            Self::Any | Self::None | Self::OrNone(_) => of,
            other => Self::OrNone(Rc::new(other)),
        }
    }

    /// A record that is always whole.
    pub(crate) fn record(name: &str, fields: &[(&str, Known)]) -> Self {
        let fields = fields.iter().map(|(name, known)| Field {
            name: (*name).to_owned(),
            known: known.clone(),
            missing: None,
        });
        Self::Record(Rc::new(Record { name: name.to_owned(), fields: fields.collect() }))
    }

    /// A backup set or a plan in an expression.
    pub(crate) fn reference(name: &str) -> Self {
        Self::record(name, &[("id", Self::Text), ("target", Self::Text)])
    }

    /// What an action's shape says.
    pub(crate) fn of_shape(shape: &Shape) -> Self {
        match shape {
            Shape::Any | Shape::Item => Self::Any,
            Shape::String | Shape::Text | Shape::Duration | Shape::Target => Self::Text,
            Shape::Integer => Self::Integer,
            Shape::Number => Self::Number,
            Shape::Boolean => Self::Boolean,
            Shape::Word(words) => Self::Word(words),
            Shape::List(of) => Self::list(Self::of_shape(of)),
            Shape::Map => Self::Map,
            Shape::Record(fields) => Self::Record(Rc::new(Record {
                name: "an item".to_owned(),
                fields: fields.iter().map(|field| Field::of_spec(field, None)).collect(),
            })),
            Shape::BackupSet => Self::reference("a backup set"),
            Shape::Plan => Self::reference("a plan"),
            Shape::Steps => Self::list(Self::Text),
            Shape::OrNone(of) => Self::or_none(Self::of_shape(of)),
        }
    }

    /// What a literal is.
    pub(crate) fn of_value(value: &Value) -> Self {
        match value {
            Value::None => Self::None,
            Value::Boolean(_) => Self::Boolean,
            Value::Integer(_) => Self::Integer,
            Value::Number(_) => Self::Number,
            Value::Text(_) => Self::Text,
            Value::List(list) => {
                let mut kinds = list.iter().map(Self::of_value);
                let first = kinds.next().unwrap_or(Self::Any);
                Self::list(kinds.fold(first, Self::or))
            }
            Value::Map(_) => Self::Map,
        }
    }

    /// What is known of a value that is one of the two.
    #[must_use]
    pub(crate) fn or(self, other: Known) -> Self {
        if self == other {
            return self;
        }
        match (self, other) {
            (Self::None, known) | (known, Self::None) => Self::or_none(known),
            (a, b) => match (a.family(), b.family()) {
                (Some(Family::Text), Some(Family::Text)) => Self::Text,
                (Some(Family::Number), Some(Family::Number)) => Self::Number,
                (Some(Family::Map), Some(Family::Map)) => Self::Map,
                (Some(Family::List), Some(Family::List)) => Self::list(Self::Any),
                _ => Self::Any,
            },
        }
    }

    /// The types it can be equal to; none if too little is known.
    pub(crate) fn family(&self) -> Option<Family> {
        Some(match self {
            Self::Any | Self::None | Self::OrNone(_) => return None,
            Self::Boolean => Family::Boolean,
            Self::Integer | Self::Number => Family::Number,
            Self::Text | Self::Word(_) => Family::Text,
            Self::List(_) => Family::List,
            Self::Map | Self::Record(_) | Self::Steps(_) => Family::Map,
        })
    }

    /// The same, where it is not none.
    pub(crate) fn present(&self) -> &Known {
        match self {
            Self::OrNone(known) => known,
            other => other,
        }
    }

    /// What it is called in messages, with its article.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::None => "none",
            Self::Boolean => "a boolean",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Text | Self::Word(_) => "a string",
            Self::List(_) => "a list",
            Self::Map | Self::Record(_) | Self::Steps(_) => "a map",
            Self::OrNone(known) => known.name(),
        }
    }

    /// What is known of an element, if this is a list.
    pub(crate) fn element(&self) -> Known {
        match self.present() {
            Self::List(of) => (**of).clone(),
            _ => Self::Any,
        }
    }

    /// Whether it may fit what an action takes.
    pub(crate) fn may_be(&self, shape: &Shape) -> bool {
        let family = match self {
            Self::Any | Self::OrNone(_) => return true,
            Self::None => return matches!(shape, Shape::OrNone(_) | Shape::Any | Shape::Item),
            known => known.family(),
        };
        let Some(family) = family else {
            return true;
        };
        match shape {
            Shape::Any | Shape::Item => true,
            // A number or boolean that an expression gives is written as text.
            Shape::String | Shape::Text => !matches!(family, Family::List | Family::Map),
            Shape::Duration | Shape::Target | Shape::Word(_) => family == Family::Text,
            Shape::Integer => *self == Self::Integer,
            Shape::Number => family == Family::Number,
            Shape::Boolean => family == Family::Boolean,
            Shape::List(of) => family == Family::List && self.element().may_be(of),
            Shape::Steps => family == Family::List,
            Shape::Map | Shape::Record(_) => family == Family::Map,
            Shape::BackupSet | Shape::Plan => matches!(family, Family::Text | Family::Map),
            Shape::OrNone(of) => self.may_be(of),
        }
    }
}

impl Field {
    /// A field that an action returns; `missing` if the whole output may be missing.
    pub(crate) fn of_spec(field: &SpecField, missing: Option<&Missing>) -> Self {
        let by_action = (field.presence == Presence::Optional).then(|| Missing {
            step: String::new(),
            reason: format!("The action may leave `{}` out.", field.name),
            kind: MissingKind::ByAction,
        });
        Self {
            name: field.name.to_owned(),
            known: Known::of_shape(&field.shape),
            missing: by_action.or_else(|| missing.cloned()),
        }
    }
}

/// The field of this name.
pub(crate) fn find<'f>(fields: &'f [Field], name: &str) -> Option<&'f Field> {
    fields.iter().find(|field| field.name == name)
}
