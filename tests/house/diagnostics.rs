//! Rule: every diagnostic code has its entry in `docs/diagnostics.md`, and every entry its code.
//!
//! The golden tests of the messages themselves are the language's.

use std::collections::BTreeSet;

use crate::rust_file::{self, RustFile};
use crate::{expect_findings, expect_none, page, tree};

const PAGE: &str = "docs/diagnostics.md";

fn is_code(text: &str) -> bool {
    let number = text.strip_prefix("HF").unwrap_or_default();
    number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn codes(file: &RustFile) -> Vec<String> {
    let texts = file.product_tokens().filter_map(|token| token.string());
    texts.filter(|text| is_code(text)).map(str::to_owned).collect()
}

fn findings(codes: &BTreeSet<String>, text: &str) -> Vec<String> {
    let words = page::headings(text).filter_map(|heading| heading.split([' ', ':']).next());
    let entries: BTreeSet<String> = words.filter(|word| is_code(word)).map(str::to_owned).collect();
    let missing = codes.difference(&entries).map(|code| format!("{PAGE}: `{code}` has no entry"));
    let left =
        entries.difference(codes).map(|code| format!("{PAGE}: no source has the code `{code}`"));
    missing.chain(left).collect()
}

#[test]
fn every_diagnostic_code_has_its_entry() {
    let codes: BTreeSet<String> = tree::rust().iter().flat_map(codes).collect();
    let language = tree::has_folder("engine/language/src");
    assert!(!language || !codes.is_empty(), "the language is there and no code of it was found");
    expect_none(findings(&codes, tree::text(PAGE).unwrap_or_default()));
}

#[test]
fn a_code_without_an_entry_and_an_entry_without_a_code_are_caught() {
    let text = "codes! { A \"HF0001\" \"x\" B \"HF0102\" \"HF12\" }\n#[cfg(test)]\nmod tests { const A: &str = \"HF9999\"; }\n";
    let codes = codes(&rust_file::read("engine/language/src/code.rs", text));
    let codes = BTreeSet::from_iter(codes);
    expect_findings(&findings(&codes, "## HF0001\n## HF0102 A title\n"), &[]);
    expect_findings(&findings(&codes, "## HF0001\n"), &["`HF0102` has no entry"]);
    expect_findings(&findings(&codes, "## HF0001\n## HF0102: x\n## HF0200\n"), &["code `HF0200`"]);
}
