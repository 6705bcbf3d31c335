//! Rule: every Rust file opens with what it does, what it deliberately does not and whom it hears from.
//!
//! It counts lines; whether they say something is for the reviewer.

use crate::{expect_findings, expect_none, tree};

const MOST: usize = 12;

fn findings(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().take_while(|line| line.starts_with("//!"));
    match lines.count() {
        0 => Some(format!("{path}: does not open with `//!`")),
        1..=MOST => None,
        more => Some(format!("{path}: opens with {more} lines of `//!`, more than {MOST}")),
    }
}

#[test]
fn every_file_says_what_it_does_in_at_most_twelve_lines() {
    let files = tree::rust().iter();
    expect_none(files.filter_map(|file| findings(&file.path, &file.text)).collect());
}

#[test]
fn a_file_without_an_opening_or_with_a_long_one_is_caught() {
    let check = |text: &str, expect: &[&str]| {
        expect_findings(findings("a.rs", text).as_slice(), expect);
    };
    check("//! x\nfn a() {}\n", &[]);
    check("fn a() {}\n//! x\n", &["does not open"]);
    check(&"//! x\n".repeat(12), &[]);
    check(&"//! x\n".repeat(13), &["13 lines"]);
}
