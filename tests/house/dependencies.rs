//! Rule: crates depend on each other only along the arrows of `docs/architecture.md`, and most third-party
//! crates have one owner.
//!
//! The page is the expected value, so it cannot rot: an arrow that is missing there fails, and so does one
//! that nothing follows. `(name)` is an arrow that is meant and not yet there. Crates that do not exist yet
//! are skipped; members under `tests/` may know everything.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::{expect_findings, expect_none, page, tree};

const PAGE: &str = "docs/architecture.md";

/// A crate of ours: its folder's name, and what it depends on outside of its tests.
type Crates = BTreeMap<String, BTreeSet<String>>;

/// Arrows or owners as the page has them: a name, and what stands behind `<-` or `:`.
type Lines = BTreeMap<String, Vec<String>>;

fn lines(kind: &str, separator: &str, text: &str) -> Lines {
    let block = page::block(text, kind);
    let block = block.unwrap_or_else(|| panic!("{PAGE} has a block of {kind}"));
    let mut lines = Lines::new();
    for line in block.into_iter().filter(|line| !line.trim().is_empty()) {
        let split = line.split_once(separator);
        let (name, rest) = split.unwrap_or_else(|| panic!("{PAGE}: {line}"));
        let rest = rest.split(',').map(|name| name.trim().to_owned());
        lines.insert(name.trim().to_owned(), rest.filter(|name| name != "-").collect());
    }
    lines
}

/// The crates of `cargo metadata`, leaving out members under `tests/`.
fn crates(metadata: &Value) -> Crates {
    let root = metadata["workspace_root"].as_str().unwrap();
    let mut crates = Crates::new();
    for package in metadata["packages"].as_array().unwrap() {
        let manifest = package["manifest_path"].as_str().unwrap();
        if manifest.starts_with(&format!("{root}/tests/")) {
            continue;
        }
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let product = dependencies.filter(|dependency| dependency["kind"] != "dev");
        let names = product.map(|dependency| short(dependency["name"].as_str().unwrap()));
        crates.insert(short(package["name"].as_str().unwrap()), names.collect());
    }
    crates
}

fn short(name: &str) -> String {
    name.strip_prefix("holdfast-").unwrap_or(name).to_owned()
}

fn arrow_findings(arrows: &Lines, crates: &Crates) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, dependencies) in crates {
        let Some(allowed) = arrows.get(name) else {
            findings.push(format!("{PAGE}: `{name}` has no line in the block of arrows"));
            continue;
        };
        if allowed.iter().any(|name| name == "all") {
            continue;
        }
        let ours = dependencies.iter().filter(|name| arrows.contains_key(*name));
        for other in ours.filter(|other| !allowed.contains(other)) {
            findings.push(if allowed.contains(&format!("({other})")) {
                format!("{PAGE}: `{name} <- {other}` is there now: take away its parentheses")
            } else {
                format!("`{name}` depends on `{other}`, an arrow that {PAGE} does not have")
            });
        }
        let existing = allowed.iter().filter(|other| crates.contains_key(*other));
        for other in existing.filter(|other| !dependencies.contains(*other)) {
            findings.push(format!("{PAGE}: nothing follows the arrow `{name} <- {other}`"));
        }
    }
    findings
}

fn owner_findings(owners: &Lines, crates: &Crates) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, dependencies) in crates {
        for dependency in dependencies {
            if let Some(owners) = owners.get(dependency)
                && !owners.contains(name)
            {
                let owners = owners.join(", ");
                findings
                    .push(format!("`{name}` depends on `{dependency}`, which belongs to {owners}"));
            }
        }
    }
    findings
}

fn metadata() -> Value {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--no-deps", "--offline"]);
    let output = cargo.current_dir(tree::root()).output().unwrap();
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {talk}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn crates_depend_on_each_other_as_the_architecture_says() {
    let text = tree::text(PAGE).expect("the page is there");
    let crates = crates(&metadata());
    assert!(crates.contains_key("kernel"), "{crates:?}");
    expect_none(arrow_findings(&lines("arrows", "<-", text), &crates));
    expect_none(owner_findings(&lines("owners", ":", text), &crates));
}

#[test]
fn wrong_arrows_are_caught() {
    let page = "```arrows\nkernel <- -\ncontract <- kernel\njournal <- kernel, (contract)\ncli <- all\n```\n";
    let check = |name: &str, dependencies: &[&str], expect: &[&str]| {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let mut crates = Crates::from([("kernel".into(), names(&["serde"]))]);
        crates.insert("contract".into(), names(&["kernel"]));
        crates.insert(name.to_owned(), names(dependencies));
        expect_findings(&arrow_findings(&lines("arrows", "<-", page), &crates), expect);
    };
    check("journal", &["kernel", "redb"], &[]);
    check("journal", &[], &["nothing follows the arrow `journal <- kernel`"]);
    check("journal", &["kernel", "contract"], &["take away its parentheses"]);
    check("kernel", &["contract"], &["`kernel` depends on `contract`"]);
    check("contract", &["kernel", "journal"], &["`contract` depends on `journal`"]);
    check("cli", &["kernel"], &[]);
    check("drive", &["kernel"], &["`drive` has no line"]);
}

#[test]
fn a_third_party_crate_in_the_wrong_place_is_caught() {
    let page = "```owners\nredb: journal\ntokio: runtime, cli\n```\n";
    let owners = lines("owners", ":", page);
    let check = |name: &str, dependency: &str, expect: &[&str]| {
        let crates = Crates::from([(name.to_owned(), BTreeSet::from([dependency.to_owned()]))]);
        expect_findings(&owner_findings(&owners, &crates), expect);
    };
    check("journal", "redb", &[]);
    check("kernel", "redb", &["`kernel` depends on `redb`, which belongs to journal"]);
    check("cli", "tokio", &[]);
    check("drive", "tokio", &["belongs to runtime, cli"]);
    check("drive", "serde", &[]);
}
