//! Templates: values with expressions inside, as they are stored in a definition.
//!
//! A scalar that is one whole expression keeps the expression's type; any other is text with parts.
//! Every expression keeps its line and column for messages at run time. Nothing is evaluated here.

use std::collections::BTreeMap;
use std::ops::Range;

use holdfast_kernel::value::Value;

use crate::source::Place;

/// A value that may have expressions inside.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Template {
    /// A literal.
    Value(Value),
    /// One whole expression.
    Expression(Stored),
    /// Text with expressions inside.
    Text(Vec<Part>),
    /// A list, of which at least one element is no literal.
    List(Vec<Template>),
    /// A map, of which at least one value is no literal.
    Map(BTreeMap<String, Template>),
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Literal(String),
    Expression(Stored),
}

/// An expression with its place in the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub text: String,
    pub place: Place,
}

impl Template {
    /// A list of templates; a literal if all of them are.
    pub(crate) fn list(parts: Vec<Template>) -> Self {
        let literal: Option<Vec<Value>> =
            parts.iter().map(|part| part.literal().cloned()).collect();
        literal.map_or(Self::List(parts), |list| Self::Value(Value::List(list)))
    }

    /// A map of templates; a literal if all of them are.
    pub(crate) fn map(parts: BTreeMap<String, Template>) -> Self {
        let literal: Option<BTreeMap<String, Value>> =
            parts.iter().map(|(key, part)| Some((key.clone(), part.literal()?.clone()))).collect();
        literal.map_or(Self::Map(parts), |map| Self::Value(Value::Map(map)))
    }

    /// The value, if it has no expression inside.
    pub(crate) fn literal(&self) -> Option<&Value> {
        match self {
            Self::Value(value) => Some(value),
            Self::Expression(_) | Self::Text(_) | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The form in which a definition stores it.
    pub(crate) fn to_value(&self, file: &str) -> Value {
        Value::from([("file", Value::from(file)), ("template", self.encode())])
    }

    /// The file and the template of a stored form; none if it is damaged.
    pub(crate) fn from_value(value: &Value) -> Option<(&str, Self)> {
        Some((value.get("file")?.as_text()?, Self::decode(value.get("template")?)?))
    }

    fn encode(&self) -> Value {
        match self {
            Self::Value(value) => Value::from([("value", value.clone())]),
            Self::Expression(stored) => stored.encode(),
            Self::Text(parts) => {
                let parts = parts.iter().map(|part| match part {
                    Part::Literal(text) => Value::from(text.as_str()),
                    Part::Expression(stored) => stored.encode(),
                });
                Value::from([("text", Value::List(parts.collect()))])
            }
            Self::List(list) => {
                let list = list.iter().map(Self::encode);
                Value::from([("list", Value::List(list.collect()))])
            }
            Self::Map(map) => {
                let map = map.iter().map(|(key, part)| (key.clone(), part.encode()));
                Value::from([("map", Value::Map(map.collect()))])
            }
        }
    }

    fn decode(value: &Value) -> Option<Self> {
        if let Some(value) = value.get("value") {
            return Some(Self::Value(value.clone()));
        }
        if value.get("expression").is_some() {
            return Stored::decode(value).map(Self::Expression);
        }
        if let Some(parts) = value.get("text") {
            let parts = parts.as_list()?.iter().map(|part| match part.as_text() {
                Some(text) => Some(Part::Literal(text.to_owned())),
                None => Stored::decode(part).map(Part::Expression),
            });
            return parts.collect::<Option<_>>().map(Self::Text);
        }
        if let Some(list) = value.get("list") {
            let list = list.as_list()?.iter().map(Self::decode);
            return list.collect::<Option<_>>().map(Self::List);
        }
        let map = value.get("map")?.as_map()?.iter();
        map.map(|(key, part)| Some((key.clone(), Self::decode(part)?)))
            .collect::<Option<_>>()
            .map(Self::Map)
    }
}

/// A stored template as an author would write it, on one line; none if it is damaged. A bare expression has braces too.
pub fn written(stored: &Value) -> Option<String> {
    Template::from_value(stored).map(|(_, template)| template.written())
}

impl Template {
    fn written(&self) -> String {
        match self {
            Self::Value(Value::Text(text)) => text.clone(),
            Self::Value(value) => value.canonical(),
            Self::Expression(stored) => stored.written(),
            Self::Text(parts) => {
                let part = |part: &Part| match part {
                    Part::Literal(text) => text.clone(),
                    Part::Expression(stored) => stored.written(),
                };
                parts.iter().map(part).collect()
            }
            Self::List(list) => {
                let list: Vec<String> = list.iter().map(Self::nested).collect();
                format!("[{}]", list.join(", "))
            }
            Self::Map(map) => {
                let part = |(key, part): (&String, &Self)| format!("{key}: {}", part.nested());
                let parts: Vec<String> = map.iter().map(part).collect();
                format!("{{ {} }}", parts.join(", "))
            }
        }
    }
}

impl Template {
    /// As it stands in a list or a map: quoted where YAML would read something else.
    fn nested(&self) -> String {
        let plain = |text: &str| {
            let is_plain =
                |character: char| character.is_ascii_alphanumeric() || "_./-+".contains(character);
            let is_other = text.parse::<f64>().is_ok()
                || matches!(text, "true" | "false" | "null" | "~" | "-");
            !text.is_empty() && text.chars().all(is_plain) && !is_other
        };
        match self {
            Self::Value(Value::Text(text)) if plain(text) => text.clone(),
            Self::Value(Value::Text(_)) | Self::Expression(_) | Self::Text(_) => {
                Value::Text(self.written()).canonical()
            }
            Self::Value(_) | Self::List(_) | Self::Map(_) => self.written(),
        }
    }
}

/// The keys of a stored template that is a map; none of any other.
pub(crate) fn keys_of(stored: Option<&Value>) -> Vec<String> {
    let Some((_, template)) = stored.and_then(Template::from_value) else {
        return Vec::new();
    };
    match template {
        Template::Map(map) => map.into_keys().collect(),
        Template::Value(Value::Map(map)) => map.into_keys().collect(),
        Template::Value(_) | Template::Expression(_) | Template::Text(_) | Template::List(_) => {
            Vec::new()
        }
    }
}

impl Stored {
    fn written(&self) -> String {
        format!("{{{{ {} }}}}", self.text)
    }

    fn encode(&self) -> Value {
        let number = |number: u32| Value::from(u64::from(number));
        Value::from([
            ("expression", Value::from(self.text.as_str())),
            ("line", number(self.place.line)),
            ("column", number(self.place.column)),
        ])
    }

    fn decode(value: &Value) -> Option<Self> {
        let number = |key: &str| u32::try_from(value.get(key)?.as_integer()?).ok();
        Some(Self {
            text: value.get("expression")?.as_text()?.to_owned(),
            place: Place { line: number("line")?, column: number("column")? },
        })
    }
}

/// A piece of a scalar's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Literal text.
    Literal(Range<usize>),
    /// What stands between `{{` and `}}`, without the spaces at both ends.
    Expression(Range<usize>),
}

/// Why a text cannot be cut into pieces, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `{{` without its `}}`.
    Unclosed(Range<usize>),
    /// `{{ }}`.
    Empty(Range<usize>),
    /// `${{`.
    Dollar(Range<usize>),
    /// `{%` or `{#`.
    Statement(Range<usize>),
}

/// Cuts a scalar's text into literals and expressions.
pub(crate) fn scan(text: &str) -> Result<Vec<Piece>, Fault> {
    let bytes = text.as_bytes();
    let mut pieces = Vec::new();
    let mut literal = 0;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let next = bytes.get(at + 1);
        if *byte == b'{' && matches!(next, Some(b'%' | b'#')) {
            return Err(Fault::Statement(at..at + 2));
        }
        if *byte != b'{' || next != Some(&b'{') {
            at += 1;
            continue;
        }
        if at > 0 && bytes.get(at - 1) == Some(&b'$') {
            return Err(Fault::Dollar(at - 1..at + 2));
        }
        if literal < at {
            pieces.push(Piece::Literal(literal..at));
        }
        let end = closing(bytes, at + 2).ok_or(Fault::Unclosed(at..text.len()))?;
        let inner = text.get(at + 2..end).unwrap_or_default();
        let start = at + 2 + (inner.len() - inner.trim_start().len());
        let trimmed = inner.trim();
        if trimmed.is_empty() {
            return Err(Fault::Empty(at..end + 2));
        }
        pieces.push(Piece::Expression(start..start + trimmed.len()));
        at = end + 2;
        literal = at;
    }
    if literal < text.len() {
        pieces.push(Piece::Literal(literal..text.len()));
    }
    Ok(pieces)
}

/// Where the `}}` stands that ends an expression; those in quotes and of maps do not count.
fn closing(bytes: &[u8], from: usize) -> Option<usize> {
    let mut open_braces = 0_usize;
    let mut quote = None;
    let mut at = from;
    while let Some(byte) = bytes.get(at).copied() {
        match quote {
            Some(_) if byte == b'\\' => at += 1,
            Some(mark) if byte == mark => quote = None,
            Some(_) => {}
            None => match byte {
                b'"' | b'\'' => quote = Some(byte),
                b'{' => open_braces += 1,
                b'}' if open_braces > 0 => open_braces -= 1,
                b'}' if bytes.get(at + 1) == Some(&b'}') => return Some(at),
                _ => {}
            },
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, pieces: &[&str]) {
        let found: Vec<String> = scan(text)
            .unwrap()
            .into_iter()
            .map(|piece| match piece {
                Piece::Literal(range) => text.get(range).unwrap().to_owned(),
                Piece::Expression(range) => format!("<{}>", text.get(range).unwrap()),
            })
            .collect();
        assert_eq!(found, pieces, "{text}");
    }

    #[test]
    fn text_is_cut_at_its_expressions() {
        check("plain", &["plain"]);
        check("{{ a }}", &["<a>"]);
        check("x {{a}}{{ b.c }} y", &["x ", "<a>", "<b.c>", " y"]);
        check("{{ {'a': {'b': 1}} }}!", &["<{'a': {'b': 1}}>", "!"]);
        check(r#"{{ "}}" ~ '\'}}' }}"#, &[r#"<"}}" ~ '\'}}'>"#]);
        check("{ not } one", &["{ not } one"]);
    }

    #[test]
    fn what_other_engines_have_is_refused_where_it_stands() {
        assert_eq!(scan("a {{ b"), Err(Fault::Unclosed(2..6)));
        assert_eq!(scan("{{ }}"), Err(Fault::Empty(0..5)));
        assert_eq!(scan("a ${{ b }}"), Err(Fault::Dollar(2..5)));
        assert_eq!(scan("{% if x %}"), Err(Fault::Statement(0..2)));
        assert_eq!(scan("{# x #}"), Err(Fault::Statement(0..2)));
        assert_eq!(scan("{{ '{%' }}").map(|pieces| pieces.len()), Ok(1));
    }

    #[test]
    fn a_template_reads_back_from_its_stored_form() {
        let stored = Stored { text: "inputs.a".to_owned(), place: Place { line: 3, column: 9 } };
        let map = BTreeMap::from([
            ("a".to_owned(), Template::Expression(stored.clone())),
            ("b".to_owned(), Template::Value(Value::from([("value", Value::None)]))),
            (
                "c".to_owned(),
                Template::List(vec![Template::Text(vec![
                    Part::Literal("x".to_owned()),
                    Part::Expression(stored),
                ])]),
            ),
        ]);
        let template = Template::Map(map);
        let value = template.to_value("a.yaml");
        assert_eq!(Template::from_value(&value), Some(("a.yaml", template)));
        assert_eq!(Template::from_value(&Value::None), None);
    }
}
