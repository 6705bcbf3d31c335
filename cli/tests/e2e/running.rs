//! Running a workflow in the foreground: exit codes, what is printed, what is stored.

use std::process::Stdio;

use rustix::process::Signal;

use crate::home::Home;

const GREETING: &str = r#"
holdfast: 1
name: greeting
operation: maintenance
inputs:
  name: { type: string, default: world }
steps:
  - id: greet
    uses: command
    with: { argv: [/bin/sh, -c, "echo hello $0", "{{ inputs.name }}"] }
  - id: check
    uses: assert
    with: { that: "{{ steps.greet.output.exit_code == 0 }}" }
outputs:
  said: "{{ steps.greet.output.stdout }}"
"#;

#[test]
fn a_workflow_runs_and_its_status_is_the_exit_code() {
    let home = Home::new();
    home.write("workflows/greeting.yaml", GREETING);
    let said = home.holdfast(&["run", "greeting", "--input", "name=3 a.m."]).with_code(0);
    assert!(said.talk.trim_end().ends_with("succeeded"), "{said:#?}");
    let shown = home.holdfast(&["show", "run_", "--output", "json"]).with_code(0).json();
    assert_eq!(shown["status"], "succeeded");
    assert_eq!(shown["inputs"]["name"], "3 a.m.");
    assert_eq!(shown["steps"][0]["status"], "succeeded");
    let log = home.holdfast(&["logs", "run_"]).with_code(0);
    assert!(log.out.contains("stdout: hello 3 a.m."), "{log:#?}");
}

#[test]
fn every_end_has_its_exit_code() {
    let home = Home::new();
    let step = |script: &str, more: &str| {
        format!(
            "holdfast: 1\nname: w\noperation: maintenance\nsteps:\n  - id: s\n    uses: command\n{more}    with: {{ argv: [/bin/sh, -c, \"{script}\"] }}\n"
        )
    };
    home.write("fails.yaml", &step("exit 7", ""));
    home.write("tolerated.yaml", &step("exit 7", "    continue_on_error: true\n"));
    let failed = home.holdfast(&["run", "fails.yaml"]).with_code(1);
    assert!(failed.talk.contains("exit code 7"), "{failed:#?}");
    assert!(failed.talk.contains("holdfast retry run_"), "the command to go on: {failed:#?}");
    home.holdfast(&["run", "tolerated.yaml"]).with_code(3);
    let shown = home.holdfast(&["runs", "--status", "partial", "--output", "json"]).with_code(0);
    let run = shown.json()[0]["run"].as_str().unwrap().to_owned();
    let shown = home.holdfast(&["show", &run, "--output", "json"]).with_code(0).json();
    assert_eq!(shown["steps"][0]["status"], "failed", "it stays what it is");
    let nowhere = home.holdfast(&["run", "nowhere"]).with_code(2);
    assert!(nowhere.talk.contains("no file and no workflow `nowhere`"), "{nowhere:#?}");
}

#[test]
fn a_fan_out_over_a_list_runs_each_item_once() {
    let home = Home::new();
    home.write(
        "fan.yaml",
        r#"
holdfast: 1
name: fan
operation: maintenance
inputs:
  names: { type: list, items: string, required: true }
steps:
  - id: each
    for_each: "{{ inputs.names }}"
    uses: command
    effect: idempotent
    with: { argv: [/bin/sh, -c, "echo $0 | tee -a done", "{{ item }}"], cwd: "HOME" }
"#
        .replace("HOME", &home.path("").display().to_string())
        .as_str(),
    );
    let said = home.holdfast(&["run", "fan.yaml", "--input", "names=[a, b, c, d, e]"]).with_code(0);
    assert!(said.talk.contains("each: succeeded (5 items: 5 succeeded)"), "{said:#?}");
    let mut done: Vec<String> = home.read("done").lines().map(str::to_owned).collect();
    let log = home.holdfast(&["logs", "run_"]).with_code(0);
    assert!(log.out.contains("each[c]#3 stdout: c"), "the log names the item: {log:#?}");
    done.sort();
    assert_eq!(done, ["a", "b", "c", "d", "e"]);
}

#[test]
fn only_listed_programs_run() {
    let home = Home::new();
    home.write("holdfast.yaml", "holdfast_config: 1\n");
    home.write("workflows/greeting.yaml", GREETING);
    let said = home.holdfast(&["run", "greeting"]);
    assert_ne!(said.code, Some(0), "{said:#?}");
    assert!(said.talk.contains("allow.commands"), "{said:#?}");
}

#[test]
fn a_change_of_status_is_a_stored_notification() {
    let home = Home::new();
    home.write("workflows/greeting.yaml", GREETING);
    home.holdfast(&["run", "greeting"]).with_code(0);
    let told = home.holdfast(&["notifications", "--output", "json"]).with_code(0).json();
    let statuses: Vec<&str> =
        told.as_array().unwrap().iter().map(|told| told["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["succeeded", "running", "queued"]);
}

#[test]
fn whoever_asked_for_a_run_is_named_in_its_notifications() {
    let home = Home::new();
    home.write("workflows/greeting.yaml", GREETING);
    for user in ["anna", "bert", "anna", "bert"] {
        let mut submit = home.command(&["submit", "greeting"]);
        assert!(submit.env("USER", user).output().unwrap().status.success());
    }
    home.holdfast(&["resume"]).with_code(0);
    let told = home.holdfast(&["notifications", "--output", "json"]).with_code(0).json();
    assert_eq!(told[0]["status"], "succeeded");
    assert_eq!(told[0]["asked_by"], serde_json::json!(["anna", "bert"]));
    assert_eq!(told[2]["asked_by"], serde_json::json!(["anna"]), "when it was queued");
    let people = home.holdfast(&["notifications"]).with_code(0);
    assert!(people.out.contains("has succeeded. Asked for by anna, bert."), "{people:#?}");
    let shown = home.holdfast(&["show", "run_"]).with_code(0);
    assert!(shown.out.contains("asked by   anna, bert"), "{shown:#?}");
}

#[test]
fn inv_15_nothing_starts_below_the_reserve_that_the_configuration_asks_for() {
    let home = Home::new();
    home.write("workflows/greeting.yaml", GREETING);
    let configuration = |reserve: u32| {
        let allow = "allow: { commands: [/bin/sh] }";
        let text = format!("holdfast_config: 1\n{allow}\nlimits: {{ reserve_mib: {reserve} }}\n");
        home.write("holdfast.yaml", &text);
    };
    configuration(1 << 30);
    let mut started = home.start(&["run", "greeting"]);
    started.wait_for_talk("too little free space");
    started.signal(Signal::INT);
    let said = started.end();
    assert!(said.talk.contains("holdfast resume"), "{said:#?}");
    configuration(0);
    home.holdfast(&["resume"]).with_code(0);
    let shown = home.holdfast(&["show", "run_", "--output", "json"]).with_code(0).json();
    assert_eq!(shown["status"], "succeeded");
}

#[test]
fn runs_are_listed_by_the_words_of_others_too() {
    let home = Home::new();
    home.write("workflows/greeting.yaml", GREETING);
    let tolerated = "holdfast: 1\nname: tolerated\noperation: maintenance\nsteps:\n  - id: s\n    uses: command\n    continue_on_error: true\n    with: { argv: [/bin/sh, -c, \"exit 7\"] }\n";
    home.write("workflows/tolerated.yaml", tolerated);
    home.holdfast(&["run", "greeting"]).with_code(0);
    home.holdfast(&["run", "tolerated"]).with_code(3);
    home.holdfast(&["submit", "greeting"]).with_code(0);
    let listed = |word: &str| {
        let runs = home.holdfast(&["runs", "--status", word, "--output", "json"]).with_code(0);
        let runs = runs.json();
        let runs = runs.as_array().expect("a list").iter();
        runs.map(|run| format!("{} {}", run["workflow"], run["status"]).replace('"', ""))
            .collect::<Vec<_>>()
    };
    assert_eq!(listed("completed_with_errors"), ["tolerated partial"]);
    assert_eq!(listed("completed"), ["greeting succeeded"]);
    assert_eq!(listed("pending"), ["greeting queued"]);
    assert_eq!(listed("canceled"), Vec::<String>::new());
    let unknown = home.holdfast(&["runs", "--status", "finished"]).with_code(2);
    assert!(unknown.talk.contains("partial"), "the words there are: {unknown:#?}");
}

#[test]
fn an_if_that_gives_no_boolean_fails_its_step_and_the_results_of_items_keep_the_order_of_the_list()
{
    let home = Home::new();
    let text = r#"holdfast: 1
name: w
operation: maintenance
inputs:
  name: { type: string, default: x }
steps:
  - id: each
    for_each: [c, a, b]
    uses: command
    with: { argv: [/bin/sh, -c, "test $0 != a || { echo why >&2; exit 7; }; echo $0", "{{ item }}"] }
  - id: tell
    run_when: done
    uses: command
    with: { argv: [/bin/sh, -c, "printf %s \"$0\" > told", "{{ steps.each.results | list | tojson }}"], cwd: "HOME" }
  - id: odd
    run_when: done
    if: inputs.name or false
    uses: sleep
    with: { duration: 1s }
"#;
    home.write("workflows/w.yaml", &text.replace("HOME", &home.path("").display().to_string()));
    home.holdfast(&["run", "w"]).with_code(1);
    let told: serde_json::Value = serde_json::from_str(&home.read("told")).unwrap();
    let told = told.as_array().unwrap();
    let of = |name: &str| told.iter().map(|result| result[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("key"), ["c", "a", "b"]);
    assert_eq!(of("index"), [0, 1, 2]);
    assert_eq!(of("status"), ["succeeded", "failed", "succeeded"]);
    assert_eq!(of("attempts"), [1, 1, 1]);
    assert_eq!(told[0]["output"]["stdout"], "c\n", "{told:#?}");
    assert_eq!(told[0]["error"], serde_json::Value::Null);
    assert_eq!(told[1]["output"], serde_json::json!({}));
    assert_eq!(told[1]["error"]["class"], "permanent", "{told:#?}");
    let shown = home.holdfast(&["show", "run_", "--output", "json"]).with_code(0).json();
    assert_eq!(shown["steps"][2]["status"], "failed");
    let error = shown["steps"][2]["error"].as_str().unwrap();
    assert!(error.contains("`if` must be a boolean (expression)"), "{error}");
}

#[test]
fn a_run_goes_to_its_end_though_nobody_hears_what_is_said_of_it() {
    let home = Home::new();
    home.write("workflows/greeting.yaml", GREETING);
    let mut command = home.command(&["run", "greeting"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let shown = home.holdfast(&["show", "run_", "--output", "json"]).with_code(0).json();
    assert_eq!(shown["status"], "succeeded");
}

#[test]
fn an_if_of_a_fan_out_is_asked_once_and_before_there_is_a_list() {
    let home = Home::new();
    let text = r#"holdfast: 1
name: w
operation: maintenance
inputs:
  n: { type: integer, default: 0 }
steps:
  - id: each
    if: inputs.n > 0
    for_each: "{{ range(10 // inputs.n) | list }}"
    uses: assert
    with: { that: true }
"#;
    home.write("workflows/w.yaml", text);
    let of = |input: &str| {
        home.holdfast(&["run", "w", "--input", input]).with_code(0);
        let runs = home.holdfast(&["runs", "--output", "json"]).with_code(0).json();
        let shown = home.holdfast(&["show", runs[0]["run"].as_str().unwrap(), "--output", "json"]);
        let shown = shown.with_code(0).json();
        (shown["steps"][0]["status"].clone(), shown["steps"][0]["counts"]["total"].clone())
    };
    assert_eq!(of("n=0"), ("skipped".into(), 0.into()), "its list would divide by nothing");
    assert_eq!(of("n=2"), ("succeeded".into(), 5.into()));
}

#[test]
fn a_target_is_one_whatever_it_is_called_and_an_input_is_one_whether_it_is_left_out_or_not() {
    let home = Home::new();
    home.write(
        "holdfast.yaml",
        "holdfast_config: 1\nallow: { commands: [/bin/sh] }\ntargets:\n  documents: { kind: files, root: ./documents }\n  papers: { kind: files, root: ./documents }\n",
    );
    std::fs::create_dir(home.path("documents")).unwrap();
    let text = r#"holdfast: 1
name: w
operation: maintenance
inputs:
  target: { type: target, required: true }
  depth: { type: integer, default: 3 }
target: "{{ inputs.target }}"
dedupe: { key: "{{ inputs.depth }}" }
steps:
  - id: s
    uses: sleep
    with: { duration: 1s }
"#;
    home.write("workflows/w.yaml", text);
    home.write(
        "workflows/v.yaml",
        &text
            .replace("name: w", "name: v")
            .replace("dedupe: { key: \"{{ inputs.depth }}\" }\n", "")
            .replace(
                "target: { type: target, required: true }",
                "target: { type: string, default: documents }",
            ),
    );
    let submit = |arguments: &[&str]| {
        let said = home.holdfast(&[&["submit"], arguments].concat()).with_code(0);
        said.first()
    };
    let left_out = submit(&["v"]);
    assert_eq!(submit(&["v", "--input", "depth=3", "--input", "target=documents"]), left_out);
    assert_ne!(submit(&["v", "--input", "depth=4"]), left_out);
    // With a key of its own: another name of the same folder is the same request, and names other inputs.
    submit(&["w", "--input", "target=documents"]);
    let other = home.holdfast(&["submit", "w", "--input", "target=papers"]).with_code(5);
    assert!(other.talk.contains("with other inputs"), "{other:#?}");
}
