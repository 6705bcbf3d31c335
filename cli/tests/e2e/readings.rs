//! A service and the files that it reads: whatever becomes of them, everything else goes on.

use std::fs;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use rustix::fs::inotify;
use rustix::process::Signal;

use crate::clocked::{Clocked, HOUR, MINUTE, end};
use crate::home::hold;
use crate::rounds::{Manager, Opened};

/// After this long something is wrong.
const LONGEST: Duration = Duration::from_secs(30);

/// A schedule that has no tick here.
const NEVER: &str = "id: s, cron: '0 0 1 1 *'";

/// A workflow that succeeds, with these schedules.
fn workflow(name: &str, schedules: &[String]) -> String {
    let lines: Vec<String> = schedules.iter().map(|one| format!("    - {{ {one} }}\n")).collect();
    let lines = lines.concat();
    format!(
        "holdfast: 1\nname: {name}\noperation: maintenance\nsteps:\n  - id: a\n    uses: assert\n    with: {{ that: \
         true, message: never }}\non:\n  schedule:\n{lines}"
    )
}

#[test]
fn a_disk_that_hangs_under_the_files_keeps_the_service_from_nothing_else() {
    let clocked = Clocked::new(&[NEVER]);
    let manager = Manager::new(&clocked.home, "manager");
    let environment = [("NOTIFY_SOCKET", manager.path.as_str()), ("WATCHDOG_USEC", "1000000")];
    let serving = clocked.start(&environment);
    manager.wait_for("READY=1");
    // Whoever opens it to read waits for somebody who writes, and then for what they write.
    let pipe = clocked.home.pipe("workflows/x.yaml");
    serving.signal(Signal::HUP);
    let held = hold(&pipe);
    // One or two of them may have been told before.
    for _ in 0..5 {
        manager.wait_for("WATCHDOG=1");
    }
    clocked.holdfast(&["runs"]).with_code(0);
    // What is asked for meanwhile is done once this one is over.
    serving.signal(Signal::HUP);
    drop(held);
    manager.wait_for("READY=1");
    let held = hold(&pipe);
    serving.signal(Signal::TERM);
    manager.wait_for("STOPPING=1");
    serving.end().with_code(0);
    drop(held);
}

#[test]
fn a_service_whose_files_cannot_be_read_yet_ends_when_it_is_told_to() {
    let clocked = Clocked::new(&[NEVER]);
    let manager = Manager::new(&clocked.home, "manager");
    let pipe = clocked.home.pipe("workflows/x.yaml");
    let serving = clocked.start(&[("NOTIFY_SOCKET", manager.path.as_str())]);
    let held = hold(&pipe);
    serving.signal(Signal::TERM);
    manager.wait_for("STOPPING=1");
    let said = serving.end().with_code(0);
    assert!(!said.talk.contains("holdfast serves"), "it never did: {said:#?}");
    drop(held);
}

#[test]
fn who_is_told_to_end_while_the_state_is_opened_does_not_wait_for_it() {
    let clocked = Clocked::new(&[NEVER]);
    end(clocked.serve());
    let store = clocked.home.path("state/store.redb");
    let store = fs::OpenOptions::new().read(true).write(true).open(store).unwrap();
    // Who had it before seems to close it still: it is waited for.
    store.lock().unwrap();
    let opened = Opened::of(&clocked.home.path("state"));
    let serving = clocked.start(&[]);
    opened.wait_for(1);
    serving.signal(Signal::TERM);
    let said = serving.end().with_code(0);
    assert!(said.talk.contains("It ends before the state is open."), "{said:#?}");
    drop(store);
    end(clocked.serve());
}

#[test]
fn signals_without_end_keep_nothing_else_from_its_turn() {
    let clocked = Clocked::new(&[NEVER]);
    let manager = Manager::new(&clocked.home, "manager");
    let environment = [("NOTIFY_SOCKET", manager.path.as_str()), ("WATCHDOG_USEC", "2000000")];
    let serving = clocked.start(&environment);
    let (began, mut readings, mut alive) = (Instant::now(), 0, 0);
    while alive < 3 {
        assert!(began.elapsed() < LONGEST, "{readings} readings, and {alive} times alive");
        let told = manager.wait_for("=1");
        if told.contains("READY=1") {
            readings += 1;
            serving.signal(Signal::HUP);
        }
        alive += u32::from(told.contains("WATCHDOG=1"));
    }
    serving.signal(Signal::TERM);
    serving.end().with_code(0);
}

#[test]
fn what_a_reading_finds_is_stored_in_few_records() {
    let clocked = Clocked::new(&[NEVER]);
    for number in 0..30 {
        let schedules: Vec<String> =
            (0..10).map(|id| format!("id: s{id}, cron: '0 0 1 1 *'")).collect();
        let name = format!("many{number}");
        clocked.home.write(&format!("workflows/{name}.yaml"), &workflow(&name, &schedules));
    }
    let serving = clocked.serve();
    let numbers = clocked.holdfast(&["metrics"]).with_code(0).out;
    let name = "holdfast_journal_records_total ";
    let records = numbers.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let records: u64 = records.parse().unwrap();
    let shown = clocked.holdfast(&["schedules", "--output", "json"]).with_code(0).json();
    assert_eq!(shown.as_array().unwrap().len(), 301);
    assert!(records < 20, "{records} records for 301 schedules");
    end(serving);
}

#[test]
fn each_file_is_read_once_however_many_run_its_workflow() {
    let clocked = Clocked::new(&[NEVER]);
    clocked.home.write("workflows/kid.yaml", &workflow("kid", &[NEVER.to_owned()]));
    for number in 0..20 {
        let text = format!(
            "holdfast: 1\nname: parent{number}\noperation: maintenance\nsteps:\n  - id: kid\n    workflow: kid\n"
        );
        clocked.home.write(&format!("workflows/parent{number}.yaml"), &text);
    }
    let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
    let seen = inotify::init(flags).unwrap();
    inotify::add_watch(&seen, clocked.home.path("workflows"), inotify::WatchFlags::OPEN).unwrap();
    let serving = clocked.serve();
    let mut bytes = [MaybeUninit::uninit(); 4_096];
    let mut events = inotify::Reader::new(&seen, &mut bytes);
    let mut opened = 0;
    while let Ok(event) = events.next() {
        let is_file = event.file_name().is_some_and(|name| name.to_bytes().ends_with(b".yaml"));
        opened += u32::from(is_file);
    }
    end(serving);
    // Another reading may have begun if the machine has much else to do.
    assert!((22..=44).contains(&opened), "22 files were opened {opened} times");
}

#[test]
fn a_configuration_that_is_gone_is_not_replaced_by_the_defaults() {
    let mut clocked = Clocked::new(&["id: s, cron: '0 * * * *'"]);
    clocked.pass_to_the_hour(30 * MINUTE);
    let manager = Manager::new(&clocked.home, "manager");
    let mut serving = clocked.start(&[("NOTIFY_SOCKET", manager.path.as_str())]);
    manager.wait_for("READY=1");
    let text = clocked.home.read("holdfast.yaml");
    fs::remove_file(clocked.home.path("holdfast.yaml")).unwrap();
    serving.signal(Signal::HUP);
    serving.wait_for_talk("What it said before still holds.");
    manager.wait_for("RELOADING=1");
    manager.wait_for("READY=1");
    serving.signal(Signal::HUP);
    manager.wait_for("RELOADING=1");
    manager.wait_for("READY=1");
    assert_eq!(clocked.notifications("definition").len(), 1, "it is told once");
    // Only the configuration allows the program that it runs.
    clocked.pass(HOUR);
    serving.wait_for_talk(" a: succeeded");
    // It is looked for where it was, and no signal is needed.
    clocked.home.write("holdfast.yaml", &format!("{text}service: {{ log: json }}\n"));
    serving.wait_for_talk("The configuration was read anew.");
    end(serving);
}

#[test]
fn a_file_that_is_no_yaml_any_more_keeps_the_schedules_of_its_workflow() {
    let mut clocked = Clocked::new(&[NEVER]);
    let hourly = ["id: s, cron: '0 * * * *'".to_owned()];
    clocked.home.write("workflows/elsewhere.yaml", &workflow("v", &hourly));
    clocked.pass_to_the_hour(30 * MINUTE);
    let mut serving = clocked.serve();
    clocked.home.write("workflows/elsewhere.yaml", "holdfast: 1\nname: v\nsteps: [\n");
    serving.signal(Signal::HUP);
    serving.wait_for_talk("What it said before still holds.");
    clocked.pass(HOUR);
    serving.wait_for_lines(&[&["v:s ", "fired"]]);
    end(serving);
    // Whoever comes next has only the line with its name.
    let mut serving = clocked.serve();
    clocked.pass(HOUR);
    serving.wait_for_lines(&[&["v:s ", "skipped definition"]]);
    end(serving);
    assert_eq!(clocked.notifications("definition").len(), 2, "that nothing starts is new");
    end(clocked.serve());
    assert_eq!(clocked.notifications("definition").len(), 2, "nobody is told twice");
}
