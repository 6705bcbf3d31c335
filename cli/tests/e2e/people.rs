//! Runs that wait for people: what they ask, who may answer, and what follows.

use crate::home::{Home, Said};

/// A restore of which a person says first whether it goes on.
const RESTORE: &str = r#"holdfast: 1
name: asks
operation: restore
inputs:
  plan: { type: plan, required: true }
target: "{{ inputs.plan.target }}"
steps:
  - id: ask
    uses: approval
    with: { plan: "{{ inputs.plan }}", allow_self: true }
  - id: open
    uses: plan.open
    with: { plan: "{{ steps.ask.output.plan }}" }
  - id: apply
    for_each: { items: "{{ steps.open.output.items }}", batch: 100 }
    uses: plan.apply
    with: { plan: "{{ steps.ask.output.plan }}" }
"#;

const ASKING: &str = r#"holdfast: 1
name: asking
operation: maintenance
inputs:
  self: { type: boolean, default: true }
concurrency: { group: one-at-a-time }
steps:
  - id: before
    uses: command
    with: { argv: [/bin/sh, -c, "exit 0"] }
  - id: ask
    uses: approval
    with: { text: "Shall it go on?", by: [tester, approver], allow_self: "{{ inputs.self }}" }
  - id: after
    uses: command
    with: { argv: [/bin/sh, -c, "echo $0", "{{ steps.ask.output.by }}: {{ steps.ask.output.comment }}"] }
outputs:
  said: "{{ steps.after.output.stdout }}"
"#;

fn home() -> Home {
    let home = Home::new();
    home.write("workflows/asking.yaml", ASKING);
    home
}

fn run_of(home: &Home) -> String {
    let runs = home.holdfast(&["runs", "--output", "json"]).with_code(0).json();
    runs[0]["run"].as_str().expect("there is a run").to_owned()
}

#[test]
fn a_run_waits_for_a_person_and_goes_on_with_their_word() {
    let home = home();
    let mut run = home.start(&["run", "asking"]);
    run.wait_for_talk("to answer: holdfast approve");
    let id = run_of(&home);
    let shown = home.holdfast(&["show", &id]).with_code(0);
    assert!(shown.out.contains("waits for  the word of a person at ask"), "{shown:#?}");
    assert!(shown.talk.contains(&format!("holdfast approve {id} ask")), "{shown:#?}");
    let inbox = home.holdfast(&["notifications"]).with_code(0);
    assert!(inbox.out.contains(&format!("holdfast approve {id} ask")), "{inbox:#?}");
    home.holdfast(&["approve", &id, "--comment", "as discussed"]).with_code(0);
    let said = run.end().with_code(0);
    assert!(said.out.contains("tester: as discussed"), "{said:#?}");
    let late = home.holdfast(&["approve", &id]).with_code(5);
    assert!(late.talk.contains("asks for no approval"), "{late:#?}");
}

#[test]
fn a_rejection_fails_the_step_and_a_retry_asks_again() {
    let home = home();
    let mut run = home.start(&["run", "asking"]);
    run.wait_for_talk("to answer: holdfast approve");
    let id = run_of(&home);
    home.holdfast(&["reject", &id, "ask", "--reason", "not today"]).with_code(0);
    let said: Said = run.end().with_code(1);
    assert!(said.talk.contains("tester rejected it: not today (rejected)"), "{said:#?}");
    home.holdfast(&["retry", &id]).with_code(0);
    let mut again = home.start(&["resume"]);
    again.wait_for_talk("to answer: holdfast approve");
    home.holdfast(&["approve", &id]).with_code(0);
    again.end().with_code(0);
}

#[test]
fn a_restart_changes_nothing_of_a_wait_and_an_answer_needs_no_owner() {
    let home = home();
    let mut run = home.start(&["run", "asking"]);
    run.wait_for_talk("to answer: holdfast approve");
    let id = run_of(&home);
    run.signal(rustix::process::Signal::KILL);
    run.end();
    let shown = home.holdfast(&["show", &id]).with_code(0);
    assert!(shown.talk.contains(&format!("holdfast approve {id} ask")), "{shown:#?}");
    home.holdfast(&["approve", &id]).with_code(0);
    home.holdfast(&["resume"]).with_code(0);
    home.holdfast(&["watch", &id]).with_code(0);
}

#[test]
fn who_waits_for_a_person_gives_its_group_back_and_needs_it_again() {
    let home = home();
    let pipe = home.pipe("pipe");
    home.write(
        "workflows/other.yaml",
        &format!(
            "holdfast: 1\nname: other\noperation: maintenance\nconcurrency: {{ group: one-at-a-time }}\nsteps:\n  - id: wait\n    uses: command\n    with: {{ argv: [/bin/sh, -c, \"read line < {}; true\"] }}\n",
            pipe.display()
        ),
    );
    let mut run = home.start(&["run", "asking"]);
    run.wait_for_talk("to answer: holdfast approve");
    let id = run_of(&home);
    let other = home.start(&["run", "other"]);
    // The group is free, so the other run gets to its step.
    let held = crate::home::hold(&pipe);
    let other_id = run_of(&home);
    home.holdfast(&["approve", &id]).with_code(0);
    let shown = home.holdfast(&["show", &id]).with_code(0);
    let why = format!("its group one-at-a-time, where {other_id} is");
    assert!(shown.out.contains(&why), "{shown:#?}");
    drop(held);
    other.end().with_code(0);
    run.end().with_code(0);
}

#[test]
fn who_asked_may_not_answer_and_who_is_not_asked_may_not_either() {
    let home = home();
    let text = ASKING.replace("by: [tester, approver]", "by: [approver]");
    home.write("workflows/asking.yaml", &text);
    let mut run = home.start(&["run", "asking", "--input", "self=false"]);
    run.wait_for_talk("to answer: holdfast approve");
    let id = run_of(&home);
    let own = home.holdfast(&["approve", &id]).with_code(5);
    assert!(own.talk.contains("another person has to answer"), "{own:#?}");
    let other = home.as_user("ann", &["approve", &id]).with_code(0);
    assert!(other.talk.contains("Approved"), "{other:#?}");
    run.end().with_code(0);
    let roles = "holdfast_config: 1\nallow: { commands: [/bin/sh] }\nroles: { approver: [ann] }\n";
    home.write("holdfast.yaml", roles);
    let mut run = home.start(&["run", "asking"]);
    run.wait_for_talk("to answer: holdfast approve");
    let id = run_of(&home);
    let stranger = home.as_user("bob", &["approve", &id]).with_code(5);
    assert!(stranger.talk.contains("approver is asked, and bob is not"), "{stranger:#?}");
    home.as_user("ann", &["approve", &id]).with_code(0);
    run.end().with_code(0);
}

#[test]
fn inv_08_a_plan_is_applied_only_with_the_approval_that_its_target_asks_for() {
    let (home, plan) = asking_target();
    let plan = &*plan;
    let input = format!("plan={plan}");
    let refused = home.holdfast(&["run", "files/restore", "--input", &input]).with_code(1);
    assert!(refused.talk.contains("asks for the approval of approver"), "{refused:#?}");
    assert_eq!(home.read("documents/a"), "second");
    home.holdfast(&["approve", plan]).with_code(0);
    let own = home.holdfast(&["run", "files/restore", "--input", &input]).with_code(1);
    assert!(own.talk.contains("may not"), "the same person: {own:#?}");
    home.as_user("ann", &["approve", plan, "--comment", "fine"]).with_code(0);
    let shown = home.holdfast(&["plan", "show", plan]).with_code(0);
    assert!(shown.out.contains("by ann: fine"), "{shown:#?}");
    home.holdfast(&["run", "files/restore", "--input", &input]).with_code(0);
    assert_eq!(home.read("documents/a"), "first");
}

#[test]
fn what_an_approval_was_about_is_a_plan_for_the_steps_after_it() {
    let home = Home::new();
    home.write(
        "holdfast.yaml",
        "holdfast_config: 1\nallow: { commands: [/bin/sh] }\nrepository: { path: ./backups, password: { file: ./backups.key } }\ntargets:\n  documents: { kind: files, root: ./documents }\n",
    );
    home.write("backups.key", "open sesame\n");
    std::fs::create_dir(home.path("documents")).expect("a folder is made");
    home.write("documents/a", "first");
    home.write(
        "workflows/asks.yaml",
        r#"holdfast: 1
name: asks
operation: maintenance
inputs:
  plan: { type: plan, required: true }
steps:
  - id: ask
    uses: approval
    with: { plan: "{{ inputs.plan }}", allow_self: true }
  - id: say
    uses: command
    with: { argv: [/bin/sh, -c, "echo about $0", "{{ steps.ask.output.plan.id }}"] }
outputs:
  said: "{{ steps.say.output.stdout }}"
"#,
    );
    home.holdfast(&["repository", "init"]).with_code(0);
    home.holdfast(&["run", "files/backup", "--input", "target=documents"]).with_code(0);
    home.write("documents/a", "second");
    let said = home.holdfast(&["run", "files/preview", "--input", "target=documents"]).with_code(0);
    let plan = said.out.lines().find_map(|line| line.strip_prefix("plan ")).expect("a plan").trim();
    let mut run = home.start(&["run", "asks", "--input", &format!("plan={plan}")]);
    run.wait_for_talk("to answer: holdfast approve");
    home.holdfast(&["approve", &run_of(&home)]).with_code(0);
    let said = run.end().with_code(0);
    assert!(said.out.contains(&format!("about {plan}")), "{said:#?}");
}

#[test]
fn while_a_person_is_waited_for_the_step_waits_the_run_runs_and_approvers_are_asked() {
    let home = Home::new();
    home.write("holdfast.yaml", "holdfast_config: 1\nroles: { approver: [ann] }\n");
    home.write(
        "workflows/asking.yaml",
        "holdfast: 1\nname: asking\noperation: maintenance\nsteps:\n  - id: ask\n    uses: approval\n    with: { text: \"Really?\" }\n",
    );
    let mut run = home.start(&["run", "asking"]);
    run.wait_for_talk("to answer: holdfast approve");
    let id = run_of(&home);
    let shown = home.holdfast(&["show", &id, "--output", "json"]).with_code(0).json();
    assert_eq!(
        (&shown["status"], &shown["steps"][0]["status"]),
        (&"running".into(), &"waiting".into())
    );
    let bob = home.as_user("bob", &["approve", &id]).with_code(5);
    assert!(bob.talk.contains("approver is asked, and bob is not"), "{bob:#?}");
    home.as_user("ann", &["approve", &id]).with_code(0);
    run.end().with_code(0);
}

/// A target that asks for an approval, and a plan for it.
fn asking_target() -> (Home, String) {
    let home = Home::new();
    home.write(
        "holdfast.yaml",
        "holdfast_config: 1\nrepository: { path: ./backups, password: { file: ./backups.key } }\ntargets:\n  documents: { kind: files, root: ./documents, restore: { approval: [approver] } }\n",
    );
    home.write("backups.key", "open sesame\n");
    std::fs::create_dir(home.path("documents")).expect("a folder is made");
    home.write("documents/a", "first");
    home.holdfast(&["repository", "init"]).with_code(0);
    home.holdfast(&["run", "files/backup", "--input", "target=documents"]).with_code(0);
    home.write("documents/a", "second");
    let said = home.holdfast(&["run", "files/preview", "--input", "target=documents"]).with_code(0);
    let plan = said.out.lines().find_map(|line| line.strip_prefix("plan ")).expect("a plan");
    (home, plan.trim().to_owned())
}

#[test]
fn an_approval_step_with_a_plan_counts_for_what_its_target_asks_for() {
    let (home, plan) = asking_target();
    home.write("workflows/asks.yaml", RESTORE);
    let input = format!("plan={plan}");
    // Whoever asked is no other person, though the step itself takes their word.
    let mut own = home.start(&["run", "asks", "--input", &input]);
    own.wait_for_talk("to answer: holdfast approve");
    home.holdfast(&["approve", &run_of(&home)]).with_code(0);
    let said = own.end().with_code(1);
    assert!(said.talk.contains("asks for the approval of approver"), "{said:#?}");
    assert_eq!(home.read("documents/a"), "second");
    let mut run = home.start(&["run", "asks", "--input", &input]);
    run.wait_for_talk("to answer: holdfast approve");
    home.as_user("ann", &["approve", &run_of(&home)]).with_code(0);
    run.end().with_code(0);
    assert_eq!(home.read("documents/a"), "first");
}

#[test]
fn the_command_that_answers_names_the_item_wherever_it_is_told() {
    let home = Home::new();
    home.write(
        "workflows/each.yaml",
        "holdfast: 1\nname: each\noperation: maintenance\nsteps:\n  - id: ask\n    for_each: [one, Break glass]\n    uses: approval\n    with: { text: \"{{ item }}?\", allow_self: true }\n",
    );
    let mut run = home.start(&["run", "each"]);
    run.wait_for_talk("to answer: holdfast approve");
    run.wait_for_talk("ask 'Break glass'");
    let id = run_of(&home);
    let inbox = home.holdfast(&["notifications"]).with_code(0);
    for place in ["one", "'Break glass'"] {
        let command = format!("Answer: holdfast approve {id} ask {place}");
        assert!(inbox.out.contains(&command), "{inbox:#?}");
    }
    let asked = inbox.out.lines().find(|line| line.contains("Break glass?"));
    assert!(
        asked.is_some_and(|line| line.contains("approver")),
        "what is asked of whom: {inbox:#?}"
    );
    home.holdfast(&["approve", &id, "ask", "one"]).with_code(0);
    home.holdfast(&["approve", &id, "ask", "Break glass"]).with_code(0);
    run.end().with_code(0);
}

#[test]
fn a_plan_that_needs_an_approval_says_so_wherever_somebody_looks() {
    let (home, plan) = asking_target();
    let command = format!("holdfast approve {plan}");
    let status = home.holdfast(&["status"]).with_code(0);
    assert!(status.out.contains(&command), "{status:#?}");
    let shown = home.holdfast(&["plan", "show", &plan]).with_code(0);
    assert!(shown.talk.contains(&command), "{shown:#?}");
    let input = format!("plan={plan}");
    let refused = home.holdfast(&["run", "files/restore", "--input", &input]).with_code(1);
    assert!(refused.talk.contains(&command), "{refused:#?}");
    let text = home.read("holdfast.yaml");
    home.write("holdfast.yaml", &format!("{text}roles: {{ approver: [ann] }}\n"));
    let stranger = home.as_user("bob", &["approve", &plan]).with_code(5);
    assert!(stranger.talk.contains("approver is asked, and bob is not"), "{stranger:#?}");
    home.as_user("ann", &["approve", &plan]).with_code(0);
    let status = home.holdfast(&["status"]).with_code(0);
    assert!(!status.out.contains(&command), "{status:#?}");
    let shown = home.holdfast(&["plan", "show", &plan, "--output", "json"]).with_code(0).json();
    assert_eq!(shown["approvals"][0]["by"], "ann", "{shown:#}");
    assert_eq!(shown["missing"], serde_json::Value::Null, "{shown:#}");
    // She may not apply what she approved herself.
    let own = home.as_user("ann", &["plan", "show", &plan, "--output", "json"]).json();
    assert!(own["missing"].as_str().is_some_and(|why| why.contains("may not")), "{own:#}");
}

#[test]
fn inv_08_what_a_target_protects_is_protected_whatever_it_is_called() {
    let (home, _) = asking_target();
    std::fs::create_dir(home.path("documents/sub")).expect("a folder is made");
    for folder in ["documents", "documents/sub"] {
        home.write(&format!("{folder}/b"), "first");
        let target = format!("target={}", home.path(folder).display());
        home.holdfast(&["run", "files/backup", "--input", &target]).with_code(0);
        home.write(&format!("{folder}/b"), "second");
        let said = home.holdfast(&["run", "files/preview", "--input", &target]).with_code(0);
        let plan = said.out.lines().find_map(|line| line.strip_prefix("plan ")).expect("a plan");
        let input = format!("plan={}", plan.trim());
        let refused = home.holdfast(&["run", "files/restore", "--input", &input]).with_code(1);
        assert!(refused.talk.contains("asks for the approval of approver"), "{refused:#?}");
        assert_eq!(home.read(&format!("{folder}/b")), "second");
    }
}
