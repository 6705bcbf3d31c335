//! A process that owns a state directory answers every other command over its socket.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use rustix::process::Signal;

use crate::home::{Home, Started, hold};

/// A workflow that waits on a pipe and then says something.
fn waiting(home: &Home) -> std::path::PathBuf {
    let pipe = home.pipe("pipe");
    let script = format!("read line < {}; echo heard", pipe.display());
    home.write(
        "workflows/wait.yaml",
        &format!(
            "holdfast: 1\nname: wait\noperation: maintenance\nsteps:\n  - id: wait\n    uses: command\n    effect: idempotent\n    with: {{ argv: [/bin/sh, -c, \"{script}\"] }}\n"
        ),
    );
    pipe
}

fn run_of(home: &Home) -> String {
    let runs = home.holdfast(&["runs", "--output", "json"]).with_code(0).json();
    runs[0]["run"].as_str().expect("there is a run").to_owned()
}

#[test]
fn everything_is_asked_of_the_owner_while_there_is_one() {
    let home = Home::new();
    let pipe = waiting(&home);
    let owner = home.start(&["run", "wait"]);
    let held = hold(&pipe);
    let socket = fs::metadata(home.path("state/socket")).expect("there is a socket");
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.mode() & 0o777, 0o600, "only its user may ask");
    let listed = home.holdfast(&["runs"]).with_code(0);
    assert!(listed.out.contains("running"), "{listed:#?}");
    assert!(!listed.talk.contains("unfinished"), "somebody drives it: {listed:#?}");
    let run = run_of(&home);
    let shown = home.holdfast(&["show", &run, "--output", "json"]).with_code(0).json();
    assert_eq!(shown["steps"][0]["status"], "running");
    home.holdfast(&["notifications"]).with_code(0);
    home.holdfast(&["logs", &run]).with_code(0);
    let again = home.holdfast(&["submit", "wait", "--output", "json"]).with_code(0).json();
    assert_eq!((again["run"].as_str(), &again["deduplicated"]), (Some(run.as_str()), &true.into()));
    let refused = home.holdfast(&["resume"]).with_code(69);
    assert!(refused.talk.contains(&owner.pid().to_string()), "{refused:#?}");
    drop(held);
    owner.end().with_code(0);
    assert!(!home.path("state/socket").exists(), "it goes with its owner");
}

#[test]
fn a_second_run_is_handed_to_the_owner_and_followed_to_its_end() {
    let home = Home::new();
    let pipe = waiting(&home);
    let owner = home.start(&["run", "wait"]);
    let held = hold(&pipe);
    let run = run_of(&home);
    let mut second = home.start(&["run", "wait"]);
    let mut watcher = home.start(&["watch", &run]);
    let mut logs = home.start(&["logs", "-f", &run]);
    second.wait_for_talk("Following run_");
    watcher.wait_for_talk("Following run_");
    logs.wait_for_talk("Following the log");
    drop(held);
    for started in [second, watcher] {
        let said = started.end().with_code(0);
        assert!(said.talk.contains("wait: succeeded"), "{said:#?}");
        assert!(said.talk.trim_end().ends_with("succeeded"), "{said:#?}");
    }
    let said = logs.end().with_code(0);
    assert!(said.out.contains("stdout: heard"), "{said:#?}");
    owner.end().with_code(0);
}

#[test]
fn ctrl_c_ends_watching_and_not_the_run() {
    let home = Home::new();
    let pipe = waiting(&home);
    let owner = home.start(&["run", "wait"]);
    let held = hold(&pipe);
    let mut second = home.start(&["run", "wait"]);
    second.wait_for_talk("Following run_");
    second.signal(Signal::INT);
    let said = second.end().with_code(130);
    assert!(said.talk.contains("The run goes on. `holdfast watch"), "{said:#?}");
    drop(held);
    owner.end().with_code(0);
}

#[test]
fn a_killed_owner_leaves_a_socket_that_troubles_nobody() {
    let home = Home::new();
    let pipe = waiting(&home);
    let owner: Started = home.start(&["run", "wait"]);
    let held = hold(&pipe);
    let run = run_of(&home);
    let mut watcher = home.start(&["watch", &run]);
    watcher.wait_for_talk("Following run_");
    owner.signal(Signal::KILL);
    owner.end();
    let said = watcher.end().with_code(69);
    assert!(said.talk.contains("the run has not"), "{said:#?}");
    assert!(home.path("state/socket").exists(), "nobody could remove it");
    let listed = home.holdfast(&["runs"]).with_code(0);
    assert!(listed.talk.contains("1 run is unfinished"), "{listed:#?}");
    let watched = home.holdfast(&["watch", &run]).with_code(69);
    assert!(watched.talk.contains("Nobody drives"), "{watched:#?}");
    // What the dead owner started ends with the pipe; the next attempt finds a file.
    fs::remove_file(&pipe).expect("it goes");
    home.write("pipe", "a line\n");
    drop(held);
    home.holdfast(&["resume"]).with_code(0);
    home.holdfast(&["watch", &run]).with_code(0);
}
