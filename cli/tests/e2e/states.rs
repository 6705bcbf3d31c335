//! State directories: those of the first version go on, what one keeps is exported, and what is old is forgotten.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::home::Home;

/// A home whose state directory was written by the first version.
fn former(name: &str) -> Home {
    let home = Home::new();
    let journals = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/journals");
    let archive = journals.join(format!("first-{name}.tar.gz"));
    std::fs::create_dir(home.path("state")).expect("a folder is made");
    let tar =
        Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(home.path("state")).status();
    assert!(tar.expect("tar starts").success());
    home
}

fn runs(home: &Home) -> Vec<(String, String, String)> {
    let runs = home.holdfast(&["runs", "--output", "json"]).with_code(0).json();
    let text = |run: &Value, key: &str| run[key].as_str().unwrap_or_default().to_owned();
    let rows = runs.as_array().expect("it is a list").iter();
    rows.map(|run| (text(run, "run"), text(run, "workflow"), text(run, "status"))).collect()
}

fn statuses(home: &Home) -> Vec<String> {
    runs(home).into_iter().map(|(_, workflow, status)| format!("{workflow} {status}")).collect()
}

#[test]
fn a_state_of_the_first_version_is_read_retried_and_repeated() {
    let home = former("ended");
    assert_eq!(statuses(&home), ["each failed", "each partial", "each succeeded"]);
    let all = runs(&home);
    let shown = home.holdfast(&["show", &all[1].0]).with_code(0);
    assert!(shown.out.contains("2 items: 1 succeeded, 1 failed"), "{shown:#?}");
    assert!(home.holdfast(&["notifications"]).with_code(0).out.contains("is partial"));
    assert!(home.holdfast(&["logs", &all[2].0]).with_code(0).out.contains("did a"));
    // What failed then fails now: the definition is the one that the run was pinned to.
    home.holdfast(&["retry", &all[1].0]).with_code(0);
    home.holdfast(&["resume"]).with_code(0);
    assert_eq!(statuses(&home)[1], "each partial");
    home.holdfast(&["rerun", &all[2].0]).with_code(0);
    home.holdfast(&["resume"]).with_code(0);
    assert_eq!(statuses(&home)[0], "each succeeded");
}

#[test]
fn runs_that_the_first_version_left_in_the_middle_are_finished() {
    let home = former("running");
    assert_eq!(statuses(&home)[..2], ["each running", "once running"]);
    home.holdfast(&["resume"]).with_code(0);
    assert_eq!(statuses(&home)[..2], ["each succeeded", "once failed"]);
    let all = runs(&home);
    let shown = home.holdfast(&["show", &all[0].0]).with_code(0);
    assert!(shown.out.contains("40 items: 40 succeeded"), "{shown:#?}");
    // Items that had succeeded before the kill were not done again.
    let said = home.holdfast(&["logs", &all[0].0]).with_code(0).out;
    let times =
        |item: &str| said.lines().filter(|line| line.ends_with(&format!("did {item}"))).count();
    assert_eq!((times("n1"), times("n2"), times("n40")), (1, 1, 1), "{said}");
    // It is not known whether the other one happened; nothing did it again.
    home.holdfast(&["resolve", &all[1].0, "once", "not_done"]).with_code(0);
    home.holdfast(&["retry", &all[1].0]).with_code(0);
    home.holdfast(&["resume"]).with_code(0);
    assert_eq!(statuses(&home)[1], "once succeeded");
}

#[test]
fn what_a_state_keeps_is_exported_line_by_line() {
    let home = former("ended");
    home.holdfast(&["state", "export", "--to", "all.ndjson"]).with_code(0);
    let text = home.read("all.ndjson");
    let rows: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let of = |table: &str| rows.iter().filter(|row| row["table"] == table).count();
    assert_eq!((of("runs"), of("definitions")), (3, 1), "{text}");
    assert!(of("events") > 3 && of("notifications") >= 6 && of("states") == 3, "{text}");
    let printed = home.holdfast(&["state", "export"]).with_code(0);
    assert_eq!(printed.out, text);
}

#[test]
fn what_is_too_long_for_a_row_is_exported_from_the_files_of_runs() {
    let home = Home::new();
    let long = "x".repeat(3_000);
    for name in ["a", "b"] {
        let text = format!(
            "holdfast: 1\nname: {name}\noperation: maintenance\nsteps:\n  - id: s\n    uses: command\n    with: {{ argv: [/bin/sh, -c, \"echo {name} {long}\"] }}\n  - id: each\n    for_each: \"{{{{ range(5000) | list }}}}\"\n    uses: assert\n    with: {{ that: true }}\n"
        );
        home.write("w.yaml", &text);
        home.holdfast(&["run", "w.yaml"]).with_code(0);
    }
    let text = home.holdfast(&["state", "export"]).with_code(0).out;
    let rows: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let payloads: Vec<&Value> =
        rows.iter().filter(|row| row["table"] == "payloads").map(|row| &row["row"]).collect();
    for name in ["a", "b"] {
        let has = |row: &&&Value| {
            row["content"]["stdout"]
                .as_str()
                .is_some_and(|out| out.starts_with(&format!("{name} xxx")))
        };
        let row = payloads.iter().find(has).unwrap_or_else(|| panic!("{name}: {payloads:#?}"));
        // The row that refers to it names its place.
        let refers = format!("\"offset\":{}", row["offset"]);
        let states = rows.iter().filter(|row| row["table"] == "states");
        assert!(states.map(Value::to_string).any(|state| state.contains(&refers)));
    }
    let listed = payloads.iter().filter_map(|row| row["content"].as_array()).flatten();
    assert_eq!(listed.filter(|item| item["key"] == "4999").count(), 2, "the lists of items");
}

#[test]
fn runs_are_forgotten_when_asked_and_when_the_configuration_says_so() {
    let home = former("ended");
    home.holdfast(&["state", "prune"]).with_code(2);
    let kept = home.holdfast(&["state", "prune", "--older-than", "36500d"]).with_code(0);
    assert!(kept.talk.contains("0 runs forgotten"), "{kept:#?}");
    let dry = home.holdfast(&["state", "prune", "--older-than", "1ms", "--dry-run"]).with_code(0);
    assert!(dry.talk.contains("3 runs would be forgotten"), "{dry:#?}");
    assert_eq!(runs(&home).len(), 3);
    let payloads = || std::fs::read_dir(home.path("state/payloads")).expect("it is there").count();
    let logs = || std::fs::read_dir(home.path("state/logs")).expect("it is there").count();
    assert_eq!((payloads(), logs()), (3, 3));
    home.holdfast(&["state", "prune", "--older-than", "1ms"]).with_code(0);
    assert_eq!((runs(&home).len(), payloads(), logs()), (0, 0, 0));
    let none = home.holdfast(&["notifications"]).with_code(0);
    assert!(none.talk.contains("There are no notifications"), "{none:#?}");

    // An owner looks after it by itself.
    home.write("w.yaml", "holdfast: 1\nname: w\noperation: maintenance\nsteps:\n  - id: a\n    uses: assert\n    with: { that: true }\n");
    home.holdfast(&["run", "w.yaml"]).with_code(0);
    let first = runs(&home)[0].0.clone();
    home.write(
        "holdfast.yaml",
        "holdfast_config: 1\nstate: { keep_runs: 1ms, keep_notifications: 1ms }\n",
    );
    // The second one waits for an approval, so that the owner lives until what is old has gone.
    home.write("wait.yaml", "holdfast: 1\nname: wait\noperation: maintenance\nsteps:\n  - id: ask\n    uses: approval\n    with: { allow_self: true }\n");
    let mut owner = home.start(&["run", "wait.yaml"]);
    owner.wait_for_talk("to answer");
    let gone = || runs(&home).iter().all(|(run, ..)| *run != first);
    while !gone() {
        assert!(owner.is_running());
    }
    home.holdfast(&["approve", &runs(&home)[0].0]).with_code(0);
    owner.end().with_code(0);
}

#[test]
fn the_status_names_whose_word_is_needed_with_the_command_that_gives_it() {
    let home = former("running");
    home.write(
        "wait.yaml",
        "holdfast: 1\nname: wait\noperation: maintenance\nsteps:\n  - id: ask\n    uses: approval\n    with: { text: Go on?, allow_self: true }\n",
    );
    let mut owner = home.start(&["run", "wait.yaml"]);
    owner.wait_for_talk("to answer");
    let said = home.holdfast(&["status"]).with_code(0);
    assert!(said.out.starts_with("A process drives the runs"), "{said:#?}");
    assert!(said.out.contains("waits for the word of a person at ask"), "{said:#?}");
    assert!(said.out.contains("Go on?"), "{said:#?}");
    let status = home.holdfast(&["status", "--output", "json"]).with_code(0).json();
    let needs = status["needs"].as_array().expect("it is a list");
    let command = |what: &str| {
        let need =
            needs.iter().find(|need| need["what"].as_str().is_some_and(|of| of.contains(what)));
        need.unwrap_or_else(|| panic!("{status:#}"))["command"].as_str().expect("text").to_owned()
    };
    let answer = command("Go on?");
    let words: Vec<&str> = answer.split(' ').skip(1).collect();
    home.holdfast(&words).with_code(0);
    owner.end().with_code(0);
    // Whoever waited for nobody is told what only a person can say, also when nothing runs.
    home.holdfast(&["resume"]).with_code(0);
    let said = home.holdfast(&["status"]).with_code(0);
    assert!(said.out.starts_with("No run is unfinished."), "{said:#?}");
    let line = said.out.lines().find(|line| line.contains("holdfast resolve")).expect("in doubt");
    assert!(line.ends_with("once done|not_done"), "{said:#?}");
}

#[test]
fn targets_are_listed_and_one_that_cannot_be_used_is_said() {
    let home = Home::new();
    home.write(
        "holdfast.yaml",
        "holdfast_config: 1\ntargets:\n  here: { kind: files, root: ., labels: { team: a } }\n  gone: { kind: files, root: ./gone }\n",
    );
    let said = home.holdfast(&["targets"]).with_code(1);
    assert!(
        said.out.lines().any(|line| line.starts_with("here") && line.ends_with("team=a")),
        "{said:#?}"
    );
    assert!(said.out.lines().any(|line| line.starts_with("gone")), "{said:#?}");
}

#[test]
fn what_is_damaged_in_a_state_is_told_and_everything_else_is_exported() {
    let home = Home::new();
    let long = "x".repeat(3_000);
    for name in ["a", "b"] {
        let text = format!(
            "holdfast: 1\nname: {name}\noperation: maintenance\nsteps:\n  - id: s\n    uses: command\n    with: {{ argv: [/bin/sh, -c, \"echo {name} $0\", {long}] }}\n"
        );
        home.write("w.yaml", &text);
        home.holdfast(&["run", "w.yaml"]).with_code(0);
    }
    let all = runs(&home);
    let file = |run: &str| home.path(&format!("state/payloads/{run}"));
    // What stands behind the last frame that a record names is nothing.
    let mut bytes = std::fs::read(file(&all[0].0)).expect("it is there");
    bytes.extend([0; 50]);
    std::fs::write(file(&all[0].0), &bytes).expect("it is written");
    let whole = home.holdfast(&["state", "export"]).with_code(0);
    assert!(!whole.out.contains("\"error\":\""), "{whole:#?}");
    // A byte of the older one is another.
    let mut bytes = std::fs::read(file(&all[1].0)).expect("it is there");
    bytes[20] ^= 1;
    std::fs::write(file(&all[1].0), &bytes).expect("it is written");
    let said = home.holdfast(&["state", "export", "--to", "all.ndjson"]).with_code(69);
    assert!(said.talk.contains("1 part of the state cannot be read"), "{said:#?}");
    let text = home.read("all.ndjson");
    assert!(
        text.contains("its checksum does not fit")
            && text.contains(&file(&all[1].0).display().to_string())
    );
    let content = format!("{} xxx", all[0].1.split(' ').next().expect("a word"));
    assert!(text.lines().any(|line| line.contains("\"payloads\"") && line.contains(&content)));
}
