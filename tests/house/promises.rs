//! Rule: each promise and each row of the fault matrix names the tests that hold it, or says "not yet".
//!
//! A row that was held once stays held: `held.txt` lists those, and only a change of that list, which a
//! reviewer sees, can take one back. Whether a named test holds what it says is for the reviewer.

use std::collections::{BTreeMap, BTreeSet};

use crate::{expect_findings, expect_none, page, tree};

const PAGE: &str = "docs/reliability.md";
const HELD: &str = "tests/house/held.txt";
const PROMISES: usize = 17;
const FAULTS: usize = 19;

/// A row's id, and what stands in its column "tests".
type Rows = BTreeMap<String, String>;

fn rows(text: &str, id: &str) -> Rows {
    let rows = page::rows(text, &[id, "tests"]);
    let cell = |row: &page::Row, column| row.cell(column).unwrap_or_default().to_owned();
    rows.iter().map(|row| (cell(row, id), cell(row, "tests"))).collect()
}

/// The ids of `held.txt`, comments left out.
fn held(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn findings(rows: &Rows, held: &BTreeSet<String>, tests: &BTreeSet<&str>) -> Vec<String> {
    let mut findings = Vec::new();
    for (id, cell) in rows {
        let named = page::quoted(cell);
        for name in named.iter().filter(|name| !tests.contains(*name)) {
            findings.push(format!("{PAGE}: {id}: there is no test `{name}`"));
        }
        match (named.is_empty(), held.contains(id)) {
            (true, _) if !cell.contains("not yet") => {
                findings.push(format!("{PAGE}: {id}: names no test and does not say \"not yet\""));
            }
            (true, true) => findings.push(format!("{PAGE}: {id}: was held, and names no test now")),
            (false, false) => findings.push(format!("{HELD}: {id} is held now: add it")),
            (true, false) | (false, true) => {}
        }
    }
    let gone = held.iter().filter(|id| !rows.contains_key(*id));
    findings.extend(gone.map(|id| format!("{HELD}: {PAGE} has no row {id}")));
    findings
}

/// A test that carries the name of promises, `inv_01_..` or `inv_01_02_..`, is named in their rows.
fn unnamed(promises: &Rows, tests: &BTreeSet<&str>) -> Vec<String> {
    let mut findings = Vec::new();
    for (id, cell) in promises {
        let named = page::quoted(cell);
        let own = tests.iter().filter(|test| carried(test).contains(id));
        let lost = own.filter(|test| !named.contains(*test));
        findings.extend(lost.map(|test| format!("{PAGE}: {id}: does not name its test `{test}`")));
    }
    findings
}

/// The promises whose names a test carries.
fn carried(test: &str) -> Vec<String> {
    let numbers = test.strip_prefix("inv_").unwrap_or_default().split('_');
    let numbers = numbers.take_while(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    numbers.filter(|part| !part.is_empty()).map(|number| format!("inv_{number}")).collect()
}

#[test]
fn every_promise_and_every_fault_names_its_tests_or_says_not_yet() {
    let text = tree::text(PAGE).expect("the page is there");
    let held = held(tree::text(HELD).expect("the list is there"));
    let tests: BTreeSet<&str> = tree::rust().iter().flat_map(|file| file.test_names()).collect();
    let (promises, faults) = (rows(text, "promise"), rows(text, "fault"));
    assert_eq!((promises.len(), faults.len()), (PROMISES, FAULTS));
    expect_none(unnamed(&promises, &tests));
    expect_none(findings(&promises.into_iter().chain(faults).collect(), &held, &tests));
}

#[test]
fn a_row_without_tests_or_with_a_lost_one_is_caught() {
    let tests = BTreeSet::from(["inv_01_a", "b"]);
    let check = |cell: &str, listed: &str, expect: &[&str]| {
        let text = format!("| promise | what | tests |\n|---|---|---|\n| inv_01 | x | {cell} |\n");
        let rows = rows(&text, "promise");
        let mut all = findings(&rows, &held(listed), &tests);
        all.extend(unnamed(&rows, &tests));
        expect_findings(&all, expect);
    };
    let unnamed = "does not name its test `inv_01_a`";
    check("`inv_01_a`, `b`", "# held\ninv_01 # since then\n", &[]);
    check("`inv_01_a`; not yet: power loss", "inv_01", &[]);
    check("not yet", "", &[unnamed]);
    check("`b`", "inv_01", &[unnamed]);
    check("not yet", "inv_01", &["was held", unnamed]);
    check("", "", &["names no test", unnamed]);
    check("`inv_01_a`, `c`", "inv_01", &["there is no test `c`"]);
    check("`inv_01_a`", "", &["add it"]);
    check("`inv_01_a`", "inv_01\ninv_99", &["no row inv_99"]);
    assert_eq!(carried("inv_01_02_hold_7_times"), ["inv_01", "inv_02"]);
    assert_eq!(carried("invariants_hold"), [""; 0]);
}
