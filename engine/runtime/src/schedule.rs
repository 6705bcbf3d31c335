//! Waits for the ticks of schedules, and has them decided.
//!
//! What is due is sifted by the kernel; the request for a run is made beside the executor, for it may have to look at
//! a repository; the drive decides, and stores the tick with its run in one record. After a death the ticks that
//! were not stored are due still. The wall clock may jump: it is looked at anew at every step, and no wait is long.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_calendar::ticks::Calendar;
use holdfast_drive::input::{Fires, Submit, Tick, Token};
use holdfast_drive::output::{Refusal, Reply};
use holdfast_journal::query::{ReadError, Reader};
use holdfast_journal::schedule::{Paused, ScheduleChange, ScheduleRecord, ScheduleSpec, Trouble};
use holdfast_kernel::id::{Instant, Millis};
use holdfast_kernel::tick::{Due, Pause, ScheduleName, Skipped, TickDecision, sift, spread};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::clock;
use crate::handle::Handle;
use crate::rehearsal;
use crate::tasks;
use crate::wake::Want;

/// How many schedules are looked after at once.
const AT_ONCE: usize = 16;

/// How many ticks of one schedule are decided before others have their turn.
const IN_A_ROW: usize = 100;

/// Who a change is put down to that nobody asked for.
const BY: &str = "holdfast";

/// A schedule that is waited for.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// What its file says.
    pub spec: ScheduleSpec,
    /// Its pattern in its zone.
    pub calendar: Calendar,
}

/// Makes the requests for the runs of ticks: it knows the workflows and the configuration.
pub trait Requests: Send + Sync {
    /// The request for the run of a tick, by its schedule. It blocks.
    ///
    /// # Errors
    /// No run can be made of its workflow now: why, a full sentence.
    fn request(&self, schedule: &ScheduleName, tick: Instant) -> Result<Submit, String>;
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// Its next tick.
    Tick,
    /// That it is without a success for too long.
    Deadline,
}

type Place = (Instant, ScheduleName, What);

/// What a look at a schedule came to: when it is to be looked at again.
struct Looked {
    name: ScheduleName,
    tick: Option<Instant>,
    deadline: Option<Instant>,
}

/// What is heard of a schedule that is looked after.
enum Told {
    /// The look is over.
    Looked(Looked),
    /// What its request needs does not answer: others have its turn until it does.
    Hangs(ScheduleName),
}

/// Tells a scheduler which schedules there are.
#[derive(Clone, Debug)]
pub struct Plans(UnboundedSender<Vec<Planned>>);

impl Plans {
    /// These, and no others, are waited for from here on.
    pub fn set(&self, planned: Vec<Planned>) {
        // A scheduler that is gone waits for nothing.
        self.0.send(planned).unwrap_or_default();
    }
}

/// Waits for ticks.
pub struct Scheduler {
    around: Around,
    planned: BTreeMap<ScheduleName, Arc<Planned>>,
    queue: BTreeSet<Place>,
    /// Where each schedule stands in the queue.
    places: BTreeMap<ScheduleName, [Option<Instant>; 2]>,
    busy: BTreeSet<ScheduleName>,
    /// Those of them that hang: they take no turn.
    hanging: BTreeSet<ScheduleName>,
    /// Those of them that were planned anew meanwhile.
    again: BTreeSet<ScheduleName>,
    plans: UnboundedReceiver<Vec<Planned>>,
    told: UnboundedReceiver<Told>,
    tell: UnboundedSender<Told>,
}

/// What is needed to look after a schedule.
#[derive(Clone)]
struct Around {
    handle: Handle,
    reader: Reader,
    requests: Arc<dyn Requests>,
}

impl Scheduler {
    /// A scheduler that waits for nothing yet, and what tells it for what.
    pub fn new(handle: Handle, reader: Reader, requests: Arc<dyn Requests>) -> (Self, Plans) {
        let (set, plans) = unbounded_channel();
        let (tell, told) = unbounded_channel();
        let scheduler = Self {
            around: Around { handle, reader, requests },
            planned: BTreeMap::new(),
            queue: BTreeSet::new(),
            places: BTreeMap::new(),
            busy: BTreeSet::new(),
            hanging: BTreeSet::new(),
            again: BTreeSet::new(),
            plans,
            told,
            tell,
        };
        (scheduler, Plans(set))
    }

    /// Waits, until nobody can tell it of schedules any more.
    pub async fn run(mut self) {
        loop {
            self.look_after_what_is_due();
            let wait = self.wait();
            tokio::select! {
                plans = self.plans.recv() => match plans {
                    Some(planned) => self.plan(planned),
                    None => return,
                },
                // It has a sender itself, so there is always one.
                Some(told) = self.told.recv() => match told {
                    Told::Looked(looked) => self.look_again(looked),
                    Told::Hangs(name) => drop(self.hanging.insert(name)),
                },
                () = clock::wait(wait) => {}
            }
        }
    }

    /// How long nothing is due, by the wall clock: never long, for that may jump.
    fn wait(&self) -> Millis {
        let first = self.queue.first().filter(|_| self.has_turns());
        let until = first.map_or_else(clock::longest_nap, |(due, _, _)| {
            // A millisecond is not waited for less than it lasts.
            Millis(due.since(clock::now()).0.saturating_add(1))
        });
        until.min(clock::longest_nap())
    }

    /// Whether another schedule may be looked after beside those that are.
    fn has_turns(&self) -> bool {
        self.busy.len() < AT_ONCE.saturating_add(self.hanging.len())
    }

    /// Waits for these schedules. Each is looked at once: its ticks may be due since the last process ended.
    fn plan(&mut self, planned: Vec<Planned>) {
        self.planned = planned
            .into_iter()
            .map(|planned| (planned.spec.name.clone(), Arc::new(planned)))
            .collect();
        self.queue.clear();
        self.places.clear();
        let now = clock::now();
        let names: Vec<ScheduleName> = self.planned.keys().cloned().collect();
        for name in names {
            self.place(name, [Some(now), None]);
        }
    }

    fn place(&mut self, name: ScheduleName, at: [Option<Instant>; 2]) {
        let [tick, deadline] = at;
        let both = [(tick, What::Tick), (deadline, What::Deadline)];
        for (at, what) in both {
            self.queue.extend(at.map(|at| (at, name.clone(), what)));
        }
        self.places.insert(name, at);
    }

    fn take_from_queue(&mut self, name: &ScheduleName) {
        let [tick, deadline] = self.places.remove(name).unwrap_or_default();
        for (at, what) in [(tick, What::Tick), (deadline, What::Deadline)] {
            if let Some(at) = at {
                self.queue.remove(&(at, name.clone(), what));
            }
        }
    }

    /// Looks after the schedules whose time has come, as many at once as may be.
    fn look_after_what_is_due(&mut self) {
        let now = clock::now();
        while self.has_turns() {
            let Some((due, name, _)) = self.queue.first() else { return };
            if *due > now {
                return;
            }
            let name = name.clone();
            self.take_from_queue(&name);
            let Some(planned) = self.planned.get(&name).map(Arc::clone) else { continue };
            if !self.busy.insert(name.clone()) {
                self.again.insert(name);
                continue;
            }
            let (around, tell) = (self.around.clone(), self.tell.clone());
            tasks::spawn(async move {
                let looked = around.look_after(&planned, &tell).await;
                // Without a scheduler nobody waits any more.
                tell.send(Told::Looked(looked)).unwrap_or_default();
            });
        }
    }

    fn look_again(&mut self, looked: Looked) {
        let Looked { name, tick, deadline } = looked;
        self.busy.remove(&name);
        self.hanging.remove(&name);
        if !self.planned.contains_key(&name) {
            return;
        }
        // What was found of one that was planned anew meanwhile is found by what it was before.
        let is_planned_anew = self.again.remove(&name) || self.places.contains_key(&name);
        self.take_from_queue(&name);
        let tick = if is_planned_anew { Some(clock::now()) } else { tick };
        self.place(name, [tick, deadline]);
    }
}

/// What is found about the ticks of a schedule at one moment.
enum Found {
    /// These are to be decided about.
    Due(Box<Tick>, ScheduleRecord),
    /// None is due.
    Idle(ScheduleRecord),
    /// Nothing is known of the schedule.
    Unknown,
    /// What was planned is not what is stored.
    Stale,
}

impl Around {
    /// Has everything decided that is due of a schedule.
    async fn look_after(&self, planned: &Arc<Planned>, tell: &UnboundedSender<Told>) -> Looked {
        let name = planned.spec.name.clone();
        for _ in 0..IN_A_ROW {
            let found = self.find_patiently(planned, tell).await;
            // What cannot be read now, or panicked, is not lost: it is due until it is decided.
            let found = match found {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    let workflow = name.workflow.as_str();
                    tracing::warn!(workflow, schedule = %name, "{name} cannot be looked after: {error}");
                    return retry(name);
                }
                Err(_) => return retry(name),
            };
            let goes = match found {
                Found::Due(tick, record) => self.decide(*tick, &record, planned).await,
                Found::Idle(record) => return self.tell_lateness(record, planned).await,
                Found::Unknown => return Looked { name, tick: None, deadline: None },
                Found::Stale => return retry(name),
            };
            if goes == Goes::Wrong {
                return retry(name);
            }
        }
        Looked { name, tick: Some(clock::now()), deadline: None }
    }

    /// What is due of a schedule. Where that needs something that does not answer, others have its turn meanwhile, and
    /// people are told all the same that nothing succeeds.
    async fn find_patiently(
        &self,
        planned: &Arc<Planned>,
        tell: &UnboundedSender<Told>,
    ) -> Result<Result<Found, ReadError>, tokio::task::JoinError> {
        let (around, of) = (self.clone(), Arc::clone(planned));
        let mut finding = tasks::spawn_blocking(move || around.find(&of));
        loop {
            tokio::select! {
                found = &mut finding => return found,
                () = clock::wait(clock::longest_nap()) => {}
            }
            let name = planned.spec.name.clone();
            tell.send(Told::Hangs(name.clone())).unwrap_or_default();
            let reader = self.reader.clone();
            let record = tasks::spawn_blocking(move || reader.schedule(&name)).await;
            if let Ok(Ok(Some(record))) = record {
                self.tell_lateness(record, planned).await;
            }
        }
    }

    /// What is due of a schedule. It blocks.
    fn find(&self, planned: &Planned) -> Result<Found, ReadError> {
        let name = &planned.spec.name;
        let Some(record) = self.reader.schedule(name)? else { return Ok(Found::Unknown) };
        let everything = self.reader.pause()?.as_ref().map_or(Pause::None, Paused::pause);
        let pause = record.paused.as_ref().map_or(Pause::None, Paused::pause);
        let now = clock::now();
        // The file was read anew meanwhile: what its ticks were is no longer asked.
        if !is_same(&record.spec, &planned.spec) {
            return Ok(Found::Stale);
        }
        let due =
            dues(&planned.calendar, &planned.spec, record.decided).take_while(|due| due.at <= now);
        let sifted = sift(&planned.spec.policy, &[pause, everything], due, now);
        if sifted.passed.is_empty() && sifted.fires.is_none() {
            return Ok(Found::Idle(record));
        }
        rehearsal::point("tick_due");
        let fires = sifted.fires.map(|tick| {
            let submit = self.requests.request(name, tick).map(Box::new);
            Fires { tick, overlap: planned.spec.policy.overlap, submit }
        });
        rehearsal::point("tick_prepared");
        let tick = Tick {
            schedule: name.clone(),
            after: record.decided,
            passed: sifted.passed,
            fires,
            token: Token(0),
        };
        Ok(Found::Due(Box::new(tick), record))
    }

    async fn decide(&self, tick: Tick, record: &ScheduleRecord, planned: &Planned) -> Goes {
        let Ok(reply) = self.handle.ask(Want::Tick(Box::new(tick))).await else {
            return Goes::Wrong;
        };
        rehearsal::point("tick_decided");
        match reply {
            Reply::Ticked(decision) => {
                self.tell_trouble(decision, record, planned).await;
                Goes::On
            }
            // Somebody else was faster: what they left is found at the next look.
            Reply::Refused(Refusal::Decided) => Goes::On,
            Reply::Refused(_) | Reply::Queued(_) | Reply::Deduplicated { .. } | Reply::Done => {
                Goes::Wrong
            }
        }
    }

    /// A schedule that starts nothing because of its workflow is never silent about it.
    async fn tell_trouble(
        &self,
        decision: Option<TickDecision>,
        record: &ScheduleRecord,
        planned: &Planned,
    ) {
        let schedule = planned.spec.name.clone();
        let change = match (decision, &record.trouble) {
            (Some(TickDecision::Skipped(Skipped::Definition(reason))), trouble) => {
                let known = |trouble: &Trouble| matches!(trouble, Trouble::Broken { reason: known, .. } if *known == reason);
                if trouble.as_ref().is_some_and(known) {
                    return;
                }
                ScheduleChange::Broken { schedule, reason }
            }
            // Another spec is another reading's: it says for itself that it is seen.
            (Some(TickDecision::Fired(_)), Some(_)) if record.spec == planned.spec => {
                ScheduleChange::Seen(Box::new(planned.spec.clone()))
            }
            (_, _) => return,
        };
        self.change(change).await;
    }

    /// Nothing is due: what is left is to tell people that nothing succeeds.
    async fn tell_lateness(&self, record: ScheduleRecord, planned: &Planned) -> Looked {
        let spec = &planned.spec;
        let tick = dues(&planned.calendar, &planned.spec, record.decided).next().map(|due| due.at);
        let deadline = match record.late_since {
            None => record.deadline(),
            // People know: once something succeeds there is another deadline.
            Some(_) => spec.expect_success_within.map(|within| clock::now().plus(within)),
        };
        let looked = |deadline| Looked { name: spec.name.clone(), tick, deadline };
        match deadline {
            Some(deadline) if deadline <= clock::now() => {
                self.change(ScheduleChange::Late(spec.name.clone())).await;
                // A success after this one is not old before then.
                looked(spec.expect_success_within.map(|within| clock::now().plus(within)))
            }
            deadline => looked(deadline),
        }
    }

    async fn change(&self, change: ScheduleChange) {
        let want = Want::Schedule { change: Box::new(change), by: BY.to_owned() };
        // Whoever drives no more tells nobody anything; the next process does.
        self.handle.ask(want).await.map(drop).unwrap_or_default();
    }
}

/// Whether two say the same of when there are ticks.
fn is_same(one: &ScheduleSpec, other: &ScheduleSpec) -> bool {
    one.cron == other.cron && one.timezone == other.timezone
}

/// The ticks of a schedule after an instant, each with when it is to start its run. Those before it that may hold one
/// back are seen too.
pub fn dues<'a>(
    calendar: &'a Calendar,
    spec: &'a ScheduleSpec,
    after: Instant,
) -> impl Iterator<Item = Due> + 'a {
    let ScheduleSpec { name, jitter, .. } = spec;
    let back = i64::try_from(jitter.0.saturating_mul(1_000)).unwrap_or(i64::MAX);
    let ticks = calendar.ticks_after(Instant(after.0.saturating_sub(back)));
    spread(name, *jitter, ticks).skip_while(move |due| due.tick <= after)
}

/// Whether a schedule can be looked after further now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    On,
    Wrong,
}

/// Looks again after a while.
fn retry(name: ScheduleName) -> Looked {
    let tick = Some(clock::now().plus(clock::longest_nap()));
    Looked { name, tick, deadline: None }
}
