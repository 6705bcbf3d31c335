//! A process that is killed or asked to end: nothing finished is done again, nothing is lost.

use std::collections::BTreeMap;
use std::io::Write as _;

use rustix::process::Signal;

use crate::home::{Home, hold};

/// Twelve items; the seventh waits on a pipe the first time round.
fn fan(home: &Home) -> String {
    let pipe = home.pipe("pipe");
    format!(
        r#"
holdfast: 1
name: fan
operation: maintenance
inputs:
  names: {{ type: list, items: string, default: [a, b, c, d, e, f, g, h, i, j, k, l] }}
steps:
  - id: each
    for_each: {{ items: "{{{{ inputs.names }}}}", max_parallel: 1 }}
    uses: command
    effect: idempotent
    with:
      argv: [/bin/sh, -c, "echo $0 >> done; if [ $0 = g ] && [ -p {pipe} ]; then read line < {pipe}; fi", "{{{{ item }}}}"]
      cwd: {home}
"#,
        pipe = pipe.display(),
        home = home.path("").display(),
    )
}

fn times(home: &Home) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for line in home.read("done").lines() {
        *times.entry(line.to_owned()).or_default() += 1;
    }
    times
}

fn check_goes_on(home: &Home, run: &str) {
    std::fs::remove_file(home.path("pipe")).unwrap();
    home.holdfast(&["resume"]).with_code(0);
    let shown = home.holdfast(&["show", run, "--output", "json"]).with_code(0).json();
    assert_eq!(shown["status"], "succeeded", "{shown:#}");
    let times = times(home);
    assert_eq!(times.len(), 12, "{times:?}");
    for (item, count) in &times {
        let most = if item == "g" { 2 } else { 1 };
        assert!(*count <= most, "{item} was done {count} times");
    }
}

fn only_run(home: &Home) -> String {
    let listed = home.holdfast(&["runs", "--output", "json"]).with_code(0);
    assert!(listed.talk.contains("1 run is unfinished"), "{listed:#?}");
    listed.json()[0]["run"].as_str().unwrap().to_owned()
}

#[test]
fn inv_02_a_killed_process_is_followed_by_one_that_goes_on_at_the_item_where_it_stopped() {
    let home = Home::new();
    home.write("fan.yaml", &fan(&home));
    let process = home.start(&["run", "fan.yaml"]);
    let held = hold(&home.path("pipe"));
    process.signal(Signal::KILL);
    process.end().with_code(137);
    drop(held);
    let run = only_run(&home);
    check_goes_on(&home, &run);
}

#[test]
fn the_same_request_after_a_kill_is_the_same_run() {
    let home = Home::new();
    home.write("fan.yaml", &fan(&home));
    let process = home.start(&["run", "fan.yaml"]);
    let held = hold(&home.path("pipe"));
    process.signal(Signal::KILL);
    process.end().with_code(137);
    drop(held);
    let run = only_run(&home);
    std::fs::remove_file(home.path("pipe")).unwrap();
    let said = home.holdfast(&["run", "fan.yaml"]).with_code(0);
    assert!(said.talk.contains(&run), "{said:#?}");
    assert_eq!(times(&home).len(), 12);
}

/// Stops the program once item g waits, and lets that item end.
fn stopped_in_time(home: &Home, arguments: &[&str]) {
    let mut process = home.start(arguments);
    let mut held = hold(&home.path("pipe"));
    process.signal(Signal::INT);
    process.wait_for_talk("Letting what is in flight end");
    // What is in flight may end: item g does, and no other starts.
    held.write_all(b"go\n").unwrap();
    drop(held);
    let said = process.end().with_code(130);
    assert!(said.talk.contains("`holdfast resume` goes on"), "{said:#?}");
}

#[test]
fn ctrl_c_lets_what_is_in_flight_end() {
    let home = Home::new();
    home.write("fan.yaml", &fan(&home));
    stopped_in_time(&home, &["run", "fan.yaml"]);
    let times = times(&home);
    assert_eq!(times.get("g"), Some(&1), "{times:?}");
    assert_eq!(times.len(), 7, "nothing new was started: {times:?}");
    let run = only_run(&home);
    check_goes_on(&home, &run);
}

#[test]
fn a_second_ctrl_c_stops_at_once() {
    let home = Home::new();
    home.write("fan.yaml", &fan(&home));
    let mut process = home.start(&["run", "fan.yaml"]);
    let held = hold(&home.path("pipe"));
    process.signal(Signal::INT);
    process.wait_for_talk("Letting what is in flight end");
    process.signal(Signal::INT);
    // Item g never ends by itself.
    process.end().with_code(130);
    drop(held);
    let run = only_run(&home);
    check_goes_on(&home, &run);
}

#[test]
fn a_resume_that_is_stopped_says_so_though_what_was_in_flight_ended_in_time() {
    let home = Home::new();
    home.write("fan.yaml", &fan(&home));
    home.holdfast(&["submit", "fan.yaml"]).with_code(0);
    stopped_in_time(&home, &["resume"]);
    let run = only_run(&home);
    check_goes_on(&home, &run);
}
