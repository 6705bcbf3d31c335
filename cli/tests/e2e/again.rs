//! Doing it again: single steps and items, a new run like an earlier one, child runs, groups that are full.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::home::{Home, hold};

fn run_of(home: &Home) -> String {
    let runs = home.holdfast(&["runs", "--output", "json"]).with_code(0).json();
    runs[0]["run"].as_str().expect("there is a run").to_owned()
}

/// A fan-out whose items fail while a file of their name is there.
fn failing(home: &Home) {
    let folder = home.path("").display().to_string();
    home.write(
        "workflows/each.yaml",
        &r#"holdfast: 1
name: each
operation: maintenance
inputs:
  names: { type: list, items: string, default: [a, b, c] }
steps:
  - id: each
    for_each: "{{ inputs.names }}"
    uses: command
    with: { argv: [/bin/sh, -c, "test ! -e bad_$0 && echo $0 >> done", "{{ item }}"], cwd: "HOME" }
  - id: after
    run_when: done
    uses: command
    with: { argv: [/bin/sh, -c, "echo after >> done"], cwd: "HOME" }
"#
        .replace("HOME", &folder),
    );
}

#[test]
fn a_retry_of_one_item_does_that_item_and_what_follows() {
    let home = Home::new();
    failing(&home);
    home.write("bad_a", "");
    home.write("bad_b", "");
    home.holdfast(&["run", "each"]).with_code(3);
    assert_eq!(home.read("done"), "c\nafter\n");
    let run = run_of(&home);
    fs::remove_file(home.path("bad_a")).expect("it goes");
    fs::remove_file(home.path("bad_b")).expect("it goes");
    let dry = home.holdfast(&["retry", &run, "--step", "each", "--item", "b", "--dry"]);
    let dry = dry.with_code(0);
    assert!(dry.out.contains("each                 1 item"), "{dry:#?}");
    assert!(dry.out.contains("after"), "{dry:#?}");
    home.holdfast(&["retry", &run, "--step", "each", "--item", "x"]).with_code(2);
    home.holdfast(&["retry", &run, "--step", "nowhere"]).with_code(2);
    home.holdfast(&["retry", &run, "--step", "after"]).with_code(5);
    home.holdfast(&["retry", &run, "--step", "each", "--item", "b"]).with_code(0);
    home.holdfast(&["resume"]).with_code(0);
    assert_eq!(home.read("done"), "c\nafter\nb\nafter\n", "`a` was left alone");
    let shown = home.holdfast(&["show", &run]).with_code(0);
    assert!(shown.out.contains("partial"), "{shown:#?}");
    home.holdfast(&["retry", &run]).with_code(0);
    home.holdfast(&["resume"]).with_code(0);
    assert_eq!(home.read("done"), "c\nafter\nb\nafter\na\nafter\n");
    home.holdfast(&["watch", &run]).with_code(0);
    let nothing = home.holdfast(&["retry", &run]).with_code(5);
    assert!(nothing.talk.contains("nothing would run again"), "{nothing:#?}");
}

#[test]
fn a_rerun_is_a_new_run_like_the_earlier_one() {
    let home = Home::new();
    failing(&home);
    home.holdfast(&["run", "each", "--input", "names=[a]"]).with_code(0);
    let first = run_of(&home);
    let text = home.read("workflows/each.yaml");
    home.write("workflows/each.yaml", &text.replace("echo after", "echo later"));
    let again = home.holdfast(&["rerun", &first]).with_code(0).first();
    assert_ne!(again, first);
    home.holdfast(&["resume"]).with_code(0);
    assert_eq!(home.read("done"), "a\nafter\na\nafter\n", "as it was pinned");
    let shown = home.holdfast(&["show", &again]).with_code(0);
    assert!(shown.out.contains(&format!("like       {first}")), "{shown:#?}");
    home.holdfast(&["rerun", &again, "--latest", "--set", "names=[z]"]).with_code(0);
    home.holdfast(&["resume"]).with_code(0);
    assert_eq!(home.read("done"), "a\nafter\na\nafter\nz\nlater\n");
    let unfit = home.holdfast(&["rerun", &first, "--set", "nmaes=[z]"]).with_code(2);
    assert!(unfit.talk.contains("names"), "did you mean: {unfit:#?}");
}

const PARENT: &str = r#"holdfast: 1
name: parent
operation: maintenance
steps:
  - id: kids
    for_each: { items: "{{ range(40) | list }}", max_parallel: 5, as: number }
    workflow: kid
    with: { number: "{{ number }}" }
outputs:
  succeeded: "{{ steps.kids.counts.succeeded }}"
"#;

#[test]
fn forty_children_run_five_at_once_and_three_that_fail_make_their_parent_partial() {
    let home = Home::new();
    home.write("workflows/parent.yaml", PARENT);
    let kid = r#"holdfast: 1
name: kid
operation: maintenance
inputs:
  number: { type: integer, required: true }
steps:
  - id: work
    uses: command
    effect: idempotent
    with: { argv: [/bin/sh, -c, "echo in >> log; n=$(grep -c in log); o=$(grep -c out log); echo $((n-o)) >> most; test ! -e bad_$0; s=$?; echo out >> log; exit $s", "{{ inputs.number }}"], cwd: "HOME" }
outputs:
  number: "{{ inputs.number }}"
"#;
    home.write("workflows/kid.yaml", &kid.replace("HOME", &home.path("").display().to_string()));
    for number in [3, 17, 39] {
        home.write(&format!("bad_{number}"), "");
    }
    let said = home.holdfast(&["run", "parent"]).with_code(3);
    assert!(said.out.contains("succeeded    37"), "{said:#?}");
    let most = home.read("most");
    let most = most.lines().filter_map(|line| line.parse::<u32>().ok()).max();
    assert!(most.is_some_and(|most| (1..=5).contains(&most)), "{most:?} at once");
    let runs = home.holdfast(&["runs", "--workflow", "kid", "--limit", "100", "--output", "json"]);
    let runs = runs.with_code(0).json();
    assert_eq!(runs.as_array().map(Vec::len), Some(40));
    // Parent and child name each other.
    let parent = runs[0]["parent"].as_str().expect("it has one");
    let shown = home.holdfast(&["show", parent, "--step", "kids", "--output", "json"]).json();
    let named = shown["steps"][0]["items"].as_array().expect("items").iter();
    let mut named: Vec<_> = named.filter_map(|item| item["child"].as_str()).collect();
    let mut kids: Vec<_> =
        runs.as_array().expect("a list").iter().filter_map(|run| run["run"].as_str()).collect();
    named.sort_unstable();
    kids.sort_unstable();
    assert_eq!(named, kids);
    let one = home.holdfast(&["show", parent, "--step", "kids", "--item", "4"]).with_code(0);
    assert_eq!(one.out.matches("run_").count(), 2, "the parent and this child: {one:#?}");
    for number in [3, 17, 39] {
        fs::remove_file(home.path(&format!("bad_{number}"))).expect("it goes");
    }
    let parent = home.holdfast(&["runs", "--workflow", "parent", "--output", "json"]).json();
    let parent = parent[0]["run"].as_str().expect("it is there").to_owned();
    home.holdfast(&["retry", &parent]).with_code(0);
    home.holdfast(&["resume"]).with_code(0);
    home.holdfast(&["watch", &parent]).with_code(0);
    let runs = home.holdfast(&["runs", "--workflow", "kid", "--limit", "100", "--output", "json"]);
    let runs = runs.with_code(0).json();
    let reopened = runs.as_array().expect("a list").iter().filter(|run| run["reopened"] == 1);
    assert_eq!(
        (runs.as_array().map(Vec::len), reopened.count()),
        (Some(40), 3),
        "the same children"
    );
}

#[test]
fn a_circle_of_workflows_is_refused() {
    let home = Home::new();
    let step = |name: &str, inner: &str| {
        format!(
            "holdfast: 1\nname: {name}\noperation: maintenance\nsteps:\n  - id: s\n    workflow: {inner}\n"
        )
    };
    home.write("workflows/a.yaml", &step("a", "b"));
    home.write("workflows/b.yaml", &step("b", "a"));
    let said = home.holdfast(&["validate"]).with_code(2);
    assert!(said.talk.contains("would run itself"), "{said:#?}");
}

#[test]
fn a_full_group_refuses_or_queues_as_the_workflow_says() {
    let home = Home::new();
    let pipe = home.pipe("pipe");
    let workflow = |name: &str, when_full: &str| {
        format!(
            "holdfast: 1\nname: {name}\noperation: maintenance\nconcurrency: {{ group: g, when_full: {when_full} }}\ndedupe: {{ key: \"{{{{ inputs.key }}}}\" }}\ninputs:\n  key: {{ type: string, default: k }}\n  other: {{ type: string, default: o }}\nsteps:\n  - id: wait\n    uses: command\n    with: {{ argv: [/bin/sh, -c, \"read line < {}; true\"] }}\n",
            pipe.display()
        )
    };
    home.write("workflows/queues.yaml", &workflow("queues", "queue"));
    home.write("workflows/refuses.yaml", &workflow("refuses", "reject"));
    let owner = home.start(&["run", "queues"]);
    let held = hold(&pipe);
    let first = run_of(&home);
    let said = home.holdfast(&["submit", "refuses"]).with_code(5);
    assert!(said.talk.contains("the group g is full") && said.talk.contains(&first), "{said:#?}");
    let same = home.holdfast(&["submit", "queues", "--output", "json"]).with_code(0).json();
    assert_eq!(same["run"], first.as_str());
    let other = home.holdfast(&["submit", "queues", "--input", "other=x"]).with_code(5);
    assert!(other.talk.contains("with other inputs"), "{other:#?}");
    let text = home.read("workflows/queues.yaml");
    home.write("workflows/queues.yaml", &text.replace("read line", "read  line"));
    let differs = home.holdfast(&["submit", "queues", "--output", "json"]).with_code(0).json();
    assert_eq!(differs["definition_differs"], true, "{differs:#}");
    let second = home.holdfast(&["submit", "queues", "--input", "key=l"]).with_code(0).first();
    let shown = home.holdfast(&["show", &second]).with_code(0);
    assert!(shown.out.contains(&format!("its group g, where {first} is")), "{shown:#?}");
    home.holdfast(&["cancel", &second]).with_code(0);
    drop(held);
    owner.end().with_code(0);
}

#[test]
fn a_partial_backup_becomes_whole_by_a_retry_and_its_set_is_superseded() {
    let home = Home::new();
    home.write(
        "holdfast.yaml",
        "holdfast_config: 1\nrepository: { path: ./backups, password: { file: ./backups.key } }\ntargets:\n  documents: { kind: files, root: ./documents }\n",
    );
    home.write("backups.key", "open sesame\n");
    fs::create_dir_all(home.path("documents/sub")).expect("a folder is made");
    for number in 0..300 {
        home.write(&format!("documents/sub/{number:03}"), &format!("content {number}"));
    }
    let shut = |mode| {
        for number in (0..300).step_by(15) {
            let path = home.path(&format!("documents/sub/{number:03}"));
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is set");
        }
    };
    home.as_a_mere_user(&["repository", "init"]).with_code(0);
    shut(0o000);
    let said = home.as_a_mere_user(&["run", "files/backup", "--input", "target=documents"]);
    said.with_code(3);
    let sets = home.as_a_mere_user(&["sets", "--output", "json"]).with_code(0).json();
    assert_eq!(sets.as_array().map(Vec::len), Some(1));
    assert_eq!((&sets[0]["complete"], &sets[0]["files"]), (&false.into(), &280.into()), "{sets:#}");
    shut(0o644);
    let runs = home.as_a_mere_user(&["runs", "--output", "json"]).with_code(0).json();
    let run = runs[0]["run"].as_str().expect("there is a run").to_owned();
    home.as_a_mere_user(&["retry", &run]).with_code(0);
    home.as_a_mere_user(&["resume"]).with_code(0);
    let whole = home.as_a_mere_user(&["sets", "--output", "json"]).with_code(0).json();
    assert_eq!(whole.as_array().map(Vec::len), Some(1), "the partial one is gone: {whole:#}");
    assert_eq!((&whole[0]["complete"], &whole[0]["files"]), (&true.into(), &300.into()));
    assert_ne!(whole[0]["id"], sets[0]["id"], "a set never changes");
    home.as_a_mere_user(&["watch", &run]).with_code(0);
    let status = home.as_a_mere_user(&["repository", "status"]).with_code(0);
    assert!(status.out.contains("units      0"), "no unit is left: {status:#?}");
}

/// Two items, one of which fails while a file is there and one of which may have happened; then a step that tells
/// what the first one said.
fn in_doubt(home: &Home) {
    let text = r#"holdfast: 1
name: w
operation: maintenance
steps:
  - id: first
    uses: command
    with: { argv: [/bin/sh, -c, "echo x >> first; wc -l < first"], cwd: "HOME" }
  - id: each
    for_each: [plain, doubtful]
    uses: command
    with: { argv: [/bin/sh, -c, "echo $0 >> done; test ! -e bad || case $0 in plain) exit 1;; *) kill -9 $$;; esac", "{{ item }}"], cwd: "HOME" }
  - id: tell
    run_when: done
    uses: command
    with: { argv: [/bin/sh, -c, "echo $0 >> told", "{{ steps.first.output.stdout | default('') | trim }}"], cwd: "HOME" }
"#;
    home.write("workflows/w.yaml", &text.replace("HOME", &home.path("").display().to_string()));
    home.write("bad", "");
}

#[test]
fn a_retry_leaves_what_is_unknown_out_and_the_outputs_of_other_steps_stay() {
    let home = Home::new();
    in_doubt(&home);
    home.holdfast(&["run", "w"]).with_code(1);
    let run = run_of(&home);
    fs::remove_file(home.path("bad")).expect("it goes");
    let said = home.holdfast(&["retry", &run]).with_code(0);
    assert!(said.talk.contains("holdfast resolve"), "it says what was left out: {said:#?}");
    home.holdfast(&["resume"]).with_code(0);
    let mut done: Vec<_> = home.read("done").lines().map(str::to_owned).collect();
    done.sort();
    assert_eq!(done, ["doubtful", "plain", "plain"]);
    assert_eq!(home.read("told"), "1\n1\n", "what the first step said is kept");
    assert_eq!(home.read("first"), "x\n");
    let shown = home.holdfast(&["show", &run]).with_code(0);
    assert!(shown.out.contains("partial"), "{shown:#?}");
}

#[test]
fn a_retry_is_rejected_while_another_run_has_the_dedupe_key() {
    let home = Home::new();
    failing(&home);
    home.write("bad_a", "");
    home.holdfast(&["run", "each"]).with_code(3);
    let first = run_of(&home);
    let second = home.holdfast(&["submit", "each"]).with_code(0).first();
    assert_ne!(first, second, "the first one has ended");
    let rejected = home.holdfast(&["retry", &first]).with_code(5);
    assert!(rejected.talk.contains(&second), "it is named: {rejected:#?}");
    home.holdfast(&["cancel", &second]).with_code(0);
    home.holdfast(&["retry", &first]).with_code(0);
}

#[test]
fn who_looks_at_a_run_is_told_if_its_file_has_changed_since() {
    let home = Home::new();
    failing(&home);
    home.write(
        "workflows/parent.yaml",
        "holdfast: 1\nname: parent\noperation: maintenance\nsteps:\n  - id: s\n    workflow: each\n",
    );
    let run = home.holdfast(&["submit", "parent"]).with_code(0).first();
    let differs = || {
        let shown = home.holdfast(&["show", &run, "--output", "json"]).with_code(0).json();
        (shown["definition_differs"].clone(), home.holdfast(&["show", &run]).with_code(0).out)
    };
    let (same, told) = differs();
    assert!(same == false && !told.contains("has changed since"), "{told}");
    // A remark is no change, and what a child does is one.
    let text = home.read("workflows/parent.yaml");
    home.write("workflows/parent.yaml", &format!("# Every night.\n{text}"));
    assert_eq!(differs().0, false);
    let kid = home.read("workflows/each.yaml");
    home.write("workflows/each.yaml", &kid.replace("echo after", "echo later"));
    let (differs_now, told) = differs();
    assert!(differs_now == true && told.contains("has changed since; this run keeps"), "{told}");
    home.write("workflows/parent.yaml", "holdfast: 1\nname: parent\nsteps: 5\n");
    let (differs_now, told) = differs();
    assert!(differs_now == true && told.contains("is not valid now"), "{told}");
}

#[test]
fn a_retry_into_a_full_group_is_refused_or_waits_as_a_submit_would() {
    let home = Home::new();
    let pipe = home.pipe("pipe");
    let workflow = |name: &str, when_full: &str, script: &str| {
        let text = format!(
            "holdfast: 1\nname: {name}\noperation: maintenance\nconcurrency: {{ group: g, when_full: {when_full} }}\nsteps:\n  - id: s\n    uses: command\n    effect: idempotent\n    with: {{ argv: [/bin/sh, -c, \"{script}\"], cwd: {} }}\n",
            home.path("").display()
        );
        home.write(&format!("workflows/{name}.yaml"), &text);
    };
    workflow("holder", "queue", "read line < pipe; true");
    workflow("refused", "reject", "test ! -e bad");
    workflow("waits", "queue", "test ! -e bad");
    home.write("bad", "");
    let failed = |name: &str| {
        home.holdfast(&["run", name]).with_code(1);
        run_of(&home)
    };
    let (refused, waits) = (failed("refused"), failed("waits"));
    fs::remove_file(home.path("bad")).expect("it goes");
    let holder = home.start(&["run", "holder"]);
    let held = hold(&pipe);
    let said = home.holdfast(&["retry", &refused]).with_code(5);
    assert!(said.talk.contains("the group g is full"), "{said:#?}");
    home.holdfast(&["retry", &waits]).with_code(0);
    let shown = home.holdfast(&["show", &waits, "--output", "json"]).with_code(0).json();
    assert_eq!((&shown["status"], &shown["waits_for"]["what"]), (&"queued".into(), &"slot".into()));
    let why = shown["waits_because"].as_str().unwrap_or_default();
    assert!(why.contains("its group g"), "{shown:#}");
    drop(held);
    holder.end().with_code(0);
    home.holdfast(&["resume"]).with_code(0);
    home.holdfast(&["watch", &waits]).with_code(0);
}

#[test]
fn a_retry_keeps_the_definition_and_the_inputs_that_the_run_began_with() {
    let home = Home::new();
    failing(&home);
    home.write("bad_z", "");
    home.holdfast(&["run", "each", "--input", "names=[y, z]"]).with_code(3);
    let run = run_of(&home);
    fs::remove_file(home.path("bad_z")).expect("it goes");
    let text = home.read("workflows/each.yaml");
    let text =
        text.replace("echo after", "echo later").replace("echo $0 >> done", "echo new >> done");
    home.write("workflows/each.yaml", &text);
    home.holdfast(&["retry", &run]).with_code(0);
    home.holdfast(&["resume"]).with_code(0);
    assert_eq!(home.read("done"), "y\nafter\nz\nafter\n");
}

#[test]
fn what_told_of_a_failure_at_the_end_is_asked_again_when_the_run_goes_on() {
    let home = Home::new();
    let folder = home.path("").display().to_string();
    let text = r#"holdfast: 1
name: w
operation: maintenance
steps:
  - id: work
    uses: command
    with: { argv: [/bin/sh, -c, "test ! -e bad"], cwd: "HOME" }
finally:
  - id: alarm
    if: run.status == "failed"
    uses: command
    with: { argv: [/bin/sh, -c, "echo alarm >> told"], cwd: "HOME" }
"#;
    home.write("workflows/w.yaml", &text.replace("HOME", &folder));
    home.write("bad", "");
    home.holdfast(&["run", "w"]).with_code(1);
    assert_eq!(home.read("told"), "alarm\n");
    let run = run_of(&home);
    fs::remove_file(home.path("bad")).expect("it goes");
    home.holdfast(&["retry", &run]).with_code(0);
    home.holdfast(&["resume"]).with_code(0);
    assert_eq!(home.read("told"), "alarm\n", "nothing failed this time");
    let shown = home.holdfast(&["show", &run, "--output", "json"]).with_code(0).json();
    assert_eq!(
        (&shown["status"], &shown["steps"][1]["status"]),
        (&"succeeded".into(), &"skipped".into())
    );
}
