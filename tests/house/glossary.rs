//! Rule: one word for one thing. The synonyms that the glossary forbids are in no YAML key, command line
//! verb or flag, or API field.
//!
//! `docs/glossary.md` is the expected value: its column "not", and its table of words that stay for another
//! thing, each with the places where it may stand.

use std::collections::{BTreeMap, BTreeSet};

use crate::words::{self, Word};
use crate::{expect_findings, expect_none, page, tree};

/// What the glossary says.
struct Glossary {
    /// Forbidden word, in parts, to the word to use.
    forbidden: BTreeMap<Vec<String>, String>,
    /// What may be typed all the same.
    allowed: BTreeSet<String>,
}

fn glossary(text: &str) -> Glossary {
    let rows = page::rows(text, &["word", "meaning", "not"]);
    let own: BTreeSet<Vec<String>> = rows
        .iter()
        .flat_map(|row| row.cell("word").unwrap_or_default().split(','))
        .map(parts)
        .collect();
    let mut forbidden = BTreeMap::new();
    for row in &rows {
        let ours = row.cell("word").unwrap_or_default();
        let words = row.cell("not").unwrap_or_default().split(',').map(parts);
        forbidden.extend(words.filter(|word| !word.is_empty()).map(|word| (word, ours.to_owned())));
    }
    // A word that is ours for one thing is not forbidden because it would be wrong for another.
    forbidden.retain(|word, _| !own.contains(word));
    let kept = page::rows(text, &["typed", "stays for"]);
    let allowed = kept.iter().flat_map(|row| page::quoted(row.cell("typed").unwrap_or_default()));
    Glossary { forbidden, allowed: allowed.map(str::to_owned).collect() }
}

/// A word in parts, each in the singular and in small letters.
fn parts(word: &str) -> Vec<String> {
    let parts = word.split(['_', '-', '.', ' ']).filter(|part| !part.is_empty());
    parts.map(|part| singular(&part.to_lowercase())).collect()
}

fn singular(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ies") {
        return format!("{stem}y");
    }
    let stem = word.strip_suffix('s').filter(|stem| !stem.ends_with('s'));
    stem.unwrap_or(word).to_owned()
}

fn findings(glossary: &Glossary, words: &[Word]) -> Vec<String> {
    let mut findings = Vec::new();
    for word in words.iter().filter(|word| !glossary.allowed.contains(&word.text)) {
        let parts = parts(&word.text);
        for (forbidden, ours) in &glossary.forbidden {
            if parts.windows(forbidden.len()).any(|window| window == forbidden) {
                let Word { text, place } = word;
                let forbidden = forbidden.join(" ");
                findings.push(format!("{place}: `{text}`: not {forbidden}; our words: {ours}"));
            }
        }
    }
    findings
}

fn page_text() -> Glossary {
    glossary(tree::text("docs/glossary.md").expect("docs/glossary.md is there"))
}

fn rust_words(prefix: &str, read: impl Fn(&crate::rust_file::RustFile) -> Vec<Word>) -> Vec<Word> {
    let files = tree::rust().iter().filter(|file| file.path.starts_with(prefix) && !file.is_test);
    files.flat_map(read).collect()
}

/// Fails if a part of the project exists and its words are no longer found: the reader has gone stale.
#[track_caller]
fn expect_read(folder: &str, words: &[Word], sure: &[&str]) {
    if tree::has_folder(folder) {
        let found: BTreeSet<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let lost: Vec<_> = sure.iter().filter(|word| !found.contains(*word)).collect();
        assert!(
            lost.is_empty(),
            "no longer found in {folder}: {lost:?}; mend tests/house/words.rs"
        );
    }
}

#[test]
fn yaml_keys_use_one_word_for_one_thing() {
    let mut words = rust_words("engine/", words::table_keys);
    expect_read("engine/language/src", &words, &["steps", "for_each", "run_when"]);
    let yaml = |path: &str| tree::extension(path) == "yaml" && path.starts_with("workflows/");
    words.extend(tree::files().iter().filter(|file| yaml(&file.path)).flat_map(words::yaml_keys));
    expect_read("workflows", &words, &["steps", "uses"]);
    expect_none(findings(&page_text(), &words));
}

#[test]
fn verbs_and_flags_use_one_word_for_one_thing() {
    let words = rust_words("cli/", words::command_line);
    expect_read("cli/src", &words, &["run", "validate"]);
    expect_none(findings(&page_text(), &words));
}

#[test]
fn fields_of_the_api_use_one_word_for_one_thing() {
    let words = rust_words("engine/service/src/wire", words::api);
    expect_read("engine/service/src", &words, &["run", "step"]);
    expect_none(findings(&page_text(), &words));
}

#[test]
fn the_glossary_forbids_what_is_commonly_said() {
    let glossary = page_text();
    for word in ["job", "pipeline", "task", "backup target", "DAG"] {
        assert!(glossary.forbidden.contains_key(&parts(word)), "{word}");
    }
}

#[test]
fn a_forbidden_synonym_is_caught() {
    let glossary = glossary(
        "| word | meaning | not |\n|---|---|---|\n| run | x | job, backup target |\n\
         | tick | x | slot, history |\n| slot, group | x | |\n\n\
         | typed | stays for |\n|---|---|\n| `job_title` | a title |\n",
    );
    let check = |text: &str, expect: &[&str]| {
        let text = text.to_owned();
        let place = "a.rs:1".to_owned();
        expect_findings(&findings(&glossary, &[Word { text, place }]), expect);
    };
    check("run", &[]);
    check("job", &["a.rs:1: `job`: not job; our words: run"]);
    check("max_jobs", &["`max_jobs`"]);
    check("run-job", &["`run-job`"]);
    check("job_title", &[]);
    check("jobless", &[]);
    check("backup_target", &["not backup target"]);
    check("backup", &[]);
    check("histories", &["not history"]);
    check("slot", &[]);
}
