//! Webhooks: every field of what arrives, and a signature that is computed here once more, by hand.

use std::collections::BTreeMap;

use holdfast_channels::{Channel, Outgoing, Secret, Unfit, Webhook};
use holdfast_contract::records::Level;
use holdfast_kernel::id::Digest;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::kit::{self, HOSTILE, NOW};
use crate::receiver::{Receiver, Request};

/// HMAC-SHA256 as RFC 2104 writes it down, for keys no longer than a block.
fn by_hand(key: &[u8], text: &[u8]) -> String {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text);
    let outer = Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c));
    Digest::from_bytes(outer.chain_update(inner.finalize()).finalize().into()).to_string()
}

async fn delivered(webhook: impl Fn(&Secret) -> Webhook, outgoing: &Outgoing) -> Request {
    let receiver = Receiver::start().await;
    let channel = Channel::Webhook(webhook(&receiver.url("/hooks/holdfast?room=1")));
    let client = kit::client();
    let delivered = channel.deliver(outgoing, &client, NOW);
    let (verdict, request) = kit::meet(delivered, receiver.answer("204 No Content", "")).await;
    assert_eq!(verdict, Ok(()));
    request
}

fn plain(url: &Secret) -> Webhook {
    Webhook::new(url, None, &BTreeMap::new()).unwrap()
}

#[test]
fn what_is_computed_by_hand_is_what_rfc_4231_says() {
    assert_eq!(
        by_hand(b"Jefe", b"what do ya want for nothing?"),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}

#[tokio::test]
async fn a_webhook_brings_every_field() {
    let mut digest = kit::digest(1, "It failed");
    digest.text = "one\ntwo".to_owned();
    let request = delivered(plain, &digest).await;
    assert_eq!(request.line, "POST /hooks/holdfast?room=1 HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("holdfast-notification"), Some("note_0123456789abcdef"));
    assert_eq!(request.header("holdfast-signature"), None);
    assert!(request.header("user-agent").unwrap().starts_with("holdfast/"));
    let expect = json!({
        "id": "note_0123456789abcdef",
        "at": "2026-11-24T17:01:01Z",
        "level": "warning",
        "title": "A backup is not whole",
        "text": "one\ntwo",
        "facts": { "workflow": "nightly", "status": "partial" },
        "command": "holdfast show run_1",
        "entries": [
            { "id": "note_1", "at": "1970-01-01T00:00:00Z", "level": "error", "title": "It failed" },
        ],
    });
    assert_eq!(request.json(), expect);
}

#[tokio::test]
async fn what_is_not_there_is_null_or_empty() {
    let outgoing = Outgoing { command: None, level: Level::Info, ..kit::outgoing() };
    let body = delivered(plain, &outgoing).await.json();
    assert_eq!(body["command"], json!(null));
    assert_eq!(body["entries"], json!([]));
    assert_eq!(body["level"], json!("info"));
}

#[tokio::test]
async fn a_body_is_signed_with_the_secret_and_the_time_of_the_delivery() {
    let signing =
        |url: &Secret| Webhook::new(url, Some(Secret::new("swordfish")), &BTreeMap::new()).unwrap();
    let request = delivered(signing, &kit::outgoing()).await;
    let expect = by_hand(b"swordfish", format!("1795539700.{}", request.body).as_bytes());
    let signature = request.header("holdfast-signature").unwrap();
    assert_eq!(signature, format!("t=1795539700,v1={expect}"));
    // What a receiver in Rust may compare it with.
    let own = holdfast_channels::signature(
        &Secret::new("swordfish"),
        1_795_539_700,
        request.body.as_bytes(),
    );
    assert_eq!(signature, own);
}

#[tokio::test]
async fn headers_that_were_configured_are_sent() {
    let headers = BTreeMap::from([
        ("Authorization".to_owned(), Secret::new("Bearer abc")),
        ("X-Room".to_owned(), Secret::new("nightly")),
    ]);
    let with_headers = |url: &Secret| Webhook::new(url, None, &headers).unwrap();
    let request = delivered(with_headers, &kit::outgoing()).await;
    assert_eq!(request.header("authorization"), Some("Bearer abc"));
    assert_eq!(request.header("x-room"), Some("nightly"));
    assert_eq!(request.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn hostile_text_arrives_as_it_is_and_escaped() {
    let outgoing = Outgoing { id: format!("note_1{HOSTILE}"), ..kit::hostile() };
    let request = delivered(plain, &outgoing).await;
    assert!(!request.body.contains(char::is_control), "{}", request.body);
    let body = request.json();
    assert_eq!(body["title"], json!(HOSTILE));
    assert_eq!(body["facts"], json!({ HOSTILE: HOSTILE }));
    let name = request.header("holdfast-notification").unwrap();
    assert!(name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    assert_eq!(request.header("bcc"), None);
}

#[test]
fn headers_that_cannot_be_sent_are_refused() {
    let check = |name: &str, value: &str, expect: &str| {
        let headers = BTreeMap::from([(name.to_owned(), Secret::new(value))]);
        let unfit = Webhook::new(&Secret::new("https://example.org"), None, &headers).unwrap_err();
        assert_eq!(unfit.to_string(), expect);
    };
    check("Content-Type", "text/plain", "the header `Content-Type` is set by holdfast itself");
    check("holdfast-signature", "x", "the header `holdfast-signature` is set by holdfast itself");
    check("two words", "x", "`two words` is not the name of a header");
    check(
        "x-token",
        "canary\r\nx: y",
        "the value of the header `x-token` has characters that a header cannot have",
    );
    let unfit = Webhook::new(&Secret::new("canary"), None, &BTreeMap::new()).unwrap_err();
    assert_eq!(unfit, Unfit::NotUrl);
}
