//! Days on which clocks are changed, at the command line: which ticks are foreseen, and what a service makes of them
//! that lives through such a day. `--nocapture` shows the table.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use serde_json::Value;

use crate::clocked::{Clocked, end};
use crate::home::Said;

/// What the schedules of a zone are called, and their patterns.
const PATTERNS: [(&str, &str); 4] = [
    ("named", "30 2 * * *"),
    ("listed", "15,45 1 * * *"),
    ("halves", "*/30 * * * *"),
    ("sixths", "0 */6 * * *"),
];

/// The zones, with what comes before the names of their schedules.
const ZONES: [(&str, &str); 2] = [("berlin", "Europe/Berlin"), ("york", "America/New_York")];

/// A civil day on which the clock of a zone is changed.
struct Day {
    /// What comes before the names of the zone's schedules.
    zone: &'static str,
    date: &'static str,
    /// A quarter of an hour before it begins.
    eve: &'static str,
    /// What the clock shows at the ticks of each of the patterns.
    ticks: [Vec<String>; 4],
}

fn shown(times: &[&str]) -> Vec<String> {
    times.iter().map(|time| (*time).to_owned()).collect()
}

/// Every half of these hours, which the clock shows with this offset.
fn halves(hours: RangeInclusive<u8>, offset: &str) -> Vec<String> {
    let of = |hour| [format!("{hour:02}:00 {offset}"), format!("{hour:02}:30 {offset}")];
    hours.flat_map(of).collect()
}

/// The days of 2026, in their order.
fn days() -> [Day; 4] {
    let york_spring = Day {
        zone: "york",
        date: "2026-03-08",
        eve: "2026-03-08T04:45:00Z",
        ticks: [
            shown(&["03:00 -04:00"]),
            shown(&["01:15 -05:00", "01:45 -05:00"]),
            [halves(0..=1, "-05:00"), halves(3..=23, "-04:00")].concat(),
            shown(&["00:00 -05:00", "06:00 -04:00", "12:00 -04:00", "18:00 -04:00"]),
        ],
    };
    let berlin_spring = Day {
        zone: "berlin",
        date: "2026-03-29",
        eve: "2026-03-28T22:45:00Z",
        ticks: [
            shown(&["03:00 +02:00"]),
            shown(&["01:15 +01:00", "01:45 +01:00"]),
            [halves(0..=1, "+01:00"), halves(3..=23, "+02:00")].concat(),
            shown(&["00:00 +01:00", "06:00 +02:00", "12:00 +02:00", "18:00 +02:00"]),
        ],
    };
    let berlin_autumn = Day {
        zone: "berlin",
        date: "2026-10-25",
        eve: "2026-10-24T21:45:00Z",
        ticks: [
            shown(&["02:30 +02:00"]),
            shown(&["01:15 +02:00", "01:45 +02:00"]),
            [halves(0..=2, "+02:00"), halves(2..=23, "+01:00")].concat(),
            shown(&["00:00 +02:00", "06:00 +01:00", "12:00 +01:00", "18:00 +01:00"]),
        ],
    };
    let york_autumn = Day {
        zone: "york",
        date: "2026-11-01",
        eve: "2026-11-01T03:45:00Z",
        ticks: [
            // The hour from 1 to 2 is shown twice there, and half past two once.
            shown(&["02:30 -05:00"]),
            shown(&["01:15 -04:00", "01:45 -04:00"]),
            [halves(0..=1, "-04:00"), halves(1..=23, "-05:00")].concat(),
            shown(&["00:00 -04:00", "06:00 -05:00", "12:00 -05:00", "18:00 -05:00"]),
        ],
    };
    [york_spring, berlin_spring, berlin_autumn, york_autumn]
}

/// The next ticks of a schedule, on a machine whose own zone is another one.
fn next(clocked: &Clocked, schedule: &str, count: usize) -> Vec<Value> {
    let count = count.to_string();
    let arguments = ["schedules", "next", schedule, "--count", &count, "--output", "json"];
    let mut command = clocked.clocked(clocked.home.command(&arguments));
    command.env("TZ", "Asia/Kolkata");
    let said = Said::of(command.output().unwrap()).with_code(0);
    said.json().as_array().unwrap().clone()
}

/// The ticks of a schedule on a day are these and no others.
fn check(clocked: &Clocked, day: &Day, schedule: &str, expect: &[String]) {
    let next = next(clocked, schedule, expect.len() + 1);
    assert_eq!(next.len(), expect.len() + 1, "{schedule}: {next:#?}");
    let local = |tick: &Value| tick["local"].as_str().unwrap().to_owned();
    let all: Vec<String> = next.iter().map(local).collect();
    let of_day: Vec<&str> =
        all.iter().filter_map(|shown| shown.strip_prefix(day.date)).map(str::trim_start).collect();
    assert_eq!(of_day, expect, "{schedule} on {}", day.date);
    for (tick, local) in next.iter().zip(&all) {
        let instant = Timestamp::strptime("%Y-%m-%d %H:%M %:z", local).unwrap();
        assert_eq!(tick["tick"], instant.to_string(), "{schedule}: {local}");
    }
}

#[test]
fn inv_12_the_ticks_of_days_on_which_clocks_are_changed_are_foreseen() {
    let of_zone = |(zone, name): (&str, &str)| {
        let line = |(id, pattern): (&str, &str)| {
            format!("id: {zone}_{id}, cron: '{pattern}', timezone: {name}")
        };
        PATTERNS.map(line)
    };
    let lines = ZONES.map(of_zone).concat();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut clocked = Clocked::new(&lines);
    for day in days() {
        clocked.pass_to(day.eve);
        for ((id, pattern), expect) in PATTERNS.iter().zip(&day.ticks) {
            check(&clocked, &day, &format!("{}_{id}", day.zone), expect);
            let told = match expect.as_slice() {
                [first, .., last] if expect.len() > 4 => {
                    format!("{} ticks, {first} to {last}", expect.len())
                }
                few => few.join(", "),
            };
            println!("{:<6}  {}  {pattern:<13}  {told}", day.zone, day.date);
        }
    }
}

/// Lets a service live through a day of Berlin in half hours, and into the next one: `30 2 * * *` fires at `at`, and on
/// the day after at `then`.
fn live_through(day: &str, at: &str, then: &str) {
    let mut clocked = Clocked::new(&[
        "id: named, cron: '30 2 * * *', timezone: Europe/Berlin, overlap: allow",
        "id: halves, cron: '*/30 * * * *', timezone: Europe/Berlin, overlap: allow",
    ]);
    clocked.pass_to(&format!("{day}T00:00:30Z"));
    let mut serving = clocked.serve();
    for half in ["00:30", "01:00", "01:30", "02:00", "02:30"] {
        clocked.pass_to(&format!("{day}T{half}:30Z"));
        let fired = format!("{day}T{half}:00Z  fired");
        let both: [&[&str]; 2] = [&["w:halves ", fired.as_str()], &["w:named ", fired.as_str()]];
        let expected = if half == at { 2 } else { 1 };
        serving.wait_for_lines(&both[..expected]);
    }
    // What was wrongly due before is decided before it.
    clocked.pass_to(&format!("{then}:30Z"));
    let fired = format!("{then}:00Z  fired");
    serving.wait_for_lines(&[&["w:named ", fired.as_str()]]);
    end(serving);
    let told = |tick: &Value| {
        format!("{} {} {}", tick["first"], tick["count"], tick["decision"]).replace('"', "")
    };
    let ticks: Vec<String> = clocked.ticks("w:named").iter().map(told).collect();
    println!("{day}  {}", ticks.join(", "));
    assert_eq!(ticks, [format!("{day}T{at}:00Z 1 fired"), format!("{then}:00Z 1 fired")]);
}

#[test]
fn inv_12_a_service_that_lives_through_a_changed_clock_fires_a_named_hour_once() {
    // The clock jumps from 02:00 to 03:00 at one o'clock of UTC.
    live_through("2026-03-29", "01:00", "2026-03-30T00:30");
    // It shows 02:30 at half past midnight of UTC, and again an hour later.
    live_through("2026-10-25", "00:30", "2026-10-26T01:30");
}
