//! What every kind of channel has in common that makes requests: what an answer means, and what is said of none.

use holdfast_channels::Undelivered;

use crate::kit::{self, NOW, failed, later};
use crate::receiver::Receiver;

async fn check(head: &str, expect: Result<(), Undelivered>) {
    let receiver = Receiver::start().await;
    let (client, outgoing) = (kit::client(), kit::outgoing());
    for channel in kit::every_kind(&receiver.place()) {
        let delivered = channel.deliver(&outgoing, &client, NOW);
        let (verdict, _) = kit::meet(delivered, receiver.answer(head, "so")).await;
        assert_eq!(verdict, expect, "{channel:?}");
    }
}

#[tokio::test]
async fn every_kind_hears_what_a_receiver_says() {
    check("200 OK", Ok(())).await;
    check("500 Broken", failed("the receiver answers with status 500: so")).await;
    let slowly = later(7, "the receiver answers with status 429: so");
    check("429 Slowly\r\nRetry-After: 7", slowly).await;
}

#[tokio::test]
async fn no_kind_follows_a_redirect() {
    let elsewhere = Receiver::start().await;
    let head = format!("302 Found\r\nLocation: {}/", elsewhere.place());
    let expect = "the receiver answers with a redirect (status 302); give the address it leads to";
    check(&head, failed(expect)).await;
}

#[tokio::test]
async fn every_kind_gives_up_who_never_answers() {
    let receiver = Receiver::start().await;
    let (client, outgoing) = (kit::impatient(), kit::outgoing());
    for channel in kit::every_kind(&receiver.place()) {
        let delivered = channel.deliver(&outgoing, &client, NOW);
        let verdict = kit::outlast(delivered, receiver.blurt("")).await;
        let expect = format!("{} does not answer in time", receiver.place());
        assert_eq!(verdict, failed(&expect), "{channel:?}");
    }
}

#[tokio::test]
async fn every_kind_says_that_a_name_does_not_resolve() {
    let (client, outgoing) = (kit::client(), kit::outgoing());
    for channel in kit::every_kind("https://nobody.invalid") {
        let verdict = kit::within(channel.deliver(&outgoing, &client, NOW)).await;
        let expect = failed("the name of https://nobody.invalid does not resolve");
        assert_eq!(verdict, expect, "{channel:?}");
    }
}
