//! Running a workflow in the foreground: exit codes, what is printed, what is stored.

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
