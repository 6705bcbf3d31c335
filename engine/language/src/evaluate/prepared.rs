//! Stored templates made ready: every expression read once, with what it refers to.

use std::collections::BTreeMap;

use crate::expression::{self, What};
use crate::template::{Part, Stored, Template};
use holdfast_kernel::value::Value;

use super::reference::References;
use crate::source::Place;

/// A template with its file.
#[derive(Debug)]
pub(crate) struct Root {
    pub file: String,
    pub template: Prepared,
}

/// A template, ready to be evaluated.
#[derive(Debug)]
pub(crate) enum Prepared {
    Value(Value),
    Expression(Ready),
    Text(Vec<Piece>),
    List(Vec<Prepared>),
    Map(BTreeMap<String, Prepared>),
}

/// A piece of a text.
#[derive(Debug)]
pub(crate) enum Piece {
    Literal(String),
    Expression(Ready),
}

/// An expression, ready to be evaluated.
#[derive(Debug)]
pub(crate) struct Ready {
    pub text: String,
    pub place: Place,
    pub references: References,
    /// The names of `a.b.c`, if it is nothing more, or no more than that with a default.
    pub path: Option<Vec<String>>,
    /// What happens where there is nothing at the end of the path.
    pub otherwise: Otherwise,
}

/// What happens where there is nothing at the end of a plain path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// The expression fails.
    Fail,
    /// The engine gives the default.
    Default,
}

impl Root {
    /// The ready form of a stored template; none if it is damaged.
    pub(crate) fn of(stored: &Value) -> Option<Self> {
        let (file, template) = Template::from_value(stored)?;
        Some(Self { file: file.to_owned(), template: Prepared::of(template)? })
    }
}

impl Prepared {
    fn of(template: Template) -> Option<Self> {
        Some(match template {
            Template::Value(value) => Self::Value(value),
            Template::Expression(stored) => Self::Expression(Ready::of(stored)?),
            Template::Text(parts) => {
                let pieces = parts.into_iter().map(|part| match part {
                    Part::Literal(text) => Some(Piece::Literal(text)),
                    Part::Expression(stored) => Ready::of(stored).map(Piece::Expression),
                });
                Self::Text(pieces.collect::<Option<_>>()?)
            }
            Template::List(list) => {
                Self::List(list.into_iter().map(Self::of).collect::<Option<_>>()?)
            }
            Template::Map(map) => {
                let map = map.into_iter().map(|(key, template)| Some((key, Self::of(template)?)));
                Self::Map(map.collect::<Option<_>>()?)
            }
        })
    }

    /// Every expression in it.
    pub(crate) fn expressions(&self) -> Vec<&Ready> {
        match self {
            Self::Value(_) => Vec::new(),
            Self::Expression(ready) => vec![ready],
            Self::Text(pieces) => pieces
                .iter()
                .filter_map(|piece| match piece {
                    Piece::Literal(_) => None,
                    Piece::Expression(ready) => Some(ready),
                })
                .collect(),
            Self::List(list) => list.iter().flat_map(Self::expressions).collect(),
            Self::Map(map) => map.values().flat_map(Self::expressions).collect(),
        }
    }
}

impl Ready {
    fn of(stored: Stored) -> Option<Self> {
        let expression = expression::parse(&stored.text).ok()?;
        let (path, otherwise) = match &expression.what {
            What::Filter(applied) if matches!(applied.name.as_str(), "default" | "d") => {
                (applied.input.path(), Otherwise::Default)
            }
            _ => (expression.path(), Otherwise::Fail),
        };
        Some(Self {
            otherwise,
            references: References::of(&expression),
            path: path.map(|path| path.into_iter().map(str::to_owned).collect()),
            text: stored.text,
            place: stored.place,
        })
    }
}
