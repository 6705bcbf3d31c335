//! What the journal says of schedules is understood.

use holdfast_contract::records::Level;
use holdfast_journal::record::{Kind, Notification};
use holdfast_journal::schedule::{ScheduleChange, ScheduleSpec, Turn};
use holdfast_kernel::id::Millis;
use holdfast_kernel::tick::Policy;
use holdfast_outbox::Letters;

use crate::kit::{of_schedule, schedule};
use crate::scene::Scene;

fn spec() -> ScheduleSpec {
    ScheduleSpec {
        name: schedule(),
        cron: "0 * * * *".to_owned(),
        timezone: "UTC".to_owned(),
        policy: Policy::default(),
        jitter: Millis::ZERO,
        expect_success_within: None,
        accept_partial: false,
    }
}

#[tokio::test]
async fn what_happens_to_a_schedule_is_told_as_what_it_is() {
    let scene = Scene::start();
    scene.change(ScheduleChange::Seen(Box::new(spec()))).await;
    let reason = "The workflow is lost, and is well again.".to_owned();
    scene.change(ScheduleChange::Broken { schedule: schedule(), reason }).await;
    scene.change(ScheduleChange::Lost(schedule())).await;
    scene.change(ScheduleChange::Seen(Box::new(spec()))).await;
    let notifications = scene.rig.reader.notifications_from(0, 10).unwrap();
    let letters = notifications.iter().map(|of| Letters::default().letter(of, None));
    let told: Vec<(Level, String)> = letters.map(|of| (of.level, of.title)).collect();
    let title = |words: &str| format!("schedule {}: {words}", schedule());
    let expect = [
        (Level::Warning, title("starts nothing")),
        (Level::Error, title("lost")),
        (Level::Info, title("waited for again")),
    ];
    assert_eq!(told, expect);
}

#[test]
fn a_schedule_that_is_well_again_is_good_news() {
    let notification = Notification { turn: Some(Turn::Well), ..of_schedule(Kind::Schedule, "a") };
    let letter = Letters::default().letter(&notification, None);
    let title = format!("schedule {}: well again", schedule());
    assert_eq!((letter.level, letter.title), (Level::Info, title));
}
