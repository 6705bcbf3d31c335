//! A user who may not do everything: what cannot be read is listed, what is shut is opened and shut again.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::home::{Home, Said};

const CONFIGURATION: &str = "holdfast_config: 1
repository: { path: ./backups, password: { file: ./backups.key } }
targets:
  documents: { kind: files, root: ./documents }
";

fn home() -> Home {
    let home = Home::new();
    home.write("holdfast.yaml", CONFIGURATION);
    home.write("backups.key", "open sesame\n");
    fs::create_dir_all(home.path("documents/shut")).expect("a folder is made");
    home.write("documents/shut/kept", "kept");
    home.write("documents/shut/lost", "lost");
    home.write("documents/open", "open");
    mode(&home, "documents/shut", 0o555);
    home.as_a_mere_user(&["repository", "init"]).with_code(0);
    home
}

fn mode(home: &Home, name: &str, mode: u32) {
    fs::set_permissions(home.path(name), Permissions::from_mode(mode)).expect("it is set");
}

fn run(home: &Home, workflow: &str, input: &str) -> Said {
    home.as_a_mere_user(&["run", workflow, "--input", input])
}

/// Everything of a folder but its contents: names, kinds, modes, owners, times.
fn facts(folder: &Path) -> String {
    let mut find = Command::new("find");
    find.args([".", "-printf", "%P %y %m %U %T@\\n"]).current_dir(folder);
    let text = String::from_utf8(find.output().expect("find starts").stdout).expect("text");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[test]
fn inv_05_what_a_user_may_not_read_is_listed_and_makes_run_and_set_partial() {
    let home = home();
    home.write("documents/secret", "not for everybody");
    mode(&home, "documents/secret", 0o000);
    let said = run(&home, "files/backup", "target=documents").with_code(3);
    assert!(said.out.contains("complete     false"), "{said:#?}");
    let sets = home.as_a_mere_user(&["sets", "--output", "json"]).with_code(0).json();
    assert_eq!(sets[0]["complete"], false, "{sets:#}");
    let id = sets[0]["id"].as_str().expect("an id").to_owned();
    let shown = home.as_a_mere_user(&["set", "show", &id]).with_code(0);
    assert!(shown.out.contains("secret"), "{shown:#?}");
    fs::remove_file(home.path("documents/secret")).expect("a file is removed");
    run(&home, "files/backup", "target=documents").with_code(0);
}

#[test]
fn a_folder_that_is_shut_is_restored_into_and_shut_again() {
    let home = home();
    run(&home, "files/backup", "target=documents").with_code(0);
    let before = facts(&home.path("documents"));
    mode(&home, "documents/shut", 0o755);
    fs::remove_file(home.path("documents/shut/lost")).expect("a file is removed");
    home.write("documents/shut/kept", "overwritten");
    mode(&home, "documents/shut", 0o555);
    let said = run(&home, "files/preview", "target=documents").with_code(0);
    let plan = said.out.lines().find_map(|line| line.strip_prefix("plan ")).expect("a plan");
    run(&home, "files/restore", &format!("plan={}", plan.trim())).with_code(0);
    assert_eq!(home.read("documents/shut/lost"), "lost");
    assert_eq!(home.read("documents/shut/kept"), "kept");
    assert_eq!(facts(&home.path("documents")), before);
}
