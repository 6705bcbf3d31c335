//! Who has a target alone, who waits for it, and in which order they go on.

use std::fs;
use std::path::PathBuf;

use crate::home::{Home, hold};

fn run_of(home: &Home) -> String {
    let runs = home.holdfast(&["runs", "--output", "json"]).with_code(0).json();
    runs[0]["run"].as_str().expect("there is a run").to_owned()
}

/// A restore that asks a person, before or after it wrote, and a backup of the same target that waits on a pipe.
fn restore_and_backup(first: &str) -> (Home, PathBuf) {
    let home = Home::new();
    home.write(
        "holdfast.yaml",
        "holdfast_config: 1\nallow: { commands: [/bin/sh] }\ntargets:\n  documents: { kind: files, root: ./documents }\n",
    );
    fs::create_dir(home.path("documents")).expect("a folder is made");
    let pipe = home.pipe("pipe");
    let command = |id: &str, script: &str| {
        format!(
            "  - id: {id}\n    uses: command\n    effect: idempotent\n    with: {{ argv: [/bin/sh, -c, \"{script}\"], cwd: {} }}\n",
            home.path("").display()
        )
    };
    let ask =
        "  - id: ask\n    uses: approval\n    with: { text: \"Really?\", allow_self: true }\n";
    let write = command("write", "echo restored >> done");
    let steps = if first == "ask" { [ask, &write].concat() } else { [&write, ask].concat() };
    let head = |name: &str, operation: &str| {
        format!("holdfast: 1\nname: {name}\noperation: {operation}\ntarget: documents\nsteps:\n")
    };
    home.write("workflows/w.yaml", &format!("{}{steps}", head("w", "restore")));
    let wait = command("s", &format!("read line < {}; echo backed up >> done", pipe.display()));
    home.write("workflows/b.yaml", &format!("{}{wait}", head("b", "backup")));
    (home, pipe)
}

#[test]
fn who_waits_for_a_person_and_has_not_written_gives_its_hold_back_and_needs_it_again() {
    let (home, pipe) = restore_and_backup("ask");
    let mut restore = home.start(&["run", "w"]);
    restore.wait_for_talk("to answer: holdfast approve");
    let id = run_of(&home);
    let backup = home.start(&["run", "b"]);
    // The target is free, so the backup gets to its step.
    let held = hold(&pipe);
    let backup_id = run_of(&home);
    home.holdfast(&["approve", &id]).with_code(0);
    let shown = home.holdfast(&["show", &id]).with_code(0);
    assert!(shown.out.contains(&format!("where {backup_id} is")), "{shown:#?}");
    drop(held);
    backup.end().with_code(0);
    restore.end().with_code(0);
    assert_eq!(home.read("done"), "backed up\nrestored\n");
}

#[test]
fn who_waits_for_a_person_and_has_written_keeps_its_hold() {
    let (home, pipe) = restore_and_backup("write");
    let mut restore = home.start(&["run", "w"]);
    restore.wait_for_talk("to answer: holdfast approve");
    let id = run_of(&home);
    let backup = home.holdfast(&["submit", "b"]).with_code(0).first();
    let shown = home.holdfast(&["show", &backup]).with_code(0);
    assert!(shown.out.contains(&format!("where {id} is")), "{shown:#?}");
    assert!(shown.out.contains("queued"), "{shown:#?}");
    home.holdfast(&["approve", &id]).with_code(0);
    restore.end().with_code(0);
    let resumed = home.start(&["resume"]);
    drop(hold(&pipe));
    resumed.end().with_code(0);
    assert_eq!(home.read("done"), "restored\nbacked up\n");
}

#[test]
fn two_restores_and_a_backup_of_one_target_go_on_one_after_the_other() {
    let home = Home::new();
    home.write(
        "holdfast.yaml",
        "holdfast_config: 1\nallow: { commands: [/bin/sh] }\ntargets:\n  documents: { kind: files, root: ./documents }\n",
    );
    fs::create_dir(home.path("documents")).expect("a folder is made");
    for operation in ["restore", "backup"] {
        let text = format!(
            "holdfast: 1
name: {operation}
operation: {operation}
target: documents
inputs:
  name: {{ type: string, required: true }}
steps:
  - id: s
    for_each: {{ items: [1, 2, 3, 4, 5, 6], max_parallel: 3 }}
    uses: command
    with: {{ argv: [/bin/sh, -c, \"echo $0 >> effects\", \"{{{{ inputs.name }}}}\"], cwd: {} }}
",
            home.path("").display()
        );
        home.write(&format!("workflows/{operation}.yaml"), &text);
    }
    let submit = |workflow: &str, name: &str| {
        let input = format!("name={name}");
        home.holdfast(&["submit", workflow, "--input", &input]).with_code(0).first()
    };
    submit("restore", "first");
    submit("backup", "second");
    submit("restore", "third");
    home.holdfast(&["resume"]).with_code(0);
    let effects = home.read("effects");
    let effects: Vec<&str> = effects.lines().collect();
    let wanted = ["first", "second", "third"].map(|name| [name; 6]).concat();
    assert_eq!(effects, wanted, "in the order in which they were asked for");
}

#[test]
fn runs_of_one_group_go_on_in_the_order_in_which_they_were_asked_for() {
    let home = Home::new();
    for name in ["a", "b"] {
        let text = format!(
            "holdfast: 1\nname: {name}\noperation: maintenance\nconcurrency: {{ group: g }}\ninputs:\n  n: {{ type: string, required: true }}\nsteps:\n  - id: s\n    uses: command\n    with: {{ argv: [/bin/sh, -c, \"echo $0 >> effects\", \"{{{{ inputs.n }}}}\"], cwd: {} }}\n",
            home.path("").display()
        );
        home.write(&format!("workflows/{name}.yaml"), &text);
    }
    for (number, workflow) in ["a", "b", "b", "a", "b"].into_iter().enumerate() {
        let input = format!("n={number}");
        home.holdfast(&["submit", workflow, "--input", &input]).with_code(0);
    }
    home.holdfast(&["resume"]).with_code(0);
    assert_eq!(home.read("effects"), "0\n1\n2\n3\n4\n");
}
