//! `docs/language.md` tells the truth: its workflows validate, and its lists are the code's.

use holdfast_language::{Source, check};

use crate::specs::actions;

const PAGE: &str = include_str!("../../../../docs/language.md");

#[test]
fn every_workflow_on_the_page_validates() {
    let blocks: Vec<&str> =
        PAGE.split("\n```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect();
    assert!(blocks.len() >= 3);
    for block in blocks {
        let found = match check(&Source::new("language.md", block), &actions()) {
            Ok(checked) => checked.warnings,
            Err(found) => found,
        };
        assert!(found.is_empty(), "{block}\n{found:#?}");
    }
}

#[test]
fn every_filter_the_page_lists_is_there_and_no_other() {
    let list = PAGE.split("\nFilters: ").nth(1).and_then(|rest| rest.split(". `tojson`").next());
    let filters: Vec<&str> = list
        .into_iter()
        .flat_map(|list| list.split(','))
        .map(|name| name.trim().trim_matches('`'))
        .collect();
    let remedy = |filter: &str| {
        let text = format!(
            "holdfast: 1\nname: a\noperation: maintenance\nsteps:\n  - id: a\n    if: (1 | {filter}) == 1\n    \
             uses: sleep\n    with: {{ duration: 5s }}\n"
        );
        let found = check(&Source::new("a.yaml", text), &actions()).err().unwrap_or_default();
        let unknown = found.into_iter().find(|found| found.code.number() == "HF0409");
        unknown.and_then(|found| found.remedy)
    };
    for filter in &filters {
        assert_eq!(remedy(filter), None, "{filter}");
    }
    let all = remedy("qqqqqqqqqqqqqqqq").unwrap();
    assert!(all.starts_with("Choose one of `abs`"), "{all}");
    assert_eq!(filters.len(), 43);
}
