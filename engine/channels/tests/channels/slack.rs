//! Slack: the blocks of a message, what is escaped in them, and the limits of each.

use holdfast_channels::{Channel, Hook, Outgoing};
use serde_json::{Value, json};

use crate::kit::{self, NOW};
use crate::receiver::{Receiver, Request};

async fn delivered(outgoing: &Outgoing) -> Request {
    let receiver = Receiver::start().await;
    let channel = Channel::Slack(Hook::new(&receiver.url("/services/T0/B0/x")).unwrap());
    let client = kit::client();
    let delivered = channel.deliver(outgoing, &client, NOW);
    let (verdict, request) = kit::meet(delivered, receiver.answer("200 OK", "ok")).await;
    assert_eq!(verdict, Ok(()));
    request
}

fn formatted(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": formatted(text) })
}

/// Every text of a message, in whatever depth.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        Value::Object(map) => map.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

fn length(text: &Value) -> usize {
    text.as_str().unwrap().encode_utf16().count()
}

#[tokio::test]
async fn a_message_has_a_header_its_text_its_facts_and_the_command() {
    let request = delivered(&kit::outgoing()).await;
    assert_eq!(request.line, "POST /services/T0/B0/x HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    let title = "A backup is not whole";
    let header = json!({ "type": "plain_text", "text": title, "emoji": false });
    let expect = json!({
        "text": format!("{title}\n2 of 90 items failed.\nThe set is sealed all the same."),
        "blocks": [
            { "type": "header", "text": header },
            section("2 of 90 items failed.\nThe set is sealed all the same."),
            {
                "type": "section",
                "fields": [formatted("*workflow*\nnightly"), formatted("*status*\npartial")],
            },
            section("`holdfast show run_1`"),
            {
                "type": "context",
                "elements": [formatted("warning · 2026-11-24T17:01:01Z · note_0123456789abcdef")],
            },
        ],
        "mrkdwn": false,
        "unfurl_links": false,
        "unfurl_media": false,
    });
    assert_eq!(request.json(), expect);
}

#[tokio::test]
async fn a_digest_lists_its_entries() {
    let body = delivered(&kit::digest(2, "It failed")).await.json();
    let line = "1970-01-01T00:00:00Z error: It failed";
    assert_eq!(body["blocks"][1], section(&format!("{line}\n{line}")));
}

#[tokio::test]
async fn hostile_text_wakes_nobody_and_links_nowhere() {
    let request = delivered(&kit::hostile()).await;
    let body = request.json();
    for text in texts(&body) {
        assert!(!text.contains(['<', '>']), "{text}");
        let steers = |letter: char| letter.is_control() && letter != '\n' || letter == '\u{202e}';
        assert!(!text.contains(steers), "{text:?}");
    }
    let title = body["blocks"][0]["text"]["text"].as_str().unwrap();
    assert!(title.contains("&lt;!channel&gt; &lt;b&gt;&amp;amp;&lt;/b&gt;"), "{title}");
    assert!(!title.contains('\n'), "{title}");
    let command = body["blocks"][4]["text"]["text"].as_str().unwrap();
    assert!(command.starts_with('`') && command.ends_with('`'), "{command}");
}

#[tokio::test]
async fn a_command_cannot_end_its_own_quotation() {
    let outgoing = Outgoing { command: Some("a` <!here> `b".to_owned()), ..kit::outgoing() };
    let body = delivered(&outgoing).await.json();
    assert_eq!(body["blocks"][3], section("`a' &lt;!here&gt; 'b`"));
}

#[tokio::test]
async fn the_longest_message_stays_within_the_limits() {
    for filling in ["&", "<", "😀", "a "] {
        let body = delivered(&kit::endless(filling)).await.json();
        let blocks = body["blocks"].as_array().unwrap();
        assert!(blocks.len() <= 50, "{} blocks", blocks.len());
        assert!(length(&body["text"]) <= 3_000);
        assert!(length(&blocks[0]["text"]["text"]) <= 150);
        for block in blocks.iter().filter(|block| block["type"] == "section") {
            let fields = block["fields"].as_array().map_or(&[][..], Vec::as_slice);
            assert!(fields.len() <= 10, "{} fields", fields.len());
            assert!(fields.iter().all(|field| length(&field["text"]) <= 2_000));
            let text = &block["text"]["text"];
            assert!(text.is_null() || (1..=3_000).contains(&length(text)));
        }
        let all = texts(&body).join("\n");
        assert!(all.contains("and 900 more"), "the entries that are not shown are counted");
        assert!(all.contains("and 71 more"), "the facts that are not shown are counted");
        let entities = all.matches('&').count();
        let whole = ["&amp;", "&lt;"].map(|entity| all.matches(entity).count());
        assert_eq!(entities, whole.iter().sum::<usize>(), "none is cut in two");
    }
}
