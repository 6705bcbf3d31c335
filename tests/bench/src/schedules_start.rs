//! Starting the service on a state with 10,000 schedules and 1,000,000 ticks.
//!
//! The service itself has stored the schedules; the ticks are written by the journal beneath it, 100 of each schedule,
//! each a row of its own. The files are in the memory of the system, as after any other restart of a service.

use std::path::Path;
use std::sync::Arc;

use holdfast_journal::commit::Batch;
use holdfast_journal::database::Check;
use holdfast_journal::disk::Disk;
use holdfast_journal::disk::local::Local;
use holdfast_journal::query::Page;
use holdfast_journal::resume::{Opened, open};
use holdfast_journal::schedule::ScheduleChange;
use holdfast_journal::ticks::TickFilter;
use holdfast_kernel::id::{Instant, RunId};
use holdfast_kernel::tick::{Decided, ScheduleName, Skipped, TickDecision};

use crate::figures::{Figures, Goal};
use crate::many_schedules::{self, SCHEDULES};

/// How often the service is started.
const STARTS: usize = 5;

/// How many ticks of each schedule are stored.
const TICKS_OF_EACH: i64 = 100;

/// The ticks of so many schedules are one record: its size is about a megabyte.
const IN_A_RECORD: usize = 50;

/// A minute in microseconds.
const MINUTE: i64 = 60_000_000;

/// Measures five starts.
pub(crate) fn measure(folder: &Path, figures: &mut Figures) {
    let home = many_schedules::home(folder, "schedules-start-home");
    let mut first = home.serve();
    first.until_it_serves();
    first.end();
    store_ticks(&home.state());
    let goal = Goal::AtMost(1.0);
    for _ in 0..STARTS {
        let mut serving = home.serve();
        let served = serving.until_it_serves();
        home.holdfast(&["status"]);
        let answered = serving.age();
        let resident = serving.resident();
        serving.end();
        figures.add("schedules-start: seconds until it serves", goal, served.as_secs_f64());
        let name = "schedules-start: seconds until status answers";
        figures.add(name, goal, answered.as_secs_f64());
        figures.add("schedules-start: resident memory in MB", Goal::None, resident);
    }
    home.remove();
}

/// Stores a million ticks that were decided before anything else happened.
fn store_ticks(state: &Path) {
    let mut opened = open_state(state);
    let schedules = opened.recovered.schedules.iter();
    let names: Vec<ScheduleName> = schedules.map(|record| record.spec.name.clone()).collect();
    assert_eq!(names.len(), SCHEDULES as usize, "the service stores every schedule");
    let at = opened.recovered.highest.expect("the service has stored something");
    for names in names.chunks(IN_A_RECORD) {
        let mut batch = Batch::new(opened.writer.next_sequence(), at);
        batch.schedules = names.iter().map(|name| decided(name, at)).collect();
        opened.writer.commit(batch).expect("the journal can be written");
        opened.filer.file(usize::MAX).expect("the store can be written");
    }
    check(&opened, &names);
    drop(opened);
    // Opening makes the journal as short again as a service leaves it.
    drop(open_state(state));
}

fn open_state(state: &Path) -> Opened {
    let disk: Arc<dyn Disk> = Arc::new(Local::new(state).expect("the state directory is there"));
    open(disk, "bench", Check::Quick).expect("the state can be opened")
}

/// The ticks of one schedule, each with a decision that names a run, as most do.
fn decided(schedule: &ScheduleName, now: Instant) -> ScheduleChange {
    let decision = TickDecision::Skipped(Skipped::Overlap(RunId::from_bytes([7; 16])));
    let ticks = (1..=TICKS_OF_EACH).rev().map(|ago| Instant(now.0 - ago * MINUTE));
    let decided = ticks.map(|tick| Decided::one(tick, decision.clone())).collect();
    ScheduleChange::Decided { schedule: schedule.clone(), decided }
}

/// Looks whether the ticks can be read, of one schedule in a hundred.
fn check(opened: &Opened, names: &[ScheduleName]) {
    for name in names.iter().step_by(100) {
        let filter = TickFilter { schedule: Some(name.clone()), since: None };
        let ticks = opened.reader.ticks(&filter, Page { after: None, limit: 1_000 });
        let count = ticks.expect("the store can be read").rows.len();
        assert_eq!(i64::try_from(count), Ok(TICKS_OF_EACH), "{name}");
    }
}
