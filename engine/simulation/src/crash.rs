//! Cuts a rehearsal at a chosen point, lets a new process go on, and judges what came of it.
//!
//! The points of a seed are every operation of its disk, by kill and by power loss, and both sides of every
//! effect. What was acknowledged must be there; every run must end as the rules say and as the world saw it.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_drive::grants::Limits;
use holdfast_drive::input::Token;
use holdfast_journal::query::{Filter, Page};
use holdfast_kernel::definition::{Definition, WhenFull};
use holdfast_kernel::event::{Group, Request, TargetReference};
use holdfast_kernel::id::RunId;
use holdfast_kernel::invariant;

use crate::chance::Chance;
use crate::checker::{check_outcome, check_truth};
use crate::disk::{Cut, SimulatedDisk};
use crate::driver::{Boundary, Driver, Stop};
use crate::graph::{Children, Size, definition};
use crate::host::request;
use crate::report::Report;
use crate::script::Script;

/// Where a rehearsal is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Nowhere.
    Nowhere,
    /// Before the disk operation with this number.
    Disk(u64, Cut),
    /// At a boundary of the effect with this number.
    Effect(u64, Boundary),
    /// After the effect with this number it is asked to end, and does so in order.
    Drain(u64),
}

/// A scenario that follows from its seed: some runs, and the limits they share.
pub struct Scenario {
    seed: u64,
    script: Script,
    limits: Limits,
    requests: Vec<(Arc<Definition>, Request)>,
}

impl Scenario {
    /// The scenario of a seed.
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let runs = 1 + chance.below(3);
        let requests = (0..runs)
            .map(|number| {
                let definition =
                    Arc::new(definition(&mut chance, Size { steps: 5, children: Children::Some }));
                let mut request = request(seed.wrapping_mul(10) + number);
                request.target = chance.percent(60).then(|| TargetReference {
                    name: "target".to_owned(),
                    identity: format!("target {}", chance.below(2)),
                });
                request.group = chance.percent(40).then(|| Group {
                    name: format!("group {}", chance.below(2)),
                    limit: 1 + chance.small(1),
                    when_full: WhenFull::Queue,
                });
                (definition, request)
            })
            .collect();
        let limits = Limits {
            runs: 1 + chance.small(3),
            attempts: 1 + chance.small(6),
            attempts_for_a_target: 1 + chance.small(4),
        };
        Self { seed, script: Script { seed, most_items: 6 }, limits, requests }
    }

    /// Every point at which the scenario can be cut.
    ///
    /// # Errors
    /// It does not even go well when it is not cut.
    pub fn points(&self, report: &mut Report) -> Result<Vec<Point>, String> {
        let driver = self.rehearse(Point::Nowhere, report)?;
        let disk = (1..=driver.disk.operations())
            .flat_map(|number| [Cut::Kill, Cut::PowerLoss].map(|cut| Point::Disk(number, cut)));
        let effects = (1..=driver.effects).flat_map(|number| {
            [Boundary::BeforeEffect, Boundary::AfterEffect].map(|side| Point::Effect(number, side))
        });
        let drains = (1..=driver.effects).step_by(3).map(Point::Drain);
        Ok(disk.chain(effects).chain(drains).collect())
    }

    /// An operator lets every run go on that may; nothing happens twice for it.
    fn retry_all(&self, driver: &mut Driver) -> Result<(), String> {
        driver.spare();
        let runs: Vec<RunId> = driver.acknowledged.values().copied().collect();
        for run in runs {
            driver.resolve_first(run)?;
        }
        Self::finish(driver)?;
        for run in driver.acknowledged.values().copied().collect::<Vec<_>>() {
            driver.retry(run)?;
        }
        Self::finish(driver).map_err(|what| format!("after a retry: {what}"))?;
        driver.outside.settle_world();
        self.judge_all(driver).map_err(|what| format!("after a retry: {what}"))
    }

    fn finish(driver: &mut Driver) -> Result<(), String> {
        match driver.finish() {
            Ok(()) => Ok(()),
            Err(Stop::Cut | Stop::Drained) => Err("the disk was cut".to_owned()),
            Err(Stop::Fault(what)) => Err(what),
        }
    }

    /// No claim outlives its run: who asks for the same once more gets new runs, and they end too.
    fn ask_again(&self, driver: &mut Driver) -> Result<(), String> {
        driver.spare();
        for (number, (definition, request)) in (1_000_u64..).zip(&self.requests) {
            driver.submit(definition, request_again(request, 100), Token(number));
        }
        Self::finish(driver)?;
        for number in 0..self.requests.len() as u64 {
            let [first, again] =
                [number, number + 1_000].map(|token| driver.acknowledged.get(&Token(token)));
            if first == again || again.is_none() {
                return Err(format!("{first:?} has ended, and who asks again gets {again:?}"));
            }
        }
        driver.outside.settle_world();
        self.judge_all(driver)
    }

    /// Rehearses the scenario with a cut at `point`, and judges it.
    ///
    /// # Errors
    /// Something does not hold; the sentence says what, with seed and point.
    pub fn rehearse(&self, point: Point, report: &mut Report) -> Result<Driver, String> {
        let told = |what: String| format!("seed {}, {point:?}: {what}", self.seed);
        let mut driver = self.perform(point, report).map_err(told)?;
        driver.outside.settle_world();
        self.judge_all(&driver).map_err(told)?;
        report.count(point, &driver);
        if report.rehearsals.is_multiple_of(5) {
            self.retry_all(&mut driver).map_err(told)?;
        }
        if report.rehearsals.is_multiple_of(7) {
            self.ask_again(&mut driver).map_err(told)?;
        }
        Ok(driver)
    }

    fn perform(&self, point: Point, report: &mut Report) -> Result<Driver, String> {
        let disk = SimulatedDisk::new();
        let mut cut = Cut::Kill;
        if let Point::Disk(number, kind) = point {
            disk.cut_at(number);
            cut = kind;
        }
        let mut disk = disk;
        let mut driver = loop {
            match Driver::start(disk.clone(), self.script, self.limits) {
                Ok(driver) => break driver,
                Err(Stop::Cut) => disk = disk.after(cut, &mut Chance::new(self.seed)),
                Err(Stop::Drained) => return Err("it ended before it began".to_owned()),
                Err(Stop::Fault(what)) => return Err(what),
            }
        };
        if let Point::Drain(number) = point {
            driver.drain_at(number);
        }
        if let Point::Effect(number, boundary) = point {
            driver.die_at(number, boundary);
        }
        let mut later = self.power_loss_after(point);
        for attempt in 0..20 {
            self.submit_missing(&mut driver, attempt);
            match driver.finish() {
                // What is only tried may have met the cut, and then nothing else asked for the disk.
                Ok(()) if !driver.disk.is_cut() => return Ok(driver),
                Err(Stop::Fault(what)) => return Err(what),
                Ok(()) | Err(Stop::Cut) => report.crashes += 1,
                Err(Stop::Drained) => report.drains += 1,
            }
            let again = later.take();
            driver = match driver.reopen(cut, again) {
                Ok(driver) => driver,
                Err(Stop::Cut | Stop::Drained) => {
                    return Err("the disk was cut for ever".to_owned());
                }
                Err(Stop::Fault(what)) => return Err(what),
            };
            if again.is_some() {
                cut = Cut::PowerLoss;
            }
        }
        Err("the process dies again and again".to_owned())
    }

    /// After every third kill the power goes too, so many operations of the disk later.
    fn power_loss_after(&self, point: Point) -> Option<u64> {
        let number = match point {
            Point::Disk(number, Cut::Kill) | Point::Effect(number, _) => number,
            Point::Disk(_, Cut::PowerLoss) | Point::Nowhere | Point::Drain(_) => return None,
        };
        let mut chance = Chance::new(self.seed ^ number.rotate_left(32));
        number.is_multiple_of(3).then(|| 1 + chance.below(120))
    }

    /// Submits what was not acknowledged, as a client would that got no answer: as a new run, with the same
    /// dedupe key.
    fn submit_missing(&self, driver: &mut Driver, attempt: u64) {
        for (number, (definition, request)) in (0_u64..).zip(&self.requests) {
            let token = Token(number);
            if !driver.acknowledged.contains_key(&token) {
                let again = request_again(request, attempt);
                driver.submit(definition, again, token);
            }
        }
    }

    /// Every run that there is, whoever was told of it.
    fn judge_all(&self, driver: &Driver) -> Result<(), String> {
        let page = Page { after: None, limit: 1_000 };
        let found =
            driver.reader.runs(&Filter::default(), page).map_err(|error| error.to_string())?;
        let runs: BTreeSet<RunId> = found.rows.iter().map(|record| record.run).collect();
        let meant = |run: &RunId| driver.forgotten.contains_key(run);
        let mut acknowledged = driver.acknowledged.values();
        if let Some(lost) = acknowledged.find(|run| !runs.contains(run) && !meant(run)) {
            return Err(format!("{lost} was acknowledged and is gone"));
        }
        let mut gone = driver.forgotten.iter().filter(|(_, is_told)| **is_told);
        if let Some((kept, _)) = gone.find(|(run, _)| runs.contains(run)) {
            return Err(format!("{kept} was forgotten and is there"));
        }
        if driver.acknowledged.len() < self.requests.len() {
            return Err("a submit was never answered".to_owned());
        }
        runs.into_iter().try_for_each(|run| Self::judge(run, driver))
    }

    fn judge(run: RunId, driver: &Driver) -> Result<(), String> {
        let loaded = driver.reader.load(run).map_err(|error| error.to_string())?;
        let Some(loaded) = loaded else {
            return Err(format!("{run} was acknowledged and is gone"));
        };
        let (definition, state) = (&loaded.definition, &loaded.state);
        invariant::check(definition, state)?;
        check_outcome(definition, state, driver.outside.answers())?;
        // What is in doubt never acts under a new key.
        let of_run = driver.doubts.iter().filter(|((of, ..), _)| *of == run);
        for ((_, step, item), epoch) in of_run {
            let now = state.step(*step).map_or(0, |step| step.items.epoch(*item));
            if now != *epoch {
                return Err(format!("step {} item {} was in doubt and acts anew", step.0, item.0));
            }
        }
        check_truth(definition, state, &driver.outside.world)
    }
}

/// The same request as another run.
fn request_again(request: &Request, attempt: u64) -> Request {
    let mut run = *request.run.bytes();
    if let Some(last) = run.last_mut() {
        *last = last.wrapping_add(u8::try_from(attempt % 256).unwrap_or(0));
    }
    Request { run: RunId::from_bytes(run), ..request.clone() }
}
