//! Backup sets beyond one backup: several repositories, a whole night, exports, what a step says to people.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::home::{Home, Said, hold};

const CONFIGURATION: &str = "holdfast_config: 1
repositories:
  default: { path: ./backups, password: { file: ./one.key } }
  second: { path: ./more, password: { file: ./two.key } }
targets:
  documents: { kind: files, root: ./documents, labels: { team: office } }
  letters: { kind: files, root: ./letters, labels: { team: cellar } }
retention: { last: 1 }
allow:
  commands: [/bin/sh]
  exports: [./exports]
";

fn home() -> Home {
    let home = Home::new();
    home.write("holdfast.yaml", CONFIGURATION);
    home.write("one.key", "one\n");
    home.write("two.key", "two\n");
    for folder in ["documents", "letters", "exports"] {
        fs::create_dir(home.path(folder)).expect("a folder is made");
    }
    home.write("documents/a", "first\n");
    home.write("documents/b", "second\n");
    home.holdfast(&["repository", "init"]).with_code(0);
    home.holdfast(&["repository", "init", "--repository", "second"]).with_code(0);
    home
}

fn output(said: &Said, name: &str) -> String {
    let line = said.out.lines().find(|line| line.split_whitespace().next() == Some(name));
    let words = line.and_then(|line| line.split_whitespace().nth(1));
    words.unwrap_or_else(|| panic!("no {name}: {said:#?}")).to_owned()
}

fn sets(home: &Home, more: &[&str]) -> Vec<Value> {
    let arguments = [&["sets", "--output", "json"], more].concat();
    let listed = home.holdfast(&arguments).with_code(0).json();
    listed.as_array().cloned().expect("it is a list")
}

#[test]
fn a_workflow_works_with_the_repository_that_it_names() {
    let home = home();
    let said = home.holdfast(&[
        "run",
        "files/backup",
        "--input",
        "target=documents",
        "--repository",
        "second",
    ]);
    let set = output(&said.with_code(0), "backup_set");
    assert_eq!(sets(&home, &[]).len(), 0);
    assert_eq!(sets(&home, &["--repository", "second"])[0]["id"], set);
    home.holdfast(&["set", "show", &set]).with_code(2);
    home.holdfast(&["set", "show", &set, "--repository", "second"]).with_code(0);
    home.holdfast(&["set", "verify", &set, "--repository", "second"]).with_code(0);
    let unknown = home.holdfast(&["sets", "--repository", "third"]).with_code(69);
    assert!(unknown.talk.contains("there are default, second"), "{unknown:#?}");
    let unknown = home.holdfast(&[
        "run",
        "files/backup",
        "--input",
        "target=documents",
        "--repository",
        "third",
    ]);
    assert!(unknown.with_code(2).talk.contains("there is no repository `third`"));

    // A plan knows where its set is, whatever the restore says.
    home.write("documents/a", "lost\n");
    let preview = home.holdfast(&[
        "run",
        "files/preview",
        "--input",
        "target=documents",
        "--repository",
        "second",
    ]);
    let plan = output(&preview.with_code(0), "plan");
    let restore = home.holdfast(&["run", "files/restore", "--input", &format!("plan={plan}")]);
    restore.with_code(0);
    assert_eq!(home.read("documents/a"), "first\n");

    // What runs as a child works with its parent's.
    let nightly = ["run", "files/nightly", "--input", "target=documents", "--repository", "second"];
    home.holdfast(&nightly).with_code(0);
    assert_eq!(sets(&home, &[]).len(), 0);
    assert_eq!(sets(&home, &["--repository", "second"]).len(), 2, "a plan keeps the older one");

    // A file that names one itself is not overruled.
    home.write(
        "workflows/own.yaml",
        "holdfast: 1\nname: own\noperation: maintenance\nrepository: second\nsteps:\n  - id: prune\n    uses: backup_set.prune\n    with: { dry_run: true }\noutputs: { kept: \"{{ steps.prune.output.kept }}\" }\n",
    );
    assert_eq!(output(&home.holdfast(&["run", "own"]).with_code(0), "kept"), "2");
    let refused = home.holdfast(&["run", "own", "--repository", "default"]).with_code(2);
    assert!(refused.talk.contains("names a repository of its own, `second`"), "{refused:#?}");
}

#[test]
fn a_night_backs_up_verifies_prunes_only_if_clean_and_says_how_it_went() {
    let home = home();
    // Long enough to have most of its pack, and nothing in it is like anything else.
    let noise = (0..20_000_u32).map(|number| format!("{:x}", number.wrapping_mul(2_654_435_761)));
    home.write("documents/long", &noise.collect::<String>());
    home.holdfast(&["run", "files/nightly", "--input", "target=documents"]).with_code(0);
    home.write("documents/a", "changed\n");
    let second = home.holdfast(&["run", "files/nightly", "--input", "target=documents"]);
    let second = second.with_code(0);
    assert_eq!(output(&second, "removed"), "1");
    let left = sets(&home, &[]);
    assert_eq!(left.len(), 1, "{left:#?}");
    let told = home.holdfast(&["notifications", "--limit", "3"]).with_code(0);
    let line = "info from files/nightly: files/nightly of documents: succeeded";
    assert_eq!(told.out.matches(line).count(), 1, "{told:#?}");

    // A pack that is damaged makes the verification fail, and nothing goes.
    home.write("documents/a", "changed once more\n");
    damage_new_packs(&home);
    let bad = home.holdfast(&["run", "files/nightly", "--input", "target=documents"]);
    let bad = bad.with_code(1);
    assert!(bad.talk.contains("prune: blocked"), "{bad:#?}");
    assert_eq!(sets(&home, &[]).len(), 2, "the good one is still there");
    let told = home.holdfast(&["notifications", "--limit", "3"]).with_code(0);
    assert!(told.out.contains("warning from files/nightly"), "{told:#?}");
}

/// Damages what is there: content that does not change is not written again, and is read back by the next night.
fn damage_new_packs(home: &Home) {
    for folder in fs::read_dir(home.path("backups/data")).expect("there are packs") {
        for pack in fs::read_dir(folder.expect("it is read").path()).expect("it is a folder") {
            let path = pack.expect("it is read").path();
            let mut bytes = fs::read(&path).expect("it is read");
            // Compressed and encrypted: any byte of the long file will do.
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle).filter(|_| middle > 20_000) {
                *byte ^= 0x40;
            }
            let mut permissions = fs::metadata(&path).expect("it is there").permissions();
            std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
            fs::set_permissions(&path, permissions).expect("it may be written");
            fs::write(&path, bytes).expect("it is written");
        }
    }
}

const STEPS: &str = r#"holdfast: 1
name: office
operation: maintenance
inputs:
  to: { type: string, required: true }
steps:
  - id: list
    uses: targets
    with: { labels: { team: office } }
  - id: open
    uses: backup_set.open
    with: { target: "{{ steps.list.output.items[0].name }}" }
  - id: diff
    uses: backup_set.diff
    with: { to: "{{ steps.open.output.backup_set }}" }
  - id: export
    uses: backup_set.export
    with: { backup_set: "{{ steps.open.output.backup_set }}", to: "{{ inputs.to }}", mirror: true }
  - id: attest
    uses: backup_set.attest
    with: { backup_set: "{{ steps.open.output.backup_set }}", text: compared }
outputs:
  count: "{{ steps.list.output.count }}"
  changed: "{{ steps.diff.output.changed }}"
  files: "{{ steps.export.output.files }}"
  written: "{{ steps.export.output.changed }}"
  deleted: "{{ steps.export.output.deleted }}"
"#;

#[test]
fn a_set_is_compared_exported_as_a_mirror_and_attested_by_steps() {
    let home = home();
    home.write("workflows/office.yaml", STEPS);
    let backup = || home.holdfast(&["run", "files/backup", "--input", "target=documents"]);
    backup().with_code(0);
    let to = format!("to={}", home.path("exports/documents").display());
    let office = || home.holdfast(&["run", "office", "--input", &to]);
    let said = office().with_code(0);
    let names = ["count", "changed", "files", "written", "deleted"];
    let outputs = |said: &Said| names.map(|name| output(said, name));
    // Two files and the manifest.
    assert_eq!(outputs(&said), ["1", "0", "3", "3", "0"]);
    assert_eq!(home.read("exports/documents/files/a"), "first\n");

    // What is the same is left, what differs is written, what the set lacks goes, and no link is followed.
    home.write("documents/a", "later\n");
    fs::remove_file(home.path("documents/b")).expect("it goes");
    let set = output(&backup().with_code(0), "backup_set");
    fs::create_dir(home.path("exports/documents/junk")).expect("a folder is made");
    home.write("exports/documents/junk/c", "no\n");
    home.write("precious", "stays\n");
    symlink(home.path(""), home.path("exports/documents/link")).expect("a link is made");
    let said = office().with_code(0);
    assert_eq!(outputs(&said), ["1", "2", "2", "2", "4"]);
    assert_eq!(home.read("exports/documents/files/a"), "later\n");
    assert!(!home.path("exports/documents/files/b").exists());
    assert!(!home.path("exports/documents/junk").exists());
    assert_eq!(home.read("precious"), "stays\n");
    let shown = home.holdfast(&["set", "show", &set]).with_code(0);
    assert!(shown.out.contains("restore_drill by run_"), "{shown:#?}");
    assert_eq!(outputs(&office().with_code(0)), ["1", "2", "2", "0", "0"]);

    // A folder that is no export of ours loses nothing.
    fs::create_dir(home.path("exports/mine")).expect("a folder is made");
    home.write("exports/mine/precious", "stays\n");
    let other = format!("to={}", home.path("exports/mine").display());
    let refused = home.holdfast(&["run", "office", "--input", &other]).with_code(1);
    assert!(refused.talk.contains("is no export of a backup set"), "{refused:#?}");
    assert_eq!(home.read("exports/mine/precious"), "stays\n");

    // Nowhere but beneath the folders that the configuration lists.
    let outside = format!("to={}", home.path("elsewhere").display());
    let refused = home.holdfast(&["run", "office", "--input", &outside]).with_code(1);
    assert!(refused.talk.contains("allow.exports"), "{refused:#?}");
    assert!(!home.path("elsewhere").exists());
}

#[test]
fn a_preview_of_one_target_may_start_from_a_set_of_another() {
    let home = home();
    home.holdfast(&["run", "files/backup", "--input", "target=documents"]).with_code(0);
    let preview =
        ["run", "files/preview", "--input", "target=letters", "--input", "from=documents"];
    let said = home.holdfast(&preview).with_code(0);
    assert_eq!(output(&said, "count"), "2");
    let plan = format!("plan={}", output(&said, "plan"));
    home.holdfast(&["run", "files/restore", "--input", &plan]).with_code(0);
    assert_eq!(home.read("letters/a"), "first\n");
    let without =
        home.holdfast(&["run", "files/preview", "--input", "target=letters"]).with_code(1);
    assert!(
        without.talk.contains("no complete backup set of the target `letters`"),
        "{without:#?}"
    );
}

#[test]
fn an_export_keeps_what_is_there_until_it_has_something_whole_for_its_place() {
    let home = home();
    home.write("workflows/office.yaml", STEPS);
    let noise = (0..20_000_u32).map(|number| format!("{:x}", number.wrapping_mul(2_654_435_761)));
    let long = noise.collect::<String>();
    home.write("documents/long", &long);
    home.holdfast(&["run", "files/backup", "--input", "target=documents"]).with_code(0);
    let to = format!("to={}", home.path("exports/documents").display());
    home.holdfast(&["run", "office", "--input", &to]).with_code(0);
    damage_new_packs(&home);
    home.write("exports/documents/files/long", "an older version");
    let damaged = home.holdfast(&["run", "office", "--input", &to]).with_code(3);
    assert_eq!(home.read("exports/documents/files/long"), "an older version", "{damaged:#?}");
    assert_eq!(home.read("exports/documents/files/a"), "first\n");
}

#[test]
fn a_set_is_of_one_target() {
    let home = home();
    let workflow = |seal: &str| {
        format!(
            "holdfast: 1\nname: mixed\noperation: backup\ninputs: {{ target: {{ type: target, required: true }} }}\ntarget: \"{{{{ inputs.target }}}}\"\nsteps:\n  - id: list\n    uses: inventory\n    with: {{ target: documents }}\n  - id: capture\n    for_each: \"{{{{ steps.list.output.items }}}}\"\n    uses: capture\n    with: {{ target: documents }}\n  - id: seal\n    uses: backup_set.seal\n{seal}"
        )
    };
    home.write("workflows/mixed.yaml", &workflow(""));
    let refused = home.holdfast(&["run", "mixed", "--input", "target=letters"]).with_code(1);
    assert!(refused.talk.contains("what was captured is of files:"), "{refused:#?}");
    assert_eq!(sets(&home, &[]).len(), 0);
    home.write("workflows/mixed.yaml", &workflow("    with: { target: documents }\n"));
    home.holdfast(&["run", "mixed", "--input", "target=letters"]).with_code(0);
    assert_eq!(sets(&home, &[])[0]["target"], "documents");
}

#[test]
fn inv_11_a_set_that_a_running_run_chose_itself_is_not_pruned() {
    let home = home();
    let pipe = home.pipe("pipe");
    let text = format!(
        "holdfast: 1
name: slow
operation: maintenance
inputs:
  target: {{ type: target, required: true }}
target: \"{{{{ inputs.target }}}}\"
steps:
  - id: open
    uses: backup_set.open
    with: {{ target: \"{{{{ inputs.target }}}}\" }}
  - id: wait
    uses: command
    with: {{ argv: [/bin/sh, -c, \"read line < {}; true\"] }}
",
        pipe.display()
    );
    home.write("workflows/slow.yaml", &text);
    let backup = || {
        home.holdfast(&["run", "files/backup", "--input", "target=documents"]).with_code(0);
        sets(&home, &[]).iter().map(|set| set["id"].clone()).collect::<Vec<_>>()
    };
    let first = backup().remove(0);
    let run = home.start(&["run", "slow", "--input", "target=documents"]);
    let held = hold(&pipe);
    home.write("documents/a", "third\n");
    backup();
    home.holdfast(&["set", "prune"]).with_code(0);
    let kept = sets(&home, &[]);
    assert!(kept.iter().any(|set| set["id"] == first), "it works with {first}: {kept:#?}");
    drop(held);
    run.end().with_code(0);
    // The plan says of each set what becomes of it, also to programs.
    let plan = home.holdfast(&["set", "prune", "--dry-run", "--output", "json"]).with_code(0);
    let plan = plan.json();
    let of = |set: &Value| {
        plan["outputs"]["sets"]
            .as_array()
            .expect("sets")
            .iter()
            .find_map(|line| (line["backup_set"]["id"] == *set).then(|| line["action"].clone()))
    };
    assert_eq!(of(&first), Some("remove".into()), "{plan:#}");
    home.holdfast(&["set", "prune"]).with_code(0);
    assert_eq!(sets(&home, &[]).len(), 1, "nothing needs it any more");
}

#[test]
fn a_person_exports_where_the_configuration_allows_and_never_among_what_holdfast_keeps() {
    let home = home();
    home.holdfast(&["run", "files/backup", "--input", "target=documents"]).with_code(0);
    let id = sets(&home, &[])[0]["id"].as_str().expect("an id").to_owned();
    let export = |to: &str| home.holdfast(&["set", "export", &id, "--to", to]);
    export("exports/one").with_code(0);
    let outside = export("elsewhere").with_code(2);
    assert!(outside.talk.contains("allow.exports"), "{outside:#?}");
    assert!(!home.path("elsewhere").exists());
    let text = home.read("holdfast.yaml");
    home.write("holdfast.yaml", &text.replace("  exports: [./exports]\n", ""));
    export("elsewhere").with_code(0);
    let inside = export("backups/x").with_code(2);
    assert!(inside.talk.contains("holdfast keeps for itself"), "{inside:#?}");
}

#[test]
fn a_workflow_may_look_first_what_would_go_and_then_let_it_go() {
    let home = home();
    for content in ["one", "two", "three"] {
        home.write("documents/a", content);
        home.holdfast(&["run", "files/backup", "--input", "target=documents"]).with_code(0);
    }
    let text = "holdfast: 1
name: careful
operation: maintenance
steps:
  - id: look
    uses: backup_set.prune
    with: { dry_run: true }
  - id: prune
    uses: backup_set.prune
outputs:
  would: \"{{ steps.look.output.removed }}\"
  did: \"{{ steps.prune.output.removed }}\"
";
    home.write("workflows/careful.yaml", text);
    let said = home.holdfast(&["run", "careful"]).with_code(0);
    assert_eq!((output(&said, "would"), output(&said, "did")), ("2".to_owned(), "2".to_owned()));
}
