//! Reading a set item by item: its manifest, its entries, the content of one file.
//!
//! Every blob is compared with its digest, so what is read is what was written or an error that names the
//! entry. A damaged folder costs what is in it, and the walk goes on after it.

use std::sync::Arc;

use holdfast_contract::entry::{EntryKind, Metadata, TreePath, shown, tree_order};
use holdfast_contract::provider::Part;
use holdfast_contract::unit::Range;
use holdfast_kernel::id::Digest;
use rustic_core::BlobId;
use rustic_core::TreeId;
use rustic_core::repofile::{BlobType, Node, Tree};

use crate::backup_set::{BackupSet, SetId};
use crate::folders::Folders;
use crate::manifest::{MANIFEST, Manifest};
use crate::node::{kind_of, metadata_of, name_of};
use crate::open::{Full, Repository};
use crate::refused::Refused;

/// An open set.
pub struct OpenSet {
    set: BackupSet,
    manifest: Manifest,
    pub(crate) index: Arc<Full>,
    pub(crate) root: TreeId,
    folders: Folders,
}

/// One entry of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetEntry {
    /// Its path in the set.
    pub path: TreePath,
    /// What it is.
    pub kind: EntryKind,
    /// What was known about it.
    pub metadata: Metadata,
    /// The parts its content is stored in.
    pub parts: Vec<Part>,
}

impl Repository {
    /// Opens a set.
    ///
    /// # Errors
    /// There is no such set, or its manifest cannot be read.
    pub fn open_set(&self, id: &SetId) -> Result<OpenSet, Refused> {
        let session = self.reading()?;
        let Some((snapshot, set)) = self.find_set(&session, id)? else {
            return Err(Refused::NoSet { id: id.to_string() });
        };
        let index = session.indexed()?;
        let node = find(&index, snapshot.tree, MANIFEST.as_bytes())?;
        let mut bytes = Vec::new();
        read_blobs(&index, MANIFEST.as_bytes(), &node, |blob| {
            bytes.extend_from_slice(blob);
            Ok(())
        })?;
        let manifest = serde_json::from_slice(&bytes).map_err(|error| Refused::Damaged {
            what: format!("the manifest of {id}"),
            reason: error.to_string(),
        })?;
        Ok(OpenSet { set, manifest, index, root: snapshot.tree, folders: Folders::default() })
    }
}

impl OpenSet {
    /// The set as it is listed.
    pub const fn set(&self) -> &BackupSet {
        &self.set
    }

    /// Its manifest.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The entries at and beneath a path, each folder before what is in it; an empty path is all of it.
    ///
    /// # Errors
    /// There is no such path. A damaged folder is an error in its place.
    pub fn walk(
        &self,
        from: &[u8],
    ) -> Result<impl Iterator<Item = Result<SetEntry, Refused>> + '_, Refused> {
        let walk = Walk::new(&self.index, self.root, from)?;
        Ok(walk.map(|found| found.and_then(|(path, node)| self.entry_of(path, &node))))
    }

    /// The entries beneath the folder `area` whose paths from there lie in a range; the folder itself has an
    /// empty path. Folders before the range are not gone into.
    ///
    /// # Errors
    /// There is no such folder. A damaged folder is an error in its place.
    pub fn walk_range<'a>(
        &'a self,
        area: &str,
        range: &Range,
    ) -> Result<impl Iterator<Item = Result<SetEntry, Refused>> + use<'a>, Refused> {
        let node = find(&self.index, self.root, area.as_bytes())?;
        let root = node.subtree.ok_or_else(|| Refused::NoPath { path: area.to_owned() })?;
        let first = range.has(b"").then(|| self.entry_of(TreePath::new(), &node));
        let mut walk = Walk::new(&self.index, root, &[])?;
        walk.bounds = Some((tree_order(&range.start), range.end.as_deref().map(tree_order)));
        let rest = walk.map(|found| found.and_then(|(path, node)| self.entry_of(path, &node)));
        Ok(first.into_iter().chain(rest))
    }

    /// The entry at a path; none if there is none.
    ///
    /// # Errors
    /// A folder on the way is damaged.
    pub fn entry(&self, path: &[u8]) -> Result<Option<SetEntry>, Refused> {
        match self.folders.find(&self.index, self.root, path) {
            Ok(node) => self.entry_of(path.to_vec(), &node).map(Some),
            Err(Refused::NoPath { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    fn entry_of(&self, path: TreePath, node: &Node) -> Result<SetEntry, Refused> {
        let parts = node.content.iter().flatten().map(|blob| {
            let entry = self.index.get_index_entry(blob).map_err(|_absent| {
                damaged(&path, format!("the index has no blob {}", &*blob.to_hex()))
            })?;
            let digest = blob.to_hex().parse().map_err(|_wrong| {
                damaged(&path, format!("{} is no name of a blob", &*blob.to_hex()))
            })?;
            Ok(Part { digest, bytes: entry.data_length().into() })
        });
        let parts = parts.collect::<Result<_, Refused>>()?;
        Ok(SetEntry { kind: kind_of(node), metadata: metadata_of(node), parts, path })
    }

    /// Hands the content of a file to `sink`, part by part.
    ///
    /// # Errors
    /// There is no such file, it is damaged, or `sink` refused.
    pub fn read(
        &self,
        path: &[u8],
        sink: impl FnMut(&[u8]) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let node = self.folders.find(&self.index, self.root, path)?;
        if !node.is_file() {
            let kind = kind_of(&node).name();
            return Err(Refused::Invalid(format!("{} is a {kind}, not a file", shown(path))));
        }
        read_blobs(&self.index, path, &node, sink)
    }
}

/// The node at a path; with an empty path the root.
pub(crate) fn find(index: &Full, root: TreeId, path: &[u8]) -> Result<Node, Refused> {
    let mut node = Node { subtree: Some(root), ..Node::default() };
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    let missing = || Refused::NoPath { path: shown(path) };
    for name in names {
        let subtree = node.subtree.ok_or_else(missing)?;
        let tree = read_tree(index, subtree, path)?;
        let mut nodes = tree.nodes.into_iter();
        node = nodes.find(|node| name_of(node) == name).ok_or_else(missing)?;
    }
    Ok(node)
}

/// One blob, compared with its digest.
pub(crate) fn read_blob(index: &Full, id: BlobId, kind: BlobType) -> Result<bytes::Bytes, String> {
    let bytes =
        index.get_blob_cached(&id, kind).map_err(|error| crate::refused::fragment(&error))?;
    if Digest::of_bytes(&bytes).to_string() == *id.to_hex() {
        return Ok(bytes);
    }
    Err(format!("the content of the blob {} is not what its name says", &*id.to_hex()))
}

/// The content of a file, part by part.
pub(crate) fn read_blobs(
    index: &Full,
    path: &[u8],
    node: &Node,
    mut sink: impl FnMut(&[u8]) -> Result<(), Refused>,
) -> Result<(), Refused> {
    crate::check::whole(index, path, node)?;
    for blob in node.content.iter().flatten() {
        let bytes = read_blob(index, BlobId::from(*blob), BlobType::Data)
            .map_err(|reason| damaged(path, reason))?;
        sink(&bytes)?;
    }
    Ok(())
}

pub(crate) fn read_tree(index: &Full, id: TreeId, path: &[u8]) -> Result<Tree, Refused> {
    let bytes = read_blob(index, BlobId::from(id), BlobType::Tree)
        .map_err(|reason| damaged(path, reason))?;
    serde_json::from_slice(&bytes).map_err(|error| damaged(path, error.to_string()))
}

fn damaged(path: &[u8], reason: String) -> Refused {
    let what = if path.is_empty() { "the root of the set".to_owned() } else { shown(path) };
    Refused::Damaged { what, reason }
}

/// The nodes of a tree in order, each folder before what is in it.
pub(crate) struct Walk<'a> {
    index: &'a Full,
    stack: Vec<(TreePath, Vec<Node>)>,
    /// A folder that was given out, and is gone into next.
    next: Option<(TreePath, TreeId)>,
    /// The places in the order of a tree from one on to just before another.
    bounds: Option<(Vec<u8>, Option<Vec<u8>>)>,
}

impl<'a> Walk<'a> {
    /// Everything at and beneath a path.
    pub(crate) fn new(index: &'a Full, root: TreeId, from: &[u8]) -> Result<Self, Refused> {
        let mut walk = Self { index, stack: Vec::new(), next: None, bounds: None };
        if from.is_empty() {
            walk.enter(TreePath::new(), root)?;
            return Ok(walk);
        }
        let node = find(index, root, from)?;
        let parent = match from.iter().rposition(|byte| *byte == b'/') {
            Some(at) => from.get(..at).unwrap_or_default(),
            None => &[],
        };
        walk.stack.push((parent.to_vec(), vec![node]));
        Ok(walk)
    }

    fn enter(&mut self, path: TreePath, tree: TreeId) -> Result<(), Refused> {
        let tree = read_tree(self.index, tree, &path)?;
        let nodes = tree.nodes.into_iter().rev().collect();
        self.stack.push((path, nodes));
        Ok(())
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<(TreePath, Node), Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((path, tree)) = self.next.take()
            && let Err(refused) = self.enter(path, tree)
        {
            return Some(Err(refused));
        }
        loop {
            let (folder, nodes) = self.stack.last_mut()?;
            let Some(node) = nodes.pop() else {
                self.stack.pop();
                continue;
            };
            let name = name_of(&node);
            let path = if folder.is_empty() { name } else { [&folder[..], b"/", &name].concat() };
            let place = self.place_of(&path);
            if place == Place::After {
                self.stack.clear();
                return None;
            }
            if place == Place::Before {
                continue;
            }
            self.next = node.subtree.map(|tree| (path.clone(), tree));
            if place == Place::Within {
                return Some(Ok((path, node)));
            }
            if let Some((path, tree)) = self.next.take()
                && let Err(refused) = self.enter(path, tree)
            {
                return Some(Err(refused));
            }
        }
    }
}

/// Where a path stands to the bounds of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It and all that is in it come before.
    Before,
    /// It comes before, and what is in it may not.
    LeadsTo,
    Within,
    After,
}

impl Walk<'_> {
    fn place_of(&self, path: &[u8]) -> Place {
        let Some((start, end)) = &self.bounds else { return Place::Within };
        let place = tree_order(path);
        if end.as_ref().is_some_and(|end| place >= *end) {
            return Place::After;
        }
        if place >= *start {
            return Place::Within;
        }
        // A folder has the places from its own to just before its own with a 1 behind it.
        if [&place[..], &[1]].concat() <= *start { Place::Before } else { Place::LeadsTo }
    }
}
