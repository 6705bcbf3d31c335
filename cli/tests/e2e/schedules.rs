//! Schedules in the real program, by a clock that the tests move.

use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;

use crate::clocked::{Clocked, HOUR, MINUTE, end};
use crate::home::{Home, hold};

/// The points of the program at which it is killed around a tick, and at which passing.
const POINTS: [(&str, u32); 7] = [
    ("tick_due", 1),
    ("tick_prepared", 1),
    ("before_commit", 1),
    ("after_commit", 1),
    ("before_commit", 2),
    ("after_commit", 2),
    ("tick_decided", 1),
];

#[test]
fn inv_12_a_tick_is_decided_once_wherever_the_program_is_killed() {
    let kills: usize = std::env::var("HOLDFAST_KILLS").map_or(203, |kills| kills.parse().unwrap());
    let mut clocked =
        Clocked::new(&["id: s, cron: '* * * * *', catch_up: all, overlap: queue_all"]);
    clocked.pass_to_the_hour(30);
    end(clocked.serve());
    let mut killed = 0;
    for (point, passing) in POINTS.iter().cycle().take(kills) {
        clocked.pass(MINUTE);
        let kill = format!("{point}:{passing}");
        let said = clocked.start(&[("HOLDFAST_REHEARSAL_KILL", &kill)]).end();
        assert_eq!(said.code, Some(128 + 9), "{kill}: {said:?}");
        killed += 1;
    }
    clocked.pass(MINUTE);
    let mut serving = clocked.serve();
    serving.wait_for_talk(&format!("{}  fired", clocked.minute()));
    // The last tick has the last run: they go on one after the other.
    let ticks = clocked.ticks("w:s");
    clocked.holdfast(&["watch", ticks.last().unwrap()["run"].as_str().unwrap()]).with_code(0);
    end(serving);
    let minutes: Vec<&str> = ticks.iter().map(|tick| tick["first"].as_str().unwrap()).collect();
    let mut once = minutes.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once, minutes, "each once, in their order");
    assert_eq!(ticks.len(), kills + 1, "{ticks:#?}");
    let mut runs: Vec<&str> = ticks
        .iter()
        .map(|tick| {
            assert_eq!(tick["decision"], "fired", "{tick}");
            tick["run"].as_str().unwrap()
        })
        .collect();
    runs.sort_unstable();
    runs.dedup();
    assert_eq!(runs.len(), ticks.len(), "each has a run of its own");
    let stored = clocked.holdfast(&["runs", "--limit", "1000", "--output", "json"]).json();
    assert_eq!(stored.as_array().unwrap().len(), runs.len(), "and there is no other run");
    println!("{killed} kills, {} ticks decided once, {} runs", ticks.len(), runs.len());
}

#[test]
fn inv_12_a_clock_that_is_set_fires_nothing_twice() {
    let mut clocked = Clocked::new(&["id: s, cron: '*/10 * * * *', overlap: allow"]);
    clocked.pass_to_the_hour(5 * MINUTE);
    let mut serving = clocked.serve();
    clocked.pass(5 * MINUTE);
    serving.wait_for_talk(":10:00Z  fired");
    // An hour ahead: what was jumped over comes once.
    clocked.pass(HOUR);
    serving.wait_for_talk(":10:00Z  fired");
    // Back, and an hour on: all of it is decided.
    clocked.pass(-HOUR);
    clocked.pass(HOUR + 10 * MINUTE);
    serving.wait_for_talk(":20:00Z  fired");
    end(serving);
    assert_eq!(clocked.decisions("w:s"), ["1 fired", "5 coalesced", "1 fired", "1 fired"]);
}

#[test]
fn inv_12_what_nobody_was_there_for_is_caught_up_with_as_the_schedule_says() {
    let mut clocked = Clocked::new(&[
        "id: latest, cron: '0 * * * *', overlap: allow",
        "id: none, cron: '0 * * * *', catch_up: none, overlap: allow",
        "id: all, cron: '0 * * * *', catch_up: all, catch_up_window: 3h, overlap: queue_all",
    ]);
    clocked.pass_to_the_hour(30 * MINUTE);
    end(clocked.serve());
    // Three days asleep.
    clocked.pass(72 * HOUR);
    let mut serving = clocked.serve();
    serving.wait_for_lines(&[
        &["w:latest", "fired"],
        &["w:none", "missed"],
        &["w:all", "fired"],
        &["w:all", "fired"],
        &["w:all", "fired"],
    ]);
    clocked.pass(30 * MINUTE);
    serving.wait_for_lines(&[&["w:latest", "fired"], &["w:none", "fired"], &["w:all", "fired"]]);
    end(serving);
    let check = |schedule: &str, expect: &[&str]| {
        assert_eq!(clocked.decisions(schedule), expect, "{schedule}");
    };
    check("w:latest", &["48 missed", "23 coalesced", "1 fired", "1 fired"]);
    check("w:none", &["72 missed", "1 fired"]);
    check("w:all", &["69 missed", "1 fired", "1 fired", "1 fired", "1 fired"]);
}

#[test]
fn an_earlier_run_is_not_run_over() {
    let mut clocked = Clocked::new(&[
        "id: skip, cron: '0 * * * *'",
        "id: one, cron: '0 * * * *', overlap: queue_one",
    ]);
    let pipe = clocked.home.pipe("pipe");
    let schedules =
        ["id: skip, cron: '0 * * * *'", "id: one, cron: '0 * * * *', overlap: queue_one"];
    clocked.workflow(&schedules, &format!("read line < {}", pipe.display()));
    clocked.pass_to_the_hour(30 * MINUTE);
    let mut serving = clocked.serve();
    clocked.pass(30 * MINUTE);
    serving.wait_for_lines(&[&["w:skip", "fired"], &["w:one", "fired"]]);
    clocked.pass(HOUR);
    serving.wait_for_lines(&[&["w:skip", "skipped overlap"], &["w:one", "fired"]]);
    clocked.pass(HOUR);
    serving.wait_for_lines(&[&["w:skip", "skipped overlap"], &["w:one", "skipped overlap"]]);
    let running = clocked.holdfast(&["runs", "--status", "running", "--output", "json"]).json();
    assert_eq!(running.as_array().unwrap().len(), 2, "one of each schedule: {running}");
    let queued = clocked.holdfast(&["runs", "--status", "queued", "--output", "json"]).json();
    assert_eq!(queued.as_array().unwrap().len(), 1);
    let status = clocked.holdfast(&["status"]).with_code(0).out;
    assert!(status.contains("the run before it in its schedule"), "{status}");
    // A second signal: the runs wait for the pipe for ever.
    serving.signal(Signal::TERM);
    serving.wait_for_talk("once more stops at once");
    serving.signal(Signal::TERM);
    serving.end().with_code(130);
}

#[test]
fn what_is_paused_starts_nothing_until_it_is_asked_to() {
    let mut clocked = Clocked::new(&["id: s, cron: '0 * * * *'"]);
    clocked.pass_to_the_hour(30 * MINUTE);
    let mut serving = clocked.serve();
    clocked.holdfast(&["pause", "s"]).with_code(0);
    clocked.pass(HOUR);
    serving.wait_for_talk("skipped paused");
    let shown = clocked.holdfast(&["schedules", "--output", "json"]).json();
    assert_eq!(shown[0]["state"], "paused");
    assert!(shown[0]["why"].as_str().unwrap().starts_with("by tester since"));
    // Without an owner it stays paused, and what passes meanwhile too.
    end(serving);
    clocked.pass(2 * HOUR);
    let said = clocked.holdfast(&["unpause", "w", "--catch-up"]).with_code(0);
    assert!(said.talk.contains("1 run queued"), "{said:?}");
    let mut serving = clocked.serve();
    let caught_up = said.out.split_whitespace().last().unwrap();
    clocked.holdfast(&["watch", caught_up]).with_code(0);
    clocked.pass(HOUR);
    serving.wait_for_talk("fired");
    // Everything: a run that somebody asks for waits.
    clocked.holdfast(&["pause"]).with_code(0);
    let run = clocked.holdfast(&["submit", "w"]).with_code(0).first();
    clocked.pass(HOUR);
    serving.wait_for_talk("skipped paused");
    let shown = clocked.holdfast(&["show", &run, "--output", "json"]).json();
    assert_eq!(shown["counts"]["succeeded"], 0, "{shown}");
    clocked.holdfast(&["unpause"]).with_code(0);
    clocked.holdfast(&["watch", &run]).with_code(0);
    end(serving);
    let expect =
        ["1 skipped_paused", "1 by_hand", "2 skipped_paused", "1 fired", "1 skipped_paused"];
    assert_eq!(clocked.decisions("w:s"), expect);
}

#[test]
fn a_broken_edit_leaves_what_was_and_is_told() {
    let schedules = ["id: s, cron: '0 * * * *'"];
    let mut clocked = Clocked::new(&schedules);
    clocked.pass_to_the_hour(30 * MINUTE);
    let mut serving = clocked.serve();
    clocked.home.write("workflows/w.yaml", "holdfast: 1\nname: w\nopration: backup\n");
    serving.signal(Signal::HUP);
    serving.wait_for_talk("What it said before still holds.");
    assert_eq!(clocked.notifications("definition").len(), 1);
    clocked.pass(HOUR);
    serving.wait_for_talk("fired");
    end(serving);
    // Whoever comes next has nothing that still holds: never silently.
    let mut serving = clocked.serve();
    clocked.pass(HOUR);
    serving.wait_for_talk("skipped definition");
    serving.wait_for_talk("w:s starts nothing");
    clocked.pass(HOUR);
    serving.wait_for_talk("skipped definition");
    let told = clocked.notifications("schedule");
    assert_eq!(told.len(), 1, "once: {told:?}");
    assert!(told[0].contains("The schedule w:s starts nothing:"), "{told:?}");
    let shown = clocked.holdfast(&["schedules", "--output", "json"]).json();
    assert_eq!(shown[0]["state"], "broken");
    // Mended: no restart is needed, and no signal either.
    clocked.workflow(&schedules, "true");
    serving.wait_for_talk("w:s is waited for");
    clocked.pass(HOUR);
    serving.wait_for_talk("fired");
    std::fs::remove_file(clocked.home.path("workflows/w.yaml")).unwrap();
    serving.signal(Signal::HUP);
    serving.wait_for_talk("w:s is lost");
    let told = clocked.notifications("schedule");
    assert!(told[0].contains("holdfast schedules forget w:s"), "{told:?}");
    clocked.holdfast(&["schedules", "forget", "w:s"]).with_code(0);
    assert_eq!(
        clocked.holdfast(&["schedules", "--output", "json"]).json().as_array().unwrap().len(),
        0
    );
    end(serving);
    assert_eq!(
        clocked.holdfast(&["ticks", "--output", "json"]).json().as_array().unwrap().len(),
        4
    );
}

#[test]
fn people_are_told_once_that_nothing_succeeds_and_once_that_it_does_again() {
    let schedule = ["id: s, cron: '0 0 1 1 *', expect_success_within: 26h"];
    let mut clocked = Clocked::new(&schedule);
    clocked.pass_to_the_hour(30 * MINUTE);
    let mut serving = clocked.serve();
    clocked.pass(25 * HOUR);
    clocked.pass(HOUR);
    serving.wait_for_talk("w:s is without a success for too long");
    end(serving);
    clocked.pass(HOUR);
    let mut serving = clocked.serve();
    let said = clocked.holdfast(&["ticks", "run", "s", "--output", "json"]).with_code(0);
    let run = said.json()[0].as_str().unwrap().to_owned();
    serving.wait_for_talk(&format!("{run} succeeded"));
    end(serving);
    assert_eq!(clocked.notifications("late").len(), 1);
    let well = clocked.notifications("schedule");
    assert_eq!(well.len(), 1);
    assert!(well[0].contains("is well again"), "{well:?}");
}

#[test]
fn inv_12_there_is_one_owner() {
    let clocked = Clocked::new(&["id: s, cron: '0 * * * *'"]);
    let serving = clocked.serve();
    let said = clocked.holdfast(&["serve"]).with_code(69);
    assert!(said.talk.contains(&serving.pid().to_string()), "{said:?}");
    end(serving);
}

#[test]
fn ticks_of_a_period_are_run_by_hand_one_after_the_other() {
    let mut clocked = Clocked::new(&["id: s, cron: '0 * * * *', catch_up: none"]);
    clocked.pass_to_the_hour(30 * MINUTE);
    end(clocked.serve());
    clocked.pass(5 * HOUR);
    let mut serving = clocked.serve();
    serving.wait_for_talk("(5)  missed");
    let arguments = ["ticks", "run", "w:s", "--since", "3h", "--dry-run"];
    let dry = clocked.holdfast(&arguments).with_code(0).out;
    assert_eq!(dry.lines().count(), 3, "{dry}");
    let said = clocked.holdfast(&arguments[..5]).with_code(0);
    assert_eq!(said.out.lines().count(), 3, "{said:?}");
    for line in said.out.lines() {
        let run = line.split_whitespace().last().unwrap();
        clocked.holdfast(&["watch", run]).with_code(0);
    }
    end(serving);
    assert_eq!(clocked.decisions("w:s"), ["5 missed", "1 by_hand", "1 by_hand", "1 by_hand"]);
}

#[test]
fn the_service_manager_is_told_that_it_is_ready_alive_and_stopping() {
    let clocked = Clocked::new(&["id: s, cron: '0 * * * *'"]);
    let path = clocked.home.path("manager");
    let manager = UnixDatagram::bind(&path).unwrap();
    let path = path.display().to_string();
    let environment = [("NOTIFY_SOCKET", path.as_str()), ("WATCHDOG_USEC", "200000")];
    let serving = clocked.start(&environment);
    let heard = || {
        let mut bytes = [0; 4_096];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let wait_for = |text: &str| while !heard().contains(text) {};
    wait_for("READY=1");
    wait_for("WATCHDOG=1");
    serving.signal(Signal::HUP);
    wait_for("RELOADING=1");
    wait_for("READY=1");
    serving.signal(Signal::TERM);
    wait_for("STOPPING=1");
    serving.end().with_code(0);
}

#[test]
fn a_workflow_file_may_go_while_its_run_runs() {
    let mut clocked = Clocked::new(&["id: s, cron: '0 * * * *'"]);
    let pipe = clocked.home.pipe("pipe");
    clocked.workflow(&["id: s, cron: '0 * * * *'"], &format!("read line < {}", pipe.display()));
    clocked.pass_to_the_hour(30 * MINUTE);
    let mut serving = clocked.serve();
    clocked.pass(30 * MINUTE);
    serving.wait_for_talk("fired");
    let held = hold(&pipe);
    std::fs::remove_file(clocked.home.path("workflows/w.yaml")).unwrap();
    serving.signal(Signal::HUP);
    serving.wait_for_talk("w:s is lost");
    std::io::Write::write_all(&mut &held, b"go on\n").unwrap();
    serving.wait_for_talk("succeeded");
    end(serving);
}

#[test]
fn status_says_what_waits_what_is_late_and_what_comes_next() {
    let late = "id: late, cron: '0 0 1 1 *', expect_success_within: 1h";
    let mut clocked = Clocked::new(&[late, "id: s, cron: '0 * * * *', overlap: allow"]);
    let ask = "holdfast: 1\nname: ask\noperation: maintenance\nsteps:\n  - id: ann\n    uses: approval\n    with: \
               { text: 'May it?', by: [ann] }\n";
    clocked.home.write("workflows/ask.yaml", ask);
    clocked.pass_to_the_hour(30 * MINUTE);
    let mut serving = clocked.serve();
    clocked.holdfast(&["submit", "ask"]).with_code(0);
    serving.wait_for_talk("running");
    clocked.pass(HOUR);
    // What is said of a run is less than what is said of its step.
    serving.wait_for_lines(&[
        &["w:s", "fired"],
        &["w:late is without a success for too long"],
        &[" a: succeeded"],
        &[" succeeded"],
    ]);
    clocked.holdfast(&["pause", "w:s"]).with_code(0);
    let said = clocked.holdfast(&["status"]).with_code(0).out;
    for text in [
        "waits for the word of a person",
        "holdfast approve",
        "no success for too long",
        "paused",
        "next tick",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
    let status = clocked.holdfast(&["status", "--output", "json"]).with_code(0).json();
    assert_eq!(status["schedules"].as_array().unwrap().len(), 2);
    assert!(status["schedules"][0]["late_since"].is_string(), "{status}");
    assert_eq!(status["needs"].as_array().unwrap().len(), 1);
    // Whoever comes next says the same.
    end(serving);
    let serving = clocked.serve();
    let after = clocked.holdfast(&["status", "--output", "json"]).with_code(0).json();
    assert_eq!(after["needs"], status["needs"]);
    assert_eq!(after["schedules"], status["schedules"]);
    end(serving);
}

#[test]
fn the_unit_of_the_service_manager_starts_what_the_program_understands() {
    let unit = std::fs::read_to_string("../deploy/holdfast.service").unwrap();
    let start =
        unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/holdfast "));
    let words: Vec<&str> = start.unwrap().split(' ').chain(["--help"]).collect();
    let said = Home::new().holdfast(&words).with_code(0);
    assert!(said.out.contains("holdfast serve"), "{said:?}");
    assert!(unit.contains("Type=notify-reload") && unit.contains("WatchdogSec="));
}
