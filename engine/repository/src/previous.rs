//! The set before: which of its files are still the same.
//!
//! The library compares type, size and times. This also compares the inode, which it means to and does
//! not. It never reads content.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_contract::entry::TreePath;
use rustic_core::repofile::{Node, Tree};

use crate::node::name_of;
use crate::open::Full;

type Names = BTreeMap<Vec<u8>, Node>;

/// A reader of the set before, that is asked for paths in the order of a tree.
#[derive(Clone)]
pub(crate) struct Previous {
    repository: Arc<Full>,
    /// The folders on the way to the path that was asked for last, the root with an empty path first.
    way: Vec<(TreePath, Names)>,
}

impl Previous {
    pub(crate) fn new(repository: Arc<Full>, root: Tree) -> Self {
        Self { repository, way: vec![(TreePath::new(), names(root))] }
    }

    /// Whether the set has this file at this path, unchanged.
    pub(crate) fn has_same(&mut self, path: &[u8], now: &Node) -> bool {
        let Some(before) = self.find(path) else {
            return false;
        };
        let (before_meta, meta) = (&before.meta, &now.meta);
        before.node_type == now.node_type
            && before_meta.size == meta.size
            && before_meta.mtime == meta.mtime
            && before_meta.ctime.is_some()
            && before_meta.ctime == meta.ctime
            && before_meta.inode == meta.inode
    }

    fn find(&mut self, path: &[u8]) -> Option<&Node> {
        let (folder, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (path.get(..at)?, path.get(at + 1..)?),
            None => (&[][..], path),
        };
        while let Some((way, _)) = self.way.last()
            && !is_on_way(way, folder)
        {
            self.way.pop();
        }
        loop {
            let (way, names) = self.way.last()?;
            if way.len() == folder.len() {
                break;
            }
            let skip = if way.is_empty() { 0 } else { way.len() + 1 };
            let rest = folder.get(skip..)?;
            let next = rest.split(|byte| *byte == b'/').next()?;
            let subtree = names.get(next)?.subtree?;
            let tree = self.repository.get_tree(&subtree).ok()?;
            let path = folder.get(..skip + next.len())?.to_vec();
            self.way.push((path, self::names(tree)));
        }
        self.way.last()?.1.get(name)
    }
}

/// Whether `folder` is `way` or beneath it.
fn is_on_way(way: &[u8], folder: &[u8]) -> bool {
    way.is_empty()
        || folder.strip_prefix(way).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

fn names(tree: Tree) -> Names {
    tree.nodes.into_iter().map(|node| (name_of(&node), node)).collect()
}
