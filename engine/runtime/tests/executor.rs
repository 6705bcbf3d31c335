//! The executor with the real drive and journal, on a disk in memory and with actions made of closures.

#![expect(clippy::excessive_nesting, reason = "actions are closures in the calls that use them")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use holdfast_contract::action::Output;
use holdfast_drive::grants::Limits;
use holdfast_drive::input::Ask;
use holdfast_drive::output::{Refusal, Reply};
use holdfast_journal::query::Page;
use holdfast_kernel::definition::{EffectClass, Finally, Operation, Work, Writes};
use holdfast_kernel::event::{CancelKind, Verdict};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{ItemIndex, Millis, StepIndex};
use holdfast_kernel::payload::Payload;
use holdfast_kernel::state::Mark;
use holdfast_kernel::status::{Outcome, Reason, StepEnd};
use holdfast_kernel::value::Value;
use holdfast_rig::{Plain, Rig, acting, chain, done, fan_out};
use holdfast_runtime::executor::End;
use holdfast_runtime::wake::Want;
use holdfast_simulation::disk::SimulatedDisk;
use tokio::sync::Notify;

fn disk() -> Arc<SimulatedDisk> {
    Arc::new(SimulatedDisk::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_runs_to_its_end_in_order() {
    let seen = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&seen);
    let actions = acting(move |attempt, _| {
        let place = count.fetch_add(1, Ordering::SeqCst);
        async move {
            assert_eq!(attempt.facts().step, format!("s{place}"));
            done()
        }
    });
    let mut rig = Rig::start(disk(), Plain::items(0), actions, Limits::default());
    let run = rig.queue(&chain(20, EffectClass::Pure), "a").await;
    assert_eq!(rig.ended(run).await, Outcome::Succeeded);
    assert_eq!(seen.load(Ordering::SeqCst), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn never_more_attempts_are_in_flight_than_there_are_places() {
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let counters = (Arc::clone(&now), Arc::clone(&most));
    let actions = acting(move |_, _| {
        let (now, most) = (Arc::clone(&counters.0), Arc::clone(&counters.1));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            done()
        }
    });
    let limits = Limits { attempts: 5, ..Limits::default() };
    let mut rig = Rig::start(disk(), Plain::items(200), actions, limits);
    let run = rig.queue(&fan_out(), "a").await;
    assert_eq!(rig.ended(run).await, Outcome::Succeeded);
    let most = most.load(Ordering::SeqCst);
    assert!((1..=5).contains(&most), "{most} at once");
    let record = rig.reader.run(run).unwrap().unwrap();
    assert_eq!(record.counts.succeeded, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_an_action_is_that_attempts_failure_and_no_more() {
    let actions = acting(|_, input| async move {
        assert_ne!(input.item, ItemIndex(1), "item 1 panics");
        done()
    });
    let mut rig = Rig::start(disk(), Plain::items(3), actions, Limits::default());
    let run = rig.queue(&fan_out(), "a").await;
    assert_eq!(rig.ended(run).await, Outcome::Partial);
    let loaded = rig.reader.load(run).unwrap().unwrap();
    let items = &loaded.state.steps[0].items;
    assert_eq!(
        items.not_ok.get(1),
        Some(Mark::FailedInDoubt),
        "a panic leaves the effect in doubt"
    );
    let failure = loaded.state.steps[0].failure.clone().unwrap();
    assert_eq!(failure.class, Class::Permanent);
    assert!(failure.message.contains("item 1 panics"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_outlives_its_timeout_and_grace_is_lost_and_may_not_write() {
    let refused = Arc::new(Notify::new());
    let told = Arc::clone(&refused);
    let actions = acting(move |attempt, _| {
        let told = Arc::clone(&told);
        async move {
            attempt.cancelled().await;
            if attempt.permit().is_err() {
                told.notify_one();
            }
            std::future::pending().await
        }
    });
    let mut definition = chain(1, EffectClass::Once);
    definition.steps[0].timeout = Some(Millis(10));
    let mut rig = Rig::start(disk(), Plain::items(0), actions, Limits::default());
    let run = rig.queue(&definition, "a").await;
    assert_eq!(rig.ended(run).await, Outcome::Failed(Reason::StepFailed));
    refused.notified().await;
    let loaded = rig.reader.load(run).unwrap().unwrap();
    let failure = loaded.state.steps[0].failure.clone().unwrap();
    assert_eq!(failure.class, Class::UnknownEffect, "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_run_timeout_settles_what_is_in_flight_and_ends_the_run() {
    let actions = acting(|attempt, _| async move {
        attempt.cancelled().await;
        Err(Failure::without_effect(Class::Transient, "gave up"))
    });
    let mut definition = chain(2, EffectClass::Idempotent);
    definition.timeout = Millis(20);
    let mut rig = Rig::start(disk(), Plain::items(0), actions, Limits::default());
    let run = rig.queue(&definition, "a").await;
    assert_eq!(rig.ended(run).await, Outcome::Failed(Reason::Timeout));
    let loaded = rig.reader.load(run).unwrap().unwrap();
    assert_eq!(loaded.state.steps[0].phase.end(), Some(StepEnd::Failed));
    let failure = loaded.state.steps[0].failure.clone().unwrap();
    assert!(failure.message.contains("gave up"), "its own end, in its grace: {failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identical_active_run_is_returned_and_not_started_twice() {
    let go = Arc::new(Notify::new());
    let wait = Arc::clone(&go);
    let actions = acting(move |_, _| {
        let wait = Arc::clone(&wait);
        async move {
            wait.notified().await;
            done()
        }
    });
    let mut rig = Rig::start(disk(), Plain::items(0), actions, Limits::default());
    let definition = chain(1, EffectClass::Pure);
    let run = rig.queue(&definition, "same").await;
    assert_eq!(
        rig.submit(&definition, "same").await,
        Reply::Deduplicated { run, definition_differs: false }
    );
    go.notify_one();
    rig.ended(run).await;
    assert!(matches!(rig.submit(&definition, "same").await, Reply::Queued(other) if other != run));
    go.notify_one();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_executor_interrupts_what_runs_and_the_next_one_goes_on() {
    let disk = disk();
    let started = Arc::new(Notify::new());
    let tell = Arc::clone(&started);
    let hanging = acting(move |_, input| {
        let tell = Arc::clone(&tell);
        async move {
            if input.number == 1 && input.item == ItemIndex(2) {
                tell.notify_one();
                return std::future::pending().await;
            }
            done()
        }
    });
    let rig = Rig::start(Arc::clone(&disk) as _, Plain::items(3), hanging, Limits::default());
    let run = rig.queue(&fan_out(), "a").await;
    started.notified().await;
    rig.handle.drain();
    assert_eq!(rig.end.await.unwrap(), End::Drained { interrupted: 1 });
    let again = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&again);
    let finishing = acting(move |_, input| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            assert_eq!(
                (input.item, input.number),
                (ItemIndex(2), 2),
                "only what was cut short is done again"
            );
            done()
        }
    });
    let mut rig = Rig::start(disk, Plain::items(3), finishing, Limits::default());
    assert_eq!(rig.ended(run).await, Outcome::Succeeded);
    assert_eq!(again.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_commit_releases_nothing_and_ends_the_executor() {
    let disk = disk();
    let acted = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&acted);
    let broken = Arc::clone(&disk);
    let actions = acting(move |_, _| {
        if count.fetch_add(1, Ordering::SeqCst) == 2 {
            broken.cut_at(broken.operations() + 1);
        }
        async { done() }
    });
    let rig = Rig::start(disk, Plain::items(0), actions, Limits::default());
    rig.queue(&chain(10, EffectClass::Pure), "a").await;
    let end = rig.end.await.unwrap();
    assert!(
        matches!(&end, End::Failed(reason) if reason.contains("the simulated disk was cut")),
        "{end:?}"
    );
    assert_eq!(acted.load(Ordering::SeqCst), 3, "no attempt starts after the commit that failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_durable_before_the_attempt_goes_on_and_reaches_the_next_one() {
    let actions = acting(|attempt, input| async move {
        match input.note {
            None => {
                attempt.note(input.item, Value::from("halfway")).await?;
                Err(Failure::with_unknown_effect(Class::Transient, "answer lost"))
            }
            Some(note) => Ok(Output::whole(Value::from([("note", note)]))),
        }
    });
    let mut definition = chain(1, EffectClass::Keyed);
    definition.steps[0].retry.attempts = 2;
    definition.steps[0].retry.delay = Millis(1);
    let mut rig = Rig::start(disk(), Plain::items(0), actions, Limits::default());
    let run = rig.queue(&definition, "a").await;
    assert_eq!(rig.ended(run).await, Outcome::Succeeded);
    let loaded = rig.reader.load(run).unwrap().unwrap();
    let expect = Payload::Inline(Value::from([("note", Value::from("halfway"))]));
    assert_eq!(loaded.state.steps[0].output, Some(expect));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_in_doubt_is_resolved_by_a_person_and_retry_finishes_the_run() {
    let actions = acting(|attempt, _| async move {
        if attempt.facts().step == "s0" {
            return Err(Failure::with_unknown_effect(Class::Permanent, "who knows"));
        }
        done()
    });
    let mut rig = Rig::start(disk(), Plain::items(0), actions, Limits::default());
    let run = rig.queue(&chain(2, EffectClass::Once), "a").await;
    assert_eq!(rig.ended(run).await, Outcome::Failed(Reason::StepFailed));
    let by = || "operator".to_owned();
    let place = (StepIndex(0), ItemIndex(0));
    assert_eq!(rig.handle.retry(run, by()).await, Ok(Reply::Refused(Refusal::OnlyUnknown)));
    let verdict = || Verdict::Done(Payload::empty());
    assert_eq!(rig.handle.resolve(run, place, verdict(), by()).await, Ok(Reply::Done));
    let again = rig.handle.resolve(run, place, verdict(), by()).await;
    assert_eq!(again, Ok(Reply::Refused(Refusal::NotUnknown)), "once");
    assert_eq!(rig.handle.retry(run, by()).await, Ok(Reply::Queued(run)));
    assert_eq!(rig.ended(run).await, Outcome::Succeeded);
    let audit = rig.reader.audit(Page { after: None, limit: 9 }).unwrap();
    let told: Vec<&str> = audit.rows.iter().map(|row| row.entry.what.as_str()).collect();
    assert_eq!(told.len(), 2, "each once, and nothing that was refused: {told:?}");
    assert!(told.contains(&"Said that the effect of item 0 of the step `s0` happened."));
    assert!(audit.rows.iter().all(|row| row.entry.by == "operator"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_what_an_attempt_said() {
    let actions = acting(|attempt, _| async move {
        attempt.log("hello");
        done()
    });
    let mut rig = Rig::start(disk(), Plain::items(0), actions, Limits::default());
    let run = rig.queue(&chain(1, EffectClass::Pure), "a").await;
    rig.ended(run).await;
    assert!(rig.logs.read(run).unwrap().contains("s0#1 hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_15_no_attempt_starts_on_a_full_disk_and_work_goes_on_with_space() {
    let disk = disk();
    disk.set_free_space(1);
    let actions = acting(|_, _| async { done() });
    let mut rig = Rig::start(Arc::clone(&disk) as _, Plain::items(0), actions, Limits::default());
    rig.disk_is_low().await;
    let run = rig.queue(&chain(2, EffectClass::Once), "a").await;
    // Where there is space the first attempt starts in the commit that queues the run.
    let loaded = rig.reader.load(run).unwrap().unwrap();
    assert!(loaded.state.in_flight.is_empty(), "an attempt started on a full disk");
    disk.set_free_space(u64::MAX);
    assert_eq!(rig.ended(run).await, Outcome::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_timeout_an_effect_is_in_doubt_whatever_the_action_thinks() {
    let actions = acting(|attempt, _| async move {
        attempt.cancelled().await;
        Err(Failure::without_effect(Class::Transient, "nothing happened"))
    });
    let mut definition = chain(1, EffectClass::Once);
    definition.steps[0].timeout = Some(Millis(10));
    definition.steps[0].retry.attempts = 3;
    let mut rig = Rig::start(disk(), Plain::items(0), actions, Limits::default());
    let run = rig.queue(&definition, "a").await;
    assert_eq!(rig.ended(run).await, Outcome::Failed(Reason::StepFailed));
    let loaded = rig.reader.load(run).unwrap().unwrap();
    assert_eq!(loaded.state.steps[0].items.not_ok.get(0), Some(Mark::Unknown));
    assert_eq!(loaded.state.steps[0].failure.clone().unwrap().class, Class::UnknownEffect);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operation_may_not_write_is_refused_once_more_before_it_is_done() {
    let acted = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&acted);
    let actions = acting(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        async { done() }
    });
    let mut rig = Rig::start(disk(), Plain::items(0), actions, Limits::default());
    let using = |operation, writes, name: &str| {
        let mut definition = chain(1, EffectClass::Idempotent);
        definition.operation = operation;
        if let Work::Action(used) = &mut definition.steps[0].work {
            used.writes = writes;
            used.action = name.to_owned();
        }
        definition
    };
    // What no journal would store is refused, and the executor goes on for everybody else.
    for operation in [Operation::Preview, Operation::Inventory] {
        let reply = rig.submit(&using(operation, Writes::Target, "act"), operation.word()).await;
        assert!(matches!(reply, Reply::Refused(Refusal::Invalid(_))), "{reply:?}");
    }
    for operation in [Operation::Backup, Operation::Maintenance] {
        let applying = using(operation, Writes::Nothing, "plan.apply");
        let run = rig.queue(&applying, operation.word()).await;
        assert_eq!(rig.ended(run).await, Outcome::Failed(Reason::StepFailed));
        let loaded = rig.reader.load(run).unwrap().unwrap();
        let failure = loaded.state.steps[0].failure.clone().unwrap();
        assert_eq!(
            (failure.class, &*failure.message),
            (Class::Invalid, "`plan.apply` belongs to a restore")
        );
    }
    assert_eq!(acted.load(Ordering::SeqCst), 0, "what is refused is not tried");
    let restore = using(Operation::Restore, Writes::Target, "act");
    let run = rig.queue(&restore, "restore").await;
    assert_eq!(rig.ended(run).await, Outcome::Succeeded);
    assert_eq!(acted.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_item_has_attempts_of_its_own_and_a_retry_gives_all_of_them_again() {
    let tried = Arc::new(Mutex::new(BTreeMap::<ItemIndex, u32>::new()));
    let seen = Arc::clone(&tried);
    let actions = acting(move |_, input| {
        *seen.lock().unwrap().entry(input.item).or_default() += 1;
        async { Err(Failure::without_effect(Class::Transient, "not now")) }
    });
    let mut definition = fan_out();
    definition.steps[0].retry.attempts = 2;
    definition.steps[0].retry.delay = Millis(1);
    let mut rig = Rig::start(disk(), Plain::items(2), actions, Limits::default());
    let run = rig.queue(&definition, "a").await;
    assert_eq!(rig.ended(run).await, Outcome::Failed(Reason::StepFailed));
    let each = |times| BTreeMap::from([(ItemIndex(0), times), (ItemIndex(1), times)]);
    assert_eq!(*tried.lock().unwrap(), each(2));
    assert_eq!(rig.handle.retry(run, "operator".to_owned()).await, Ok(Reply::Queued(run)));
    assert_eq!(rig.ended(run).await, Outcome::Failed(Reason::StepFailed));
    assert_eq!(*tried.lock().unwrap(), each(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_run_is_stopped_when_its_time_has_passed() {
    let actions = acting(|attempt, _| async move {
        if attempt.facts().step == "s1" {
            attempt.cancelled().await;
            return Err(Failure::without_effect(Class::Transient, "gave up"));
        }
        done()
    });
    let mut definition = chain(2, EffectClass::Idempotent);
    definition.steps[0].needed_by.clear();
    definition.steps[1].needs.clear();
    definition.finally = Some(Finally { first: StepIndex(1), timeout: Millis(20) });
    let mut rig = Rig::start(disk(), Plain::items(0), actions, Limits::default());
    let run = rig.queue(&definition, "a").await;
    assert_eq!(rig.ended(run).await, Outcome::Failed(Reason::Timeout));
    let loaded = rig.reader.load(run).unwrap().unwrap();
    let ends: Vec<_> = loaded.state.steps.iter().filter_map(|step| step.phase.end()).collect();
    assert_eq!(ends, [StepEnd::Succeeded, StepEnd::Failed]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_waits_for_its_next_attempt_takes_no_place() {
    let first = Arc::new(Notify::new());
    let tell = Arc::clone(&first);
    let actions = acting(move |_, input| {
        let tell = Arc::clone(&tell);
        async move {
            match (input.item.0, input.number) {
                // Long enough that nothing but the other item could end this test.
                (0, 1) => Err(Failure::without_effect(Class::Transient, "not now")),
                (1, _) => {
                    tell.notify_one();
                    done()
                }
                _ => done(),
            }
        }
    });
    let mut definition = fan_out();
    definition.steps[0].retry.attempts = 2;
    definition.steps[0].retry.delay = Millis::seconds(3_000);
    definition.steps[0].retry.max_delay = Millis::seconds(3_000);
    definition.timeout = Millis::seconds(60_000);
    let limits = Limits { attempts: 1, ..Limits::default() };
    let rig = Rig::start(disk(), Plain::items(2), actions, limits);
    rig.queue(&definition, "a").await;
    first.notified().await;
    rig.handle.drain_now();
    assert!(matches!(rig.end.await.unwrap(), End::Drained { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_on_an_item_in_doubt_lets_a_run_that_goes_on_go_on_with_it_at_once() {
    let (held, again) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (wait, tell) = (Arc::clone(&held), Arc::clone(&again));
    let count = AtomicU32::new(0);
    let actions = acting(move |_, input| {
        let (wait, tell) = (Arc::clone(&wait), Arc::clone(&tell));
        let tries = if input.item.0 == 1 { count.fetch_add(1, Ordering::SeqCst) + 1 } else { 1 };
        async move {
            match (input.item.0, tries) {
                (0, _) => wait.notified().await,
                (1, 1) => return Err(Failure::with_unknown_effect(Class::Permanent, "who knows")),
                (1, _) => tell.notify_one(),
                _ => return Err(Failure::with_unknown_effect(Class::Permanent, "who knows")),
            }
            done()
        }
    });
    let mut definition = fan_out();
    if let Work::Action(used) = &mut definition.steps[0].work {
        used.effect = EffectClass::Once;
    }
    let mut rig = Rig::start(disk(), Plain::items(3), actions, Limits::default());
    let run = rig.queue(&definition, "a").await;
    let say = |item, verdict| {
        rig.handle.resolve(run, (StepIndex(0), ItemIndex(item)), verdict, "operator".to_owned())
    };
    // It is asked until the item is in doubt: what is acknowledged happened before.
    while say(1, Verdict::NotDone).await != Ok(Reply::Done) {
        tokio::task::yield_now().await;
    }
    again.notified().await;
    while say(2, Verdict::Done(Payload::empty())).await != Ok(Reply::Done) {
        tokio::task::yield_now().await;
    }
    held.notify_one();
    assert_eq!(rig.ended(run).await, Outcome::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_a_hundred_thousand_items_goes_to_its_end() {
    let actions = acting(|_, _| async { done() });
    let limits = Limits { attempts: 64, ..Limits::default() };
    let mut rig = Rig::start(disk(), Plain::items(100_000), actions, limits);
    let run = rig.queue(&fan_out(), "a").await;
    rig.all_succeeded(BTreeSet::from([run])).await;
    let record = rig.reader.run(run).unwrap().unwrap();
    assert_eq!((record.counts.total, record.counts.succeeded), (100_000, 100_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_cancel_an_effect_is_in_doubt_whatever_the_action_thinks() {
    let started = Arc::new(Notify::new());
    let tell = Arc::clone(&started);
    let actions = acting(move |attempt, _| {
        let tell = Arc::clone(&tell);
        async move {
            tell.notify_one();
            attempt.cancelled().await;
            Err(Failure::without_effect(Class::Transient, "nothing happened"))
        }
    });
    let mut rig = Rig::start(disk(), Plain::items(0), actions, Limits::default());
    let run = rig.queue(&chain(1, EffectClass::Once), "a").await;
    started.notified().await;
    let (ask, by) = (Ask::Cancel(CancelKind::Cancel), "ada".to_owned());
    assert_eq!(rig.handle.ask(Want::Ask { run, ask, by }).await, Ok(Reply::Done));
    assert_eq!(rig.ended(run).await, Outcome::Failed(Reason::Cancelled));
    let loaded = rig.reader.load(run).unwrap().unwrap();
    assert_eq!(loaded.state.steps[0].items.not_ok.get(0), Some(Mark::Unknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_is_for_one_attempt_and_the_next_one_has_its_own() {
    let actions = acting(|attempt, input| async move {
        if input.number < 3 {
            attempt.cancelled().await;
            return Err(Failure::without_effect(Class::Transient, "too slow"));
        }
        done()
    });
    let mut definition = chain(1, EffectClass::Idempotent);
    definition.steps[0].timeout = Some(Millis(10));
    definition.steps[0].retry.attempts = 3;
    definition.steps[0].retry.delay = Millis(1);
    definition.steps[0].retry.when = vec![Class::Timeout];
    let mut rig = Rig::start(disk(), Plain::items(0), actions, Limits::default());
    let run = rig.queue(&definition, "a").await;
    assert_eq!(rig.ended(run).await, Outcome::Succeeded, "two of them took all of their time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_works_on_the_list_as_it_was() {
    let disk = disk();
    let failing =
        acting(|_, _| async { Err(Failure::without_effect(Class::Permanent, "not today")) });
    let mut rig = Rig::start(Arc::clone(&disk) as _, Plain::items(3), failing, Limits::default());
    let run = rig.queue(&fan_out(), "a").await;
    assert_eq!(rig.ended(run).await, Outcome::Failed(Reason::StepFailed));
    rig.handle.drain();
    rig.end.await.unwrap();
    // By now there would be five.
    let actions = acting(|_, _| async { done() });
    let mut rig = Rig::start(disk, Plain::items(5), actions, Limits::default());
    assert_eq!(rig.handle.retry(run, "ada".to_owned()).await, Ok(Reply::Queued(run)));
    assert_eq!(rig.ended(run).await, Outcome::Succeeded);
    let record = rig.reader.run(run).unwrap().unwrap();
    assert_eq!((record.counts.total, record.counts.succeeded), (3, 3));
}
