//! Nothing that is said or printed gives a secret away: not the address of a webhook, no token, no password.

use holdfast_channels::{Channel, Mail, MailServer, Secret, Undelivered};

use crate::kit::{self, NOW};
use crate::receiver::{Receiver, Request};
use crate::sink::Sink;

/// Answers of each meaning.
const HEADS: [&str; 4] = ["400 No", "404 No", "500 No", "503 No\r\nRetry-After: 5"];

#[track_caller]
fn check(channel: &Channel, verdict: &Result<(), Undelivered>) {
    let undelivered = verdict.as_ref().unwrap_err();
    let said = format!("{channel:?} {channel:#?} {undelivered} {undelivered:?}");
    assert!(!said.contains("canary"), "{said}");
}

#[tokio::test]
async fn an_answer_that_repeats_the_request_gives_nothing_away() {
    let parts: [fn(&Request) -> String; 5] = [
        |request| request.line.clone(),
        |request| format!("{:?}", request.header("authorization")),
        |request| format!("{:?}", request.header("x-token")),
        topic,
        |request| request.line.replace(['/', '?', '=', '&'], " / "),
    ];
    let receiver = Receiver::start().await;
    let (client, outgoing) = (kit::client(), kit::outgoing());
    for channel in kit::every_kind(&receiver.place()) {
        for (part, head) in parts.iter().flat_map(|part| HEADS.map(|head| (part, head))) {
            let delivered = channel.deliver(&outgoing, &client, NOW);
            let (verdict, _) = kit::meet(delivered, receiver.repeat(head, part)).await;
            check(&channel, &verdict);
        }
    }
}

/// The topic of a message for ntfy; of any other, nothing.
fn topic(request: &Request) -> String {
    if request.body.is_empty() { String::new() } else { request.json()["topic"].to_string() }
}

#[tokio::test]
async fn an_exchange_that_fails_gives_nothing_away() {
    let outgoing = kit::outgoing();
    let nobody = format!("http://127.0.0.1:{}", Receiver::start().await.port());
    for channel in kit::every_kind(&nobody) {
        check(&channel, &channel.deliver(&outgoing, &kit::client(), NOW).await);
    }
    for channel in kit::every_kind("http://nobody.invalid") {
        check(&channel, &channel.deliver(&outgoing, &kit::client(), NOW).await);
    }
    let receiver = Receiver::start().await;
    let client = kit::client();
    for channel in kit::every_kind(&receiver.place()) {
        let delivered = channel.deliver(&outgoing, &client, NOW);
        let (verdict, _) = kit::meet(delivered, receiver.hang_up()).await;
        check(&channel, &verdict);
        let delivered = channel.deliver(&outgoing, &client, NOW);
        let head = "302 Found\r\nLocation: https://example.org/canary";
        let (verdict, _) = kit::meet(delivered, receiver.answer(head, "canary")).await;
        check(&channel, &verdict);
    }
    let silent = Receiver::start().await;
    for channel in kit::every_kind(&silent.place()) {
        let impatient = kit::impatient();
        let delivered = channel.deliver(&outgoing, &impatient, NOW);
        check(&channel, &kit::outlast(delivered, silent.blurt("")).await);
    }
}

#[tokio::test]
async fn a_mail_server_that_repeats_the_password_gives_nothing_away() {
    let sink = Sink::start().await;
    let credentials = Some((Secret::new("canary-user"), Secret::new("canary-password")));
    let server = MailServer { credentials, ..kit::mail_server(sink.port()) };
    assert!(!format!("{server:?}").contains("canary"));
    let to = ["ann@example.org".to_owned()];
    let channel = Channel::Mail(Mail::new(&server, "a@example.org", &to).unwrap());
    let client = kit::client();
    for start in ["AUTH", "MAIL", "RCPT", "DATA", "content"] {
        let outgoing = kit::outgoing();
        let delivered = channel.deliver(&outgoing, &client, NOW);
        let replies = [(start, "550 canary-user with canary-password")];
        let (verdict, _) = kit::meet(delivered, sink.take(&replies)).await;
        check(&channel, &verdict);
    }
}

#[test]
fn secrets_and_clients_print_nothing_of_themselves() {
    let secret = Secret::new("canary");
    assert_eq!(format!("{secret:?} {secret:#?}"), "Secret Secret");
    assert!(format!("{:?}", kit::client()).starts_with("Client("));
}
