//! The house rules, as tests that read the tree.
//!
//! Every rule is a function from text to findings, so that each can be shown a small bad sample and must
//! catch it. What is to be expected stands in the pages of `docs/`, not here. Nothing is built or run but
//! `cargo metadata`.

mod attributes;
mod dependencies;
mod diagnostics;
mod glossary;
mod links;
mod machine_paths;
mod manifests;
mod names;
mod no_std;
mod opening;
mod page;
mod promises;
mod rules;
mod rust_file;
mod size;
mod tree;
mod words;

/// Fails with every finding at once, a line each.
#[track_caller]
fn expect_none(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// Fails unless the findings are exactly as many as expected and each contains its text, in order.
#[track_caller]
fn expect_findings(findings: &[String], expect: &[&str]) {
    assert_eq!(findings.len(), expect.len(), "{findings:#?}");
    for (finding, expect) in findings.iter().zip(expect) {
        assert!(finding.contains(expect), "{finding:?} lacks {expect:?}");
    }
}
