//! What the answers of receivers mean, and what is said when there is none.

use holdfast_channels::{Secret, Undelivered};
use tokio::net::TcpListener;

use crate::kit::{self, NOW, failed, later, refused};
use crate::receiver::Receiver;

#[tokio::test]
async fn an_answer_says_whether_to_try_again() {
    let check = async |head: &str, body: &str, expect: Result<(), Undelivered>| {
        let receiver = Receiver::start().await;
        let (channel, client) = (kit::webhook(&receiver.url("/")), kit::client());
        let outgoing = kit::outgoing();
        let delivered = channel.deliver(&outgoing, &client, NOW);
        let (verdict, _) = kit::meet(delivered, receiver.answer(head, body)).await;
        assert_eq!(verdict, expect, "{head}");
    };
    let status = |status: &str| format!("the receiver answers with status {status}");
    check("200 OK", "no", Ok(())).await;
    check("202 Accepted", "", Ok(())).await;
    for code in ["401", "403", "404", "408", "410", "425", "429", "500", "502", "503", "599"] {
        check(&format!("{code} No"), "not so", failed(&status(&format!("{code}: not so")))).await;
    }
    for code in ["400", "402", "405", "409", "413", "415", "422", "451"] {
        check(&format!("{code} No"), "", refused(&status(code))).await;
    }
    for code in ["408", "425", "429", "500", "503"] {
        let head = format!("{code} No\r\nRetry-After: 120");
        check(&head, "", later(120, &status(code))).await;
    }
    let date = "Retry-After: Tue, 24 Nov 2026 17:02:40 GMT";
    check(&format!("429 No\r\n{date}"), "", later(60, &status("429"))).await;
    check("503 No\r\nRetry-After: 86400", "", later(3_600, &status("503"))).await;
    check("503 No\r\nRetry-After: 0", "", failed(&status("503"))).await;
    check("503 No\r\nRetry-After: soon", "", failed(&status("503"))).await;
    check("404 No\r\nRetry-After: 120", "", failed(&status("404"))).await;
    check("400 No\r\nRetry-After: 120", "", refused(&status("400"))).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for code in ["301", "302", "303", "307", "308"] {
        let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
        let (channel, client) = (kit::webhook(&receiver.url("/")), kit::client());
        let outgoing = kit::outgoing();
        let head = format!("{code} Elsewhere\r\nLocation: {}/", elsewhere.place());
        let delivered = channel.deliver(&outgoing, &client, NOW);
        let (verdict, _) = kit::meet(delivered, receiver.answer(&head, "")).await;
        let expect = format!(
            "the receiver answers with a redirect (status {code}); give the address it leads to"
        );
        assert_eq!(verdict, failed(&expect));
    }
}

#[tokio::test]
async fn what_a_receiver_says_is_shown_in_one_short_line() {
    let receiver = Receiver::start().await;
    let (channel, client) = (kit::webhook(&receiver.url("/")), kit::client());
    let outgoing = kit::outgoing();
    let body = format!("no\r\n\u{1b}[2J such\troom {}", "é".repeat(500));
    let delivered = channel.deliver(&outgoing, &client, NOW);
    let (verdict, _) = kit::meet(delivered, receiver.answer("400 No", &body)).await;
    let said = format!("no \u{fffd}[2J such room {}…", "é".repeat(181));
    assert_eq!(said.chars().count(), 200);
    assert_eq!(verdict, refused(&format!("the receiver answers with status 400: {said}")));
}

#[tokio::test]
async fn a_body_that_never_ends_is_not_read_to_its_end() {
    let receiver = Receiver::start().await;
    let (channel, client) = (kit::webhook(&receiver.url("/")), kit::client());
    let outgoing = kit::outgoing();
    let delivered = channel.deliver(&outgoing, &client, NOW);
    let verdict = kit::outlast(delivered, receiver.babble("400 No")).await;
    let said = format!("{}…", "x".repeat(199));
    assert_eq!(verdict, refused(&format!("the receiver answers with status 400: {said}")));
}

#[tokio::test]
async fn a_happy_answer_is_a_delivery_however_its_body_goes_on() {
    let receiver = Receiver::start().await;
    let (channel, client) = (kit::webhook(&receiver.url("/")), kit::client());
    let outgoing = kit::outgoing();
    let delivered = channel.deliver(&outgoing, &client, NOW);
    assert_eq!(kit::outlast(delivered, receiver.babble("200 OK")).await, Ok(()));
}

#[tokio::test]
async fn a_receiver_that_never_answers_is_given_up() {
    let receiver = Receiver::start().await;
    let (channel, client) = (kit::webhook(&receiver.url("/")), kit::impatient());
    let outgoing = kit::outgoing();
    let delivered = channel.deliver(&outgoing, &client, NOW);
    let verdict = kit::outlast(delivered, receiver.blurt("")).await;
    assert_eq!(verdict, failed(&format!("{} does not answer in time", receiver.place())));
}

#[tokio::test]
async fn a_receiver_that_hangs_up_has_not_answered() {
    let receiver = Receiver::start().await;
    let (channel, client) = (kit::webhook(&receiver.url("/")), kit::client());
    let outgoing = kit::outgoing();
    let delivered = channel.deliver(&outgoing, &client, NOW);
    let (verdict, _) = kit::meet(delivered, receiver.hang_up()).await;
    let expect = format!("{} breaks off before there is an answer", receiver.place());
    assert_eq!(verdict, failed(&expect));
}

#[tokio::test]
async fn where_nobody_listens_the_connection_is_refused() {
    let port = {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = Secret::new(format!("http://127.0.0.1:{port}/hook"));
    let verdict = kit::webhook(&url).deliver(&kit::outgoing(), &kit::client(), NOW).await;
    assert_eq!(verdict, failed(&format!("http://127.0.0.1:{port} refuses the connection")));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_said_to_be_one() {
    let url = Secret::new("https://nobody.invalid:8443/hook");
    let verdict = kit::webhook(&url).deliver(&kit::outgoing(), &kit::client(), NOW).await;
    assert_eq!(verdict, failed("the name of https://nobody.invalid:8443 does not resolve"));
}

#[tokio::test]
async fn a_receiver_that_does_not_speak_tls_is_not_trusted() {
    let receiver = Receiver::start().await;
    let url = Secret::new(format!("https://127.0.0.1:{}/hook", receiver.port()));
    let (channel, client) = (kit::webhook(&url), kit::client());
    let outgoing = kit::outgoing();
    let delivered = channel.deliver(&outgoing, &client, NOW);
    let verdict = kit::outlast(delivered, receiver.blurt("HTTP/1.1 400 No\r\n\r\n")).await;
    let Err(Undelivered::Failed(reason)) = verdict else {
        panic!("{verdict:?}");
    };
    let expect =
        format!("there is no secure connection to https://127.0.0.1:{}: ", receiver.port());
    assert!(reason.starts_with(&expect), "{reason}");
}

#[test]
fn a_delivery_may_move_between_threads() {
    fn moves<T: Send>(_: &T) {}
    let channel = kit::webhook(&Secret::new("http://127.0.0.1:9/"));
    let (outgoing, client) = (kit::outgoing(), kit::client());
    moves(&channel.deliver(&outgoing, &client, NOW));
}
