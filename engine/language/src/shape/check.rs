//! Compares a tree with the table of keys, and reports everything that does not fit.
//!
//! It goes through the whole tree once. Later checks find types as the table says, and stay silent where
//! they do not, because it was reported here.

use holdfast_kernel::value::Value;

use super::{
    FINALLY, FOR_EACH, Kind, Need, Place, RETRY, SECRET, STEP, WORKFLOW, is_name, is_variable,
    is_workflow_name,
};
use crate::code::Code;
use crate::diagnostic::Sink;
use crate::foreign;
use crate::source::Span;
use crate::suggest;
use crate::yaml::{Data, Entry, Node};
use holdfast_contract::duration;

/// Checks a map with fixed keys.
pub(crate) fn place(sink: &mut Sink<'_>, node: &Node, place: &'static Place) {
    if place.name == SECRET.name && node.scalar().is_some_and(|value| *value != Value::None) {
        secret_written(sink, node);
        return;
    }
    let Some(entries) = map(sink, node, "a map") else {
        return;
    };
    for entry in entries {
        match place.key(&entry.key) {
            None => unknown_key(sink, entry, place),
            Some(key) if key.need == Need::NotBuilt => {
                not_built_yet(sink, entry.key_span, &format!("`{}`", key.name));
            }
            Some(key) => kind(sink, &entry.value, &key.kind, key.name),
        }
    }
    for key in place.keys.iter().filter(|key| key.need == Need::Required) {
        let there = entries.iter().any(|entry| entry.key == key.name);
        if !there {
            sink.error(
                Code::MissingKey,
                start_of(node),
                format!("The key `{}` of {} is missing.", key.name, place.name),
            )
            .remedy(format!("Add `{}:` with {}.", key.name, described(&key.kind)));
        }
    }
}

/// Says that a secret itself was written where a reference to it belongs; it is not repeated.
fn secret_written(sink: &mut Sink<'_>, node: &Node) {
    sink.error(Code::SecretWritten, node.span, "A secret is not written into the file.").remedy(
        "Write where it is found: `{ env: NAME }`, `{ file: PATH }` or `{ command: [program] }`.",
    );
}

/// What a key takes, for the remedy of a missing one.
fn described(kind: &Kind) -> String {
    match kind {
        Kind::Word(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            format!("one of {}", words.join(", "))
        }
        Kind::Place(place) if place.name == SECRET.name => {
            "`{ env: NAME }`, `{ file: PATH }` or `{ command: [program] }`".to_owned()
        }
        Kind::Name
        | Kind::Text
        | Kind::WorkflowName
        | Kind::Variable
        | Kind::Literal
        | Kind::Template
        | Kind::Condition
        | Kind::Boolean
        | Kind::Integer(..)
        | Kind::Number(..)
        | Kind::Share
        | Kind::Duration
        | Kind::Address
        | Kind::List(_)
        | Kind::Map(..)
        | Kind::Place(_)
        | Kind::Steps
        | Kind::FanOut
        | Kind::Finally => kind.name().to_owned(),
    }
}

/// Says that the language has this, and that it is not there yet.
pub(crate) fn not_built_yet(sink: &mut Sink<'_>, span: Span, what: &str) {
    sink.error(
        Code::NotBuiltYet,
        span,
        format!("This version of holdfast does not have {what} yet."),
    )
    .remedy("Leave it out, or use a later version.");
}

fn unknown_key(sink: &mut Sink<'_>, entry: &Entry, place: &'static Place) {
    let key = entry.key.as_str();
    if let Some(ours) = foreign::key(place, key) {
        sink.error(Code::ForeignKey, entry.key_span, format!("`{key}` is a key of another tool."))
            .remedy(ours);
        return;
    }
    let names = place.names();
    let elsewhere = [&FOR_EACH, &RETRY, &STEP, &WORKFLOW]
        .into_iter()
        .find(|other| other.name != place.name && other.key(key).is_some())
        .filter(|_| suggest::closest(key, names.iter().copied()).is_none());
    let remedy = match elsewhere {
        Some(other) => format!("It is a key of {}.", other.name),
        None => suggest::remedy(key, &names),
    };
    sink.error(
        Code::UnknownKey,
        entry.key_span,
        format!("`{key}` is not a key of {}.", place.name),
    )
    .remedy(remedy);
}

/// The first character of a value, where a missing key is reported.
fn start_of(node: &Node) -> Span {
    match &node.data {
        Data::Map(entries) => entries.first().map_or(node.span, |entry| entry.key_span),
        Data::Scalar(_) | Data::List(_) | Data::Broken => node.span,
    }
}

fn map<'n>(sink: &mut Sink<'_>, node: &'n Node, wanted: &str) -> Option<&'n [Entry]> {
    if let Data::Map(entries) = &node.data {
        return Some(entries);
    }
    wrong_type(sink, node, wanted);
    None
}

/// Says that a value is of another type; broken values were reported before.
pub(crate) fn wrong_type(sink: &mut Sink<'_>, node: &Node, wanted: &str) {
    if node.data == Data::Broken {
        return;
    }
    if node.text().is_some_and(|text| text.contains("{{")) {
        sink.error(
            Code::TemplateRefused,
            node.span,
            format!("A template is not allowed here; {wanted} is wanted."),
        )
        .remedy("Write the value itself: it must be known before a run starts.");
        return;
    }
    let article = match node.type_name() {
        "integer" => "an",
        "none" => "",
        _ => "a",
    };
    let found = format!("{article} {}", node.type_name());
    sink.error(
        Code::WrongType,
        node.span,
        format!("Here stands {}, and {wanted} is wanted.", found.trim_start()),
    )
    .remedy(match node.text() {
        Some("yes" | "on" | "True" | "TRUE") => "Write `true`.".to_owned(),
        Some("no" | "off" | "False" | "FALSE") => "Write `false`.".to_owned(),
        _ if wanted == "text" => "Put it into quotes.".to_owned(),
        _ => format!("Write {wanted}."),
    });
}

/// Checks a value of a kind; `name` is its key.
fn kind(sink: &mut Sink<'_>, node: &Node, wanted: &'static Kind, name: &str) {
    if sink.is_full() {
        return;
    }
    match wanted {
        Kind::Literal | Kind::Template => {}
        Kind::Text => {
            if node.text().is_none() {
                wrong_type(sink, node, wanted.name());
            }
        }
        Kind::Name | Kind::WorkflowName | Kind::Variable => named(sink, node, wanted),
        Kind::Condition => {
            let boolean = node.scalar().is_some_and(|value| value.as_boolean().is_some());
            if node.text().is_none() && !boolean {
                wrong_type(sink, node, wanted.name());
            }
        }
        Kind::Boolean => {
            if node.scalar().and_then(Value::as_boolean).is_none() {
                wrong_type(sink, node, wanted.name());
            }
        }
        Kind::Integer(..) | Kind::Number(..) | Kind::Share => number(sink, node, wanted, name),
        Kind::Duration => check_duration(sink, node),
        Kind::Address => address(sink, node),
        Kind::Word(words) => word(sink, node, words),
        Kind::List(item) => {
            for node in list(sink, node).unwrap_or_default() {
                kind(sink, node, item, name);
            }
        }
        Kind::Map(key, value) => {
            for entry in map(sink, node, "a map").unwrap_or_default() {
                free_key(sink, entry, key);
                kind(sink, &entry.value, value, &entry.key);
            }
        }
        Kind::Place(inner) => place(sink, node, inner),
        Kind::Steps => {
            for node in list(sink, node).unwrap_or_default() {
                place(sink, node, &STEP);
            }
        }
        Kind::Finally => match &node.data {
            Data::Map(_) => place(sink, node, &FINALLY),
            Data::List(_) => kind(sink, node, &Kind::Steps, name),
            Data::Broken => {}
            Data::Scalar(_) => wrong_type(sink, node, wanted.name()),
        },
        Kind::FanOut => match &node.data {
            Data::Map(_) => place(sink, node, &FOR_EACH),
            Data::List(_) | Data::Broken => {}
            Data::Scalar(_) if node.text().is_some() => {}
            Data::Scalar(_) => wrong_type(sink, node, wanted.name()),
        },
    }
}

fn list<'n>(sink: &mut Sink<'_>, node: &'n Node) -> Option<&'n [Node]> {
    if let Data::List(list) = &node.data {
        return Some(list);
    }
    match node.text().filter(|text| !text.contains("{{")) {
        Some(text) => {
            sink.error(Code::WrongType, node.span, "Here stands a string, and a list is wanted.")
                .remedy(format!("Write `[{text}]`."));
        }
        None => wrong_type(sink, node, "a list"),
    }
    None
}

fn named(sink: &mut Sink<'_>, node: &Node, wanted: &'static Kind) {
    match node.text() {
        Some(text) if !text.contains("{{") => name_text(sink, text, node.span, wanted),
        _ => wrong_type(sink, node, wanted.name()),
    }
}

fn free_key(sink: &mut Sink<'_>, entry: &Entry, wanted: &'static Kind) {
    name_text(sink, &entry.key, entry.key_span, wanted);
}

fn name_text(sink: &mut Sink<'_>, text: &str, span: Span, wanted: &'static Kind) {
    let (fits, rule) = match wanted {
        Kind::Name => (is_name(text), "small letters, digits and `_`, a letter first, at most 64"),
        Kind::WorkflowName => (
            is_workflow_name(text),
            "small letters, digits and `_`, with `-`, `.` or `/` between them, at most 128",
        ),
        Kind::Variable => (is_variable(text), "letters, digits and `_`, no digit first"),
        _ => (true, ""),
    };
    if !fits {
        sink.error(Code::BadName, span, format!("`{text}` is no name."))
            .remedy(format!("Use {rule}."));
    }
}

fn number(sink: &mut Sink<'_>, node: &Node, wanted: &'static Kind, name: &str) {
    let Some(value) = node.scalar() else {
        wrong_type(sink, node, wanted.name());
        return;
    };
    #[expect(clippy::cast_precision_loss, reason = "compared with small bounds only")]
    let found = match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        Value::Text(text) => percent(text).filter(|_| matches!(wanted, Kind::Share)),
        _ => None,
    };
    #[expect(clippy::cast_precision_loss, reason = "the bounds are small")]
    let (least, most, whole) = match wanted {
        Kind::Integer(least, most) => (*least as f64, *most as f64, true),
        Kind::Number(least, most) => (*least, *most, false),
        _ if matches!(value, Value::Text(_)) => (0.0, 100.0, true),
        _ => (0.0, 2_000_000.0, true),
    };
    let fits_type = !(whole && matches!(value, Value::Number(_)));
    match found.filter(|_| fits_type) {
        None => wrong_type(sink, node, wanted.name()),
        Some(number) if number < least || number > most => {
            sink.error(
                Code::OutOfRange,
                node.span,
                format!("`{name}` is between {least} and {most}."),
            )
            .remedy("Choose a value in that range.");
        }
        Some(_) => {}
    }
}

/// The number before `%`.
pub(crate) fn percent(text: &str) -> Option<f64> {
    let digits = text.strip_suffix('%')?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

fn check_duration(sink: &mut Sink<'_>, node: &Node) {
    let text = match node.scalar() {
        Some(Value::Text(text)) if !text.contains("{{") => text.clone(),
        Some(Value::Integer(_) | Value::Number(_)) => sink.source().slice(node.span).to_owned(),
        _ => {
            wrong_type(sink, node, Kind::Duration.name());
            return;
        }
    };
    if let Err(reason) = duration::parse(&text) {
        sink.error(Code::BadDuration, node.span, format!("This is no duration: {reason}."))
            .remedy("Write a number with its unit, as `250ms`, `15m`, `1h30m` or `7d`.");
    }
}

/// Checks an address, or the reference that stands in its place.
fn address(sink: &mut Sink<'_>, node: &Node) {
    let is_plain = node.text().is_some_and(|text| !text.contains("{{"));
    if node.entries().is_some() {
        place(sink, node, &SECRET);
    } else if !is_plain {
        wrong_type(sink, node, Kind::Address.name());
    }
}

fn word(sink: &mut Sink<'_>, node: &Node, words: &'static [&'static str]) {
    let Some(text) = node.text().filter(|text| !text.contains("{{")) else {
        wrong_type(sink, node, "a word");
        return;
    };
    if words.contains(&text) {
        return;
    }
    let remedy =
        foreign::word(words, text).map_or_else(|| suggest::remedy(text, words), str::to_owned);
    sink.error(
        Code::UnknownWord,
        node.span,
        format!("`{text}` is not one of the words that are allowed here."),
    )
    .remedy(remedy);
}
