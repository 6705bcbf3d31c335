//! The folders of a set that were looked into lately, so that looking up many paths reads each folder once.
//!
//! It keeps so many entries, whatever the set has, and never a content.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_contract::entry::shown;
use rustic_core::TreeId;
use rustic_core::repofile::Node;

use crate::node::name_of;
use crate::open::Full;
use crate::read::read_tree;
use crate::refused::Refused;

/// How many entries are kept: some tens of megabytes.
const KEPT_ENTRIES: usize = 50_000;

/// The entries of a folder by name.
type Names = Arc<BTreeMap<Vec<u8>, Node>>;

/// Folders, the one that was read last at the end.
#[derive(Default)]
pub(crate) struct Folders {
    kept: Mutex<VecDeque<(TreeId, Names)>>,
}

impl Folders {
    /// The node at a path; with an empty path the root.
    pub(crate) fn find(&self, index: &Full, root: TreeId, path: &[u8]) -> Result<Node, Refused> {
        let mut node = Node { subtree: Some(root), ..Node::default() };
        let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        let missing = || Refused::NoPath { path: shown(path) };
        for name in names {
            let folder = self.folder(index, node.subtree.ok_or_else(missing)?, path)?;
            node = folder.get(name).cloned().ok_or_else(missing)?;
        }
        Ok(node)
    }

    fn folder(&self, index: &Full, id: TreeId, path: &[u8]) -> Result<Names, Refused> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, names)) = kept().iter().find(|(of, _)| *of == id) {
            return Ok(Arc::clone(names));
        }
        let nodes = read_tree(index, id, path)?.nodes.into_iter();
        let names: Names = Arc::new(nodes.map(|node| (name_of(&node), node)).collect());
        let mut kept = kept();
        let mut entries: usize = kept.iter().map(|(_, names)| names.len()).sum();
        while entries + names.len() > KEPT_ENTRIES {
            let Some((_, oldest)) = kept.pop_front() else { break };
            entries -= oldest.len();
        }
        kept.push_back((id, Arc::clone(&names)));
        Ok(names)
    }
}
