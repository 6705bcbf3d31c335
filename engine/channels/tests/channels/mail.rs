//! Mail: what a server is told, what the mail says, and what its answers mean.

use holdfast_channels::{
    Channel, Mail, MailServer, Outgoing, Secret, Security, Undelivered, Unfit,
};
use holdfast_contract::records::Level;

use crate::kit::{self, NOW};
use crate::sink::{Sink, Taken};

const FROM: &str = "Holdfast <holdfast@example.org>";

fn channel(server: &MailServer) -> Channel {
    let to = ["ann@example.org".to_owned(), "Bob <bob@example.com>".to_owned()];
    Channel::Mail(Mail::new(server, FROM, &to).unwrap())
}

async fn handed_over(
    outgoing: &Outgoing,
    replies: &[(&str, &str)],
) -> (Result<(), Undelivered>, Taken, String) {
    let sink = Sink::start().await;
    let (channel, client) = (channel(&kit::mail_server(sink.port())), kit::client());
    let delivered = channel.deliver(outgoing, &client, NOW);
    let (verdict, taken) = kit::meet(delivered, sink.take(replies)).await;
    (verdict, taken, sink.place())
}

async fn taken(outgoing: &Outgoing) -> Taken {
    let (verdict, taken, _) = handed_over(outgoing, &[]).await;
    assert_eq!(verdict, Ok(()));
    taken
}

#[tokio::test]
async fn a_mail_brings_every_field() {
    let mail = taken(&kit::outgoing()).await;
    assert_eq!(
        mail.commands,
        [
            "EHLO [127.0.0.1]",
            "MAIL FROM:<holdfast@example.org>",
            "RCPT TO:<ann@example.org>",
            "RCPT TO:<bob@example.com>",
            "DATA",
            "QUIT",
        ]
    );
    let check = |name: &str, expect: &str| assert_eq!(mail.header(name), Some(expect), "{name}");
    check("Message-ID", "<note_0123456789abcdef@holdfast.example.org>");
    check("Date", "Tue, 24 Nov 2026 17:01:01 +0000");
    check("From", "Holdfast <holdfast@example.org>");
    check("To", "ann@example.org, Bob <bob@example.com>");
    check("Subject", "A backup is not whole");
    check("Auto-Submitted", "auto-generated");
    check("MIME-Version", "1.0");
    check("Content-Type", "text/plain; charset=utf-8");
    check("Content-Transfer-Encoding", "7bit");
    let mut body = mail.body.clone();
    while body.last().is_some_and(String::is_empty) {
        body.pop();
    }
    assert_eq!(
        body,
        [
            "2 of 90 items failed.",
            "The set is sealed all the same.",
            "",
            "workflow: nightly",
            "status: partial",
            "",
            "To see more or to answer:",
            "  holdfast show run_1",
        ]
    );
}

#[tokio::test]
async fn a_mail_that_is_sent_again_has_the_same_id_and_date() {
    let (one, other) = (taken(&kit::outgoing()).await, taken(&kit::outgoing()).await);
    assert_eq!(one.headers, other.headers);
    assert_eq!(one.body, other.body);
}

#[tokio::test]
async fn a_digest_lists_its_entries() {
    let mail = taken(&kit::digest(2, "It failed")).await;
    let line = "1970-01-01T00:00:00Z error: It failed";
    assert_eq!(mail.body[..3], [line, line, ""]);
}

#[tokio::test]
async fn hostile_text_adds_no_header_no_recipient_and_steers_nothing() {
    let mail = taken(&kit::hostile()).await;
    assert_eq!(mail.commands.len(), 6, "{:?}", mail.commands);
    assert!(mail.headers.iter().all(|header| !header.to_lowercase().starts_with("bcc")));
    let subject = mail.header("Subject").unwrap();
    assert!(subject.is_ascii() && !subject.contains(char::is_control), "{subject:?}");
    let lines = mail.headers.iter().chain(&mail.body);
    for line in lines {
        assert!(line.is_ascii() && !line.contains(char::is_control), "{line:?}");
    }
    let id = mail.header("Message-ID").unwrap();
    assert_eq!(id, "<note_0123456789abcdef@holdfast.example.org>");
}

#[tokio::test]
async fn a_hostile_id_is_told_by_its_digest() {
    let id = "a>\r\nBcc: evil@example.org".to_owned();
    let mail = taken(&Outgoing { id, ..kit::outgoing() }).await;
    let id = mail.header("Message-ID").unwrap();
    let digest = id.strip_prefix('<').unwrap().strip_suffix("@holdfast.example.org>").unwrap();
    assert_eq!(digest.len(), 64);
    assert!(digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
}

#[tokio::test]
async fn a_subject_is_encoded_and_cut_and_takes_nothing_for_encoded() {
    let subject = async |title: &str| {
        let outgoing = Outgoing { title: title.to_owned(), ..kit::outgoing() };
        taken(&outgoing).await.header("Subject").unwrap().to_owned()
    };
    assert_eq!(subject("größer").await, "=?utf-8?b?Z3LDtsOfZXI=?=");
    assert_eq!(subject("=?utf-8?q?evil?=").await, "= ?utf-8?q?evil?=");
    assert!(subject(&"long ".repeat(1_000)).await.len() < 300);
}

#[tokio::test]
async fn a_text_of_many_letters_and_a_single_dot_arrives_whole() {
    let outgoing =
        Outgoing { level: Level::Info, text: "before\n.\nafter\n..".to_owned(), ..kit::outgoing() };
    let mail = taken(&outgoing).await;
    assert_eq!(mail.body[..4], ["before", ".", "after", ".."]);
    let long = Outgoing { text: "ä".repeat(5_000), ..kit::outgoing() };
    let mail = taken(&long).await;
    assert!(mail.body.iter().all(|line| line.len() <= 78), "lines are folded");
}

#[tokio::test]
async fn a_user_signs_in() {
    let sink = Sink::start().await;
    let credentials = Some((Secret::new("user"), Secret::new("password")));
    let server = MailServer { credentials, ..kit::mail_server(sink.port()) };
    let (channel, client, outgoing) = (channel(&server), kit::client(), kit::outgoing());
    let delivered = channel.deliver(&outgoing, &client, NOW);
    let (verdict, taken) = kit::meet(delivered, sink.take(&[])).await;
    assert_eq!(verdict, Ok(()));
    // printf '\0user\0password' | base64
    assert_eq!(taken.commands[1], "AUTH PLAIN AHVzZXIAcGFzc3dvcmQ=");
}

#[tokio::test]
async fn an_answer_says_whether_to_try_again() {
    let check = async |replies: &[(&str, &str)], fits: fn(String) -> Undelivered, said: &str| {
        let (verdict, _, place) = handed_over(&kit::outgoing(), replies).await;
        assert_eq!(verdict, Err(fits(said.replace("{}", &place))), "{replies:?}");
    };
    let (refused, failed) = (Undelivered::Refused, Undelivered::Failed);
    check(&[("greeting", "554 go away")], failed, "{} answers 554 go away").await;
    check(&[("greeting", "421 later")], failed, "{} answers 421 later").await;
    check(&[("greeting", "SSH-2.0-x")], failed, "{} breaks off, or is no mail server").await;
    check(&[("MAIL", "550 5.7.1 not\tyou")], refused, "{} answers 550 5.7.1 not you").await;
    check(&[("MAIL", "530 sign in")], failed, "{} answers 530 sign in").await;
    check(&[("MAIL", "451 later")], failed, "{} answers 451 later").await;
    check(&[("RCPT", "550 nobody")], refused, "{} answers 550 nobody").await;
    check(&[("RCPT", "450 greylisted")], failed, "{} answers 450 greylisted").await;
    check(&[("DATA", "554 no")], refused, "{} answers 554 no").await;
    check(&[("content", "552 too large")], refused, "{} answers 552 too large").await;
    check(&[("content", "452 full")], failed, "{} answers 452 full").await;
}

#[tokio::test]
async fn a_recipient_who_is_refused_does_not_keep_the_mail_from_the_others() {
    let replies = [("RCPT TO:<ann@", "550 nobody")];
    let (verdict, taken, place) = handed_over(&kit::outgoing(), &replies).await;
    let expect =
        format!("1 of 2 recipients do not get it, the others have it: {place} answers 550 nobody");
    assert_eq!(verdict, Err(Undelivered::Refused(expect)));
    assert_eq!(taken.header("Subject"), Some("A backup is not whole"));
}

#[tokio::test]
async fn a_recipient_who_is_refused_for_now_keeps_the_mail_from_all() {
    let replies = [("RCPT TO:<bob@", "450 greylisted")];
    let (verdict, taken, place) = handed_over(&kit::outgoing(), &replies).await;
    let expect = format!("{place} answers 450 greylisted");
    assert_eq!(verdict, Err(Undelivered::Failed(expect)));
    assert!(!taken.commands.contains(&"DATA".to_owned()), "nobody gets it twice");
}

#[tokio::test]
async fn credentials_that_are_refused_or_cannot_be_given_are_the_administrators_to_mend() {
    let check = async |replies: &[(&str, &str)], said: &str| {
        let sink = Sink::start().await;
        let credentials = Some((Secret::new("user"), Secret::new("canary")));
        let server = MailServer { credentials, ..kit::mail_server(sink.port()) };
        let (channel, client, outgoing) = (channel(&server), kit::client(), kit::outgoing());
        let delivered = channel.deliver(&outgoing, &client, NOW);
        let (verdict, _) = kit::meet(delivered, sink.take(replies)).await;
        let expect = said.replace("{}", &sink.place());
        assert_eq!(verdict, Err(Undelivered::Failed(expect)), "{replies:?}");
    };
    check(&[("AUTH", "535 canary is wrong")], "{} answers 535 *** is wrong").await;
    check(&[("AUTH", "534 too weak")], "{} answers 534 too weak").await;
    check(&[("EHLO", "250 sink")], "{} takes no user and password").await;
}

#[tokio::test]
async fn a_server_that_does_not_say_goodbye_has_the_mail_all_the_same() {
    let sink = Sink::start().await;
    let (channel, client) = (channel(&kit::mail_server(sink.port())), kit::hasty());
    let outgoing = kit::outgoing();
    let delivered = channel.deliver(&outgoing, &client, NOW);
    let (verdict, taken) = kit::meet(delivered, sink.take(&[("QUIT", "")])).await;
    assert_eq!(verdict, Ok(()));
    assert_eq!(taken.commands.last().map(String::as_str), Some("QUIT"));
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let sink = Sink::start().await;
    let (channel, client) = (channel(&kit::mail_server(sink.port())), kit::impatient());
    let outgoing = kit::outgoing();
    let delivered = channel.deliver(&outgoing, &client, NOW);
    let verdict = kit::outlast(delivered, sink.keep_silent()).await;
    let expect = format!("{} does not answer in time", sink.place());
    assert_eq!(verdict, Err(Undelivered::Failed(expect)));
}

#[tokio::test]
async fn a_server_that_cannot_be_encrypted_gets_nothing() {
    let sink = Sink::start().await;
    let server = MailServer { security: Security::StartTls, ..kit::mail_server(sink.port()) };
    let (channel, client, outgoing) = (channel(&server), kit::client(), kit::outgoing());
    let delivered = channel.deliver(&outgoing, &client, NOW);
    let (verdict, taken) = kit::meet(delivered, sink.take(&[])).await;
    let expect = format!("{} does not offer STARTTLS", sink.place());
    assert_eq!(verdict, Err(Undelivered::Failed(expect)));
    assert_eq!(taken.commands, ["EHLO [127.0.0.1]"]);
}

#[tokio::test]
async fn where_nobody_listens_or_no_name_resolves_it_is_said_so() {
    let port = Sink::start().await.port();
    let check = async |server: MailServer, expect: &str| {
        let verdict = channel(&server).deliver(&kit::outgoing(), &kit::client(), NOW).await;
        assert_eq!(verdict, Err(Undelivered::Failed(expect.to_owned())));
    };
    let expect = format!("the mail server 127.0.0.1:{port} refuses the connection");
    check(kit::mail_server(port), &expect).await;
    let server = MailServer {
        host: "nobody.invalid".to_owned(),
        security: Security::Implicit,
        ..kit::mail_server(465)
    };
    check(server, "the name of the mail server nobody.invalid:465 does not resolve").await;
}

#[test]
fn a_mail_without_a_recipient_or_with_a_strange_one_is_refused() {
    let check = |from: &str, to: &[&str], expect: Unfit| {
        let to: Vec<String> = to.iter().map(|to| (*to).to_owned()).collect();
        let mail = Mail::new(&kit::mail_server(25), from, &to);
        assert_eq!(mail.err(), Some(expect));
    };
    let strange = |written: &str| Unfit::Mailbox(written.to_owned());
    check(FROM, &[], Unfit::NoRecipient);
    check("holdfast", &["a@example.org"], strange("holdfast"));
    check(FROM, &["a@example.org", "b"], strange("b"));
    check(
        FROM,
        &["a@example.org\nBcc: b@example.org"],
        strange("a@example.org Bcc: b@example.org"),
    );
}
