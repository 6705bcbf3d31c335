//! The scheduler beside a real executor: nothing that hangs, panics, is old, forgotten or ahead of the clock makes it
//! silent about a schedule.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use holdfast_calendar::cron::Cron;
use holdfast_calendar::ticks::Calendar;
use holdfast_calendar::zone::Zone;
use holdfast_drive::grants::Limits;
use holdfast_drive::input::Submit;
use holdfast_drive::output::Reply;
use holdfast_journal::commit::Batch;
use holdfast_journal::database::Check;
use holdfast_journal::query::Page;
use holdfast_journal::resume::open;
use holdfast_journal::schedule::{ScheduleChange, ScheduleRecord, ScheduleSpec, Trouble};
use holdfast_kernel::definition::EffectClass;
use holdfast_kernel::event::Initiator;
use holdfast_kernel::id::{Instant, Millis};
use holdfast_kernel::tick::{Overlap, Policy, ScheduleName};
use holdfast_rig::{Plain, Rig, acting, chain, done};
use holdfast_runtime::clock;
use holdfast_runtime::feed::News;
use holdfast_runtime::schedule::{Patience, Planned, Plans, Requests, Scheduler};
use holdfast_runtime::tasks;
use holdfast_runtime::wake::Want;
use holdfast_simulation::disk::SimulatedDisk;
use tokio::sync::broadcast::Receiver;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// After this long something is wrong.
const LONGEST: Duration = Duration::from_mins(1);

const PATIENCE: Patience = Patience { request: Millis(50), nap: Millis(10) };

const HOUR: i64 = 60 * MINUTE;
const MINUTE: i64 = 60_000_000;

fn name(id: &str) -> ScheduleName {
    ScheduleName { workflow: "w".to_owned(), id: id.to_owned() }
}

/// A minute of the hour, so many after the one that it is.
fn minute(after: i64) -> i64 {
    (clock::now().0 / MINUTE + after) % 60
}

/// With a tick each hour, at this minute.
fn spec(id: &str, minute: i64) -> ScheduleSpec {
    ScheduleSpec {
        name: name(id),
        cron: format!("{minute} * * * *"),
        timezone: "UTC".to_owned(),
        policy: Policy::default(),
        jitter: Millis::ZERO,
        expect_success_within: Some(Millis::seconds(60)),
        accept_partial: false,
    }
}

/// Three hours ago: of each hour since there is a tick that is due.
fn long_ago() -> Instant {
    Instant(clock::now().0 - 3 * HOUR)
}

/// A disk with a state in which these changes are stored since an instant.
fn stored(at: Instant, changes: Vec<ScheduleChange>) -> Arc<SimulatedDisk> {
    let disk = Arc::new(SimulatedDisk::new());
    let mut opened = open(Arc::clone(&disk) as _, "rig", Check::Quick).unwrap();
    let mut batch = Batch::new(opened.writer.next_sequence(), at);
    batch.schedules = changes;
    opened.writer.commit(batch).unwrap();
    disk
}

fn seen(spec: &ScheduleSpec) -> ScheduleChange {
    ScheduleChange::Seen(Box::new(spec.clone()))
}

/// An executor, and what it has stored of schedules.
struct Scene {
    rig: Rig,
    news: Receiver<News>,
    changes: Vec<ScheduleChange>,
}

impl Scene {
    fn start(disk: Arc<SimulatedDisk>) -> Self {
        let registry = acting(|_, _| async { done() });
        let rig = Rig::start(disk, Plain::items(1), registry, Limits::default());
        let news = rig.handle.watch();
        Self { rig, news, changes: Vec::new() }
    }

    /// Starts a scheduler.
    fn wait_for(&self, requests: Arc<dyn Requests>, specs: &[ScheduleSpec]) -> Plans {
        let (handle, reader) = (self.rig.handle.clone(), self.rig.reader.clone());
        let (scheduler, plans) = Scheduler::new(handle, reader, requests);
        tasks::spawn(scheduler.with_patience(PATIENCE).run());
        plans.set(specs.iter().map(planned).collect());
        plans
    }

    /// Waits until enough is stored.
    async fn until(&mut self, is_enough: impl Fn(&[ScheduleChange]) -> bool) {
        let stored = async {
            while !is_enough(&self.changes) {
                let news = self.news.recv().await.unwrap();
                self.changes.extend(changed(&news));
            }
        };
        timeout(LONGEST, stored).await.unwrap();
    }

    async fn change(&self, change: ScheduleChange) {
        let want = Want::Schedule { change: Box::new(change), by: "tester".to_owned() };
        assert_eq!(self.rig.handle.ask(want).await.unwrap(), Reply::Done);
    }

    fn record(&self, id: &str) -> ScheduleRecord {
        self.rig.reader.schedule(&name(id)).unwrap().unwrap()
    }

    /// What people were told.
    fn told(&self) -> Vec<String> {
        let page = Page { after: None, limit: 100 };
        let notifications = self.rig.reader.notifications(page).unwrap().rows;
        notifications.into_iter().map(|notification| notification.text).collect()
    }
}

/// What was stored of schedules.
fn changed(news: &News) -> Vec<ScheduleChange> {
    if let News::Committed(batch) = news { batch.schedules.clone() } else { Vec::new() }
}

fn planned(spec: &ScheduleSpec) -> Planned {
    let cron = Cron::parse(&spec.cron).unwrap();
    let zone = Zone::named(&spec.timezone).unwrap();
    Planned { spec: spec.clone(), calendar: Calendar { cron, zone } }
}

/// The schedules of which ticks were decided.
fn decided(changes: &[ScheduleChange]) -> BTreeSet<&ScheduleName> {
    let decided = changes.iter().filter_map(|change| match change {
        ScheduleChange::Decided { schedule, .. } => Some(schedule),
        _ => None,
    });
    decided.collect()
}

/// The schedules that are late.
fn late(changes: &[ScheduleChange]) -> BTreeSet<&ScheduleName> {
    let late = changes.iter().filter_map(|change| match change {
        ScheduleChange::Late(schedule) => Some(schedule),
        _ => None,
    });
    late.collect()
}

/// No run can be made of any workflow; for those whose id begins with `hangs` that is known once the door is open.
struct Closed {
    is_open: Mutex<bool>,
    opens: Condvar,
    begun: UnboundedSender<ScheduleName>,
}

impl Requests for Closed {
    fn request(&self, schedule: &ScheduleName, _: Instant) -> Result<Submit, String> {
        self.begun.send(schedule.clone()).unwrap_or_default();
        if schedule.id.starts_with("hangs") {
            let is_open = self.is_open.lock().unwrap_or_else(PoisonError::into_inner);
            let opened = self.opens.wait_while(is_open, |is_open| !*is_open);
            drop(opened.unwrap_or_else(PoisonError::into_inner));
        }
        Err("No run is made here.".to_owned())
    }
}

/// Opens the door at the end in any case: a thread that hangs would keep the test from ending.
struct Opens(Arc<Closed>);

impl Drop for Opens {
    fn drop(&mut self) {
        *self.0.is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.opens.notify_all();
    }
}

#[tokio::test]
async fn requests_that_hang_keep_no_other_schedule_from_its_turn_and_hide_no_lateness() {
    let ids: Vec<String> = (0..20).map(|number| format!("hangs{number:02}")).collect();
    // It is looked after last.
    let ids = ids.iter().map(String::as_str).chain(["other"]);
    let specs: Vec<ScheduleSpec> = ids.map(|id| spec(id, minute(30))).collect();
    let mut scene = Scene::start(stored(long_ago(), specs.iter().map(seen).collect()));
    let (begun, mut asked) = unbounded_channel();
    let closed = Closed { is_open: Mutex::new(false), opens: Condvar::new(), begun };
    let closed = Arc::new(closed);
    let opens = Opens(Arc::clone(&closed));
    let plans = scene.wait_for(closed, &specs);
    let other = name("other");
    scene.until(|changes| decided(changes).contains(&other)).await;
    scene.until(|changes| late(changes).len() == 21).await;
    assert_eq!(decided(&scene.changes).len(), 1, "all others hang");
    // Those that hang are not asked for once more.
    plans.set(specs.iter().map(planned).collect());
    drop(opens);
    scene.until(|changes| decided(changes).len() == 21).await;
    let mut asked_for = Vec::new();
    while let Ok(name) = asked.try_recv() {
        asked_for.push(name);
    }
    asked_for.sort_unstable();
    assert_eq!(asked_for, specs.into_iter().map(|spec| spec.name).collect::<Vec<_>>());
}

/// Panics when it is asked for the first time.
#[derive(Default)]
struct Panics(Mutex<u32>);

impl Requests for Panics {
    fn request(&self, schedule: &ScheduleName, _: Instant) -> Result<Submit, String> {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *asked += 1;
        assert!(*asked > 1, "the request of {schedule} panics");
        Err("No run is made here.".to_owned())
    }
}

#[tokio::test]
async fn a_request_that_panics_is_made_once_more() {
    let spec = spec("s", minute(30));
    let mut scene = Scene::start(stored(long_ago(), vec![seen(&spec)]));
    let _plans = scene.wait_for(Arc::new(Panics::default()), &[spec]);
    scene.until(|changes| !decided(changes).is_empty()).await;
}

/// Gives the one request that there is.
struct Once(Mutex<Option<Submit>>);

impl Once {
    fn of(scene: &Scene, schedule: &ScheduleSpec) -> Arc<Self> {
        let mut submit = scene.rig.submission(&chain(1, EffectClass::Pure), "one");
        let (schedule, tick, overlap) = (schedule.name.clone(), long_ago(), Overlap::Skip);
        submit.request.initiator = Initiator::Tick { schedule, tick, overlap, by: None };
        Arc::new(Self(Mutex::new(Some(submit))))
    }
}

impl Requests for Once {
    fn request(&self, _: &ScheduleName, _: Instant) -> Result<Submit, String> {
        let mut only = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        only.take().ok_or_else(|| "There is no other run.".to_owned())
    }
}

#[tokio::test]
async fn a_look_by_a_plan_that_is_old_decides_nothing() {
    let (at, before) = (minute(30), minute(20));
    let (new, old) = (spec("s", at), spec("s", before));
    let mut scene = Scene::start(stored(long_ago(), vec![seen(&new)]));
    let plans = scene.wait_for(Once::of(&scene, &new), &[old]);
    // The look by the old plan begins first.
    plans.set(vec![planned(&new)]);
    scene.until(|changes| !decided(changes).is_empty()).await;
    for change in &scene.changes {
        if let ScheduleChange::Decided { decided, .. } = change {
            let mut minutes = decided.iter().map(|ticks| ticks.last.0 / MINUTE % 60);
            assert!(minutes.all(|minute| minute == at), "{decided:?}");
        }
    }
}

#[tokio::test]
async fn a_tick_that_fires_ends_the_trouble_and_says_nothing_of_the_file() {
    let spec = spec("s", minute(30));
    let (schedule, reason) = (spec.name.clone(), "It is broken.".to_owned());
    let broken = ScheduleChange::Broken { schedule, reason };
    let mut scene = Scene::start(stored(long_ago(), vec![seen(&spec), broken]));
    let _plans = scene.wait_for(Once::of(&scene, &spec), &[spec]);
    scene.until(|changes| changes.contains(&ScheduleChange::Mended(name("s")))).await;
    assert_eq!(scene.record("s").trouble, None);
    let is_of_file = |change: &ScheduleChange| matches!(change, ScheduleChange::Seen(_));
    assert!(!scene.changes.iter().any(is_of_file), "{:?}", scene.changes);
    let told = scene.told();
    assert!(told.contains(&"The schedule w:s is waited for again.".to_owned()), "{told:?}");
}

#[tokio::test]
async fn a_schedule_whose_ticks_were_decided_while_the_clock_was_ahead_says_so_and_begins_anew() {
    let spec = spec("s", minute(30));
    let ahead = Instant(clock::now().0 + 24 * 365 * HOUR);
    let mut scene = Scene::start(stored(ahead, vec![seen(&spec)]));
    let _plans = scene.wait_for(Once::of(&scene, &spec), &[spec]);
    let told = ScheduleChange::Ahead { schedule: name("s"), decided: ahead };
    scene.until(|changes| changes.contains(&told)).await;
    let trouble = scene.record("s").trouble;
    assert!(matches!(trouble, Some(Trouble::Ahead { decided, .. }) if decided == ahead));
    // A file that is read again, and a look that was slow, change nothing of it and tell nobody again.
    let schedule = name("s");
    let reason = "It is broken.".to_owned();
    for change in [told, ScheduleChange::Broken { schedule, reason }, seen(&scene.record("s").spec)]
    {
        scene.change(change).await;
    }
    assert!(matches!(scene.record("s").trouble, Some(Trouble::Ahead { .. })));
    let notes = scene.told();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("`holdfast schedules forget w:s`"), "{notes:?}");
    // What it says is so, although the journal's instants stay ahead.
    scene.change(ScheduleChange::Forgotten(name("s"))).await;
    let is_anew = |change: &ScheduleChange| matches!(change, ScheduleChange::Begun { .. });
    scene.until(|changes| changes.iter().any(is_anew)).await;
    let record = scene.record("s");
    assert!(record.decided <= clock::now() && record.first_seen == record.decided, "{record:?}");
    assert_eq!(record.trouble, None);
    // It is late in its time, too, and not in a year.
    assert!(record.deadline().is_some_and(|deadline| deadline < ahead));
}

#[tokio::test]
async fn a_file_that_is_read_after_its_schedule_was_forgotten_begins_by_the_clock() {
    let spec = spec("s", minute(30));
    let ahead = Instant(clock::now().0 + 24 * 365 * HOUR);
    let scene = Scene::start(stored(ahead, vec![seen(&spec)]));
    assert_eq!(scene.record("s").decided, ahead);
    scene.change(ScheduleChange::Forgotten(name("s"))).await;
    scene.change(seen(&spec)).await;
    let record = scene.record("s");
    assert!(record.decided <= clock::now(), "{record:?}");
    // In another pattern no tick is decided twice; who still decides from the former one is refused.
    let other = ScheduleSpec { cron: "0 0 1 1 *".to_owned(), ..spec };
    scene.change(seen(&other)).await;
    let anew = scene.record("s");
    assert!(record.decided < anew.decided && anew.decided <= clock::now(), "{anew:?}");
}

#[tokio::test]
async fn a_clock_that_has_come_to_where_ticks_are_decided_is_told() {
    let spec = spec("s", minute(30));
    let (schedule, decided) = (spec.name.clone(), long_ago());
    let ahead = ScheduleChange::Ahead { schedule, decided };
    let mut scene = Scene::start(stored(decided, vec![seen(&spec), ahead]));
    let _plans = scene.wait_for(Once::of(&scene, &spec), &[spec]);
    scene.until(|changes| changes.contains(&ScheduleChange::Mended(name("s")))).await;
    assert_eq!(scene.record("s").trouble, None);
}

#[tokio::test]
async fn a_schedule_that_is_planned_and_was_forgotten_is_seen_again() {
    let spec = spec("s", minute(30));
    let mut scene = Scene::start(stored(long_ago(), Vec::new()));
    let _plans = scene.wait_for(Once::of(&scene, &spec), std::slice::from_ref(&spec));
    let unseen = ScheduleChange::Unseen(Box::new(spec.clone()));
    scene.until(|changes| changes.contains(&unseen)).await;
    assert_eq!(scene.record("s").spec, spec);
    // Once a newer reading has told what its file says, that stays.
    let newer = ScheduleSpec { cron: "0 0 1 1 *".to_owned(), ..spec };
    scene.change(seen(&newer)).await;
    scene.change(unseen).await;
    assert_eq!(scene.record("s").spec, newer);
}
