//! `docs/diagnostics.md` tells the truth: every code has its entry, its first example gives exactly that
//! code, and its second one validates.

use std::collections::BTreeMap;

use holdfast_language::code::Code;
use holdfast_language::render::Colour;
use holdfast_language::{Diagnostic, Source, check, configuration};

use crate::specs::actions;

/// The entries of the page: number → text.
fn entries() -> BTreeMap<String, String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/diagnostics.md");
    let page = std::fs::read_to_string(path).unwrap();
    page.split("\n## ")
        .skip(1)
        .map(|entry| {
            let (number, text) = entry.split_once('\n').unwrap();
            (number.trim().to_owned(), text.to_owned())
        })
        .collect()
}

/// The fenced blocks of an entry that open with this.
fn block<'e>(entry: &'e str, fence: &str) -> Option<&'e str> {
    let (_, rest) = entry.split_once(&format!("\n```{fence}\n"))?;
    rest.split_once("\n```").map(|(block, _)| block)
}

/// What an example of this code gives: those of `HF06xx` are configurations, all others workflows.
fn told(number: &str, source: &Source) -> Vec<Diagnostic> {
    if number.starts_with("HF06") {
        return configuration::read(source).map_or_else(|found| found, |read| read.warnings);
    }
    check(source, &actions()).map_or_else(|found| found, |checked| checked.warnings)
}

fn codes(number: &str, text: &str) -> Vec<String> {
    let found = told(number, &Source::new("example.yaml", text));
    found.iter().map(|found| format!("{} {}", found.code, found.message)).collect()
}

#[test]
fn every_code_has_an_entry_whose_examples_fail_and_pass_as_they_say() {
    let entries = entries();
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let number = code.number();
        let Some(entry) = entries.get(number) else {
            wrong.push(format!("{number}: no entry"));
            continue;
        };
        if !entry.contains(code.title()) || !entry.contains(code.explanation()) {
            wrong.push(format!("{number}: the title or the explanation is not the code's"));
        }
        // An example of more than a mebibyte is made here.
        let failing = if *code == Code::FileTooLarge {
            "# x\n".repeat(300_000)
        } else {
            format!("{}\n", block(entry, "yaml fails").unwrap_or_default())
        };
        let found = codes(number, &failing);
        if found.is_empty() || found.iter().any(|found| !found.starts_with(number)) {
            wrong.push(format!("{number}: its first example gives {found:#?}"));
        }
        let mended = format!("{}\n", block(entry, "yaml").unwrap_or_default());
        let found = codes(number, &mended);
        if !found.is_empty() {
            wrong.push(format!("{number}: its second example gives {found:#?}"));
        }
    }
    for number in entries.keys() {
        if !Code::ALL.iter().any(|code| code.number() == number) {
            wrong.push(format!("{number}: there is no such code"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_is_rendered_with_its_line_and_its_remedy() {
    let entries = entries();
    let mut rendered = Vec::new();
    for (number, entry) in &entries {
        let Some(text) = block(entry, "yaml fails") else {
            continue;
        };
        let source = Source::new("example.yaml", text);
        for found in told(number, &source) {
            assert!(found.remedy.is_some(), "{number} has no remedy");
            rendered.push(found.render(&source, Colour::None));
        }
    }
    insta::assert_snapshot!("every_code", rendered.join("\n\n"));
}
