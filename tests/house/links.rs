//! Rule: every relative link in a page leads to a file that is there.
//!
//! Addresses on the network are not visited.

use std::path::Path;

use crate::{expect_findings, expect_none, tree};

fn findings(path: &str, text: &str, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        for (target, _) in targets {
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") && !exists(&folder.join(file)) {
                findings.push(format!("{path}:{}: `{target}` leads nowhere", number + 1));
            }
        }
    }
    findings
}

#[test]
fn links_between_pages_lead_somewhere() {
    let exists = |path: &Path| tree::root().join(path).exists();
    let pages = tree::files().iter().filter(|file| tree::extension(&file.path) == "md");
    expect_none(pages.flat_map(|file| findings(&file.path, &file.text, exists)).collect());
}

#[test]
fn a_link_that_leads_nowhere_is_caught() {
    let check = |text: &str, expect: &[&str]| {
        let exists = |path: &Path| path == Path::new("docs/b.md");
        expect_findings(&findings("docs/a.md", text, exists), expect);
    };
    check("[b](b.md) [c](https://example.org/c.md) [d](#d) [e](b.md#e)", &[]);
    check("x\n[b](b.md) and [c](c.md#d)", &["docs/a.md:2: `c.md#d`"]);
}
