//! What code for one kind of target does: the same verbs for all kinds.
//!
//! Actions speak to this and to no kind of target. A provider knows neither workflows nor the journal nor
//! the repository: what is kept is handed to it as [`Kept`].

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_kernel::event::TargetReference;
use holdfast_kernel::failure::Failure;
use holdfast_kernel::id::{Digest, EffectKey};
use holdfast_kernel::value::Value;

use crate::attempt::Attempt;
use crate::entry::{EntryKind, EntrySource, LeftOut, Metadata, TreePath};
use crate::list::ListOut;
use crate::plan::Change;
use crate::records::Approval;
use crate::unit::Range;

/// The targets of a process, by reference.
pub trait Targets: Send + Sync {
    /// Opens a target and sees to it that it is the one that is meant. It blocks.
    ///
    /// # Errors
    /// Class `not_found` or `auth`: it is not there or cannot be used. Class `conflict`: what is there is not
    /// what the run, plan or set is pinned to.
    fn open(&self, target: &TargetReference) -> Result<Arc<dyn Provider>, Failure>;

    /// Whether the target's policy lets a plan be applied, by what people said of it, in a run that this person
    /// asked for.
    ///
    /// # Errors
    /// A fragment that says why not.
    fn may_restore(
        &self,
        target: &TargetReference,
        words: &[Approval],
        initiator: &str,
    ) -> Result<(), String>;

    /// A reference to the target that goes by this name, with its identity as it is now. It blocks.
    ///
    /// # Errors
    /// Class `not_found` or `auth`: it is not there or cannot be used.
    fn reference(&self, name: &str) -> Result<TargetReference, Failure>;

    /// The targets of the configuration, by name.
    fn list(&self) -> Vec<ListedTarget>;
}

/// A target of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTarget {
    /// Its name.
    pub name: String,
    /// The word of its kind.
    pub kind: &'static str,
    /// What people call it by besides.
    pub labels: BTreeMap<String, String>,
}

/// What of a target is asked for; everything empty is all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only objects of these kinds.
    pub kinds: Vec<String>,
    /// Only objects with these names, or names that these patterns match.
    pub names: Vec<String>,
    /// Only objects with these keys.
    pub keys: Vec<String>,
}

/// What an inventory found besides its items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventoried {
    /// What belongs to the target and could not be listed: the inventory is partial.
    pub missing: Vec<LeftOut>,
    /// What a rule keeps out: nothing that is missing.
    pub ruled: Vec<LeftOut>,
}

/// What capturing one item gives.
pub enum Captured {
    /// A part of a tree, to be read by the repository.
    Tree(Arc<dyn EntrySource>),
}

/// An entry of a backup set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptEntry {
    /// Where it stands in its tree.
    pub path: TreePath,
    /// What it is.
    pub kind: EntryKind,
    /// What was known about it.
    pub metadata: Metadata,
    /// The parts its content is stored in, in their order.
    pub parts: Vec<Part>,
}

/// A part of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its SHA-256.
    pub digest: Digest,
    /// How many bytes it has.
    pub bytes: u64,
}

/// Takes content part by part.
pub type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), Failure> + 'a;

/// The file tree of a backup set, as a provider reads it. Everything here blocks.
pub trait Kept: Send + Sync {
    /// The entries in a range, in the order of a tree; the root of the tree has an empty path.
    ///
    /// # Errors
    /// The set cannot be read. A damaged folder is an error in its place.
    fn entries<'a>(
        &'a self,
        range: &Range,
    ) -> Result<Box<dyn Iterator<Item = Result<KeptEntry, Failure>> + 'a>, Failure>;

    /// The entry at a path; none if there is none.
    ///
    /// # Errors
    /// The set cannot be read.
    fn entry(&self, path: &[u8]) -> Result<Option<KeptEntry>, Failure>;

    /// Hands the content of a file to `sink`.
    ///
    /// # Errors
    /// There is no such file, it is damaged, or `sink` refused.
    fn read(&self, path: &[u8], sink: &mut Sink<'_>) -> Result<(), Failure>;
}

/// Whether a name that was asked for is a pattern; otherwise it is a path as it is shown.
pub fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '[', '{'])
}

/// How a set is compared with a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparing {
    /// Only objects with these names; empty is all.
    pub names: Vec<String>,
    /// Whether what the set does not have is to be removed.
    pub extra: Extra,
}

/// What becomes of objects that are live and not in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// They stay.
    Keep,
    /// They are removed.
    Delete,
}

/// A change about to be applied.
#[derive(Clone, Debug)]
pub struct Applying {
    /// The change, as the plan has it.
    pub change: Change,
    /// The idempotency key of its effect.
    pub effect: EffectKey,
    /// Whether an attempt before this one has noted that it begins.
    pub begun: Begun,
}

/// Whether an attempt before this one has noted that it begins to change an object in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// None has: what is live must be what the plan saw.
    No,
    /// One has, and what is live may be half changed.
    Yes,
}

/// How a change ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Whether anything was done.
    pub made: Made,
    /// What of it could not be set as it was: the object is partial.
    pub shortfalls: Vec<String>,
}

/// Whether a change was made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It was.
    Changed,
    /// The object was as it should be.
    Unchanged,
}

/// What a probe found of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing of it is there any more, or yet.
    Absent,
    /// It is made.
    Done,
}

/// An open target.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The word of its kind: `files`.
    fn kind(&self) -> &'static str;

    /// What tells it from other targets; pinned to run, plan and set.
    fn identity(&self) -> String;

    /// Its bounds: what of it belongs to the target, in words that are the same as long as that is. A set says it, and nothing
    /// is removed by a set that was made under other words: what it lacks may only not have belonged.
    fn bounds(&self) -> String;

    /// Lists what it has into `items`: maps with key, kind, name, version and stage, at most 4 KiB each.
    ///
    /// # Errors
    /// It could not be listed at all.
    async fn inventory(
        &self,
        attempt: &Attempt,
        selection: &Selection,
        items: Box<dyn ListOut>,
    ) -> Result<(Inventoried, Box<dyn ListOut>), Failure>;

    /// What is to be kept of an item of the inventory.
    ///
    /// # Errors
    /// The item is none of this target, or could not be read.
    async fn capture(&self, attempt: &Attempt, item: &Value) -> Result<Captured, Failure>;

    /// Compares an item of a set with what is live, and writes one [`Change`] for each object of it that
    /// differs; gives how many do not. An object with several names is written whether it differs or not.
    /// It writes nothing to the target.
    ///
    /// # Errors
    /// The set or the target could not be read.
    async fn compare(
        &self,
        attempt: &Attempt,
        item: &Value,
        kept: Arc<dyn Kept>,
        how: &Comparing,
        changes: Box<dyn ListOut>,
    ) -> Result<(u64, Box<dyn ListOut>), Failure>;

    /// Whether a change is made where it stands and would begin now, so that this is to be noted first.
    ///
    /// # Errors
    /// What is live or kept could not be read.
    async fn begins_in_place(
        &self,
        attempt: &Attempt,
        change: &Applying,
        kept: Arc<dyn Kept>,
    ) -> Result<bool, Failure>;

    /// Applies changes of one stage, each only if what is live is what the plan saw, and gives the end of
    /// each in their order.
    ///
    /// The failure of a change is of class `conflict` if what is live is another object; then it was not
    /// touched.
    async fn apply(
        &self,
        attempt: &Attempt,
        changes: Vec<Applying>,
        kept: Arc<dyn Kept>,
    ) -> Vec<Result<Applied, Failure>>;

    /// Looks whether a change was made, and takes away what an attempt that died has left.
    ///
    /// # Errors
    /// It cannot be told.
    async fn probe(
        &self,
        attempt: &Attempt,
        change: Applying,
        kept: Arc<dyn Kept>,
    ) -> Result<Found, Failure>;
}
