//! Teams: an adaptive card for the webhook of a workflow, at most 28 KB as a whole.
//!
//! Texts of a card are a subset of Markdown: what would make a link or swallow a character of a name is
//! escaped. The budgets below, each counted as it stands in the request, add up to less than 28,000 bytes.

use holdfast_contract::records::Level;
use serde_json::{Value, json};

use crate::outgoing::Outgoing;
use crate::text;

/// The most bytes of the title.
const TITLE: usize = 400;

/// The most bytes of the text together with the entries of a digest.
const TEXT: usize = 15_000;

/// The most facts, with the one that says how many there are more.
const FACTS: usize = 19;

/// The most bytes of a fact's name and of its value.
const FACT: (usize, usize) = (80, 400);

/// The most bytes of the command, and of what stands below.
const LINE: usize = 600;

/// The most entries of a digest.
const ENTRIES: usize = 100;

/// The whole request.
pub(crate) fn body(outgoing: &Outgoing) -> String {
    let mut elements = vec![json!({
        "type": "TextBlock",
        "text": escaped(&outgoing.headline(), TITLE),
        "weight": "Bolder",
        "size": "Medium",
        "color": colour(outgoing.level),
        "wrap": true,
    })];
    let parts = [outgoing.lines(), outgoing.shown_entries(ENTRIES).join("\n")];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if !parts.is_empty() {
        let text = escaped(&parts.join("\n"), TEXT);
        elements.push(json!({ "type": "TextBlock", "text": text, "wrap": true }));
    }
    let facts: Vec<Value> = outgoing.shown_facts(FACTS).iter().map(fact).collect();
    if !facts.is_empty() {
        elements.push(json!({ "type": "FactSet", "facts": facts }));
    }
    elements.extend(outgoing.shown_command().map(|command| {
        let text = escaped(&command, LINE);
        json!({ "type": "TextBlock", "text": text, "fontType": "Monospace", "wrap": true })
    }));
    elements.push(json!({
        "type": "TextBlock",
        "text": escaped(&outgoing.footer(), LINE),
        "size": "Small",
        "isSubtle": true,
        "wrap": true,
    }));
    request(&elements).to_string()
}

fn request(elements: &[Value]) -> Value {
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": elements,
    });
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        }],
    })
}

fn fact((name, value): &(String, String)) -> Value {
    json!({ "title": escaped(name, FACT.0), "value": escaped(value, FACT.1) })
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::Info => "Default",
        Level::Warning => "Warning",
        Level::Error => "Attention",
    }
}

/// At most so many bytes, counted as they stand in the request.
fn escaped(text: &str, most: usize) -> String {
    let mut escaped = String::new();
    let mut previous = ' ';
    for character in text::fit(text, most, size).chars() {
        let begins_address = character == '(' && previous == ']';
        if matches!(character, '\\' | '*' | '_' | '[' | ']') || begins_address {
            escaped.push('\\');
        }
        if character == '\n' {
            // One alone is a space.
            escaped.push('\n');
        }
        escaped.push(character);
        previous = character;
    }
    escaped
}

/// How many bytes a character takes at most, escaped here and once more in JSON.
fn size(character: char) -> usize {
    match character {
        '\\' | '\n' => 4,
        '*' | '_' | '[' | ']' | '(' => 3,
        other => text::json_size(other),
    }
}
