//! A tick a second on average, many of whose runs last longer than their minute: whether each is decided once, and how
//! much later than its instant.
//!
//! A pattern has no seconds, so the ticks of 60 schedules come together at the beginning of each minute: that is
//! harder than one in each second.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde_json::Value;

use crate::figures::{Figures, Goal, spread};
use crate::home::Home;

/// How many schedules have a tick in every minute.
const SCHEDULES: u32 = 60;

/// What becomes of a tick beside an earlier run: a third of the schedules have each.
const OVERLAPS: [&str; 3] = ["skip", "queue_one", "allow"];

/// What runs do: those of half of the schedules, with each overlap, go on when the next tick comes.
const LONG: &str = "uses: sleep\n    with: { duration: 90s }";
const SHORT: &str = "uses: assert\n    with: { that: true }";

/// Runs wait for nothing but earlier ones of their schedule, and nothing waits for them in the end.
const CONFIGURATION: &str = "holdfast_config: 1
limits: { runs: 500, attempts: 500 }
service: { drain_grace: 1s }
";

/// A minute in microseconds.
const MINUTE: i64 = 60_000_000;

/// How long the decisions of the last minute are waited for: no other tick comes meanwhile.
const SPARE: Duration = Duration::from_secs(30);

/// As many ticks of a schedule are listed at once.
const MOST: u32 = 1_000;

/// A tick, as it was decided.
struct Tick {
    /// Its nominal instant, in microseconds.
    at: i64,
    /// How many seconds later it was decided.
    delay: f64,
    decision: String,
}

/// Measures so many minutes.
pub(crate) fn measure(folder: &Path, minutes: u32, figures: &mut Figures) {
    assert!((1..=MOST).contains(&minutes), "from one minute to {MOST}");
    let home = home(folder);
    let mut serving = home.serve();
    serving.until_it_serves();
    let first = (now() / MINUTE + 1) * MINUTE;
    let last = first + i64::from(minutes - 1) * MINUTE;
    let left = u64::try_from(last - now()).unwrap_or(0);
    serving.stays(Duration::from_micros(left) + SPARE);
    let decided: Vec<Vec<Tick>> = (0..SCHEDULES).map(|schedule| ticks(&home, schedule)).collect();
    serving.end();
    home.remove();
    let minutes: Vec<i64> = (0..i64::from(minutes)).map(|after| first + after * MINUTE).collect();
    let wrong: usize = decided.iter().map(|ticks| not_once(ticks, &minutes)).sum();
    figures.add("ticks: ticks not decided exactly once", Goal::AtMost(0.0), wrong as f64);
    let all: Vec<Tick> = decided.into_iter().flatten().collect();
    add_delays(&all, &minutes, figures);
    tell_decisions(&all);
}

/// A home with a workflow for each schedule.
fn home(folder: &Path) -> Home {
    let home = Home::new(folder, "ticks-home", CONFIGURATION);
    for (schedule, overlap) in (0..SCHEDULES).zip(OVERLAPS.into_iter().cycle()) {
        let step = if schedule / 3 % 2 == 0 { LONG } else { SHORT };
        let name = workflow(schedule);
        let text = format!(
            "holdfast: 1\nname: {name}\noperation: maintenance\nsteps:\n  - id: a\n    {step}\non:\n  schedule:\n    - \
             {{ id: s, cron: \"* * * * *\", overlap: {overlap} }}\n"
        );
        home.workflow(&name, &text);
    }
    home
}

fn workflow(schedule: u32) -> String {
    format!("w{schedule:02}")
}

/// Now, in microseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    i64::try_from(since.as_micros()).expect("it is long until then")
}

/// What was decided about the ticks of a schedule.
fn ticks(home: &Home, schedule: u32) -> Vec<Tick> {
    let (name, most) = (format!("{}:s", workflow(schedule)), MOST.to_string());
    let arguments = ["ticks", "--schedule", &name, "--limit", &most, "--output", "json"];
    let rows: Vec<Value> =
        serde_json::from_str(&home.holdfast(&arguments)).expect("it prints a list");
    rows.iter().flat_map(ticks_of).collect()
}

/// The ticks of a row: several that follow each other may have been decided together.
fn ticks_of(row: &Value) -> Vec<Tick> {
    let instant = |key: &str| {
        let text = row[key].as_str().expect("an instant is text");
        text.parse::<Timestamp>().expect("it is an instant").as_microsecond()
    };
    let (first, last, decided_at) = (instant("first"), instant("last"), instant("decided_at"));
    let count = row["count"].as_i64().expect("a count is a number");
    assert_eq!(last, first + (count - 1) * MINUTE, "none of them is passed over: {row}");
    let decision = row["decision"].as_str().expect("a decision is a word");
    let tick = |at: i64| {
        let delay = (decided_at - at) as f64 / 1e6;
        Tick { at, delay, decision: decision.to_owned() }
    };
    (0..count).map(|after| tick(first + after * MINUTE)).collect()
}

/// In how many minutes the tick of a schedule was decided never, or more than once.
fn not_once(ticks: &[Tick], minutes: &[i64]) -> usize {
    let times = |minute: i64| ticks.iter().filter(|tick| tick.at == minute).count();
    minutes.iter().filter(|minute| times(**minute) != 1).count()
}

/// Adds how late ticks were decided, and tells it for each minute.
fn add_delays(ticks: &[Tick], minutes: &[i64], figures: &mut Figures) {
    let mut medians = Vec::new();
    for (number, minute) in (1_u32..).zip(minutes) {
        let of_minute = ticks.iter().filter(|tick| tick.at == *minute);
        let delays: Vec<f64> = of_minute.map(|tick| tick.delay).collect();
        let Some([least, median, most]) = spread(&delays) else {
            println!("ticks: minute {number}: none was decided");
            continue;
        };
        println!(
            "ticks: minute {number}: decided after {least:.3} / {median:.3} / {most:.3} seconds"
        );
        medians.push(median);
        for delay in delays {
            figures.add("ticks: seconds from a tick to its decision", Goal::None, delay);
        }
    }
    if let [first, .., last] = medians[..] {
        let name = "ticks: seconds more in the last minute, medians";
        figures.add(name, Goal::AtMost(1.0), last - first);
    }
}

/// Tells how many ticks were decided in which way.
fn tell_decisions(ticks: &[Tick]) {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for tick in ticks {
        *counts.entry(&tick.decision).or_default() += 1;
    }
    let counts: Vec<String> =
        counts.iter().map(|(decision, count)| format!("{count} {decision}")).collect();
    println!("ticks: {}", counts.join(", "));
}
