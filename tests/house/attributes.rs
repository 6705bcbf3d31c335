//! Rule: no lint is silenced without a reason, no test is left out or waits by the clock, nothing is left to do.
//!
//! It reads tokens, so it sees what is inside of macros too, and nothing that is only text.

use crate::rust_file::{self, Kind, RustFile};
use crate::{expect_findings, expect_none, tree};

/// Attributes that are refused, with what to do in their place.
const ATTRIBUTES: [(&str, &str); 3] = [
    ("allow", "use `#[expect(.., reason = \"..\")]`"),
    ("ignore", "a test runs or is not there"),
    ("should_panic", "check the message that the panic carries, or the error"),
];

/// Macros that are refused.
const MACROS: [&str; 2] = ["todo", "unimplemented"];

fn findings(file: &RustFile) -> Vec<String> {
    let mut findings = attribute_findings(file);
    for name in MACROS {
        findings.extend(file.find(&[name, "!"]).map(|at| {
            let line = file.tokens[at].line;
            format!("{}:{line}: `{name}!`: finish it, or refuse it by name", file.path)
        }));
    }
    let sleeps = file.find(&["thread", ":", ":", "sleep"]);
    let grouped = file.find(&["thread", ":", ":", "{"]).filter(|at| {
        let group = file.tokens[*at..].iter().take_while(|token| token.text != "}");
        group.into_iter().any(|token| token.text == "sleep")
    });
    for at in sleeps.chain(grouped) {
        let line = file.tokens[at].line;
        findings.push(format!("{}:{line}: `thread::sleep`: wait for a notification", file.path));
    }
    findings
}

fn attribute_findings(file: &RustFile) -> Vec<String> {
    let tokens = &file.tokens;
    let outer = file.find(&["#", "["]).map(|at| at + 2);
    let inner = file.find(&["#", "!", "["]).map(|at| at + 3);
    let mut findings = Vec::new();
    for start in outer.chain(inner) {
        let Some(first) = tokens.get(start) else {
            continue;
        };
        // `cfg_attr` hides attributes inside; any other attribute is named by its first token.
        let reach = if first.text == "cfg_attr" { usize::MAX } else { 1 };
        let inside = tokens[start..].iter().take_while(|token| token.text != "]");
        for token in inside.take(reach).filter(|token| token.kind == Kind::Name) {
            if let Some((name, remedy)) = ATTRIBUTES.iter().find(|(name, _)| token.text == *name) {
                findings.push(format!("{}:{}: `#[{name}]`: {remedy}", file.path, token.line));
            }
        }
    }
    findings
}

#[test]
fn nothing_is_silenced_left_out_or_left_to_do() {
    expect_none(tree::rust().iter().flat_map(findings).collect());
}

#[test]
fn what_is_silenced_left_out_or_left_to_do_is_caught() {
    let check = |text: &str, expect: &[&str]| {
        expect_findings(&findings(&rust_file::read("a.rs", text)), expect);
    };
    check("#[expect(dead_code, reason = \"x\")] fn a() { allow(\"#[allow(x)]\"); }", &[]);
    check("#[allow(dead_code)] fn a() {}", &["a.rs:1: `#[allow]`"]);
    check("#![allow(dead_code)]", &["`#[allow]`"]);
    check("#[cfg_attr(test, allow(dead_code))] fn a() {}", &["`#[allow]`"]);
    check("\n#[test] #[ignore = \"slow\"] fn a() {}", &["a.rs:2: `#[ignore]`"]);
    check("#[test] #[should_panic] fn a() {}", &["`#[should_panic]`"]);
    check("proptest! { #[ignore] fn a() {} }", &["`#[ignore]`"]);
    check("fn a() { todo!() }", &["`todo!`"]);
    check("fn a() { std::thread::sleep(b) }", &["`thread::sleep`"]);
    check("use std::thread::{self, sleep};", &["`thread::sleep`"]);
    check("fn a() { tokio::time::sleep(b); thread::spawn(c); }", &[]);
}
