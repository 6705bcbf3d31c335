//! ntfy: the fields of a message, its token, and the limits of a server.

use holdfast_channels::{Channel, Ntfy, Outgoing, Secret, Unfit};
use holdfast_contract::records::Level;
use serde_json::json;

use crate::kit::{self, NOW};
use crate::receiver::{Receiver, Request};

async fn delivered(token: Option<&str>, outgoing: &Outgoing) -> Request {
    let receiver = Receiver::start().await;
    let token = token.map(Secret::new);
    let ntfy = Ntfy::new(&receiver.url("/"), &Secret::new("my_topic"), token.as_ref()).unwrap();
    let channel = Channel::Ntfy(ntfy);
    let client = kit::client();
    let delivered = channel.deliver(outgoing, &client, NOW);
    let (verdict, request) = kit::meet(delivered, receiver.answer("200 OK", "{}")).await;
    assert_eq!(verdict, Ok(()));
    request
}

#[tokio::test]
async fn a_message_goes_to_the_root_with_its_topic_and_priority() {
    let request = delivered(None, &kit::outgoing()).await;
    assert_eq!(request.line, "POST / HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("authorization"), None);
    let message = "2 of 90 items failed.\nThe set is sealed all the same.\n\n\
                   workflow: nightly\nstatus: partial\n\n\
                   To see more or to answer:\n  holdfast show run_1";
    let expect = json!({
        "topic": "my_topic",
        "title": "A backup is not whole",
        "message": message,
        "priority": 4,
        "tags": ["warning"],
    });
    assert_eq!(request.json(), expect);
}

#[tokio::test]
async fn a_token_and_each_level_are_told() {
    for (level, priority) in [(Level::Info, 3), (Level::Warning, 4), (Level::Error, 5)] {
        let outgoing = Outgoing { level, ..kit::outgoing() };
        let request = delivered(Some("tk_abc"), &outgoing).await;
        assert_eq!(request.header("authorization"), Some("Bearer tk_abc"));
        assert_eq!(request.json()["priority"], json!(priority));
    }
}

#[tokio::test]
async fn a_message_of_nothing_but_a_title_repeats_it() {
    let empty = Outgoing { facts: Vec::new(), command: None, ..kit::digest(0, "") };
    let body = delivered(None, &empty).await.json();
    assert_eq!(body["message"], body["title"]);
}

#[tokio::test]
async fn the_longest_message_is_cut_between_characters_and_within_the_limits() {
    for filling in ["é", "漢", "\"", "\\", "a"] {
        let request = delivered(None, &kit::endless(filling)).await;
        assert!(request.body.len() <= 8_192, "{} bytes", request.body.len());
        let body = request.json();
        let message = body["message"].as_str().unwrap();
        assert!((3_000..=4_096).contains(&message.len()), "{} bytes", message.len());
        assert!(message.ends_with('…'), "{message}");
        assert!(body["title"].as_str().unwrap().len() <= 250);
    }
}

#[tokio::test]
async fn hostile_text_steers_nothing() {
    let body = delivered(None, &kit::hostile()).await.json();
    for field in ["title", "message"] {
        let text = body[field].as_str().unwrap();
        let steers = |letter: char| letter.is_control() && letter != '\n' || letter == '\u{202e}';
        assert!(!text.contains(steers), "{text:?}");
    }
    assert!(!body["title"].as_str().unwrap().contains('\n'));
}

#[test]
fn what_is_no_server_or_no_topic_is_refused() {
    let check = |server: &str, topic: &str, expect: Option<Unfit>| {
        let ntfy = Ntfy::new(&Secret::new(server), &Secret::new(topic), None);
        assert_eq!(ntfy.err(), expect, "{server} {topic}");
    };
    check("https://ntfy.sh", "my-topic_1", None);
    check("https://ntfy.sh/", "a", None);
    check("https://ntfy.sh/my_topic", "a", Some(Unfit::Path));
    check("https://ntfy.sh/?auth=x", "a", Some(Unfit::Path));
    check("ntfy.sh", "a", Some(Unfit::NotUrl));
    check("https://ntfy.sh", "", Some(Unfit::Topic));
    check("https://ntfy.sh", "a/b", Some(Unfit::Topic));
    check("https://ntfy.sh", &"a".repeat(65), Some(Unfit::Topic));
    let token = Secret::new("a\nb");
    let ntfy = Ntfy::new(&Secret::new("https://ntfy.sh"), &Secret::new("a"), Some(&token));
    assert_eq!(ntfy.err(), Some(Unfit::HeaderValue("authorization".to_owned())));
}
