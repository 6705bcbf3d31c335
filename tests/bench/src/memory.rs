//! A long fan-out in a process of its own: its peak of memory, and its rate beside that of a short one.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use holdfast_rig::{Plain, fan_out};

use crate::figures::{Figures, Goal};
use crate::process::{self, PEAK};
use crate::programs::{measure as run, per_sync};

/// The argument that makes this program the process that is measured.
pub(crate) const CHILD: &str = "one-fan-out";

const LONG: u32 = 100_000;
const SHORT: u32 = 2_000;

/// Measures a short and a long fan-out, each in a new process.
pub(crate) fn measure(folder: &Path, figures: &mut Figures) {
    let mut rates = [0.0; 2];
    for (rate, items) in rates.iter_mut().zip([SHORT, LONG]) {
        let mut peak = 0.0;
        *rate = per_sync(folder, items, figures, || {
            let (took, bytes) = in_a_process(folder, items);
            peak = bytes as f64 / 1e6;
            took
        });
        if items == LONG {
            figures.add("memory, 100,000 items: peak in MB", Goal::AtMost(200.0), peak);
            figures.add("memory, 100,000 items: items per sync", Goal::None, *rate);
        }
    }
    let [short, long] = rates;
    figures.add("memory: rate at 100,000 over that at 2,000", Goal::AtLeast(0.8), long / short);
}

/// How long it took, and the peak of memory in bytes.
fn in_a_process(folder: &Path, items: u32) -> (Duration, u64) {
    let program = std::env::current_exe().expect("the program knows where it is");
    let mut child = Command::new(program);
    let output = child.arg(CHILD).arg(folder).arg(items.to_string()).output();
    let output = output.expect("the program can be started again");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("the child prints text");
    let (microseconds, bytes) = text.trim().split_once(' ').expect("the child prints two numbers");
    let took = Duration::from_micros(microseconds.parse().expect("a number"));
    (took, bytes.parse().expect("a number"))
}

/// The process that is measured: prints microseconds and bytes.
pub(crate) fn child(folder: &Path, items: u32) {
    let took = run(folder, Plain::items(items), &fan_out(), 1);
    println!("{} {}", took.as_micros(), process::memory("self", PEAK));
}
