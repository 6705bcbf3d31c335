//! A real folder through the real program: backed up, damaged, previewed, restored, verified; and killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::home::{Home, Said};

const CONFIGURATION: &str = "holdfast_config: 1
repository:
  path: ./backups
  password: { file: ./backups.key }
targets:
  documents: { kind: files, root: ./documents, exclude: [\"**/*.tmp\"] }
";

/// A home with documents, a configuration, a key and a repository.
fn home() -> Home {
    let home = Home::new();
    home.write("holdfast.yaml", CONFIGURATION);
    home.write("backups.key", "open sesame\n");
    fs::create_dir(home.path("documents")).expect("a folder is made");
    for number in 0..30 {
        let folder = home.path(&format!("documents/f{}", number % 3));
        fs::create_dir_all(&folder).expect("a folder is made");
        home.write(&format!("documents/f{}/g{number}", number % 3), &format!("content {number}\n"));
    }
    home.write("documents/passing.tmp", "not kept");
    home.holdfast(&["repository", "init"]).with_code(0);
    home
}

fn run(home: &Home, workflow: &str, inputs: &[&str]) -> Said {
    let mut arguments = vec!["run", workflow];
    for input in inputs {
        arguments.extend(["--input", input]);
    }
    home.holdfast(&arguments)
}

/// A line of outputs: what stands behind its name.
fn output(said: &Said, name: &str) -> String {
    let line = said.out.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no output `{name}`: {said:#?}")).trim().to_owned()
}

/// Every file below a folder with its content and permissions.
fn tree(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut find = Command::new("find");
    find.args([".", "-printf", "%P %y %m %T@\\n"]).current_dir(folder);
    let mut found = BTreeMap::new();
    let text = String::from_utf8(find.output().expect("find starts").stdout).expect("text");
    for line in text.lines() {
        let (path, facts) = line.split_once(' ').unwrap_or((line, ""));
        let content = fs::read_to_string(folder.join(path)).unwrap_or_default();
        found.insert(PathBuf::from(path), format!("{facts} {content}"));
    }
    found
}

fn restic(home: &Home, arguments: &[&str]) -> String {
    let said = Command::new("restic")
        .args(["--no-cache", "-r"])
        .arg(home.path("backups"))
        .arg("--password-file")
        .arg(home.path("backups.key"))
        .args(arguments)
        .output()
        .expect("restic starts");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).expect("text")
}

fn damage(home: &Home) {
    fs::remove_file(home.path("documents/f0/g0")).expect("a file is removed");
    fs::remove_dir_all(home.path("documents/f1")).expect("a folder is removed");
    home.write("documents/f2/g2", "overwritten");
}

#[test]
fn a_folder_is_backed_up_damaged_previewed_restored_and_verified() {
    let home = home();
    let said = run(&home, "files/backup", &["target=documents"]).with_code(0);
    assert_eq!(output(&said, "complete"), "true");
    let before = tree(&home.path("documents"));
    damage(&home);
    let said = run(&home, "files/preview", &["target=documents"]).with_code(0);
    assert_eq!(output(&said, "count"), "13");
    let plan = output(&said, "plan");
    let shown = home.holdfast(&["plan", "show", &plan, "--output", "json"]).with_code(0).json();
    assert_eq!(shown["counts"]["create"], 12, "{shown:#}");
    let said = run(&home, "files/restore", &[&format!("plan={plan}")]).with_code(0);
    assert_eq!(output(&said, "applied"), "13");
    assert_eq!(tree(&home.path("documents")), before);
    let said = run(&home, "files/restore", &[&format!("plan={plan}")]).with_code(0);
    assert_eq!((output(&said, "applied"), output(&said, "unchanged")), ("0".into(), "13".into()));
    run(&home, "files/verify", &["target=documents"]).with_code(0);
    let sets = home.holdfast(&["sets", "--output", "json"]).with_code(0).json();
    assert_eq!(sets[0]["verified"]["damaged"], 0, "{sets:#}");
    assert!(restic(&home, &["check", "--read-data"]).contains("no errors were found"));
    restic(
        &home,
        &["restore", "latest", "--target", home.path("by-restic").to_str().expect("text")],
    );
    let mut restored = tree(&home.path("by-restic/files"));
    let mut expected = before;
    expected.remove(Path::new("passing.tmp"));
    // The excluded file has changed the time of its folder, which the set has.
    for tree in [&mut restored, &mut expected] {
        tree.remove(Path::new(""));
    }
    assert_eq!(restored, expected);
}

#[test]
fn inv_08_what_was_changed_after_the_preview_is_a_conflict_and_everything_else_comes_back() {
    let home = home();
    run(&home, "files/backup", &["target=documents"]).with_code(0);
    damage(&home);
    let said = run(&home, "files/preview", &["target=documents"]).with_code(0);
    let plan = format!("plan={}", output(&said, "plan"));
    home.write("documents/f2/g2", "changed after the preview");
    let said = run(&home, "files/restore", &[&plan]).with_code(3);
    assert_eq!((output(&said, "applied"), output(&said, "conflicts")), ("12".into(), "1".into()));
    assert!(said.talk.contains("f2/g2"), "{said:#?}");
    assert_eq!(home.read("documents/f2/g2"), "changed after the preview");
    assert_eq!(home.read("documents/f1/g1"), "content 1\n");
    let after = tree(&home.path("documents"));
    let said = run(&home, "files/restore", &[&plan]).with_code(3);
    assert_eq!((output(&said, "applied"), output(&said, "unchanged")), ("0".into(), "12".into()));
    assert_eq!(tree(&home.path("documents")), after);
    let said = run(&home, "files/preview", &["target=documents"]).with_code(0);
    assert_eq!(output(&said, "count"), "1");
}

#[test]
fn nothing_is_removed_by_a_set_that_was_made_when_less_belonged_to_the_target() {
    let home = home();
    run(&home, "files/backup", &["target=documents"]).with_code(0);
    home.write("documents/new", "not in the set");
    let preview = |code| {
        let said = run(&home, "files/preview", &["target=documents", "delete=true"]);
        said.with_code(code)
    };
    assert_eq!(output(&preview(0), "count"), "1", "only what is new would be removed");
    home.write("holdfast.yaml", &CONFIGURATION.replace(", exclude: [\"**/*.tmp\"]", ""));
    let said = preview(1);
    assert!(said.talk.contains("may only not have belonged"), "{said:#?}");
    assert!(said.talk.contains("**/*.tmp"), "what it was: {said:#?}");
    assert_eq!(
        output(&run(&home, "files/preview", &["target=documents"]).with_code(0), "count"),
        "0"
    );
    run(&home, "files/backup", &["target=documents"]).with_code(0);
    assert_eq!(output(&preview(0), "count"), "0");
}

#[test]
fn inv_02_a_backup_that_is_killed_goes_on_as_the_same_run() {
    let home = home();
    let mut started = home.start(&["run", "files/backup", "--input", "target=documents"]);
    started.wait_for_talk("capture: running");
    started.signal(Signal::KILL);
    started.end();
    let runs = home.holdfast(&["runs", "--output", "json"]).with_code(0);
    assert!(runs.talk.contains("1 run is unfinished"), "{runs:#?}");
    let id = runs.json()[0]["run"].as_str().expect("it has an id").to_owned();
    let said = run(&home, "files/backup", &["target=documents"]).with_code(0);
    assert!(said.talk.contains(&id), "{said:#?}");
    assert_eq!(output(&said, "complete"), "true");
    assert!(restic(&home, &["check", "--read-data"]).contains("no errors were found"));
    let status = home.holdfast(&["repository", "status", "--output", "json"]).with_code(0).json();
    assert_eq!((&status["sets"], &status["units"]), (&1.into(), &0.into()), "{status:#}");
}

#[test]
fn inv_08_a_restore_that_is_killed_goes_on_to_what_the_plan_says() {
    let home = home();
    for number in 0..300 {
        home.write(&format!("documents/f0/many-{number}"), &format!("{number}\n"));
    }
    run(&home, "files/backup", &["target=documents"]).with_code(0);
    let before = tree(&home.path("documents"));
    for wanted in [1, 90, 130, 250] {
        for number in 0..300 {
            fs::remove_file(home.path(&format!("documents/f0/many-{number}"))).expect("removed");
        }
        let said = run(&home, "files/preview", &["target=documents"]).with_code(0);
        let plan = format!("plan={}", output(&said, "plan"));
        let mut started = home.start(&["run", "files/restore", "--input", &plan]);
        started.wait_for_talk("apply: running");
        let folder = home.path("documents/f0");
        // It may end before so many are there: then there is nothing left to kill.
        while started.is_running() && count(&folder) < wanted {
            std::thread::yield_now();
        }
        started.signal(Signal::KILL);
        started.end();
        home.holdfast(&["resume"]).with_code(0);
        assert_eq!(tree(&home.path("documents")), before, "killed at {wanted}");
    }
}

fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).expect("the folder is there").flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("many-")).count()
}

#[test]
fn without_the_state_directory_sets_are_listed_and_a_restore_works() {
    let home = home();
    run(&home, "files/backup", &["target=documents"]).with_code(0);
    let before = tree(&home.path("documents"));
    fs::remove_dir_all(home.path("state")).expect("the state is removed");
    let listed = home.holdfast(&["sets"]).with_code(0);
    assert!(listed.out.contains("not verified here"), "{listed:#?}");
    damage(&home);
    let said = run(&home, "files/preview", &["target=documents"]).with_code(0);
    run(&home, "files/restore", &[&format!("plan={}", output(&said, "plan"))]).with_code(0);
    assert_eq!(tree(&home.path("documents")), before);
}

#[test]
fn holdfast_keeps_its_own_out_of_a_backup_and_no_restore_writes_there() {
    let home = home();
    let root = home.path("").to_str().expect("text").trim_end_matches('/').to_owned();
    let said = run(&home, "files/backup", &[&format!("target={root}")]).with_code(0);
    let set = output(&said, "backup_set");
    let listed = restic(&home, &["ls", "latest"]);
    assert!(listed.contains("/files/documents/f0/g0"), "{listed}");
    for own in ["/files/state", "/files/backups"] {
        assert!(!listed.contains(own), "{own}: {listed}");
    }
    let shown = home.holdfast(&["logs", &run_of(&home)]).with_code(0);
    assert!(shown.out.contains("holdfast keeps it for itself"), "{shown:#?}");
    home.holdfast(&["set", "cat", &set, "documents/f0/g0"]).with_code(0);
}

fn run_of(home: &Home) -> String {
    let runs = home.holdfast(&["runs", "--output", "json"]).with_code(0).json();
    runs[0]["run"].as_str().expect("it has an id").to_owned()
}

#[test]
fn inv_13_neither_contents_nor_their_digests_are_in_clear_in_the_state() {
    let home = home();
    let canary = "canary 7f3a9c, a very private sentence that nobody should find";
    home.write("documents/private", canary);
    run(&home, "files/backup", &["target=documents"]).with_code(0);
    home.write("documents/private", "overwritten");
    let said = run(&home, "files/preview", &["target=documents"]).with_code(0);
    run(&home, "files/restore", &[&format!("plan={}", output(&said, "plan"))]).with_code(0);
    assert_eq!(home.read("documents/private"), canary);
    let digest = Command::new("sha256sum").arg(home.path("documents/private")).output();
    let digest = String::from_utf8(digest.expect("sha256sum starts").stdout).expect("text");
    let digest = digest.split(' ').next().expect("it prints one").to_owned();
    let state = home.state_bytes();
    for secret in ["canary 7f3a9c", digest.as_str(), "open sesame"] {
        let found = state.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!found, "{secret} is in the state");
    }
}

#[test]
fn what_cannot_be_used_gets_a_message_with_what_to_do() {
    let check = |change: &dyn Fn(&Home), code: i32, expect: &str| {
        let home = home();
        change(&home);
        let said = run(&home, "files/backup", &["target=documents"]).with_code(code);
        assert!(said.talk.contains(expect), "{expect}: {said:#?}");
    };
    let documents = |home: &Home| home.path("documents");
    check(&|home| fs::remove_dir_all(documents(home)).expect("removed"), 2, "there is no folder");
    let empty = |home: &Home| {
        fs::remove_dir_all(documents(home)).expect("removed");
        fs::create_dir(documents(home)).expect("made");
    };
    check(&empty, 1, "the target has nothing in it");
    check(&|home| home.write("backups.key", "wrong"), 1, "password");
    check(&|home| fs::remove_dir_all(home.path("backups")).expect("removed"), 1, "repository init");
    let other = |home: &Home| {
        fs::rename(documents(home), home.path("moved")).expect("moved");
        home.write("documents", "a file");
    };
    check(&other, 2, "is not a folder");
}

#[test]
fn inv_10_a_damaged_pack_fails_a_verification_that_names_the_files() {
    let home = home();
    run(&home, "files/backup", &["target=documents"]).with_code(0);
    let found = Command::new("find").arg(home.path("backups/data")).args(["-type", "f"]).output();
    let found = String::from_utf8(found.expect("find starts").stdout).expect("text");
    for pack in found.lines() {
        let mut bytes = fs::read(pack).expect("a pack is read");
        bytes[40] ^= 1;
        fs::remove_file(pack).expect("a pack is removed");
        fs::write(pack, bytes).expect("a pack is written");
    }
    let said = run(&home, "files/verify", &["target=documents"]);
    assert_eq!(said.code, Some(1), "{said:#?}");
    assert!(said.talk.contains("damaged"), "{said:#?}");
}

#[test]
fn a_set_is_shown_read_compared_and_exported() {
    let home = home();
    let said = run(&home, "files/backup", &["target=documents"]).with_code(0);
    let first = output(&said, "backup_set");
    home.write("documents/f0/g0", "changed\n");
    fs::remove_file(home.path("documents/f0/g3")).expect("removed");
    let said = run(&home, "files/backup", &["target=documents"]).with_code(0);
    let second = output(&said, "backup_set");
    assert_eq!(output(&said, "previous"), first);
    let shown = home.holdfast(&["set", "show", &first, "--output", "json"]).with_code(0).json();
    assert_eq!((&shown["files"], &shown["complete"]), (&30.into(), &true.into()), "{shown:#}");
    let cat = home.holdfast(&["set", "cat", &second, "f0/g0"]).with_code(0);
    assert_eq!(cat.out, "changed\n");
    let diff = home.holdfast(&["set", "diff", &first, &second]).with_code(0);
    assert!(diff.out.contains("f0/g0") && diff.out.contains("f0/g3"), "{diff:#?}");
    let export = ["set", "export", &first, "--to", "out", "--only", "f0"];
    home.holdfast(&export).with_code(0);
    assert_eq!(home.read("out/files/f0/g0"), "content 0\n");
    assert!(!home.path("out/files/f1").exists());
    home.holdfast(&["set", "verify", &first]).with_code(0);
    home.holdfast(&["set", "cat", "set_ffff", "x"]).with_code(2);
    let unchanged = ["target=documents", "unless_unchanged=true"];
    let said = run(&home, "files/backup", &unchanged).with_code(0);
    assert_eq!((output(&said, "unchanged"), output(&said, "backup_set")), ("true".into(), second));
}

#[test]
fn init_makes_everything_that_a_first_backup_needs() {
    let home = Home::new();
    fs::remove_file(home.path("holdfast.yaml")).expect("removed");
    home.holdfast(&["init"]).with_code(0);
    let again = home.holdfast(&["init"]).with_code(2);
    assert!(again.talk.contains("already"), "{again:#?}");
    home.holdfast(&["validate"]).with_code(0);
    let said = home.holdfast(&["doctor"]).with_code(1);
    assert!(said.out.contains("target documents") && said.out.contains("missing"), "{said:#?}");
    fs::create_dir(home.path("documents")).expect("made");
    home.write("documents/a", "a");
    home.holdfast(&["doctor"]).with_code(0);
    run(&home, "files-backup", &["target=documents"]).with_code(0);
}

#[test]
fn a_backup_without_a_configuration_makes_a_repository_and_says_to_keep_its_key() {
    let home = Home::new();
    fs::remove_file(home.path("holdfast.yaml")).expect("removed");
    fs::create_dir(home.path("documents")).expect("made");
    home.write("documents/a", "a");
    let said = run(&home, "files/backup", &["target=documents"]).with_code(0);
    assert!(said.talk.contains("Keep a copy of its key"), "{said:#?}");
    let said = run(&home, "files/backup", &["target=./documents/"]).with_code(0);
    assert!(!said.talk.contains("Keep a copy"), "{said:#?}");
    assert_ne!(output(&said, "previous"), "none");
}

#[test]
fn the_demo_tells_the_whole_story() {
    let home = Home::new();
    let said = home.holdfast(&["demo", "--folder", "story"]).with_code(0);
    assert!(said.talk.contains("byte for byte"), "{said:#?}");
}

#[test]
fn inv_09_a_preview_that_could_write_the_target_is_refused() {
    let home = home();
    let text = fs::read_to_string("../workflows/files/restore.yaml").expect("it is there");
    home.write("workflows/bad.yaml", &text.replace("operation: restore", "operation: preview"));
    let said = home.holdfast(&["validate", "workflows/bad.yaml"]).with_code(2);
    assert!(said.talk.contains("plan.apply"), "{said:#?}");
}

const PARTIAL: &str = r#"holdfast: 1
name: partial
operation: backup
inputs:
  target: { type: target, required: true }
target: "{{ inputs.target }}"
steps:
  - id: list
    uses: inventory
  - id: capture
    for_each: "{{ steps.list.output.items }}"
    uses: capture
  - id: broken
    needs: []
    uses: command
    with: { argv: [/bin/sh, -c, "exit 1"] }
  - id: seal
    needs: [capture, broken]
    run_when: done
    uses: backup_set.seal
outputs:
  complete: "{{ steps.seal.output.complete }}"
"#;

#[test]
fn inv_05_a_set_is_partial_if_anything_it_depends_on_is() {
    let home = home();
    home.write("holdfast.yaml", &format!("{CONFIGURATION}allow: {{ commands: [/bin/sh] }}\n"));
    home.write("workflows/partial.yaml", PARTIAL);
    let said = run(&home, "partial", &["target=documents"]).with_code(1);
    assert_eq!(output(&said, "complete"), "false");
    let sets = home.holdfast(&["sets", "--output", "json"]).with_code(0).json();
    assert_eq!(sets[0]["complete"], false, "{sets:#}");
    // What is done again and fails again is sealed again, as partial as before.
    home.holdfast(&["retry", &run_of(&home)]).with_code(0);
    home.holdfast(&["resume"]).with_code(0);
    let again = home.holdfast(&["sets", "--output", "json"]).with_code(0).json();
    assert_eq!((again.as_array().map(Vec::len), &again[0]["complete"]), (Some(2), &false.into()));
    assert_eq!(again[1]["id"], sets[0]["id"], "the first one may have what the second lacks");
    // A partial set is not what a restore starts from by itself.
    run(&home, "files/preview", &["target=documents"]).with_code(1);
}

#[test]
fn a_plan_shows_what_differs_in_short_texts() {
    let home = home();
    home.write("documents/f0/g0", "one\ntwo\nthree\n");
    run(&home, "files/backup", &["target=documents"]).with_code(0);
    home.write("documents/f0/g0", "one\nzwei\nthree\n");
    fs::write(home.path("documents/f0/g3"), b"\0\x01").expect("it is written");
    let made = home.holdfast(&["plan", "create", "documents", "--name", "f0"]).with_code(0);
    let plan = output(&made, "plan");
    let shown = home.holdfast(&["plan", "diff", &plan]).with_code(0);
    for expect in ["update f0/g0", "  -zwei\n  +two\n", "  the content differs, and is no text"] {
        assert!(shown.out.contains(expect), "{expect}: {shown:#?}");
    }
    let one = home.holdfast(&["plan", "diff", &plan, "--path", "f0/g3"]).with_code(0);
    assert!(!one.out.contains("zwei"), "{one:#?}");
    // It is part of the plan, and nowhere in clear.
    let state = home.state_bytes();
    assert!(
        !state.windows(4).any(|bytes| bytes == b"zwei"),
        "content stands in the state in clear"
    );
}

#[test]
fn inv_11_a_prune_says_first_what_would_go_and_why_and_then_does_just_that() {
    let home = home();
    let mut sets = Vec::new();
    for number in 0..3 {
        home.write("documents/f0/g0", &format!("version {number}\n"));
        let said = run(&home, "files/backup", &["target=documents"]).with_code(0);
        sets.push(output(&said, "backup_set"));
    }
    let refused = home.holdfast(&["set", "prune", "--dry-run"]).with_code(1);
    assert!(refused.talk.contains("there are no rules"), "{refused:#?}");
    home.write("holdfast.yaml", &format!("{CONFIGURATION}retention: {{ last: 1 }}\n"));

    // A plan that was stored keeps the set that it was made from.
    let previewed = format!("backup_set={}", sets[0]);
    run(&home, "files/preview", &["target=documents", &previewed]).with_code(0);
    let planned = home.holdfast(&["set", "prune", "--dry-run"]).with_code(0);
    let line = |set: &str| {
        let line = planned.out.lines().find(|line| line.contains(set));
        line.unwrap_or_else(|| panic!("no line of {set}: {planned:#?}")).to_owned()
    };
    assert!(line(&sets[2]).contains("keep"), "{planned:#?}");
    assert!(line(&sets[2]).ends_with("it is the newest complete one"), "{planned:#?}");
    assert!(line(&sets[1]).contains("remove"), "{planned:#?}");
    assert!(line(&sets[1]).ends_with("no rule keeps it"), "{planned:#?}");
    assert!(line(&sets[0]).ends_with("needs it until it expires"), "{planned:#?}");
    let listed = |home: &Home| home.holdfast(&["sets"]).with_code(0).out;
    assert!(listed(&home).contains(&sets[1]), "a plan changes nothing");

    let done = home.holdfast(&["set", "prune"]).with_code(0);
    assert_eq!(output(&done, "removed"), "1");
    let after = listed(&home);
    assert!(!after.contains(&sets[1]), "{after}");
    assert!(after.contains(&sets[0]) && after.contains(&sets[2]), "{after}");
    let mut check = Command::new("restic");
    check.args(["--no-cache", "-r", "backups", "--password-file", "backups.key", "check"]);
    let checked = check.current_dir(home.path(".")).output().expect("restic starts");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
