//! Ticks at the door of the executor: what is decided is decided once, and nothing stands in the journal without its
//! run.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use holdfast_drive::grants::Limits;
use holdfast_drive::input::{Fires, Tick, Token};
use holdfast_drive::output::{Refusal, Reply};
use holdfast_journal::query::Page;
use holdfast_journal::retain::Forgotten;
use holdfast_journal::schedule::{ScheduleChange, ScheduleSpec, Trouble};
use holdfast_kernel::definition::EffectClass;
use holdfast_kernel::event::Initiator;
use holdfast_kernel::id::{Instant, Millis, RunId};
use holdfast_kernel::status::RunStatus;
use holdfast_kernel::tick::{Decided, Overlap, Policy, ScheduleName, Skipped, TickDecision};
use holdfast_rig::{Plain, Rig, acting, chain, done};
use holdfast_runtime::executor::End;
use holdfast_runtime::wake::Want;
use holdfast_simulation::disk::SimulatedDisk;
use tokio::sync::Notify;

fn name() -> ScheduleName {
    ScheduleName { workflow: "w".to_owned(), id: "s".to_owned() }
}

fn spec() -> ScheduleSpec {
    ScheduleSpec {
        name: name(),
        cron: "0 * * * *".to_owned(),
        timezone: "UTC".to_owned(),
        policy: Policy::default(),
        jitter: Millis::ZERO,
        expect_success_within: None,
        accept_partial: false,
    }
}

async fn change(rig: &Rig, change: ScheduleChange) -> Reply {
    let want = Want::Schedule { change: Box::new(change), by: "tester".to_owned() };
    rig.handle.ask(want).await.unwrap()
}

/// A rig that has seen the schedule, and the last tick that counts as decided.
async fn seen() -> (Rig, Instant) {
    let registry = acting(|_, _| async { done() });
    let disk = Arc::new(SimulatedDisk::new());
    let rig = Rig::start(disk, Plain::items(1), registry, Limits::default());
    assert_eq!(change(&rig, ScheduleChange::Seen(Box::new(spec()))).await, Reply::Done);
    let decided = rig.reader.schedule(&name()).unwrap().unwrap().decided;
    (rig, decided)
}

fn later(at: Instant, hours: u64) -> Instant {
    at.plus(Millis::seconds(hours * 3_600))
}

async fn tick(rig: &Rig, after: Instant, at: Instant, request: Result<&str, &str>) -> Reply {
    let submit = match request {
        Ok(request) => {
            let mut submit = rig.submission(&chain(1, EffectClass::Pure), request);
            let overlap = Overlap::Skip;
            submit.request.initiator =
                Initiator::Tick { schedule: name(), tick: at, overlap, by: None };
            Ok(Box::new(submit))
        }
        Err(reason) => Err(reason.to_owned()),
    };
    let fires = Some(Fires { tick: at, overlap: Overlap::Skip, submit });
    let passed = Vec::new();
    let tick = Tick { schedule: name(), after, passed, fires, token: Token(0) };
    rig.handle.ask(Want::Tick(Box::new(tick))).await.unwrap()
}

fn fired(reply: Reply) -> RunId {
    let Reply::Ticked(Some(TickDecision::Fired(run))) = reply else { panic!("{reply:?}") };
    run
}

#[tokio::test]
async fn inv_12_who_decides_from_an_older_tick_than_the_last_is_refused() {
    let (mut rig, first) = seen().await;
    let run = fired(tick(&rig, first, later(first, 1), Ok("one")).await);
    rig.ended(run).await;
    // The same again, as a second scheduler would, or one that did not hear the reply.
    let again = tick(&rig, first, later(first, 1), Ok("two")).await;
    assert_eq!(again, Reply::Refused(Refusal::Decided));
    fired(tick(&rig, later(first, 1), later(first, 2), Ok("three")).await);
    let nobody = ScheduleName { workflow: "w".to_owned(), id: "other".to_owned() };
    let unknown = change(&rig, ScheduleChange::Late(nobody)).await;
    assert_eq!(unknown, Reply::Refused(Refusal::NoSuchSchedule));
    // Ticks come with their runs and in no other way.
    let decided = vec![Decided::one(later(first, 9), TickDecision::Missed)];
    let alone = change(&rig, ScheduleChange::Decided { schedule: name(), decided }).await;
    assert!(matches!(alone, Reply::Refused(Refusal::Invalid(_))), "{alone:?}");
}

#[tokio::test]
async fn a_tick_that_starts_nothing_says_why_and_is_decided_too() {
    let (rig, first) = seen().await;
    let active = rig.queue(&chain(1, EffectClass::Pure), "somebody").await;
    let skipped = |skipped| Reply::Ticked(Some(TickDecision::Skipped(skipped)));
    // The very same request is active, or was when it was asked for.
    match tick(&rig, first, later(first, 1), Ok("somebody")).await {
        Reply::Ticked(Some(TickDecision::Skipped(Skipped::Overlap(run)))) => {
            assert_eq!(run, active);
        }
        Reply::Ticked(Some(TickDecision::Fired(_))) => {}
        reply => panic!("{reply:?}"),
    }
    let second = tick(&rig, later(first, 1), later(first, 2), Err("It is broken.")).await;
    assert_eq!(second, skipped(Skipped::Definition("It is broken.".to_owned())));
    change(&rig, ScheduleChange::Paused { schedule: None, by: "tester".to_owned() }).await;
    let third = tick(&rig, later(first, 2), later(first, 3), Ok("three")).await;
    assert_eq!(third, skipped(Skipped::Paused));
    assert_eq!(rig.reader.schedule(&name()).unwrap().unwrap().decided, later(first, 3));
}

#[tokio::test]
async fn what_is_wrong_with_a_schedule_is_told_once_until_it_is_right() {
    let (mut rig, first) = seen().await;
    let broken = || ScheduleChange::Broken { schedule: name(), reason: "It is.".to_owned() };
    for change_of in
        [broken(), broken(), ScheduleChange::Lost(name()), ScheduleChange::Lost(name())]
    {
        assert_eq!(change(&rig, change_of).await, Reply::Done);
    }
    let record = rig.reader.schedule(&name()).unwrap().unwrap();
    assert!(matches!(record.trouble, Some(Trouble::Lost { .. })), "{record:?}");
    change(&rig, ScheduleChange::Seen(Box::new(spec()))).await;
    let run = fired(tick(&rig, first, later(first, 1), Ok("one")).await);
    rig.ended(run).await;
    let record = rig.reader.schedule(&name()).unwrap().unwrap();
    assert_eq!(record.trouble, None);
    assert_eq!(record.last_run, Some(run));
    assert_eq!(record.last_end.map(|(status, _)| status), Some(RunStatus::Succeeded));
    let page = Page { after: None, limit: 100 };
    let notes = rig.reader.notifications(page).unwrap().rows;
    let of_schedule: Vec<_> = notes.iter().filter(|note| note.run.is_none()).collect();
    // Broken, lost, and waited for again.
    assert_eq!(of_schedule.len(), 3, "{of_schedule:#?}");
    // Another pattern is seen for the first time: what was due of the old one is none of it.
    let other = ScheduleSpec { cron: "30 * * * *".to_owned(), ..spec() };
    change(&rig, ScheduleChange::Seen(Box::new(other))).await;
    let seen = rig.reader.schedule(&name()).unwrap().unwrap();
    assert!(seen.decided >= record.decided && seen.first_seen > record.first_seen);
}

#[tokio::test]
async fn no_tick_is_decided_while_the_executor_drains_and_the_next_one_finds_it_due() {
    let disk = Arc::new(SimulatedDisk::new());
    let started = Arc::new(Notify::new());
    let tell = Arc::clone(&started);
    let hanging = acting(move |_, _| {
        tell.notify_one();
        std::future::pending()
    });
    let rig = Rig::start(Arc::clone(&disk) as _, Plain::items(1), hanging, Limits::default());
    change(&rig, ScheduleChange::Seen(Box::new(spec()))).await;
    let first = rig.reader.schedule(&name()).unwrap().unwrap().decided;
    rig.queue(&chain(1, EffectClass::Pure), "somebody").await;
    started.notified().await;
    rig.handle.drain();
    let refused = tick(&rig, first, later(first, 1), Ok("one")).await;
    assert_eq!(refused, Reply::Refused(Refusal::Draining));
    assert_eq!(rig.reader.schedule(&name()).unwrap().unwrap().decided, first);
    assert_eq!(rig.end.await.unwrap(), End::Drained { interrupted: 1 });
    let rig = Rig::start(disk, Plain::items(1), acting(|_, _| async { done() }), Limits::default());
    assert_eq!(rig.reader.schedule(&name()).unwrap().unwrap().decided, first);
    fired(tick(&rig, first, later(first, 1), Ok("one")).await);
}

#[tokio::test]
async fn a_schedule_that_was_paused_while_its_tick_was_prepared_starts_nothing() {
    let (rig, first) = seen().await;
    let (schedule, by) = (Some(name()), "ann".to_owned());
    let pause = ScheduleChange::Paused { schedule: schedule.clone(), by: by.clone() };
    assert_eq!(change(&rig, pause).await, Reply::Done);
    let skipped = Reply::Ticked(Some(TickDecision::Skipped(Skipped::Paused)));
    assert_eq!(tick(&rig, first, later(first, 1), Ok("one")).await, skipped);
    // Another pattern is no end of it.
    let other = ScheduleSpec { cron: "30 * * * *".to_owned(), ..spec() };
    assert_eq!(change(&rig, ScheduleChange::Seen(Box::new(other))).await, Reply::Done);
    let decided = rig.reader.schedule(&name()).unwrap().unwrap().decided;
    assert_eq!(tick(&rig, decided, later(decided, 1), Ok("two")).await, skipped);
    assert_eq!(change(&rig, ScheduleChange::Unpaused { schedule, by }).await, Reply::Done);
    fired(tick(&rig, later(decided, 1), later(decided, 2), Ok("three")).await);
}

#[tokio::test]
async fn an_unpause_too_many_is_no_longer_pause() {
    let (rig, _) = seen().await;
    let (schedule, by) = (Some(name()), "ann".to_owned());
    let pause = ScheduleChange::Paused { schedule: schedule.clone(), by: by.clone() };
    let unpause = ScheduleChange::Unpaused { schedule, by };
    for change_of in [pause, unpause.clone()] {
        assert_eq!(change(&rig, change_of).await, Reply::Done);
    }
    let paused = || rig.reader.schedule(&name()).unwrap().unwrap().paused.unwrap();
    let before = paused();
    assert!(!before.lasts());
    // A record of its own comes later than the one before.
    rig.queue(&chain(1, EffectClass::Pure), "somebody").await;
    assert_eq!(change(&rig, unpause).await, Reply::Done);
    assert_eq!(paused(), before);
}

#[tokio::test]
async fn old_ticks_are_forgotten_through_the_executor() {
    let (rig, first) = seen().await;
    fired(tick(&rig, first, later(first, 1), Ok("one")).await);
    let end = Instant(i64::MAX / 2);
    assert!(rig.reader.has_ticks_before(end).unwrap());
    let forgotten = Forgotten { ticks_before: Some(end), ..Forgotten::default() };
    let want = Want::Forget { forgotten, by: "tester".to_owned() };
    assert_eq!(rig.handle.ask(want).await.unwrap(), Reply::Done);
    assert!(!rig.reader.has_ticks_before(end).unwrap());
    let audit = rig.reader.audit(Page { after: None, limit: 1 }).unwrap();
    assert_eq!(audit.rows[0].entry.what, "Let old ticks be forgotten.");
}

#[tokio::test]
async fn what_cannot_run_does_not_hide_that_a_schedule_is_lost() {
    let (rig, _) = seen().await;
    assert_eq!(change(&rig, ScheduleChange::Lost(name())).await, Reply::Done);
    let broken = ScheduleChange::Broken { schedule: name(), reason: "late look".to_owned() };
    assert_eq!(change(&rig, broken).await, Reply::Done);
    let trouble = rig.reader.schedule(&name()).unwrap().unwrap().trouble;
    assert!(matches!(trouble, Some(Trouble::Lost { .. })), "{trouble:?}");
}

#[tokio::test]
async fn whatever_the_order_of_ticks_drive_and_journal_go_on_from_the_same_one() {
    let (rig, first) = seen().await;
    let passed = vec![Decided::one(later(first, 2), TickDecision::Missed)];
    let submit = Err("It is broken.".to_owned());
    let fires = Some(Fires { tick: later(first, 1), overlap: Overlap::Skip, submit });
    let ticks = Tick { schedule: name(), after: first, passed, fires, token: Token(0) };
    let reply = rig.handle.ask(Want::Tick(Box::new(ticks))).await.unwrap();
    assert!(matches!(reply, Reply::Ticked(Some(_))), "{reply:?}");
    let decided = rig.reader.schedule(&name()).unwrap().unwrap().decided;
    assert_eq!(decided, later(first, 2));
    fired(tick(&rig, decided, later(first, 3), Ok("three")).await);
}

#[tokio::test]
async fn whoever_pauses_what_is_paused_does_not_let_its_pause_begin_anew() {
    let (rig, _) = seen().await;
    let paused = || rig.reader.schedule(&name()).unwrap().unwrap().paused.unwrap();
    let pause = |by: &str| ScheduleChange::Paused { schedule: Some(name()), by: by.to_owned() };
    assert_eq!(change(&rig, pause("ann")).await, Reply::Done);
    let before = paused();
    rig.queue(&chain(1, EffectClass::Pure), "somebody").await;
    assert_eq!(change(&rig, pause("bob")).await, Reply::Done);
    assert_eq!(paused(), before);
}

#[tokio::test]
async fn a_run_is_in_the_way_until_it_has_ended() {
    let go = Arc::new(Notify::new());
    let waits = Arc::clone(&go);
    let waiting = acting(move |_, _| {
        let waits = Arc::clone(&waits);
        async move {
            waits.notified().await;
            done()
        }
    });
    let disk = Arc::new(SimulatedDisk::new());
    let mut rig = Rig::start(disk, Plain::items(1), waiting, Limits::default());
    change(&rig, ScheduleChange::Seen(Box::new(spec()))).await;
    let first = rig.reader.schedule(&name()).unwrap().unwrap().decided;
    let run = fired(tick(&rig, first, later(first, 1), Ok("one")).await);
    let skipped = TickDecision::Skipped(Skipped::Overlap(run));
    let second = tick(&rig, later(first, 1), later(first, 2), Ok("two")).await;
    assert_eq!(second, Reply::Ticked(Some(skipped)));
    go.notify_one();
    rig.ended(run).await;
    fired(tick(&rig, later(first, 2), later(first, 3), Ok("three")).await);
}

#[tokio::test]
async fn what_was_mended_says_nothing_of_a_file_that_is_gone() {
    let (rig, _) = seen().await;
    for change_of in [ScheduleChange::Lost(name()), ScheduleChange::Mended(name())] {
        assert_eq!(change(&rig, change_of).await, Reply::Done);
    }
    let trouble = rig.reader.schedule(&name()).unwrap().unwrap().trouble;
    assert!(matches!(trouble, Some(Trouble::Lost { .. })), "{trouble:?}");
}
