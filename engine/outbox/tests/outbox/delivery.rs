//! What becomes of messages: delivered once, tried again, put back, given up; and no channel delays another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use holdfast_journal::outbox::{OutboxChange, OutboxRow, Place};
use holdfast_kernel::id::Millis;
use holdfast_outbox::{Pace, Rules};
use holdfast_runtime::clock;
use serde_json::Value;

use crate::desk::Desk;
use crate::kit::rules;
use crate::receiver::{Answer, HAPPY, Receiver};
use crate::scene::{FAST, SLOW, Scene, channel, failing, given_up, in_minutes, is_done};

/// Everything that happens goes to `ops`.
fn to_ops() -> Rules {
    rules("  - { channel: ops }")
}

#[tokio::test]
async fn what_happens_arrives_once_also_if_another_process_goes_on() {
    let mut ops = Receiver::start(|_| HAPPY).await;
    let desk = Desk::new(to_ops(), &[("ops", ops.url())]);
    let scene = Scene::start();
    scene.happens("one").await;
    let first = scene.carry(&desk, FAST);
    scene.happens("two").await;
    let request = ops.next().await;
    assert_eq!(request["id"], "rig-1");
    assert_eq!(request["text"], "one");
    assert_eq!(ops.text().await, "two");
    scene.until("both are stored as delivered", |reader| is_done(reader, "ops")).await;
    let record = channel(&scene.rig.reader, "ops");
    assert!(record.delivered.is_some() && record.failing.is_none(), "{record:?}");
    first.kill().await;
    scene.happens("three").await;
    let _second = scene.carry(&desk, FAST);
    assert_eq!(ops.text().await, "three");
}

#[tokio::test]
async fn what_a_receiver_misses_arrives_once_it_is_back() {
    let is_up = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let answer = move |_: &Value| if up.load(Ordering::SeqCst) { HAPPY } else { Answer::HangUp };
    let mut ops = Receiver::start(answer).await;
    let desk = Desk::new(to_ops(), &[("ops", ops.url())]);
    let scene = Scene::start();
    scene.happens("one").await;
    scene.happens("two").await;
    let _carrying = scene.carry(&desk, FAST);
    let has_failed = |attempts: u32| {
        move |reader: &_| failing(reader, "ops").is_some_and(|now| now.attempts >= attempts)
    };
    scene.until("it has failed often", has_failed(8)).await;
    let record = channel(&scene.rig.reader, "ops");
    assert_eq!((record.waiting, record.given_up, record.delivered), (2, 0, None));
    let error = record.failing.unwrap().error;
    assert!(error.contains("http://127.0.0.1:") && !error.contains("hook"), "{error}");
    is_up.store(true, Ordering::SeqCst);
    scene.until("all of it has arrived", |reader| is_done(reader, "ops")).await;
    let texts = ops.texts();
    assert!(["one", "two"].iter().all(|text| texts.iter().any(|got| got == text)), "{texts:?}");
    let record = channel(&scene.rig.reader, "ops");
    assert_eq!((record.failing, record.given_up), (None, 0));
}

#[tokio::test]
async fn a_channel_that_hangs_delays_no_other() {
    let (mut ops, mut night) =
        (Receiver::start(|_| Answer::Silence).await, Receiver::start(|_| HAPPY).await);
    let both = rules("  - { channel: ops }\n  - { channel: night }");
    let desk = Desk::new(both, &[("ops", ops.url()), ("night", night.url())]);
    let scene = Scene::start();
    let _carrying = scene.carry(&desk, FAST);
    scene.happens("one").await;
    assert_eq!(ops.text().await, "one");
    scene.happens("two").await;
    assert_eq!([night.text().await, night.text().await], ["one", "two"]);
    scene
        .until("it waits for the one that hangs", |reader| channel(reader, "ops").waiting == 2)
        .await;
    assert_eq!(ops.texts(), [""; 0], "one at a time");
}

#[tokio::test]
async fn a_delivery_that_takes_too_long_is_broken_off() {
    let ops = Receiver::start(|_| Answer::Silence).await;
    let desk = Desk::new(to_ops(), &[("ops", ops.url())]);
    let scene = Scene::start();
    let _carrying = scene.carry(&desk, Pace { attempt: Millis(50), ..FAST });
    scene.happens("one").await;
    let is_let_go = |reader: &_| failing(reader, "ops").is_some_and(|now| now.attempts >= 2);
    scene.until("it is broken off, and done again", is_let_go).await;
    assert_eq!(failing(&scene.rig.reader, "ops").unwrap().error, "it takes too long");
}

#[tokio::test]
async fn a_message_that_nobody_takes_does_not_hold_up_the_others() {
    let poisoned = |body: &Value| body["text"] == "poison";
    let answer = move |body: &Value| if poisoned(body) { Answer::Status(500) } else { HAPPY };
    let mut ops = Receiver::start(answer).await;
    let desk = Desk::new(to_ops(), &[("ops", ops.url())]);
    let scene = Scene::start();
    scene.happens("poison").await;
    let _carrying = scene.carry(&desk, FAST);
    let has_failed = |reader: &_| failing(reader, "ops").is_some_and(|now| now.attempts >= 2);
    scene.until("it has failed", has_failed).await;
    for text in ["one", "two"] {
        scene.happens(text).await;
        while ops.text().await != text {}
    }
    scene.until("only it waits", |reader| channel(reader, "ops").waiting == 1).await;
    let row = scene.rig.reader.outbox("ops", 9).unwrap().remove(0);
    assert_eq!(row.place.notification, 1);
    assert!(row.attempts >= 3, "{row:?}");
    assert_eq!(given_up(&scene.rig.reader), [""; 0]);
}

#[tokio::test]
async fn what_a_receiver_refuses_is_given_up_at_once_and_told_elsewhere() {
    let answer = |body: &Value| if body["text"] == "bad" { Answer::Status(400) } else { HAPPY };
    let (mut ops, mut night) = (Receiver::start(answer).await, Receiver::start(|_| HAPPY).await);
    let both = rules("  - { channel: ops }\n  - { on: [channel], channel: night }");
    let desk = Desk::new(both, &[("ops", ops.url()), ("night", night.url())]);
    let scene = Scene::start();
    scene.happens("bad").await;
    scene.happens("good").await;
    let _carrying = scene.carry(&desk, SLOW);
    let told = night.next().await;
    assert_eq!(told["title"], "channel ops: gave up a message");
    let text = told["text"].as_str().unwrap();
    assert!(text.contains("ops") && text.contains("status 400"), "{text}");
    scene.until("nothing waits", |reader| is_done(reader, "ops")).await;
    assert_eq!(ops.texts(), ["bad", "good"], "it is tried once, and is not told of itself");
}

#[tokio::test]
async fn what_does_not_get_through_for_too_long_is_given_up_and_that_is_told_once() {
    let (ops, mut night) =
        (Receiver::start(|_| Answer::HangUp).await, Receiver::start(|_| HAPPY).await);
    let both = rules("  - { channel: ops }\n  - { on: [channel], channel: night }");
    let desk = Desk::new(both, &[("ops", ops.url()), ("night", night.url())]);
    desk.set_give_up_after(Millis(1));
    let scene = Scene::start();
    let _carrying = scene.carry(&desk, FAST);
    scene.happens("one").await;
    let text = night.text().await;
    assert!(text.starts_with("The channel ops has given up a message"), "{text}");
    assert!(text.contains("http://127.0.0.1:") && !text.contains("hook"), "{text}");
    scene.happens("two").await;
    let has_given_up = |reader: &_| {
        let record = channel(reader, "ops");
        (record.waiting, record.given_up) == (0, 2)
    };
    scene.until("both are given up", has_given_up).await;
    assert_eq!(given_up(&scene.rig.reader).len(), 1);
}

#[tokio::test]
async fn a_channel_that_cannot_be_made_is_tried_once_somebody_has_mended_it() {
    let mut ops = Receiver::start(|_| HAPPY).await;
    let desk = Desk::new(to_ops(), &[]);
    let scene = Scene::start();
    let carrying = scene.carry(&desk, SLOW);
    scene.happens("one").await;
    scene.until("it is not there", |reader| failing(reader, "ops").is_some()).await;
    let found = failing(&scene.rig.reader, "ops").unwrap();
    assert_eq!((found.error.as_str(), found.attempts), ("there is no such channel", 1));
    desk.set_url("ops", ops.url());
    carrying.nudge.again();
    assert_eq!(ops.text().await, "one");
}

#[tokio::test]
async fn a_channel_rests_as_long_as_an_earlier_process_has_stored() {
    let (mut ops, mut night) = (Receiver::start(|_| HAPPY).await, Receiver::start(|_| HAPPY).await);
    let to_night = rules("  - { channel: night }");
    let desk = Desk::new(to_night, &[("ops", ops.url()), ("night", night.url())]);
    let scene = Scene::start();
    scene.happens("one").await;
    let place = Place { due: clock::now(), gathered: false, notification: 1 };
    let (name, first_due) = ("ops".to_owned(), place.due);
    let row = OutboxRow { channel: name.clone(), place, first_due, attempts: 0 };
    scene.store(OutboxChange::Routed { through: 1, rows: vec![row] }).await;
    let failed = OutboxChange::Failed {
        channel: name,
        places: vec![place],
        error: "it did not work".to_owned(),
        again: in_minutes(30),
        put_back: None,
    };
    scene.store(failed).await;
    let carrying = scene.carry(&desk, FAST);
    scene.happens("two").await;
    assert_eq!(night.text().await, "two");
    assert_eq!(ops.texts(), [""; 0]);
    assert_eq!(failing(&scene.rig.reader, "ops").unwrap().attempts, 1);
    carrying.nudge.again();
    assert_eq!(ops.text().await, "one");
}

#[tokio::test]
async fn what_is_gathered_goes_out_as_one_message_without_what_is_forgotten() {
    let mut ops = Receiver::start(|_| HAPPY).await;
    let desk = Desk::new(Rules::default(), &[("ops", ops.url())]);
    let scene = Scene::start();
    scene.happens("one").await;
    scene.happens("two").await;
    // There is no third.
    scene.wait_together("ops", &[1, 2, 3]).await;
    let _carrying = scene.carry(&desk, FAST);
    let request = ops.next().await;
    assert_eq!(request["title"], "2 notifications: 2 about schedules");
    let ids: Vec<_> = request["entries"].as_array().unwrap().iter().map(|of| &of["id"]).collect();
    assert_eq!(ids, ["rig-1", "rig-2"]);
    scene.until("nothing waits", |reader| is_done(reader, "ops")).await;
    let told = given_up(&scene.rig.reader);
    assert!(told.len() == 1 && told[0].contains("forgotten"), "{told:?}");
    assert_eq!(ops.texts(), [""; 0]);
}

#[tokio::test]
async fn a_heartbeat_is_nothing_that_a_step_can_send() {
    let name = "heartbeat w:s";
    let mut watcher = Receiver::start(|_| HAPPY).await;
    let desk = Desk::new(Rules::default(), &[(name, watcher.url())]);
    let scene = Scene::start();
    scene.happens("I say so").await;
    scene.wait_together(name, &[1]).await;
    let _carrying = scene.carry(&desk, FAST);
    scene.until("it is given up", |reader| is_done(reader, name)).await;
    assert_eq!(watcher.texts(), [""; 0]);
    assert_eq!(given_up(&scene.rig.reader).len(), 1);
}
