//! Teams: the card of a message, what is escaped in it, and its limit.

use holdfast_channels::{Channel, Hook, Outgoing};
use serde_json::json;

use crate::kit::{self, NOW};
use crate::receiver::{Receiver, Request};

async fn delivered(outgoing: &Outgoing) -> Request {
    let receiver = Receiver::start().await;
    let url = receiver.url("/workflows/1/triggers/manual/paths/invoke?sig=x");
    let channel = Channel::Teams(Hook::new(&url).unwrap());
    let client = kit::client();
    let delivered = channel.deliver(outgoing, &client, NOW);
    let (verdict, request) = kit::meet(delivered, receiver.answer("202 Accepted", "")).await;
    assert_eq!(verdict, Ok(()));
    request
}

#[tokio::test]
async fn a_message_is_a_card_with_title_text_facts_and_command() {
    let request = delivered(&kit::outgoing()).await;
    assert_eq!(request.line, "POST /workflows/1/triggers/manual/paths/invoke?sig=x HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    let body = json!([
        {
            "type": "TextBlock", "text": "A backup is not whole", "weight": "Bolder",
            "size": "Medium", "color": "Warning", "wrap": true,
        },
        {
            "type": "TextBlock", "wrap": true,
            "text": "2 of 90 items failed.\n\nThe set is sealed all the same.",
        },
        {
            "type": "FactSet",
            "facts": [
                { "title": "workflow", "value": "nightly" },
                { "title": "status", "value": "partial" },
            ],
        },
        {
            "type": "TextBlock", "text": "holdfast show run\\_1", "fontType": "Monospace",
            "wrap": true,
        },
        {
            "type": "TextBlock", "size": "Small", "isSubtle": true, "wrap": true,
            "text": "warning · 2026-11-24T17:01:01Z · note\\_0123456789abcdef",
        },
    ]);
    let expect = json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": body,
            },
        }],
    });
    assert_eq!(request.json(), expect);
}

#[tokio::test]
async fn hostile_text_makes_no_link_and_loses_no_character() {
    let request = delivered(&kit::hostile()).await;
    let body = request.json();
    let elements = &body["attachments"][0]["content"]["body"];
    let title = elements[0]["text"].as_str().unwrap();
    assert_eq!(
        title,
        "a\u{fffd}\\[31mb Bcc: evil@example.org\u{fffd}<!channel> <b>&amp;</b> \
         \\[x\\]\\(https://evil.example) \\*b\\*\\_c\\\\"
    );
    assert_eq!(elements[2]["facts"][0]["value"], json!(title));
    assert!(!request.body.contains(char::is_control), "{}", request.body);
    assert!(!request.body.contains("\\u001b"), "{}", request.body);
}

#[tokio::test]
async fn the_largest_card_stays_within_28_kilobytes() {
    for filling in ["\\", "]", "](", "\"", "漢", "a_"] {
        let request = delivered(&kit::endless(filling)).await;
        let size = request.body.len();
        assert!((20_000..=28_000).contains(&size), "{size} bytes of {filling}");
    }
}

#[tokio::test]
async fn a_digest_lists_its_entries() {
    let body = delivered(&kit::digest(2, "It failed")).await.json();
    let line = "1970-01-01T00:00:00Z error: It failed";
    let text = &body["attachments"][0]["content"]["body"][1]["text"];
    assert_eq!(*text, json!(format!("{line}\n\n{line}")));
}
