//! Rule: files and functions outside of test code stay small.
//!
//! A file above the norm is only warned about, each time the tests run; above the cap it fails. Code lines
//! are counted as clippy counts them; the cap on all lines of a function is ours alone.

use std::io::Write as _;

use crate::rust_file::{self, RustFile};
use crate::{expect_findings, expect_none, tree};

const FILE_NORM: usize = 400;
const FILE_CAP: usize = 600;
const FUNCTION_CODE_CAP: usize = 60;
const FUNCTION_CAP: usize = 70;

fn file_lines(file: &RustFile) -> usize {
    let lines = 1..=file.text.lines().count();
    lines.filter(|line| !file.is_test_line(*line)).count()
}

fn findings(file: &RustFile) -> Vec<String> {
    let path = &file.path;
    let mut findings = Vec::new();
    let lines = file_lines(file);
    if lines > FILE_CAP {
        findings.push(format!("{path}: {lines} lines, more than {FILE_CAP}"));
    }
    for function in file.functions.iter().filter(|_| !file.is_test) {
        let place = format!("{path}:{}: `{}`", function.line, function.name);
        let (raw, code) = (function.raw_lines, function.code_lines);
        if raw > FUNCTION_CAP {
            findings.push(format!("{place} has {raw} lines, more than {FUNCTION_CAP}"));
        }
        if code > FUNCTION_CODE_CAP {
            findings
                .push(format!("{place} has {code} lines of code, more than {FUNCTION_CODE_CAP}"));
        }
    }
    findings
}

fn warning(file: &RustFile) -> Option<String> {
    let lines = file_lines(file);
    let text = format!("warning: {}: {lines} lines, the norm is {FILE_NORM}\n", file.path);
    (lines > FILE_NORM).then_some(text)
}

#[test]
fn files_and_functions_are_small() {
    // Written past the capture of output, so that a passing test still warns.
    let warnings: String = tree::rust().iter().filter_map(warning).collect();
    std::io::stderr().write_all(warnings.as_bytes()).unwrap();
    expect_none(tree::rust().iter().flat_map(findings).collect());
}

#[test]
fn large_files_and_functions_are_caught() {
    let check = |text: &str, warned: bool, expect: &[&str]| {
        let file = rust_file::read("engine/x/src/a.rs", text);
        expect_findings(&findings(&file), expect);
        assert_eq!(warning(&file).is_some(), warned);
    };
    let function = |lines: usize, line: &str| format!("fn a() {{\n{}}}\n", line.repeat(lines));
    check(&function(60, "b();\n"), false, &[]);
    check(&function(61, "b();\n"), false, &["61 lines of code"]);
    check(&function(69, "// why\n"), false, &["`a` has 71 lines"]);
    check(&"const A: u8 = 0;\n".repeat(400), false, &[]);
    check(&"const A: u8 = 0;\n".repeat(600), true, &[]);
    check(&"const A: u8 = 0;\n".repeat(601), true, &["601 lines"]);
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(700, "b();\n"));
    check(&tests, false, &[]);
}
