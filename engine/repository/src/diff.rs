//! What differs between two sets: by the ids of their trees first, so that what is equal is not read.
//!
//! Content is compared by the ids of its blobs. Two things never count: when an entry was looked at
//! (change times and inodes), and the manifest.

use std::collections::BTreeMap;

use holdfast_contract::entry::{TreePath, shown};
use rustic_core::TreeId;
use rustic_core::repofile::Node;

use crate::manifest::AREA;
use crate::node::{kind_of, metadata_of, name_of};
use crate::open::Full;
use crate::read::{OpenSet, read_tree};
use crate::refused::Refused;
use crate::unit::FILES;

/// The most bytes of the readable summary.
const SUMMARY_BYTES: usize = 4096;

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only the later set has it.
    Created,
    /// Both have it, and it differs.
    Updated,
    /// Only the earlier set has it.
    Deleted,
}

impl Change {
    /// The word of messages and items.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path in the sets.
    pub path: TreePath,
    /// What kind of entry it is; of an updated one what it is in the later set.
    pub kind: &'static str,
    /// What became of it.
    pub change: Change,
}

impl Difference {
    /// The path as people write it: of a file from the root of its tree.
    pub fn for_people(&self) -> &[u8] {
        let inside = self.path.strip_prefix(FILES.as_bytes());
        inside.and_then(|path| path.strip_prefix(b"/")).unwrap_or(&self.path)
    }
}

/// The differences between two sets, in the order of their paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Each of them.
    pub changes: Vec<Difference>,
}

impl OpenSet {
    /// What `later` has otherwise than this set.
    ///
    /// # Errors
    /// A folder of one of the sets is damaged.
    pub fn diff(&self, later: &Self) -> Result<Differences, Refused> {
        let mut found = Differences::default();
        let mut comparison =
            Comparison { indexes: [&self.index, &later.index], found: &mut found.changes };
        comparison.folders(&[], [Some(self.root), Some(later.root)])?;
        Ok(found)
    }
}

impl Differences {
    /// How many entries changed in this way.
    pub fn count(&self, change: Change) -> usize {
        let same = |one: &&Difference| one.change == change;
        self.changes.iter().filter(same).count()
    }

    /// A summary for people, at most 4 KiB.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        for (at, one) in self.changes.iter().enumerate() {
            let line = format!("{} {}\n", one.change.word(), shown(one.for_people()));
            let rest = format!("and {} more\n", self.changes.len() - at);
            if text.len() + line.len() + rest.len() > SUMMARY_BYTES {
                text.push_str(&rest);
                break;
            }
            text.push_str(&line);
        }
        text
    }
}

struct Comparison<'a> {
    indexes: [&'a Full; 2],
    found: &'a mut Vec<Difference>,
}

impl Comparison<'_> {
    /// Compares the folders at a path; a set that has none there has nothing in it.
    fn folders(&mut self, path: &[u8], trees: [Option<TreeId>; 2]) -> Result<(), Refused> {
        let [before, after] = trees;
        if before == after {
            return Ok(());
        }
        let [earlier, later] = self.indexes;
        let mut before = nodes(earlier, before, path)?;
        let after = nodes(later, after, path)?;
        let mut pairs: BTreeMap<Vec<u8>, [Option<Node>; 2]> = BTreeMap::new();
        for (name, node) in after {
            let earlier = before.remove(&name);
            pairs.insert(name, [earlier, Some(node)]);
        }
        for (name, node) in before {
            pairs.insert(name, [Some(node), None]);
        }
        for (name, pair) in pairs {
            let path = if path.is_empty() { name } else { [path, b"/", &name].concat() };
            if path != AREA.as_bytes() {
                self.entries(path, pair)?;
            }
        }
        Ok(())
    }

    fn entries(&mut self, path: TreePath, pair: [Option<Node>; 2]) -> Result<(), Refused> {
        let change = match &pair {
            [Some(before), Some(after)] if is_same(before, after) => None,
            [Some(_), Some(_)] => Some(Change::Updated),
            [None, _] => Some(Change::Created),
            [_, None] => Some(Change::Deleted),
        };
        let [before, after] = &pair;
        if let Some(change) = change
            && let Some(node) = after.as_ref().or(before.as_ref())
        {
            let (path, kind) = (path.clone(), kind_of(node).name());
            self.found.push(Difference { path, kind, change });
        }
        let trees = pair.map(|node| node.and_then(|node| node.subtree));
        self.folders(&path, trees)
    }
}

fn nodes(
    index: &Full,
    tree: Option<TreeId>,
    path: &[u8],
) -> Result<BTreeMap<Vec<u8>, Node>, Refused> {
    let Some(tree) = tree else {
        return Ok(BTreeMap::new());
    };
    let nodes = read_tree(index, tree, path)?.nodes.into_iter();
    Ok(nodes.map(|node| (name_of(&node), node)).collect())
}

/// Whether two nodes are the same entry. What is in a folder is compared apart from it.
fn is_same(before: &Node, after: &Node) -> bool {
    let about = |node: &Node| {
        let mut metadata = metadata_of(node);
        metadata.changed = metadata.modified;
        (metadata.inode, metadata.device, metadata.links) = (0, 0, 0);
        if node.is_dir() {
            // They say when something in it changed, and that is listed itself.
            metadata.modified = holdfast_contract::entry::FileTime::default();
            metadata.changed = metadata.modified;
        }
        (kind_of(node), metadata)
    };
    about(before) == about(after) && before.content == after.content
}
