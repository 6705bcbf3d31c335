//! Rule: no file or folder of Rust sources has a name that says nothing.

use crate::{expect_findings, expect_none, tree};

const FORBIDDEN: [&str; 11] = [
    "util", "utils", "helper", "helpers", "common", "misc", "manager", "managers", "types", "imp",
    "mod",
];

fn findings(path: &str) -> Option<String> {
    let mut parts = path.trim_end_matches(".rs").split('/');
    let bad = parts.find(|part| FORBIDDEN.contains(part))?;
    Some(format!("{path}: `{bad}` says nothing of what is inside"))
}

#[test]
fn every_source_file_has_a_telling_name() {
    let files = tree::rust().iter();
    expect_none(files.filter_map(|file| findings(&file.path)).collect());
}

#[test]
fn a_name_that_says_nothing_is_caught() {
    let check = |path: &str, expect: &[&str]| {
        expect_findings(findings(path).as_slice(), expect);
    };
    check("engine/kernel/src/decide.rs", &[]);
    check("engine/kernel/src/utility.rs", &[]);
    check("engine/kernel/src/util.rs", &["`util`"]);
    check("engine/kernel/src/helpers/a.rs", &["`helpers`"]);
    check("engine/kernel/src/check/mod.rs", &["`mod`"]);
}
