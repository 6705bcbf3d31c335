//! `docs/configuration.md` tells the truth: every file on it is read, with no warning but the one it names.

use holdfast_language::{Source, configuration};

const PAGE: &str = include_str!("../../../../docs/configuration.md");

#[test]
fn every_configuration_on_the_page_is_read() {
    let blocks: Vec<&str> =
        PAGE.split("\n```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect();
    assert!(blocks.len() >= 4);
    for block in blocks {
        let read = configuration::read(&Source::new("holdfast.yaml", block));
        let warnings = read.unwrap_or_else(|found| panic!("{block}\n{found:#?}")).warnings;
        let codes: Vec<&str> = warnings.iter().map(|found| found.code.number()).collect();
        let expect: &[&str] = &[];
        assert_eq!(codes, expect, "{block}");
    }
}
