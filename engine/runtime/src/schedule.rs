//! Waits for the ticks of schedules, and has them decided.
//!
//! Here is who is looked after when; what a look does is in `look`, the order in `line`. That nothing succeeds is looked
//! after apart from the ticks: it needs no request, which may hang. The wall clock may jump: it is looked at anew at
//! every step, and no wait is long.

mod line;
mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_calendar::ticks::Calendar;
use holdfast_drive::input::Submit;
use holdfast_journal::query::Reader;
use holdfast_journal::schedule::ScheduleSpec;
use holdfast_kernel::id::{Instant, Millis};
use holdfast_kernel::tick::{Due, ScheduleName, spread};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use self::line::Line;
use self::look::{Around, Unknown};
use crate::clock;
use crate::handle::Handle;
use crate::tasks;

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

/// How patient a scheduler is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long a request may take before others have the turn of its schedule.
    pub request: Millis,
    /// After how long a schedule is looked at again that could not be looked after.
    pub nap: Millis,
}

impl Default for Patience {
    fn default() -> Self {
        Self { request: Millis::seconds(60), nap: clock::longest_nap() }
    }
}

/// What is looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Its ticks.
    Ticks,
    /// That it is without a success for too long.
    Lateness,
}

/// When a schedule is to be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    At(Instant),
    /// Not before it is planned anew.
    Never,
    /// Nothing is known of it.
    Unknown,
}

/// What is heard of a look.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// What it needs does not answer: others have its turn until it does.
    Hangs(ScheduleName),
    /// It is over.
    Over { name: ScheduleName, what: What, again: Again },
}

/// A look that goes on: whatever becomes of it, the scheduler hears that it is over.
struct Going {
    name: ScheduleName,
    what: What,
    /// None: what it came to is not known.
    again: Option<Again>,
    patience: Patience,
    tell: UnboundedSender<Told>,
}

impl Drop for Going {
    fn drop(&mut self) {
        // After a panic what was due is due still.
        let again = self.again.unwrap_or_else(|| self.patience.again());
        let told = Told::Over { name: self.name.clone(), what: self.what, again };
        // Without a scheduler nobody waits any more.
        self.tell.send(told).unwrap_or_default();
    }
}

impl Patience {
    /// Looks again after a while.
    fn again(self) -> Again {
        Again::At(clock::now().plus(self.nap))
    }
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
    ticks: Line,
    lateness: Line,
    /// Those of whom nothing was known when they were last looked at.
    unknown: BTreeSet<ScheduleName>,
    plans: UnboundedReceiver<Vec<Planned>>,
    told: UnboundedReceiver<Told>,
    tell: UnboundedSender<Told>,
}

impl Scheduler {
    /// A scheduler that waits for nothing yet, and what tells it for what.
    pub fn new(handle: Handle, reader: Reader, requests: Arc<dyn Requests>) -> (Self, Plans) {
        let (set, plans) = unbounded_channel();
        let (tell, told) = unbounded_channel();
        let scheduler = Self {
            around: Around { handle, reader, requests, patience: Patience::default() },
            planned: BTreeMap::new(),
            ticks: Line::default(),
            lateness: Line::default(),
            unknown: BTreeSet::new(),
            plans,
            told,
            tell,
        };
        (scheduler, Plans(set))
    }

    /// The same, more or less patient.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.around.patience = patience;
        self
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
                Some(told) = self.told.recv() => self.hear(told),
                () = clock::wait(wait) => {}
            }
        }
    }

    /// How long nothing is due, by the wall clock: never long, for that may jump.
    fn wait(&self) -> Millis {
        let (now, longest) = (clock::now(), clock::longest_nap());
        let due = [&self.ticks, &self.lateness].into_iter().filter_map(Line::due).min();
        // A millisecond is not waited for less than it lasts.
        let until = due.map(|due| Millis(due.since(now).0.saturating_add(1)));
        until.map_or(longest, |until| until.min(longest))
    }

    /// Waits for these schedules. Each is looked at once: its ticks may be due since the last process ended.
    fn plan(&mut self, planned: Vec<Planned>) {
        let by_name = |planned: Planned| (planned.spec.name.clone(), Arc::new(planned));
        self.planned = planned.into_iter().map(by_name).collect();
        self.unknown.clear();
        let now = clock::now();
        let names = self.planned.keys().cloned();
        self.ticks.set(names.map(|name| (now, name)));
        let late = |planned: &&Arc<Planned>| planned.spec.expect_success_within.is_some();
        let expecting = self.planned.values().filter(late);
        self.lateness.set(expecting.map(|planned| (now, planned.spec.name.clone())));
    }

    fn line(&mut self, what: What) -> &mut Line {
        match what {
            What::Ticks => &mut self.ticks,
            What::Lateness => &mut self.lateness,
        }
    }

    /// Looks after the schedules whose time has come, as many at once as may be.
    fn look_after_what_is_due(&mut self) {
        let now = clock::now();
        for what in [What::Ticks, What::Lateness] {
            while let Some(name) = self.line(what).next(now) {
                self.look_after(what, name);
            }
        }
    }

    fn look_after(&self, what: What, name: ScheduleName) {
        let patience = self.around.patience;
        let planned = self.planned.get(&name).map(Arc::clone);
        let is_unknown = self.unknown.contains(&name);
        let unknown = if is_unknown { Unknown::Begins } else { Unknown::Waits };
        let (around, tell) = (self.around.clone(), self.tell.clone());
        let going = Going { name, what, again: None, patience, tell };
        tasks::spawn(async move {
            // All of it is here, so that it is dropped here.
            let mut going = going;
            going.again = Some(match (planned, what) {
                (Some(planned), What::Ticks) => {
                    around.look_after_ticks(&planned, unknown, &going.tell).await
                }
                (Some(planned), What::Lateness) => around.look_after_lateness(&planned).await,
                (None, _) => Again::Never,
            });
        });
    }

    fn hear(&mut self, told: Told) {
        let (name, what, again) = match told {
            Told::Hangs(name) => return self.ticks.hangs(name),
            Told::Over { name, what, again } => (name, what, again),
        };
        let (is_planned, now) = (self.planned.contains_key(&name), clock::now());
        if what == What::Ticks {
            self.unknown.remove(&name);
        }
        let at = match again {
            _ if !is_planned => None,
            Again::At(at) => Some(at),
            Again::Never => None,
            Again::Unknown => {
                self.unknown.insert(name.clone());
                Some(now.plus(self.around.patience.nap))
            }
        };
        self.line(what).over(&name, at, now);
    }
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

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn panic_in(going: Going) {
        panic!("{:?} of {} panics", going.what, going.name);
    }

    #[test]
    fn a_look_that_panics_is_over_all_the_same_and_comes_again() {
        let (tell, mut told) = unbounded_channel();
        let name = ScheduleName { workflow: "w".to_owned(), id: "s".to_owned() };
        let patience = Patience { request: Millis::ZERO, nap: Millis::seconds(600) };
        let before = clock::now();
        let (what, again) = (What::Ticks, None);
        let going = Going { name: name.clone(), what, again, patience, tell };
        let panicked = catch_unwind(AssertUnwindSafe(move || panic_in(going)));
        assert!(panicked.is_err());
        let Ok(Told::Over { name: of, what: What::Ticks, again: Again::At(at) }) = told.try_recv()
        else {
            panic!("nobody says that it is over");
        };
        assert_eq!(of, name);
        assert!(at >= before.plus(Millis::seconds(600)));
        assert!(told.try_recv().is_err(), "once");
    }
}
