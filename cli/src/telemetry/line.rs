//! What an event says, as a line: a sentence for people, or a JSON object for programs.
//!
//! The same field has the same name and the same place in every line. It decides nothing about what is told.

use std::fmt;

use holdfast_kernel::id::Instant;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use crate::output::{clean, steers};
use crate::time;

/// The fields that lines have in common, in their order. What an event says besides stands after them.
const ORDER: [&str; 11] = [
    "run", "workflow", "step", "item", "attempt", "schedule", "tick", "channel", "status",
    "reason", "class",
];

/// The field that holds the sentence.
const SENTENCE: &str = "message";

/// The longest text, in characters. Who collects lines splits those that are too long, and half an object is none.
const LONGEST: usize = 8 * 1024;

/// What an event says.
#[derive(Debug, Default)]
pub(super) struct Said {
    sentence: String,
    fields: Vec<(&'static str, Value)>,
}

impl Said {
    /// What an event says, its fields in their order.
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut said = Self::default();
        event.record(&mut said);
        said.fields.sort_by_key(|(name, _)| {
            ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len())
        });
        said
    }

    /// The line for people: the sentence, with its level where that is another than usual.
    pub(super) fn text(&self, level: Level) -> String {
        let before = match level {
            Level::ERROR => "error: ",
            Level::WARN => "warning: ",
            Level::INFO => "",
            _ => "debug: ",
        };
        // What a sentence goes on with poses as no line of its own.
        format!("{before}{}\n", clean(&self.sentence).replace('\n', "\n  "))
    }

    /// The line for programs.
    pub(super) fn json(&self, level: Level, at: Instant) -> String {
        // Names, texts and numbers can always be said in JSON.
        let mut json = serde_json::to_string(&Object { said: self, level, at }).unwrap_or_default();
        if json.contains(steers) {
            json = harmless(&json);
        }
        json.push('\n');
        json
    }

    fn keep(&mut self, field: &Field, value: Value) {
        self.fields.push((field.name(), value));
    }
}

impl Visit for Said {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let text = shortened(value);
        if field.name() == SENTENCE {
            self.sentence = text;
        } else {
            self.keep(field, Value::String(text));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// The line for programs, to be written.
struct Object<'a> {
    said: &'a Said,
    level: Level,
    at: Instant,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let level = match self.level {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            _ => "debug",
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("at", &time::stamp(self.at))?;
        map.serialize_entry("level", level)?;
        map.serialize_entry(SENTENCE, &self.said.sentence)?;
        for (name, value) in &self.said.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The same JSON, with nothing in it that steers a terminal on which somebody looks at the log.
fn harmless(json: &str) -> String {
    json.chars().fold(String::new(), |mut text, character| {
        if steers(character) {
            // None of them is beyond the characters that four digits name.
            text.extend([format!("\\u{:04x}", u32::from(character))]);
        } else {
            text.push(character);
        }
        text
    })
}

fn shortened(text: &str) -> String {
    let end = text.char_indices().nth(LONGEST).map(|(end, _)| end);
    match end.and_then(|end| text.get(..end)) {
        Some(start) => format!("{start}…"),
        None => text.to_owned(),
    }
}
