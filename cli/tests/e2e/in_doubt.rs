//! A step that may have happened is never repeated by itself: a person says, and the run goes on.

use rustix::process::Signal;

use crate::home::{Home, hold};

#[test]
fn a_once_step_killed_in_the_middle_is_unknown_until_a_person_says_done() {
    let home = Home::new();
    let pipe = home.pipe("pipe");
    home.write(
        "once.yaml",
        &format!(
            r#"
holdfast: 1
name: once
operation: maintenance
steps:
  - id: create
    uses: command
    with: {{ argv: [/bin/sh, -c, "echo created >> world; read line < {pipe}"], cwd: {home} }}
  - id: after
    uses: command
    effect: idempotent
    with: {{ argv: [/bin/sh, -c, "echo after >> world"], cwd: {home} }}
"#,
            pipe = pipe.display(),
            home = home.path("").display(),
        ),
    );
    let process = home.start(&["run", "once.yaml"]);
    let held = hold(&pipe);
    process.signal(Signal::KILL);
    process.end().with_code(137);
    drop(held);
    home.holdfast(&["resume"]).with_code(0);
    let shown = home.holdfast(&["show", "run_"]).with_code(0);
    assert!(shown.out.contains("unknown_effect"), "{shown:#?}");
    assert!(shown.talk.contains("holdfast resolve run_"), "the command that answers: {shown:#?}");
    let early = home.holdfast(&["retry", "run_"]).with_code(5);
    assert!(early.talk.contains("a person must say first"), "{early:#?}");
    home.holdfast(&[
        "resolve",
        "run_",
        "create",
        "done",
        "--result",
        r#"{"exit_code": 0, "stdout": "", "stderr": ""}"#,
    ])
    .with_code(0);
    home.holdfast(&["resolve", "run_", "create", "done"]).with_code(5);
    home.holdfast(&["retry", "run_"]).with_code(0);
    home.holdfast(&["resume"]).with_code(0);
    let shown = home.holdfast(&["show", "run_", "--output", "json"]).with_code(0).json();
    assert_eq!(shown["status"], "succeeded", "{shown:#}");
    assert_eq!(home.read("world"), "created\nafter\n", "the effect in doubt was not repeated");
}

#[test]
fn a_program_that_dies_by_a_signal_leaves_its_effect_unknown() {
    let home = Home::new();
    let text = format!(
        "holdfast: 1
name: once
operation: maintenance
steps:
  - id: create
    retry: {{ attempts: 3, when: [permanent, transient] }}
    uses: command
    with: {{ argv: [/bin/sh, -c, \"echo created >> world; kill -9 $$\"], cwd: {} }}
",
        home.path("").display()
    );
    home.write("workflows/once.yaml", &text);
    home.holdfast(&["run", "once"]).with_code(1);
    assert_eq!(home.read("world"), "created\n", "it is not begun again by itself");
    let shown = home.holdfast(&["show", "run_"]).with_code(0);
    assert!(shown.out.contains("signal: 9 (SIGKILL)"), "{shown:#?}");
    assert!(shown.talk.contains("holdfast resolve run_"), "the command that answers: {shown:#?}");
}
