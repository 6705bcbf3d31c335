//! Rule: nothing in the tree names a folder of the machine it was written on.
//!
//! The patterns are put together here so that this file does not catch itself.

use crate::{expect_findings, expect_none, tree};

/// Where homes and workspaces live, by the first folders of their path.
fn starts() -> Vec<String> {
    let folders = ["home", "Users", "work", "workspace", "workspaces", "root"];
    folders.iter().map(|folder| format!("/{folder}/")).collect()
}

/// This checkout, and the home of whoever runs the test, where they are deep enough to be telling.
fn own() -> Vec<String> {
    let root = Some(tree::root().to_string_lossy().into_owned());
    let home = std::env::var("HOME").ok();
    let telling = |path: &String| path.trim_end_matches('/').matches('/').count() > 1;
    root.into_iter().chain(home).filter(telling).collect()
}

fn findings(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let anywhere = own().into_iter().filter(|own| line.contains(own.as_str()));
        let at_start = starts().into_iter().filter(|start| {
            let mut places = line.match_indices(start.as_str());
            places.any(|(at, _)| opens_a_path(line, at, start.len()))
        });
        if let Some(found) = anywhere.chain(at_start).next() {
            findings.push(format!("{path}:{}: `{found}` is a folder of a machine", number + 1));
        }
    }
    findings
}

/// Whether a path starts here, and goes on with a name.
fn opens_a_path(line: &str, at: usize, length: usize) -> bool {
    let before = line[..at].chars().next_back();
    let after = line[at + length..].chars().next();
    let in_path = |letter: char| letter.is_alphanumeric() || "/._-~}$".contains(letter);
    !before.is_some_and(in_path)
        && after.is_some_and(|letter| letter.is_alphanumeric() || letter == '.')
}

#[test]
fn no_file_names_a_folder_of_a_machine() {
    let files = tree::files().iter();
    expect_none(files.flat_map(|file| findings(&file.path, &file.text)).collect());
}

#[test]
fn folders_of_a_machine_are_caught() {
    let check = |text: &str, expect: &[&str]| expect_findings(&findings("a.md", text), expect);
    check("see docs/home/index.md and https://example.org/home/x", &[]);
    check("`$HOME/work/x`, ~/work/x, /var/lib/holdfast, /homework/x", &[]);
    for folder in ["home", "Users", "work", "workspaces"] {
        check(&format!("x\npath = \"/{folder}/ann/x\""), &["a.md:2"]);
    }
    check(&format!("({}/x)", tree::root().display()), &["a.md:1"]);
}
