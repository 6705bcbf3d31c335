//! Slack: a message in blocks, within the limits that Slack has for each of them.
//!
//! In every text of Slack `&`, `<` and `>` begin something, such as `<!channel>`, which wakes everybody: they
//! are escaped wherever text from elsewhere stands, and links and mentions are not looked for.

use serde_json::{Value, json};

use crate::outgoing::Outgoing;
use crate::text;

/// The most characters of a header.
const HEADER: usize = 150;

/// The most characters of a section.
const SECTION: usize = 3_000;

/// The most characters of a text, in all its sections: no more than 14 of them.
const TEXT: usize = 20_000;

/// The most entries of a digest, and the most characters of one: no more than 12 sections.
const ENTRIES: (usize, usize) = (100, 300);

/// The most fields of a section.
const FIELDS: usize = 10;

/// The most facts, with the one that says how many there are more: three sections.
const FACTS: usize = 3 * FIELDS - 1;

/// The most characters of a fact's name and of its value: 2,000 with what stands between them.
const FACT: (usize, usize) = (200, 1_700);

/// The most characters of a command.
const COMMAND: usize = 1_000;

/// The whole request.
pub(crate) fn body(outgoing: &Outgoing) -> String {
    let headline = outgoing.headline();
    let lines = text::fit(&outgoing.lines(), TEXT, size);
    let entries = outgoing.shown_entries(ENTRIES.0);
    let header =
        json!({ "type": "plain_text", "text": escaped(&headline, HEADER), "emoji": false });
    let mut blocks = vec![json!({ "type": "header", "text": header })];
    blocks.extend(packed(lines.lines().map(|line| escaped(line, SECTION))));
    blocks.extend(packed(entries.iter().map(|entry| escaped(entry, ENTRIES.1))));
    blocks.extend(outgoing.shown_facts(FACTS).chunks(FIELDS).map(fields));
    blocks.extend(outgoing.shown_command().map(|command| {
        let command = escaped(&command.replace('`', "'"), COMMAND);
        section(&format!("`{command}`"))
    }));
    let footer = formatted(&escaped(&outgoing.footer(), SECTION));
    blocks.push(json!({ "type": "context", "elements": [footer] }));
    let body = json!({
        "text": escaped(&format!("{headline}\n{lines}"), SECTION),
        "blocks": blocks,
        "mrkdwn": false,
        "unfurl_links": false,
        "unfurl_media": false,
    });
    body.to_string()
}

/// Lines put together into as few sections as they fill.
fn packed(lines: impl Iterator<Item = String>) -> Vec<Value> {
    let mut texts: Vec<String> = Vec::new();
    for line in lines {
        match texts.last_mut() {
            Some(text) if length(text) + 1 + length(&line) <= SECTION => {
                text.push('\n');
                text.push_str(&line);
            }
            Some(_) | None => texts.push(line),
        }
    }
    let texts = texts.iter().filter(|text| !text.trim().is_empty());
    texts.map(|text| section(text)).collect()
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": formatted(text) })
}

fn fields(facts: &[(String, String)]) -> Value {
    let field = |(name, value): &(String, String)| {
        formatted(&format!("*{}*\n{}", escaped(name, FACT.0), escaped(value, FACT.1)))
    };
    let fields: Vec<Value> = facts.iter().map(field).collect();
    json!({ "type": "section", "fields": fields })
}

/// Text that is escaped already.
fn formatted(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}

/// At most so many characters, counted as they stand in the request.
fn escaped(text: &str, most: usize) -> String {
    let text = text::fit(text, most, size);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn size(character: char) -> usize {
    match character {
        '&' => "&amp;".len(),
        '<' | '>' => "&lt;".len(),
        other => other.len_utf16(),
    }
}

fn length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}
