//! What every test needs: something to tell, something hostile to tell, a client, and a bound on waiting.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use holdfast_channels::{
    Channel, Client, Entry, Heartbeat, Hook, MailServer, Ntfy, Outgoing, Secret, Security,
    Undelivered, Webhook,
};
use holdfast_contract::records::Level;
use holdfast_kernel::id::{Instant, Millis};
use tokio::time::timeout;

/// 2026-11-24T17:01:40Z
pub(crate) const NOW: Instant = Instant(1_795_539_700_000_000);

/// What a file could be called to do harm: it steers terminals, wakes rooms, adds headers, makes links.
pub(crate) const HOSTILE: &str = "a\u{1b}[31mb\r\nBcc: evil@example.org\u{202e}<!channel> <b>&amp;</b> [x](https://evil.example) *b*_c\\";

/// The longest that anything here may take.
const LIMIT: Duration = Duration::from_mins(1);

/// Less than anybody takes who does not answer.
const SHORT: Duration = Duration::from_millis(200);

/// A notification, told at 2026-11-24T17:01:01Z.
pub(crate) fn outgoing() -> Outgoing {
    Outgoing {
        id: "note_0123456789abcdef".to_owned(),
        at: Instant(1_795_539_661_000_000),
        level: Level::Warning,
        title: "A backup is not whole".to_owned(),
        text: "2 of 90 items failed.\nThe set is sealed all the same.".to_owned(),
        facts: vec![
            ("workflow".to_owned(), "nightly".to_owned()),
            ("status".to_owned(), "partial".to_owned()),
        ],
        command: Some("holdfast show run_1".to_owned()),
        entries: Vec::new(),
    }
}

/// A digest of so many notifications.
pub(crate) fn digest(count: usize, title: &str) -> Outgoing {
    let entry = Entry {
        id: "note_1".to_owned(),
        at: Instant(0),
        level: Level::Error,
        title: title.to_owned(),
    };
    Outgoing { text: String::new(), entries: vec![entry; count], ..outgoing() }
}

/// A notification with something hostile in every text of it.
pub(crate) fn hostile() -> Outgoing {
    let hostile = || HOSTILE.to_owned();
    Outgoing {
        title: hostile(),
        text: hostile(),
        facts: vec![(hostile(), hostile())],
        command: Some(hostile()),
        ..digest(1, HOSTILE)
    }
}

/// A notification in which everything is as long and as much as nobody expects.
pub(crate) fn endless(filling: &str) -> Outgoing {
    let long = |times: usize| filling.repeat(times);
    Outgoing {
        title: long(5_000),
        text: format!("{}\n{}", long(10_000), "x\n".repeat(10_000)),
        facts: vec![(long(500), long(5_000)); 100],
        command: Some(long(5_000)),
        ..digest(1_000, &long(500))
    }
}

/// A client that is patient enough for a busy machine.
pub(crate) fn client() -> Client {
    Client::with_timeouts(LIMIT, LIMIT).unwrap()
}

/// A client that waits for nobody.
pub(crate) fn impatient() -> Client {
    Client::with_timeouts(SHORT, SHORT).unwrap()
}

/// A client that waits for an answer, and neither for a connection nor for a farewell.
pub(crate) fn hasty() -> Client {
    Client::with_timeouts(SHORT, LIMIT).unwrap()
}

/// A webhook without a secret and without headers.
pub(crate) fn webhook(url: &Secret) -> Channel {
    Channel::Webhook(Webhook::new(url, None, &BTreeMap::new()).unwrap())
}

/// A mail server of this machine.
pub(crate) fn mail_server(port: u16) -> MailServer {
    MailServer { host: "127.0.0.1".to_owned(), port, security: Security::None, credentials: None }
}

/// Every kind that makes requests, to one base of their addresses, each with secrets wherever it can have some.
pub(crate) fn every_kind(base: &str) -> Vec<Channel> {
    let url = Secret::new(format!("{base}/canary-path/canary%20part?key=canary-query"));
    let root = Secret::new(base);
    let token = Secret::new("canary-token");
    let headers = BTreeMap::from([("x-token".to_owned(), token.clone())]);
    let secret = Some(Secret::new("canary-secret"));
    let webhook = |url: &Secret| Webhook::new(url, secret.clone(), &headers).unwrap();
    let topic = Secret::new("canary_topic");
    let user = Secret::new(base.replace("://", "://canary-user:canary-password@"));
    vec![
        Channel::Webhook(webhook(&url)),
        Channel::Webhook(webhook(&user)),
        Channel::Slack(Hook::new(&url).unwrap()),
        Channel::Teams(Hook::new(&url).unwrap()),
        Channel::Ntfy(Ntfy::new(&root, &topic, Some(&token)).unwrap()),
        Channel::Heartbeat(Heartbeat::new(&url).unwrap()),
    ]
}

/// The verdict that the receiver does not want the message.
pub(crate) fn refused(reason: &str) -> Result<(), Undelivered> {
    Err(Undelivered::Refused(reason.to_owned()))
}

/// The verdict that it may work another time.
pub(crate) fn failed(reason: &str) -> Result<(), Undelivered> {
    Err(Undelivered::Failed(reason.to_owned()))
}

/// The verdict that the receiver is to be left alone for so many seconds.
pub(crate) fn later(seconds: u64, reason: &str) -> Result<(), Undelivered> {
    Err(Undelivered::Later { after: Millis::seconds(seconds), reason: reason.to_owned() })
}

/// Waits, but not for ever.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.unwrap()
}

/// Delivers to a receiver that comes to an end.
pub(crate) async fn meet<T>(
    delivered: impl Future<Output = Result<(), Undelivered>>,
    receiver: impl Future<Output = T>,
) -> (Result<(), Undelivered>, T) {
    within(async { tokio::join!(delivered, receiver) }).await
}

/// Delivers to a receiver that never comes to an end.
pub(crate) async fn outlast(
    delivered: impl Future<Output = Result<(), Undelivered>>,
    receiver: impl Future<Output = Infallible>,
) -> Result<(), Undelivered> {
    let outlasted = async {
        tokio::select! {
            verdict = delivered => verdict,
            never = receiver => match never {},
        }
    };
    within(outlasted).await
}
