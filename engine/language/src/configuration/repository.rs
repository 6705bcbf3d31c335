//! Repositories: where they are, which of them is the default, and where their passwords are found.
//!
//! No repository is opened and no password looked up here.

use std::collections::BTreeMap;

use super::path::path;
use super::secret::reference;
use super::{DEFAULT_REPOSITORY, RepositoryConfiguration};
use crate::code::Code;
use crate::diagnostic::Sink;
use crate::shape::check::not_built_yet;
use crate::workflow::{entry, get};
use crate::yaml::{Entry, Node};

/// How addresses of repositories that are no folder start in tools that read the same format.
const ELSEWHERE: &[&str] =
    &["sftp:", "rest:", "s3:", "b2:", "azure:", "gs:", "swift:", "rclone:", "opendal:"];

/// The repositories of the file, by name.
pub(super) fn read(sink: &mut Sink<'_>, root: &Node) -> BTreeMap<String, RepositoryConfiguration> {
    let one = entry(root, "repository");
    let several = entry(root, "repositories");
    if let Some((one, several)) = one.zip(several) {
        sink.error(
            Code::KeysExclude,
            several.key_span,
            "`repository` and `repositories` are both given.",
        )
        .related(one.key_span, "the other is here")
        .remedy("Write `repositories` with one of them named `default`.");
    }
    let mut repositories = BTreeMap::new();
    if let Some(one) = one {
        let repository = repository(sink, &one.value);
        repositories.extend(repository.map(|read| (DEFAULT_REPOSITORY.to_owned(), read)));
    }
    if let Some((several, entries)) = several.and_then(|several| {
        let entries = several.value.entries()?;
        Some((several, entries))
    }) {
        check_default(sink, several, entries);
        for entry in entries {
            let repository = repository(sink, &entry.value);
            repositories.extend(repository.map(|read| (entry.key.clone(), read)));
        }
    }
    repositories
}

/// Of several repositories one is the default.
fn check_default(sink: &mut Sink<'_>, several: &Entry, entries: &[Entry]) {
    let named = entries.iter().any(|entry| entry.key == DEFAULT_REPOSITORY);
    match entries.len() {
        0 => {
            sink.error(
                Code::NoDefaultRepository,
                several.key_span,
                "No repository is listed here.",
            )
            .remedy("Add one, or leave `repositories` out.");
        }
        1 => {}
        _ if named => {}
        count => {
            sink.error(
                Code::NoDefaultRepository,
                several.key_span,
                format!("None of these {count} repositories is named `default`."),
            )
            .remedy("Name the one `default` that is used where a workflow names none.");
        }
    }
}

fn repository(sink: &mut Sink<'_>, node: &Node) -> Option<RepositoryConfiguration> {
    let path = get(node, "path").and_then(|node| folder(sink, node));
    let password = entry(node, "password").and_then(|entry| reference(sink, entry));
    Some(RepositoryConfiguration { path: path?, password: password? })
}

fn folder(sink: &mut Sink<'_>, node: &Node) -> Option<String> {
    let path = path(sink, node)?;
    let elsewhere = ELSEWHERE.iter().any(|start| path.starts_with(start));
    if elsewhere || path.contains("://") {
        not_built_yet(sink, node.span, "repositories that are not a folder of this machine");
        return None;
    }
    Some(path)
}
