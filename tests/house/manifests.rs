//! Rule: every dependency's version stands once, in the workspace; every member but the tests takes the
//! workspace's lints.

use crate::{expect_findings, expect_none, tree};

fn findings(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut section = "";
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            section = line;
        }
        let entry = line.contains('=') && !line.starts_with('#');
        if section.ends_with("dependencies]") && entry && !line.contains("workspace = true") {
            findings.push(format!("{path}:{}: says `workspace = true`: {line}", number + 1));
        }
    }
    if !path.starts_with("tests/") && !text.contains("[lints]\nworkspace = true") {
        findings.push(format!("{path}: takes the lints of the workspace"));
    }
    findings
}

#[test]
fn members_take_versions_and_lints_from_the_workspace() {
    let manifests = tree::files().iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    expect_none(manifests.flat_map(|file| findings(&file.path, &file.text)).collect());
}

#[test]
fn a_version_of_its_own_and_missing_lints_are_caught() {
    let check = |path: &str, text: &str, expect: &[&str]| {
        expect_findings(&findings(path, text), expect);
    };
    let lints = "[lints]\nworkspace = true\n";
    check("cli/Cargo.toml", &format!("[dependencies]\nserde.workspace = true\n{lints}"), &[]);
    check(
        "cli/Cargo.toml",
        &format!("[dependencies]\nserde = \"1\"\n{lints}"),
        &["cli/Cargo.toml:2"],
    );
    check("cli/Cargo.toml", "[package]\nname = \"x\"\n", &["takes the lints"]);
    check("tests/e2e/Cargo.toml", "[dev-dependencies]\na = { path = \"x\" }\n", &["Cargo.toml:2"]);
}
