//! What Linux tells of a process: how much memory it has, and how long it was on a processor.

use std::fmt::Display;
use std::fs;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;

/// What a process has resident now.
pub(crate) const RESIDENT: &str = "VmRSS:";

/// The most that it ever had.
pub(crate) const PEAK: &str = "VmHWM:";

/// Memory of a process, in bytes.
pub(crate) fn memory(process: impl Display, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status"));
    let status = status.expect("Linux tells about a process");
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    number.and_then(|number| number.trim().parse::<u64>().ok()).expect("a number of kB") * 1024
}

/// How long all threads of a process were on a processor, those that have ended too. Linux counts it in hundredths of
/// a second.
pub(crate) fn processor_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    let stat = stat.expect("Linux tells about a process");
    // Its name, in parentheses, may have anything in it.
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let in_user_and_system = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 =
        in_user_and_system.map(|field| field.parse::<u64>().expect("a number of ticks")).sum();
    Duration::from_millis(ticks * 1_000 / clock_ticks_per_second())
}
