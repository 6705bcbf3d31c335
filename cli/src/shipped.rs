//! The workflows that ship with the program, compiled in: what people run first, and copy.

use holdfast_language::Source;

/// Each with its name and text.
const ALL: [(&str, &str); 6] = [
    ("files/backup", include_str!("../../workflows/files/backup.yaml")),
    ("files/nightly", include_str!("../../workflows/files/nightly.yaml")),
    ("files/preview", include_str!("../../workflows/files/preview.yaml")),
    ("files/prune", include_str!("../../workflows/files/prune.yaml")),
    ("files/restore", include_str!("../../workflows/files/restore.yaml")),
    ("files/verify", include_str!("../../workflows/files/verify.yaml")),
];

/// The text of a workflow.
pub(crate) fn text(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(of, _)| *of == name).map(|(_, text)| *text)
}

/// A workflow, to be checked.
pub(crate) fn source(name: &str) -> Option<Source> {
    text(name).map(|text| Source::new(format!("the shipped workflow {name}"), text))
}

/// All of them, by name.
pub(crate) fn names() -> [&'static str; 6] {
    ALL.map(|(name, _)| name)
}
