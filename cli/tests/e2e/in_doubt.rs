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
    with: {{ argv: [/bin/sh, -c, "echo after $0 >> world", "{{{{ steps.create.output.stdout }}}}"], cwd: {home} }}
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
        r#"{"exit_code": 0, "stdout": "number 4711", "stderr": ""}"#,
    ])
    .with_code(0);
    home.holdfast(&["resolve", "run_", "create", "done"]).with_code(5);
    home.holdfast(&["retry", "run_"]).with_code(0);
    home.holdfast(&["resume"]).with_code(0);
    let shown = home.holdfast(&["show", "run_", "--output", "json"]).with_code(0).json();
    assert_eq!(shown["status"], "succeeded", "{shown:#}");
    assert_eq!(home.read("world"), "created\nafter number 4711\n", "not repeated");
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

#[test]
fn what_is_in_doubt_is_named_item_by_item_until_somebody_has_said_what_happened() {
    let home = Home::new();
    let text = format!(
        "holdfast: 1
name: each
operation: maintenance
steps:
  - id: each
    for_each: {{ items: [one, Break glass, three], max_parallel: 1 }}
    uses: command
    with: {{ argv: [/bin/sh, -c, \"echo $0 >> world; test $0 = three || kill -9 $$\", \"{{{{ item }}}}\"], cwd: {} }}
",
        home.path("").display()
    );
    home.write("workflows/each.yaml", &text);
    home.holdfast(&["run", "each"]).with_code(3);
    let needs = || {
        let status = home.holdfast(&["status", "--output", "json"]).with_code(0).json();
        let needs = status["needs"].as_array().expect("a list").iter();
        needs.filter_map(|need| need["command"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let named = needs();
    assert_eq!(named.len(), 2, "{named:?}");
    assert!(named[1].ends_with("each 'Break glass' done|not_done"), "{named:?}");
    home.holdfast(&["resolve", "run_", "each", "one", "done"]).with_code(0);
    home.holdfast(&["resolve", "run_", "each", "Break glass", "not_done"]).with_code(0);
    assert_eq!(needs(), Vec::<String>::new(), "it was said");
    let shown = home.holdfast(&["show", "run_"]).with_code(0);
    assert!(!shown.talk.contains("holdfast resolve"), "{shown:#?}");
    let dry = home.holdfast(&["retry", "run_", "--dry"]).with_code(0);
    assert!(dry.out.contains("each                 1 item\n"), "{dry:#?}");
}
