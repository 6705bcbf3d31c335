//! Rule: the kernel has no clock, environment, threads, files or hash maps.
//!
//! `no_std` keeps them out; this reads that it is on, and that no product line goes round it.

use crate::rust_file::{self, RustFile};
use crate::{expect_findings, expect_none, tree};

const FOLDER: &str = "engine/kernel/src/";

fn findings(file: &RustFile) -> Vec<String> {
    let mut findings = Vec::new();
    if file.path == format!("{FOLDER}lib.rs")
        && file.find(&["#", "!", "[", "no_std", "]"]).next().is_none()
    {
        findings.push(format!("{}: `#![no_std]` is missing", file.path));
    }
    for token in file.product_tokens().filter(|token| token.text == "std") {
        findings.push(format!("{}:{}: `std` outside of tests", file.path, token.line));
    }
    findings
}

#[test]
fn the_kernel_knows_no_clock_no_environment_no_threads_and_no_files() {
    let kernel = tree::rust().iter().filter(|file| file.path.starts_with(FOLDER));
    assert!(kernel.clone().any(|file| file.path.ends_with("lib.rs")));
    expect_none(kernel.flat_map(findings).collect());
}

#[test]
fn a_kernel_that_reaches_for_std_is_caught() {
    let check = |name: &str, text: &str, expect: &[&str]| {
        expect_findings(&findings(&rust_file::read(&format!("{FOLDER}{name}"), text)), expect);
    };
    check("lib.rs", "#![no_std]\n#[cfg(test)]\nextern crate std;\n", &[]);
    check("lib.rs", "extern crate alloc;\n", &["is missing"]);
    check("a.rs", "fn a() { std::env::var(b) }\n", &["a.rs:1"]);
    check("a.rs", "\nuse std::time::Instant;\n", &["a.rs:2"]);
    check("a.rs", "#[cfg(test)]\nmod tests { use std::vec; }\n", &[]);
}
