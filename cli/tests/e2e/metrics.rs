//! Numbers for Prometheus: from the command, and in the file that the service writes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;

use crate::clocked::{Clocked, HOUR, end};
use crate::home::{Home, hold};

/// A workflow that succeeds.
const GOOD: &str = "holdfast: 1\nname: good\noperation: maintenance\nsteps:\n  - id: a\n    uses: assert\n    with: { that: true, message: never }\n";

/// A workflow that fails.
const BAD: &str = "holdfast: 1\nname: bad\noperation: maintenance\nsteps:\n  - id: a\n    uses: assert\n    with: { that: false, message: always }\n";

/// A workflow that asks a person.
const ASKS: &str = "holdfast: 1\nname: asks\noperation: maintenance\nsteps:\n  - id: ask\n    uses: approval\n    with: { text: may it, by: [tester], allow_self: true }\n";

/// A configuration with a target.
const TARGETS: &str = "targets:\n  documents: { kind: files, root: ./documents }\n";

const LAST_SET: &str = "holdfast_target_last_set_timestamp_seconds{target=\"documents\"}";

const HOURLY: &str = "id: s, cron: '0 * * * *'";

/// The numbers of a text by what stands before them, if it is one that a strict reader takes.
fn read(text: &str) -> BTreeMap<String, u64> {
    assert!(text.ends_with('\n'), "the last line ends:\n{text}");
    let (mut helps, mut types) = (BTreeSet::new(), BTreeMap::new());
    let mut numbers = BTreeMap::new();
    for line in text.lines() {
        if let Some(told) = line.strip_prefix("# HELP ") {
            let (name, help) = told.split_once(' ').expect("a help says something");
            assert!(helps.insert(name) && !help.is_empty(), "{line}");
        } else if let Some(told) = line.strip_prefix("# TYPE ") {
            let (name, kind) = told.split_once(' ').expect("a type says something");
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert_eq!(types.insert(name, kind), None, "{line}");
        } else {
            let (series, number) = line.rsplit_once(' ').expect("a line has a number");
            let name = series.split('{').next().unwrap_or_default();
            assert!(helps.contains(name) && types.contains_key(name), "no HELP and TYPE: {line}");
            assert!(is_name(name) && name.starts_with("holdfast_"), "{line}");
            labels(series.strip_prefix(name).unwrap_or_default());
            let number = number.parse::<u64>().unwrap_or_else(|error| panic!("{error}: {line}"));
            assert_eq!(numbers.insert(series.to_owned(), number), None, "twice: {line}");
        }
    }
    let named = |name: &&&str| {
        numbers.keys().any(|series| series.split('{').next().is_some_and(|of| of == **name))
    };
    assert_eq!(types.keys().filter(named).count(), types.len(), "all have numbers:\n{text}");
    numbers
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Labels in braces, or nothing.
fn labels(text: &str) {
    if text.is_empty() {
        return;
    }
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let mut rest = inner.expect("labels stand in braces");
    loop {
        let (name, value) = rest.split_once("=\"").expect("a label has a value");
        assert!(is_name(name), "{text}");
        rest = after(value);
        if rest.is_empty() {
            return;
        }
        rest = rest.strip_prefix(',').expect("a comma is between labels");
    }
}

/// What stands behind the quotation mark that ends a value.
fn after(value: &str) -> &str {
    let mut letters = value.chars();
    loop {
        match letters.next().expect("a value ends") {
            '"' => return letters.as_str(),
            '\\' => assert!(matches!(letters.next(), Some('\\' | '"' | 'n')), "{value}"),
            _ => {}
        }
    }
}

fn metrics(home: &Home) -> BTreeMap<String, u64> {
    read(&home.holdfast(&["metrics"]).with_code(0).out)
}

/// A clocked home whose service writes its numbers into this file, and says so.
fn writing(file: &str) -> Clocked {
    let clocked = Clocked::new(&[HOURLY]);
    clocked.home.write(
        "holdfast.yaml",
        &format!(
            "holdfast_config: 1\nallow: {{ commands: [/bin/sh] }}\nservice: {{ metrics_file: {file} }}\n"
        ),
    );
    clocked
}

const SAYS_ALL: [(&str, &str); 1] = [("HOLDFAST_LOG", "debug")];

#[test]
fn the_command_counts_what_happened_although_nobody_drives() {
    let home = Home::new();
    for (file, text) in [("good", GOOD), ("bad", BAD), ("asks", ASKS)] {
        home.write(&format!("workflows/{file}.yaml"), text);
    }
    let before = metrics(&home);
    assert_eq!((before["holdfast_up"], before["holdfast_runs_started_total"]), (0, 0));
    home.holdfast(&["run", "good"]).with_code(0);
    home.holdfast(&["run", "bad"]).with_code(1);
    home.holdfast(&["submit", "asks"]).with_code(0);
    home.holdfast(&["pause"]).with_code(0);
    let numbers = metrics(&home);
    for (series, expect) in [
        (concat!("holdfast_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1),
        ("holdfast_up", 0),
        ("holdfast_paused", 1),
        ("holdfast_runs_queued_total", 3),
        ("holdfast_runs_started_total", 2),
        ("holdfast_runs_ended_total{status=\"succeeded\"}", 1),
        ("holdfast_runs_ended_total{status=\"partial\"}", 0),
        ("holdfast_runs_ended_total{status=\"failed\"}", 1),
        ("holdfast_runs_active{status=\"queued\"}", 1),
        ("holdfast_runs_active{status=\"running\"}", 0),
        ("holdfast_runs_waiting", 0),
        ("holdfast_effects_in_doubt", 0),
    ] {
        assert_eq!(numbers.get(series), Some(&expect), "{series} of {numbers:#?}");
    }
    assert!(numbers["holdfast_journal_records_total"] > 3, "{numbers:#?}");
    assert_eq!(
        numbers["holdfast_notifications_total"], numbers["holdfast_notifications_unread"],
        "nobody has acknowledged any"
    );
    assert!(numbers["holdfast_disk_free_bytes{of=\"state\"}"] > 0);
    home.holdfast(&["ack", "--all"]).with_code(0);
    assert_eq!(metrics(&home)["holdfast_notifications_unread"], 0);
}

#[test]
fn every_form_has_the_same_numbers_and_no_other_command_has_this_one() {
    let home = Home::new();
    home.write("workflows/good.yaml", GOOD);
    home.holdfast(&["run", "good"]).with_code(0);
    let plain = metrics(&home);
    let asked = read(&home.holdfast(&["metrics", "--output", "prometheus"]).with_code(0).out);
    assert!(plain.keys().eq(asked.keys()), "{plain:#?} {asked:#?}");
    let json = home.holdfast(&["metrics", "--output", "json"]).with_code(0).json();
    let of_json = json.as_array().unwrap().iter().flat_map(|family| {
        let samples = family["samples"].as_array().unwrap().iter();
        samples.map(|sample| (family["name"].as_str().unwrap(), sample["value"].as_u64().unwrap()))
    });
    let of_json: Vec<(&str, u64)> = of_json.collect();
    assert_eq!(of_json.len(), plain.len(), "{json:#}");
    assert!(of_json.contains(&("holdfast_runs_started_total", 1)), "{json:#}");
    let said = home.holdfast(&["status", "--output", "prometheus"]).with_code(2);
    assert!(said.talk.contains("only for `holdfast metrics`"), "{said:#?}");
}

#[test]
fn a_run_that_asks_a_person_and_one_that_goes_on_are_told_apart() {
    let home = Home::new();
    let pipe = home.pipe("pipe");
    home.write("workflows/asks.yaml", ASKS);
    let text = GOOD.replace("uses: assert", "uses: command").replace(
        "{ that: true, message: never }",
        &format!("{{ argv: [/bin/sh, -c, \"read line < {}\"] }}", pipe.display()),
    );
    home.write("workflows/good.yaml", &text);
    let mut serving = home.start(&["serve"]);
    serving.wait_for_talk("holdfast serves");
    let asks = home.holdfast(&["submit", "asks", "--output", "json"]).with_code(0).json();
    let asks = asks["run"].as_str().unwrap().to_owned();
    home.holdfast(&["submit", "good"]).with_code(0);
    let held = hold(&pipe);
    let mut numbers = metrics(&home);
    // The question is stored on its own: each look is an exchange with the service.
    for _ in 0..600 {
        if numbers["holdfast_runs_waiting"] == 1 {
            break;
        }
        numbers = metrics(&home);
    }
    assert_eq!(numbers["holdfast_runs_waiting"], 1, "{numbers:#?}");
    assert_eq!(numbers["holdfast_up"], 1);
    assert_eq!(numbers["holdfast_runs_active{status=\"running\"}"], 2, "{numbers:#?}");
    drop(held);
    home.holdfast(&["approve", &asks]).with_code(0);
    home.holdfast(&["watch", &asks]).with_code(0);
    assert_eq!(metrics(&home)["holdfast_runs_waiting"], 0);
    end(serving);
}

#[test]
fn the_service_writes_its_numbers_when_it_starts_and_when_it_reads_its_files_again() {
    let mut clocked = writing("./metrics.prom");
    clocked.pass_to_the_hour(30);
    let mut serving = clocked.start(&SAYS_ALL);
    serving.wait_for_lines(&[&["holdfast serves"], &["metrics.prom is written"]]);
    let numbers = read(&clocked.home.read("metrics.prom"));
    let at = numbers["holdfast_metrics_timestamp_seconds"];
    let next = numbers["holdfast_schedule_next_tick_timestamp_seconds{schedule=\"w:s\"}"];
    assert_eq!(numbers["holdfast_up"], 1);
    assert!(next > at && next.is_multiple_of(3_600), "{next} is the hour after {at}");
    for which in ["paused", "late", "trouble", "last_success_timestamp_seconds"] {
        let series = format!("holdfast_schedule_{which}{{schedule=\"w:s\"}}");
        assert_eq!(numbers.get(&series), Some(&0), "{series}");
    }
    let mode = fs::metadata(clocked.home.path("metrics.prom")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "its reader is another user");
    clocked.holdfast(&["pause", "w:s"]).with_code(0);
    serving.signal(Signal::HUP);
    serving.wait_for_talk("metrics.prom is written");
    let numbers = read(&clocked.home.read("metrics.prom"));
    assert_eq!(numbers["holdfast_schedule_paused{schedule=\"w:s\"}"], 1);
    assert_eq!(numbers["holdfast_paused"], 0);
    end(serving);
    let left = fs::read_dir(clocked.home.path("")).unwrap().filter_map(Result::ok);
    let left = left.filter(|entry| entry.file_name().to_string_lossy().contains("metrics"));
    assert_eq!(left.count(), 1, "nothing half written is left");
}

#[test]
fn a_file_that_cannot_be_written_is_told_and_written_once_it_can_be() {
    let clocked = writing("./later/metrics.txt");
    let mut serving = clocked.start(&SAYS_ALL);
    serving.wait_for_lines(&[
        &["holdfast serves"],
        &["warning: ", "does not end in `.prom`"],
        &["warning: The metrics file ", "cannot be written"],
    ]);
    serving.signal(Signal::HUP);
    // No warning again.
    serving.wait_for_talk("debug: The metrics file ");
    fs::create_dir(clocked.home.path("later")).unwrap();
    serving.signal(Signal::HUP);
    serving.wait_for_talk("metrics.txt is written again");
    assert_eq!(read(&clocked.home.read("later/metrics.txt"))["holdfast_up"], 1);
    end(serving);
}

#[test]
fn the_age_of_the_last_backup_is_known_and_a_look_at_it_makes_no_repository() {
    let home = Home::new();
    home.write("holdfast.yaml", &format!("holdfast_config: 1\n{TARGETS}"));
    fs::create_dir(home.path("documents")).unwrap();
    home.write("documents/a", "content\n");
    assert_eq!(metrics(&home)[LAST_SET], 0);
    assert!(!home.path(".local/share/holdfast").exists(), "nobody backed up anything");
    home.holdfast(&["run", "files/backup", "--input", "target=documents"]).with_code(0);
    let numbers = metrics(&home);
    let (at, now) = (numbers[LAST_SET], numbers["holdfast_metrics_timestamp_seconds"]);
    assert!(at > 0 && at <= now && now - at < 600, "{at} {now}");
    assert_eq!(numbers["holdfast_repository_readable{name=\"own\"}"], 1);
    // What cannot be read says nothing: neither an old age nor none at all.
    fs::rename(
        home.path(".local/share/holdfast/repository.key"),
        home.path(".local/share/holdfast/elsewhere"),
    )
    .unwrap();
    let said = home.holdfast(&["metrics"]).with_code(0);
    assert!(said.talk.contains("cannot be used"), "{said:#?}");
    let numbers = read(&said.out);
    assert_eq!(numbers["holdfast_repository_readable{name=\"own\"}"], 0);
    assert_eq!(numbers.get(LAST_SET), None);
}

#[test]
fn the_service_sees_each_new_backup_set() {
    let mut clocked = writing("./metrics.prom");
    let configuration = clocked.home.read("holdfast.yaml");
    clocked.home.write("holdfast.yaml", &format!("{configuration}{TARGETS}"));
    fs::create_dir(clocked.home.path("documents")).unwrap();
    clocked.home.write("documents/a", "content\n");
    let mut serving = clocked.start(&SAYS_ALL);
    serving.wait_for_lines(&[&["holdfast serves"], &["metrics.prom is written"]]);
    let mut seen = vec![read(&clocked.home.read("metrics.prom"))[LAST_SET]];
    for _ in 0..2 {
        clocked.pass(HOUR);
        clocked.holdfast(&["run", "files/backup", "--input", "target=documents"]).with_code(0);
        for _ in 0..2 {
            serving.signal(Signal::HUP);
            serving.wait_for_talk("metrics.prom is written");
            seen.push(read(&clocked.home.read("metrics.prom"))[LAST_SET]);
        }
    }
    let [none, first, again, second, once_more] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((*none, first, second), (0, again, once_more));
    assert!(*first > 0 && *second >= first + 3_600, "{seen:?}");
    end(serving);
}
