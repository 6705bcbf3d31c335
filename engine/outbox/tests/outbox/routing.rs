//! How far was looked, and when everything is told.

use holdfast_drive::input::{Fires, Tick, Token};
use holdfast_drive::output::Reply;
use holdfast_journal::schedule::{ScheduleChange, ScheduleSpec};
use holdfast_kernel::definition::EffectClass;
use holdfast_kernel::event::Initiator;
use holdfast_kernel::id::Millis;
use holdfast_kernel::tick::{Overlap, Policy, ScheduleName};
use holdfast_outbox::{Rules, heartbeat_channel, settle};
use holdfast_rig::chain;
use holdfast_runtime::wake::Want;
use tokio::time::timeout;

use crate::desk::Desk;
use crate::kit::rules;
use crate::receiver::{Answer, HAPPY, LIMIT, Receiver};
use crate::scene::{Carrying, FAST, SLOW, Scene, channel};

/// Longer than anything here takes.
const LONG: Millis = Millis::seconds(40 * 60);

/// How many messages wait once nothing more can be told.
async fn settled(scene: &Scene, carrying: &Carrying) -> u64 {
    let settled = settle(&scene.rig.reader, &carrying.nudge, LONG);
    timeout(LIMIT, settled).await.unwrap().unwrap()
}

#[tokio::test]
async fn who_ends_waits_until_everything_is_told() {
    let mut ops = Receiver::start(|_| HAPPY).await;
    let desk = Desk::new(rules("  - { channel: ops }"), &[("ops", ops.url())]);
    let scene = Scene::start();
    let carrying = scene.carry(&desk, FAST);
    for number in 0..30 {
        scene.happens(&format!("{number}")).await;
    }
    assert_eq!(settled(&scene, &carrying).await, 0);
    assert_eq!(ops.texts().len(), 30);
    assert_eq!(scene.rig.reader.routed_through().unwrap(), 30);
}

#[tokio::test]
async fn who_ends_waits_for_nothing_that_cannot_be_told_in_time() {
    let ops = Receiver::start(|_| Answer::HangUp).await;
    let notify = "  - { channel: ops }\n  - { channel: night, digest: 24h }";
    let desk = Desk::new(rules(notify), &[("ops", ops.url())]);
    let scene = Scene::start();
    let carrying = scene.carry(&desk, SLOW);
    scene.happens("one").await;
    assert_eq!(settled(&scene, &carrying).await, 2);
    let of = |name| channel(&scene.rig.reader, name);
    assert_eq!((of("ops").waiting, of("night").waiting), (1, 1));
    assert_eq!(of("ops").failing.unwrap().attempts, 1);
    // Where the time is over that is said at once.
    let over = settle(&scene.rig.reader, &carrying.nudge, Millis::ZERO);
    assert_eq!(timeout(LIMIT, over).await.unwrap().unwrap(), 2);
}

#[tokio::test]
async fn what_no_rule_was_for_is_not_told_by_a_rule_that_comes_later() {
    let mut ops = Receiver::start(|_| HAPPY).await;
    let desk = Desk::new(Rules::default(), &[("ops", ops.url())]);
    let scene = Scene::start();
    scene.happens("old").await;
    let first = scene.carry(&desk, FAST);
    assert_eq!(settled(&scene, &first).await, 0);
    assert_eq!(scene.rig.reader.routed_through().unwrap(), 1);
    first.kill().await;
    desk.set_rules(rules("  - { channel: ops }"));
    let _second = scene.carry(&desk, FAST);
    scene.happens("new").await;
    assert_eq!(ops.text().await, "new");
}

#[tokio::test]
async fn rules_that_are_changed_hold_from_the_next_notification_on() {
    let mut ops = Receiver::start(|_| HAPPY).await;
    let desk = Desk::new(Rules::default(), &[("ops", ops.url())]);
    let scene = Scene::start();
    let carrying = scene.carry(&desk, FAST);
    scene.happens("old").await;
    assert_eq!(settled(&scene, &carrying).await, 0);
    desk.set_rules(rules("  - { channel: ops }"));
    carrying.nudge.again();
    scene.happens("new").await;
    assert_eq!(ops.text().await, "new");
}

#[tokio::test]
async fn an_outbox_ends_with_its_executor() {
    let desk = Desk::new(rules("  - { channel: ops }"), &[]);
    let scene = Scene::start();
    let carrying = scene.carry(&desk, SLOW);
    scene.happens("one").await;
    assert_eq!(settled(&scene, &carrying).await, 1);
    scene.rig.handle.drain();
    timeout(LIMIT, carrying.going).await.unwrap().unwrap();
    let over = settle(&scene.rig.reader, &carrying.nudge, LONG);
    assert_eq!(timeout(LIMIT, over).await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn a_success_of_a_schedule_reaches_whoever_waits_for_it() {
    let name = ScheduleName { workflow: "chain".to_owned(), id: "s".to_owned() };
    let mut watcher = Receiver::start(|_| HAPPY).await;
    let heartbeat = heartbeat_channel(&name);
    let desk = Desk::new(Rules::default(), &[(heartbeat.as_str(), watcher.url())]);
    let mut scene = Scene::start();
    let carrying = scene.carry(&desk, FAST);
    let spec = ScheduleSpec {
        name: name.clone(),
        cron: "0 * * * *".to_owned(),
        timezone: "UTC".to_owned(),
        policy: Policy::default(),
        jitter: Millis::ZERO,
        expect_success_within: None,
        accept_partial: false,
    };
    scene.change(ScheduleChange::Seen(Box::new(spec))).await;
    let decided = scene.rig.reader.schedule(&name).unwrap().unwrap().decided;
    let tick = decided.plus(Millis::seconds(3_600));
    let mut submit = scene.rig.submission(&chain(1, EffectClass::Pure), "one");
    let (schedule, overlap, by) = (name.clone(), Overlap::Skip, None);
    submit.request.initiator = Initiator::Tick { schedule, tick, overlap, by };
    let run = submit.request.run;
    let fires = Some(Fires { tick, overlap, submit: Ok(Box::new(submit)) });
    let (schedule, passed, token) = (name.clone(), Vec::new(), Token(0));
    let decide = Tick { schedule, after: decided, passed, fires, token };
    let reply = scene.rig.handle.ask(Want::Tick(Box::new(decide))).await.unwrap();
    assert!(matches!(reply, Reply::Ticked(Some(_))), "{reply:?}");
    scene.rig.ended(run).await;
    let request = watcher.next().await;
    assert_eq!(request["facts"]["status"], "succeeded");
    assert_eq!(request["facts"]["schedule"], name.to_string());
    assert_eq!(settled(&scene, &carrying).await, 0);
    assert!(watcher.texts().is_empty(), "once");
}
