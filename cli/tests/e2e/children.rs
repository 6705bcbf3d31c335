//! Parents and children: who waits for whom, and what a retry of either does.

use std::fs;

use rustix::process::Signal;

use crate::home::{Home, Said, hold};

fn run_of(home: &Home, workflow: &str) -> String {
    let runs = home.holdfast(&["runs", "--workflow", workflow, "--output", "json"]);
    let runs = runs.with_code(0).json();
    runs[0]["run"].as_str().unwrap_or_else(|| panic!("no run of {workflow}: {runs:#}")).to_owned()
}

/// A workflow with these lines behind its operation; HOME is the folder.
fn workflow(home: &Home, name: &str, lines: &str) {
    let lines = lines.replace("HOME", &home.path("").display().to_string());
    let text = format!("holdfast: 1\nname: {name}\noperation: maintenance\n{lines}");
    home.write(&format!("workflows/{name}.yaml"), &text);
}

const SHELL: &str = "uses: command\n    with: { cwd: HOME, argv: [/bin/sh, -c, ";

#[test]
fn a_parent_goes_on_when_its_child_ends_at_once() {
    let home = Home::new();
    let kid = "inputs:
  go: { type: boolean, default: false }
steps:
  - id: never
    if: inputs.go
    uses: sleep
    with: { duration: 1h }
";
    workflow(&home, "kid", kid);
    let after = format!(
        "steps:\n  - id: kid\n    workflow: kid\n  - id: after\n    {SHELL}\"echo x >> done\"] }}\n"
    );
    workflow(&home, "parent", &after);
    home.holdfast(&["run", "parent"]).with_code(0);
    assert_eq!(home.read("done"), "x\n");
    let shown = home.holdfast(&["show", &run_of(&home, "kid"), "--output", "json"]).with_code(0);
    assert_eq!(shown.json()["steps"][0]["status"], "skipped");
}

#[test]
fn a_parent_whose_child_was_retried_by_itself_hears_of_it() {
    let home = Home::new();
    workflow(&home, "kid", &format!("steps:\n  - id: s\n    {SHELL}\"test ! -e bad\"] }}\n"));
    workflow(&home, "parent", "steps:\n  - id: kid\n    workflow: kid\n");
    home.write("bad", "");
    home.holdfast(&["run", "parent"]).with_code(1);
    fs::remove_file(home.path("bad")).expect("it goes");
    home.holdfast(&["retry", &run_of(&home, "kid")]).with_code(0);
    home.holdfast(&["resume"]).with_code(0);
    let parent = run_of(&home, "parent");
    home.holdfast(&["retry", &parent]).with_code(0);
    home.holdfast(&["resume"]).with_code(0);
    let shown: Said = home.holdfast(&["show", &parent]).with_code(0);
    assert!(shown.out.contains("succeeded"), "{shown:#?}");
    let kids = home.holdfast(&["runs", "--workflow", "kid", "--output", "json"]).json();
    assert_eq!(kids.as_array().map(Vec::len), Some(1), "the same child: {kids:#}");
}

#[test]
fn a_child_of_a_full_group_fails_its_step_if_it_says_so() {
    let home = Home::new();
    let pipe = home.pipe("pipe");
    let group = "concurrency: { group: g, when_full: reject }\n";
    let wait = format!(
        "{group}steps:\n  - id: s\n    {SHELL}\"read line < {}; true\"] }}\n",
        pipe.display()
    );
    workflow(&home, "holder", &wait);
    workflow(&home, "kid", &format!("{group}steps:\n  - id: s\n    {SHELL}\"true\"] }}\n"));
    workflow(&home, "parent", "steps:\n  - id: kid\n    workflow: kid\n");
    let owner = home.start(&["run", "holder"]);
    let held = hold(&pipe);
    let said = home.holdfast(&["run", "parent"]).with_code(1);
    assert!(said.talk.contains("the group g is full"), "{said:#?}");
    drop(held);
    owner.end().with_code(0);
}

/// A child that asks a person, and a parent that runs it.
fn asking(home: &Home) {
    let kid = "steps:\n  - id: ask\n    uses: approval\n    with: { text: \"Really?\", allow_self: true }\n";
    workflow(home, "kid", kid);
    workflow(home, "parent", "steps:\n  - id: kid\n    workflow: kid\n");
}

#[test]
fn who_follows_a_parent_hears_what_its_child_asks() {
    let home = Home::new();
    asking(&home);
    let mut run = home.start(&["run", "parent"]);
    run.wait_for_talk("to answer: holdfast approve");
    let kid = run_of(&home, "kid");
    let mut late = home.start(&["watch", &run_of(&home, "parent")]);
    late.wait_for_talk(&format!("To answer: holdfast approve {kid} ask"));
    home.holdfast(&["approve", &kid]).with_code(0);
    late.end().with_code(0);
    run.end().with_code(0);
}

#[test]
fn a_run_whose_owner_ends_is_run_by_the_one_who_waits_for_it() {
    let home = Home::new();
    let (first, second) = (home.pipe("first"), home.pipe("second"));
    for (name, pipe) in [("short", &first), ("long", &second)] {
        let read = format!("\"read line < {}; true\"", pipe.display());
        let steps = format!("steps:\n  - id: s\n    effect: idempotent\n    {SHELL}{read}] }}\n");
        workflow(&home, name, &steps);
    }
    let owner = home.start(&["run", "short"]);
    let held = hold(&first);
    let mut waits = home.start(&["run", "long"]);
    waits.wait_for_talk("Following run_");
    drop(held);
    owner.end().with_code(0);
    waits.wait_for_talk("also drives 1 run");
    drop(hold(&second));
    waits.end().with_code(0);
    let shown = home.holdfast(&["show", &run_of(&home, "long")]).with_code(0);
    assert!(shown.out.contains("succeeded"), "{shown:#?}");
}

#[test]
fn a_run_that_is_rejected_ends_what_was_taken_over_in_order() {
    let home = Home::new();
    let pipe = home.pipe("pipe");
    let read = format!("\"read line < {}; true\"", pipe.display());
    let steps = format!("steps:\n  - id: s\n    effect: idempotent\n    {SHELL}{read}] }}\n");
    workflow(&home, "holder", &format!("concurrency: {{ group: g }}\n{steps}"));
    let rejects = "concurrency: { group: g, when_full: reject }\n";
    workflow(&home, "rejected", &format!("{rejects}steps:\n  - id: s\n    {SHELL}\"true\"] }}\n"));
    let owner = home.start(&["run", "holder"]);
    let held = hold(&pipe);
    owner.signal(Signal::KILL);
    owner.end();
    drop(held);
    for _ in 0..4 {
        let said = home.holdfast(&["run", "rejected"]).with_code(5);
        assert!(said.talk.contains("the group g is full"), "{said:#?}");
    }
    let resumed = home.start(&["resume"]);
    drop(hold(&pipe));
    resumed.end().with_code(0);
    let shown = home.holdfast(&["show", &run_of(&home, "holder")]).with_code(0);
    assert!(shown.out.contains("succeeded"), "it is no crash loop: {shown:#?}");
}

#[test]
fn a_child_that_ends_while_it_is_taken_over_is_not_begun_anew() {
    let home = Home::new();
    let (begun, goes_on) = (home.pipe("begun"), home.pipe("goes-on"));
    let (tells, waits) = (begun.display(), goes_on.display());
    let shell = format!("\"echo x >> done; echo x > {tells}; read line < {waits}; true\"");
    let steps = format!("steps:\n  - id: s\n    effect: idempotent\n    {SHELL}{shell}] }}\n");
    workflow(&home, "kid", &steps);
    workflow(&home, "parent", "steps:\n  - id: kid\n    workflow: kid\n");
    let mut arguments = vec!["run", "parent"];
    for _ in 0..3 {
        let owner = home.start(&arguments);
        assert_eq!(fs::read_to_string(&begun).expect("it begins"), "x\n");
        owner.signal(Signal::KILL);
        owner.end();
        arguments = vec!["resume"];
    }
    home.holdfast(&["resume"]).with_code(0);
    let shown = home.holdfast(&["show", &run_of(&home, "parent")]).with_code(0);
    assert!(shown.out.contains("failed"), "{shown:#?}");
    assert_eq!(home.read("done"), "x\nx\nx\n", "the fourth start finds a crash loop");
    // What the killed ones left ends too.
    drop(hold(&goes_on));
}

#[test]
fn children_nest_eight_deep_and_no_deeper() {
    let home = Home::new();
    let last = format!("steps:\n  - id: s\n    {SHELL}\"echo x >> done\"] }}\n");
    workflow(&home, "w9", &last);
    for outer in 0..9 {
        let runs = format!("steps:\n  - id: s\n    workflow: w{}\n", outer + 1);
        workflow(&home, &format!("w{outer}"), &runs);
    }
    let refused = home.holdfast(&["run", "w0"]).with_code(2);
    assert!(refused.talk.contains("nested more than 8 deep"), "{refused:#?}");
    home.holdfast(&["run", "w1"]).with_code(0);
    assert_eq!(home.read("done"), "x\n");
    let runs = home.holdfast(&["runs", "--output", "json"]).with_code(0).json();
    assert_eq!(runs.as_array().map(Vec::len), Some(9), "one parent and eight below it: {runs:#}");
}

#[test]
fn what_many_steps_run_is_checked_once_and_not_on_every_way_that_leads_to_it() {
    let home = Home::new();
    // A million ways lead to the innermost one.
    for outer in 1..9 {
        let inner = outer + 1;
        let step = |id: u32| format!("  - id: s{id}\n    needs: []\n    workflow: w{inner}\n");
        let steps: String = (0..7).map(step).collect();
        workflow(&home, &format!("w{outer}"), &format!("steps:\n{steps}"));
    }
    workflow(&home, "w9", &format!("steps:\n  - id: s\n    {SHELL}\"true\"] }}\n"));
    home.holdfast(&["validate", "workflows/w1.yaml"]).with_code(0);
    home.holdfast(&["submit", "w1"]).with_code(0);
}

/// A child that waits on a pipe, and a parent that runs it.
fn waiting(home: &Home) -> std::path::PathBuf {
    let pipe = home.pipe("pipe");
    let read = format!("\"read line < {}; true\"", pipe.display());
    workflow(home, "kid", &format!("steps:\n  - id: s\n    {SHELL}{read}] }}\n"));
    workflow(home, "parent", "steps:\n  - id: kid\n    workflow: kid\n");
    pipe
}

fn how_many(home: &Home, workflow: &str) -> Option<usize> {
    let runs = home.holdfast(&["runs", "--workflow", workflow, "--output", "json"]);
    runs.with_code(0).json().as_array().map(Vec::len)
}

#[test]
fn a_submit_of_somebody_else_never_gets_a_child_run_and_a_child_never_theirs() {
    let home = Home::new();
    let pipe = waiting(&home);
    // Theirs is there first: the parent makes a child of its own.
    let theirs = home.holdfast(&["submit", "kid"]).with_code(0).first();
    let parent = home.start(&["run", "parent"]);
    let held = hold(&pipe);
    let waited_for = |run: &str| home.holdfast(&["show", run]).with_code(0).out;
    while how_many(&home, "kid") != Some(2) {}
    // The child is there: their request is answered with their own run, and never with it.
    let again = home.holdfast(&["submit", "kid"]).with_code(0).first();
    assert_eq!(again, theirs, "{}", waited_for(&theirs));
    home.holdfast(&["kill", &theirs]).with_code(0);
    let other = home.holdfast(&["submit", "kid"]).with_code(0).first();
    assert_ne!(other, theirs);
    assert_eq!(how_many(&home, "kid"), Some(3), "a third one, though the child goes on");
    home.holdfast(&["kill", &other]).with_code(0);
    drop(held);
    home.holdfast(&["kill", &run_of(&home, "parent")]);
    parent.end();
}

/// The run in which the only step of the child was, and how that ended: reason and code.
fn end_of_child(home: &Home) -> String {
    let shown = home.holdfast(&["show", &run_of(home, "kid"), "--output", "json"]).with_code(0);
    let shown = shown.json();
    format!("{} {} {}", shown["status"], shown["reason"], shown["steps"][0]["status"])
        .replace('"', "")
}

#[test]
fn a_child_ends_with_its_parents_timeout() {
    let home = Home::new();
    workflow(&home, "kid", "steps:\n  - id: s\n    uses: sleep\n    with: { duration: 1h }\n");
    workflow(&home, "parent", "timeout: 3s\nsteps:\n  - id: kid\n    workflow: kid\n");
    home.holdfast(&["run", "parent"]).with_code(1);
    assert_eq!(end_of_child(&home), "failed cancelled failed");
    let shown = home.holdfast(&["show", &run_of(&home, "parent")]).with_code(0);
    assert!(shown.out.contains("failed (timeout)"), "{shown:#?}");
}

#[test]
fn a_cancel_of_the_parent_reaches_the_child() {
    let home = Home::new();
    let pipe = waiting(&home);
    let parent = home.start(&["run", "parent"]);
    let held = hold(&pipe);
    home.holdfast(&["cancel", &run_of(&home, "parent")]).with_code(0);
    parent.end().with_code(4);
    assert_eq!(end_of_child(&home), "failed cancelled failed");
    drop(held);
}

#[test]
fn a_partial_child_makes_its_step_partial_and_a_failed_one_is_no_failure_to_try_again() {
    let home = Home::new();
    let fails = format!("{SHELL}\"test ! -e bad\"] }}\n");
    let kid = format!("steps:\n  - id: s\n    continue_on_error: true\n    {fails}");
    workflow(&home, "some", &kid);
    workflow(&home, "none", &format!("steps:\n  - id: s\n    {fails}"));
    for kid in ["some", "none"] {
        workflow(
            &home,
            &format!("of-{kid}"),
            &format!("steps:\n  - id: kid\n    workflow: {kid}\n"),
        );
    }
    home.write("bad", "");
    home.holdfast(&["run", "of-some"]).with_code(3);
    let step = |parent: &str| {
        let shown = home.holdfast(&["show", &run_of(&home, parent), "--output", "json"]);
        shown.with_code(0).json()["steps"][0].clone()
    };
    assert_eq!(step("of-some")["status"], "partial");
    let said = home.holdfast(&["run", "of-none"]).with_code(1);
    assert!(said.talk.contains("(permanent)"), "{said:#?}");
    assert_eq!(step("of-none")["status"], "failed");
    assert_eq!(how_many(&home, "none"), Some(1));
}

#[test]
fn what_an_ancestor_has_of_a_group_covers_all_of_its_children() {
    let home = Home::new();
    let group = "concurrency: { group: g, when_full: reject }\n";
    workflow(
        &home,
        "kid",
        &format!(
            "{group}inputs:\n  n: {{ type: integer, required: true }}\nsteps:\n  - id: s\n    {SHELL}\"true\"] }}\n"
        ),
    );
    let each = "steps:\n  - id: kids\n    for_each: { items: [1, 2, 3], as: number }\n    workflow: kid\n    with: { n: \"{{ number }}\" }\n";
    workflow(&home, "parent", &format!("{group}{each}"));
    home.holdfast(&["run", "parent"]).with_code(0);
    assert_eq!(how_many(&home, "kid"), Some(3));
}

#[test]
fn a_parent_says_which_child_it_waits_for() {
    let home = Home::new();
    asking(&home);
    let mut run = home.start(&["run", "parent"]);
    run.wait_for_talk("to answer: holdfast approve");
    let kid = run_of(&home, "kid");
    let shown = home.holdfast(&["show", &run_of(&home, "parent")]).with_code(0);
    let why = format!("waits for  its child {kid}, which waits for the word of a person at ask");
    assert!(shown.out.contains(&why), "{shown:#?}");
    home.holdfast(&["approve", &kid]).with_code(0);
    run.end().with_code(0);
}

#[test]
fn a_parent_gives_its_group_back_while_its_child_waits_for_a_person() {
    let home = Home::new();
    let pipe = home.pipe("pipe");
    let kid = format!(
        "steps:\n  - id: ask\n    uses: approval\n    with: {{ text: \"Really?\", allow_self: true }}\n  - id: after\n    {SHELL}\"echo kid >> done\"] }}\n"
    );
    workflow(&home, "kid", &kid);
    workflow(
        &home,
        "parent",
        "concurrency: { group: g }\nsteps:\n  - id: kid\n    workflow: kid\n",
    );
    let read = format!("\"read line < {}; echo other >> done\"", pipe.display());
    workflow(
        &home,
        "other",
        &format!("concurrency: {{ group: g }}\nsteps:\n  - id: s\n    {SHELL}{read}] }}\n"),
    );
    let mut run = home.start(&["run", "parent"]);
    run.wait_for_talk("to answer: holdfast approve");
    let other = home.start(&["run", "other"]);
    // The group is free, so the other run gets to its step.
    let held = hold(&pipe);
    home.holdfast(&["approve", &run_of(&home, "kid")]).with_code(0);
    let shown = home.holdfast(&["show", &run_of(&home, "parent")]).with_code(0);
    assert!(shown.out.contains("its group g, where"), "it needs it again: {shown:#?}");
    drop(held);
    other.end().with_code(0);
    run.end().with_code(0);
    assert_eq!(home.read("done"), "other\nkid\n", "what covers the child comes first");
}

#[test]
fn a_cancel_of_a_parent_that_waits_for_people_lets_its_child_do_what_it_does_at_its_end() {
    let home = Home::new();
    let ask = "steps:\n  - id: ask\n    uses: approval\n    with: { text: \"Really?\", allow_self: true }\n";
    workflow(
        &home,
        "kid",
        &format!("{ask}finally:\n  - id: tidy\n    {SHELL}\"echo tidy >> done\"] }}\n"),
    );
    workflow(&home, "parent", "steps:\n  - id: kid\n    workflow: kid\n");
    let mut run = home.start(&["run", "parent"]);
    run.wait_for_talk("to answer: holdfast approve");
    home.holdfast(&["cancel", &run_of(&home, "parent")]).with_code(0);
    run.end().with_code(4);
    assert_eq!(home.read("done"), "tidy\n");
}

#[test]
fn a_child_that_is_retried_by_itself_goes_on_beside_a_parent_that_waits_for_people() {
    let home = Home::new();
    workflow(&home, "kid", &format!("steps:\n  - id: s\n    {SHELL}\"test ! -e bad\"] }}\n"));
    let parent = "steps:\n  - id: kid\n    workflow: kid\n    continue_on_error: true\n  - id: ask\n    uses: approval\n    with: { text: \"Really?\", allow_self: true }\n";
    workflow(&home, "parent", parent);
    home.write("bad", "");
    let mut run = home.start(&["run", "parent"]);
    run.wait_for_talk("to answer: holdfast approve");
    fs::remove_file(home.path("bad")).expect("it goes");
    let kid = run_of(&home, "kid");
    home.holdfast(&["retry", &kid]).with_code(0);
    home.holdfast(&["watch", &kid]).with_code(0);
    home.holdfast(&["approve", &run_of(&home, "parent")]).with_code(0);
    run.end().with_code(3);
}
