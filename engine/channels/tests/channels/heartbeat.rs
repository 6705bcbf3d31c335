//! Heartbeats: the whole of the one request. How its answers are judged is tested with every other kind.

use holdfast_channels::{Channel, Heartbeat, Secret, Unfit};

use crate::kit::{self, NOW};
use crate::receiver::Receiver;

#[tokio::test]
async fn a_heartbeat_is_a_mere_request_that_tells_nothing_of_the_notification() {
    let receiver = Receiver::start().await;
    let heartbeat = Heartbeat::new(&receiver.url("/ping/0123?rid=4")).unwrap();
    let channel = Channel::Heartbeat(heartbeat);
    let (client, outgoing) = (kit::client(), kit::hostile());
    let delivered = channel.deliver(&outgoing, &client, NOW);
    let (verdict, request) = kit::meet(delivered, receiver.answer("200 OK", "OK")).await;
    assert_eq!(verdict, Ok(()));
    assert_eq!(request.line, "GET /ping/0123?rid=4 HTTP/1.1");
    let names: Vec<&str> = request.headers.keys().map(String::as_str).collect();
    assert_eq!(names, ["accept", "host", "user-agent"]);
    assert_eq!(request.header("accept"), Some("*/*"));
    assert_eq!(request.body, "");
}

#[test]
fn what_is_no_address_is_refused() {
    let check = |url: &str, expect: Unfit| {
        assert_eq!(Heartbeat::new(&Secret::new(url)).err(), Some(expect));
    };
    check("hc-ping.example.org/0123", Unfit::NotUrl);
    check("ftp://hc-ping.example.org/0123", Unfit::Scheme);
}
