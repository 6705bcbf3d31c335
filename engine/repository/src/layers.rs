//! Several trees laid over each other as one source of the library, without reading any content.
//!
//! Units share only the folders on their borders. The library's own merge is fast, and compares names in their
//! escaped form although trees are sorted by bytes, so it can write a folder twice: it is used where no such name
//! is met, and else this one, which compares bytes. Each file is handed on as its node: the library finds it in
//! the trees, which are given to it as parents.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use holdfast_contract::entry::TreePath;
use rustic_core::repofile::{Node, Tree};
use rustic_core::{
    ErrorKind, ReadSource, ReadSourceEntry, ReadSourceOpen, RusticError, RusticResult, TreeId,
};

use crate::node::name_of;
use crate::open::Full;

/// Trees laid over each other; of two files with one path the later tree's is taken.
pub(crate) struct Layers {
    pub(crate) repository: Arc<Full>,
    pub(crate) roots: Vec<Tree>,
    /// Files that are not wanted, by their path in the set.
    pub(crate) without: Arc<BTreeSet<TreePath>>,
}

/// Whether the library's own merge makes the right tree of these: in every folder that several of them have, names
/// are not escaped, so that it compares them as they are sorted, and only folders meet.
///
/// It does not go through whatever one tree has alone, and so does in a moment what handing over every entry does
/// in seconds.
pub(crate) fn meet_plainly(index: &Full, trees: Vec<TreeId>) -> RusticResult<bool> {
    let mut open = vec![trees];
    while let Some(trees) = open.pop() {
        let trees: Vec<Tree> =
            trees.iter().map(|tree| index.get_tree(tree)).collect::<RusticResult<_>>()?;
        let nodes = || trees.iter().flat_map(|tree| &tree.nodes);
        if nodes().any(|node| name_of(node) != node.name.as_bytes()) {
            return Ok(false);
        }
        let mut names: BTreeMap<&str, Vec<Option<TreeId>>> = BTreeMap::new();
        for node in nodes() {
            names.entry(&node.name).or_default().push(node.subtree);
        }
        for meeting in names.into_values().filter(|meeting| meeting.len() > 1) {
            let Some(folders) = meeting.into_iter().collect::<Option<Vec<_>>>() else {
                return Ok(false);
            };
            open.push(folders);
        }
    }
    Ok(true)
}

/// Stands for content that is in the repository already.
pub(crate) struct NeverOpened;

impl ReadSourceOpen for NeverOpened {
    type Reader = std::io::Empty;

    fn open(self) -> RusticResult<Self::Reader> {
        Err(RusticError::new(
            ErrorKind::Internal,
            "a file that is in the repository was to be read again",
        ))
    }
}

impl ReadSource for Layers {
    type Open = NeverOpened;
    type Iter = Walk;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Walk {
        Walk {
            repository: Arc::clone(&self.repository),
            without: Arc::clone(&self.without),
            stack: vec![Level::new(TreePath::new(), self.roots.clone())],
        }
    }
}

/// One folder that is being walked: for each tree that has it, its nodes from the last name on.
struct Level {
    path: TreePath,
    trees: Vec<Vec<Node>>,
}

impl Level {
    fn new(path: TreePath, trees: Vec<Tree>) -> Self {
        let nodes = |tree: Tree| tree.nodes.into_iter().rev().collect();
        let trees = trees.into_iter().map(nodes).collect();
        Self { path, trees }
    }

    /// The nodes with the lowest name, one for each tree that has one.
    fn next(&mut self) -> Option<(Vec<u8>, Vec<Node>)> {
        let last = self.trees.iter().filter_map(|nodes| nodes.last());
        let name = last.map(name_of).min()?;
        let same = |nodes: &mut Vec<Node>| nodes.pop_if(|node| name_of(node) == name);
        let taken = self.trees.iter_mut().filter_map(same).collect();
        Some((name, taken))
    }
}

/// The entries of trees laid over each other.
pub(crate) struct Walk {
    repository: Arc<Full>,
    without: Arc<BTreeSet<TreePath>>,
    stack: Vec<Level>,
}

impl Walk {
    /// Goes into the folders of this name; an unreadable one ends the walk, and the check finds it.
    fn enter(&mut self, path: &[u8], nodes: &[Node]) -> RusticResult<()> {
        let subtrees = nodes.iter().filter_map(|node| node.subtree);
        let trees = subtrees.map(|subtree| self.repository.get_tree(&subtree));
        let trees = trees.collect::<RusticResult<_>>()?;
        self.stack.push(Level::new(path.to_vec(), trees));
        Ok(())
    }

    fn step(&mut self) -> Option<RusticResult<ReadSourceEntry<NeverOpened>>> {
        loop {
            let level = self.stack.last_mut()?;
            let Some((name, mut nodes)) = level.next() else {
                self.stack.pop();
                continue;
            };
            let path =
                if level.path.is_empty() { name } else { [&level.path[..], b"/", &name].concat() };
            nodes.retain(|node| node.is_dir() || !self.without.contains(&path));
            // A folder that a tree only passes through has no times.
            let dated = nodes.iter().rev().find(|node| node.meta.mtime.is_some());
            let Some(node) = dated.or(nodes.last()).cloned() else {
                continue;
            };
            if node.is_dir()
                && let Err(error) = self.enter(&path, &nodes)
            {
                return Some(Err(error));
            }
            return Some(Ok(ReadSourceEntry {
                path: PathBuf::from(OsString::from_vec(path)),
                node,
                open: Some(NeverOpened),
            }));
        }
    }
}

impl Iterator for Walk {
    type Item = RusticResult<ReadSourceEntry<NeverOpened>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step()
    }
}
