//! Rule: every rule of the language names the tests that hold it.
//!
//! Whether a named test holds what it says is for the reviewer.

use std::collections::BTreeSet;

use crate::{expect_findings, expect_none, page, tree};

const PAGE: &str = "docs/rules.md";

/// Fewer rules than this were lost, not mended.
const RULES: usize = 300;

fn findings(text: &str, tests: &BTreeSet<&str>) -> Vec<String> {
    let mut findings = Vec::new();
    for row in page::rows(text, &["rule", "test"]) {
        let (rule, cell) =
            (row.cell("rule").unwrap_or_default(), row.cell("test").unwrap_or_default());
        let named = page::quoted(cell);
        if named.is_empty() {
            findings.push(format!("{PAGE}: names no test: {rule}"));
        }
        let lost = named.iter().filter(|name| !tests.contains(*name));
        findings.extend(lost.map(|name| format!("{PAGE}: there is no test `{name}`: {rule}")));
    }
    findings
}

#[test]
fn every_rule_of_the_language_names_its_tests_or_says_not_yet() {
    let text = tree::text(PAGE).expect("the page is there");
    let tests: BTreeSet<&str> = tree::rust().iter().flat_map(|file| file.test_names()).collect();
    expect_none(findings(text, &tests));
    let rows = page::rows(text, &["rule", "test"]);
    assert!(rows.len() >= RULES, "{} rules", rows.len());
}

#[test]
fn a_rule_without_a_test_or_with_a_lost_one_is_caught() {
    let tests = BTreeSet::from(["a"]);
    let check = |cell: &str, expect: &[&str]| {
        let text = format!("| rule | test |\n|---|---|\n| x | {cell} |\n");
        expect_findings(&findings(&text, &tests), expect);
    };
    check("`a`", &[]);
    check("", &["names no test"]);
    check("not yet", &["names no test"]);
    check("`a`, `b`", &["there is no test `b`"]);
}
