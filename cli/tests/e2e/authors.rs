//! What authors see: diagnostics with places and remedies, the list of actions, help.

use std::fs;
use std::process::Command;

use crate::home::Home;

#[test]
fn all_mistakes_of_a_file_are_told_at_once_with_their_places() {
    let home = Home::new();
    home.write(
        "bad.yaml",
        "holdfast: 1\nname: bad\noperation: maintenence\nsteps:\n  - id: a\n    uses: comand\n    with: { argv: [df] }\n  - id: b\n    uses: assert\n    needs: [c]\n    with: { that: true }\n",
    );
    let said = home.holdfast(&["validate", "bad.yaml"]).with_code(2);
    for expect in ["bad.yaml:3:12", "bad.yaml:6:11", "bad.yaml:10:13", "did you mean"] {
        assert!(said.talk.to_lowercase().contains(expect), "{expect} is missing:\n{}", said.talk);
    }
    let told = home.holdfast(&["validate", "bad.yaml", "--output", "json"]).with_code(2).json();
    assert!(told.as_array().unwrap().len() >= 3, "{told:#}");
}

#[test]
fn a_valid_file_is_called_valid() {
    let home = Home::new();
    home.write(
        "workflows/good.yaml",
        "holdfast: 1\nname: good\noperation: maintenance\nsteps:\n  - id: a\n    uses: sleep\n    with: { duration: 1s }\n",
    );
    let said = home.holdfast(&["validate"]).with_code(0);
    assert!(said.talk.contains("1 file checked: valid."), "{said:#?}");
}

#[test]
fn actions_are_listed_and_shown() {
    let home = Home::new();
    let listed = home.holdfast(&["actions"]).with_code(0);
    for name in ["assert", "command", "sleep"] {
        assert!(listed.out.lines().any(|line| line.starts_with(name)), "{listed:#?}");
    }
    let shown = home.holdfast(&["actions", "command"]).with_code(0);
    assert!(shown.out.contains("effect: once"), "{shown:#?}");
}

#[test]
fn what_is_not_built_yet_is_refused_by_name() {
    let home = Home::new();
    for command in ["coverage", "config", "crashtest"] {
        let said = home.holdfast(&[command]).with_code(2);
        assert!(said.talk.contains(&format!("`holdfast {command}` is not built yet")), "{said:#?}");
    }
    let slip = home.holdfast(&["valdiate"]).with_code(2);
    assert!(slip.talk.contains("Did you mean `holdfast validate`?"), "{slip:#?}");
}

#[test]
fn a_workflow_is_explained_with_every_default_filled_in() {
    let home = Home::new();
    let said = home.holdfast(&["explain", "files/backup"]).with_code(0);
    for expect in [
        "capture  capture",
        "for_each   {{ steps.list.output.items }}, 2 at once",
        "effect     probed",
        "5 attempts after transient",
    ] {
        assert!(said.out.contains(expect), "{expect}: {said:#?}");
    }
    let data = home.holdfast(&["explain", "files/backup", "--output", "json"]).with_code(0).json();
    assert_eq!(data["steps"][2]["facts"]["run_when"], "done", "{data:#}");
    assert_eq!(data["inputs"][0]["name"], "target", "{data:#}");
    home.holdfast(&["explain", "files/bakup"]).with_code(2);
}

#[test]
fn the_graph_of_a_workflow_is_drawn_for_people_and_as_mermaid() {
    let home = Home::new();
    let text = home.holdfast(&["graph", "files/nightly"]).with_code(0);
    assert!(text.out.contains("prune   workflow files/prune  [clean]  after verify"), "{text:#?}");
    assert!(text.out.contains("\nfinally\nreport  notify"), "{text:#?}");
    let mermaid = home.holdfast(&["graph", "files/nightly", "--format", "mermaid"]).with_code(0);
    assert!(mermaid.out.starts_with("flowchart TD\n"), "{mermaid:#?}");
    assert!(mermaid.out.contains("step_verify -->|clean| step_prune"), "{mermaid:#?}");
}

#[test]
fn editors_get_a_schema_and_shells_their_completions() {
    let home = Home::new();
    let schema = home.holdfast(&["schema"]).with_code(0).json();
    assert!(schema["definitions"]["step"]["properties"]["uses"]["enum"].is_array(), "{schema:#}");
    let of_configuration = home.holdfast(&["schema", "configuration"]).with_code(0).json();
    assert!(of_configuration["properties"]["targets"].is_object(), "{of_configuration:#}");
    let bash = home.holdfast(&["completions", "bash"]).with_code(0);
    assert!(bash.out.contains("_holdfast()"), "{bash:#?}");
    home.write("completions", &format!("{}\ncomplete -p holdfast\n", bash.out));
    let sourced = Command::new("bash").arg(home.path("completions")).output().expect("it starts");
    assert!(sourced.status.success(), "{}", String::from_utf8_lossy(&sourced.stderr));
}

#[test]
fn what_init_writes_knows_its_schemas() {
    let home = Home::new();
    fs::create_dir(home.path("new")).unwrap();
    home.holdfast(&["init", "new"]).with_code(0);
    for (file, expect) in [
        ("new/holdfast.yaml", "$schema=./holdfast.schema.json"),
        ("new/workflows/files-backup.yaml", "$schema=../holdfast-workflow.schema.json"),
    ] {
        let first = home.read(file).lines().next().unwrap_or_default().to_owned();
        assert!(first.ends_with(expect), "{file}: {first}");
    }
    for file in ["new/holdfast.schema.json", "new/holdfast-workflow.schema.json"] {
        let schema: serde_json::Value = serde_json::from_str(&home.read(file)).unwrap();
        assert!(schema["definitions"].is_object(), "{file}");
    }
    assert!(home.read("new/.gitignore").contains("backups.key"));
}

#[test]
fn a_workflow_of_ones_own_that_is_not_valid_is_never_passed_over_for_a_shipped_one() {
    let home = Home::new();
    fs::create_dir_all(home.path("workflows/files")).expect("a folder is made");
    let own = "holdfast: 1\nname: files/verify\noperation: maintenance\nsteps:\n  - id: s\n    uses: sleeep\n    with: { duration: 1s }\n";
    // One that can be told by its name, and one that only lies where it would.
    for text in [own, "holdfast: 1\nname: files/verify\n\tsteps: nothing\n"] {
        home.write("workflows/files/verify.yaml", text);
        let said = home.holdfast(&["submit", "files/verify", "--input", "set=latest"]).with_code(2);
        assert!(said.talk.contains("The workflow files/verify is not valid."), "{said:#?}");
        assert!(said.talk.contains("verify.yaml:"), "with the line: {said:#?}");
    }
}

#[test]
fn what_is_explained_is_all_that_the_workflow_comes_to() {
    let home = Home::new();
    let text = "holdfast: 1
name: w
operation: restore
inputs:
  target: { type: target, required: true }
target: \"{{ inputs.target }}\"
steps:
  - id: s
    uses: command
    with: { argv: [/bin/sh, -c, \"echo a b\", \"{{ run.id }}\", \"7\"], ok_exit_codes: [0, 7] }
finally:
  timeout: 3m
  steps:
    - id: end
      uses: sleep
      with: { duration: 1s }
outputs:
  code: \"{{ steps.s.output.exit_code }}\"
";
    home.write("workflows/w.yaml", text);
    let said = home.holdfast(&["explain", "w"]).with_code(0).out;
    for line in [
        "hold        its target alone, beside no backup and no restore",
        "finally     3m",
        r#"outputs     { code: "{{ steps.s.output.exit_code }}" }"#,
        r#"with       { argv: [/bin/sh, -c, "echo a b", "{{ run.id }}", "7"], ok_exit_codes: [0,7] }"#,
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}
