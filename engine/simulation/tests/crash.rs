//! The real kernel, drive and journal on the simulated disk: cut at every disk operation, by kill and by power
//! loss, and at both sides of every effect.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, tells its figures and is given its seeds"
)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use holdfast_simulation::crash::Scenario;
use holdfast_simulation::report::Report;

/// How many seeds are cut at every point.
const SEEDS: u64 = 24;

/// The seeds to rehearse: those of `HOLDFAST_SEEDS` (`7` or `0..500`), or the usual ones.
fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("HOLDFAST_SEEDS") else { return 0..SEEDS };
    let bounds = text.split_once("..").unwrap_or((text.as_str(), text.as_str()));
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("no seed: {text}"));
    let end = if text.contains("..") { number(bounds.1) } else { number(bounds.0) + 1 };
    number(bounds.0)..end
}

/// Rehearses every point of a seed.
fn rehearse(seed: u64, report: &mut Report) -> Result<(), String> {
    let again =
        format!("again: HOLDFAST_SEEDS={seed} cargo test -p holdfast-simulation --test crash");
    let scenario = Scenario::new(seed);
    let points = scenario.points(report).map_err(|what| format!("{what}\n{again}"))?;
    for point in points {
        scenario.rehearse(point, report).map_err(|what| format!("{what}\n{again}"))?;
    }
    Ok(())
}

#[test]
fn inv_01_02_03_06_07_hold_at_every_crash_point() {
    let next = AtomicU64::new(seeds().start);
    let total = Mutex::new(Report::default());
    let work = || {
        let mut report = Report::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds().end {
                break;
            }
            rehearse(seed, &mut report).unwrap_or_else(|what| panic!("{what}"));
        }
        total.lock().unwrap_or_else(PoisonError::into_inner).add(&report);
    };
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    let report = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{report}, 0 violations");
    assert!(report.points > 100 * (seeds().end - seeds().start), "{report}");
}
