//! The programs: a chain, many short runs, and a fan-out, each on a state directory of its own.
//!
//! The executor, the drive and the journal are the real ones; the language is plain and the action does
//! nothing, so that what is measured is the engine.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_drive::grants::Limits;
use holdfast_drive::output::Reply;
use holdfast_journal::disk::local::Local;
use holdfast_kernel::definition::{Definition, EffectClass};
use holdfast_rig::{Plain, Rig, acting, chain as chain_of, done, fan_out as fanned_out};
use tokio::runtime::{Builder, Runtime};

use crate::figures::{Figures, Goal};
use crate::raw::Probes;

/// The variable that says on how many threads the executor and its attempts run: `one` or `many`.
const THREADS: &str = "HOLDFAST_BENCH_THREADS";

/// One run of 200 empty steps.
pub(crate) fn chain(folder: &Path, figures: &mut Figures) {
    const STEPS: u32 = 200;
    let definition = chain_of(STEPS, EffectClass::Pure);
    let ratio =
        per_sync(folder, STEPS, figures, || measure(folder, Plain::items(0), &definition, 1));
    figures.add("chain: steps per sync", Goal::AtLeast(0.75), ratio);
}

/// 500 runs of 5 steps, 64 of them at once.
pub(crate) fn throughput(folder: &Path, figures: &mut Figures) {
    const RUNS: u32 = 500;
    const STEPS: u32 = 5;
    let definition = chain_of(STEPS, EffectClass::Pure);
    let ratio = per_sync(folder, RUNS * STEPS, figures, || {
        measure(folder, Plain::items(0), &definition, RUNS)
    });
    figures.add("throughput: steps per sync", Goal::AtLeast(20.0), ratio);
}

/// 2,000 items, 16 and 64 at once.
pub(crate) fn fan_out(folder: &Path, figures: &mut Figures) {
    const ITEMS: u32 = 2_000;
    let programs = [
        ("fan_out, 16 at once: items per sync", 16, 8.0),
        ("fan_out, 64 at once: items per sync", 64, 20.0),
    ];
    for (name, max_parallel, goal) in programs {
        let language = Plain { items: ITEMS, max_parallel };
        let ratio =
            per_sync(folder, ITEMS, figures, || measure(folder, language, &fanned_out(), 1));
        figures.add(name, Goal::AtLeast(goal), ratio);
    }
}

/// How many units of work were done in the time of one sync.
pub(crate) fn per_sync(
    folder: &Path,
    units: u32,
    figures: &mut Figures,
    measured: impl FnOnce() -> Duration,
) -> f64 {
    let mut probes = Probes::default();
    probes.probe(folder);
    let took = measured();
    probes.probe(folder);
    let sync = probes.sync();
    figures.add("one sync, in microseconds", Goal::None, sync.as_secs_f64() * 1e6);
    f64::from(units) * sync.as_secs_f64() / took.as_secs_f64()
}

/// How long it takes from the first submit to the end of the last of so many runs.
pub(crate) fn measure(
    folder: &Path,
    language: Plain,
    definition: &Definition,
    runs: u32,
) -> Duration {
    let state = folder.join("state");
    remove(&state);
    let took = runtime().block_on(async {
        let disk = Local::new(&state).expect("a state directory can be made");
        let actions = acting(|_, _| async { done() });
        let limits = Limits { runs: 64, attempts: 64, ..Limits::default() };
        let mut rig = Rig::start(Arc::new(disk), language, actions, limits);
        // Whoever submits has read and lowered the workflow before.
        let submissions: Vec<_> =
            (0..runs).map(|run| rig.submission(definition, &run.to_string())).collect();
        let start = Instant::now();
        let mut asked = Vec::new();
        for submit in submissions {
            let handle = rig.handle.clone();
            asked.push(tokio::spawn(async move { handle.submit(submit).await }));
        }
        let mut open = BTreeSet::new();
        for reply in asked {
            match reply.await {
                Ok(Ok(Reply::Queued(run))) => drop(open.insert(run)),
                other => panic!("a run was not queued: {other:?}"),
            }
        }
        rig.all_succeeded(open).await;
        let took = start.elapsed();
        rig.handle.stop();
        rig.end.await.expect("the executor ends");
        took
    });
    remove(&state);
    took
}

/// The executor and its attempts on one thread, or on one for each core.
fn runtime() -> Runtime {
    let mut builder = match std::env::var(THREADS).as_deref() {
        Ok("many") => Builder::new_multi_thread(),
        _ => Builder::new_current_thread(),
    };
    builder.enable_time().build().expect("a runtime can be made")
}

fn remove(state: &Path) {
    if state.exists() {
        std::fs::remove_dir_all(state).expect("an old state directory can be removed");
    }
}
