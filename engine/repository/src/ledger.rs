//! The account of every entry of a source: what was announced, and how it ended.
//!
//! The library drops an entry that could not be read, logs a line and goes on; a file that was short
//! keeps the size it announced. Here every entry ends delivered, left out with a reason, or lost.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use holdfast_contract::entry::{LeftOut, Settled, TreePath, shown, tree_order};

use crate::refused::Refused;

/// How an entry stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has no content.
    Bare,
    /// Its content was announced, and it is not opened yet, or taken from the set before.
    Announced {
        /// Whether we found it unchanged since the set before, by more than the library compares.
        before: Before,
    },
    /// It was opened, and is not read to its end.
    Open,
    /// All of it was delivered.
    Delivered(Settled),
    /// It ended before the announced size.
    Short,
    /// It could not be opened or read.
    Unreadable(String),
}

/// What the set before says about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// It had the same file with the same size, times and inode.
    Same,
    /// It had another, or none, or there is no set before.
    Other,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its announced size.
    pub(crate) size: u64,
    /// How it stands.
    pub(crate) standing: Standing,
}

/// The account of one source.
#[derive(Default)]
pub(crate) struct Ledger {
    records: Mutex<BTreeMap<TreePath, Record>>,
    left_out: Mutex<Vec<LeftOut>>,
    order: Mutex<Order>,
}

/// Whether the entries came in the order of a tree.
#[derive(Default)]
struct Order {
    /// The key of the last entry, and whether others may be in it.
    last: Option<(Vec<u8>, Inside)>,
    /// The first entry that came too late, twice, or in something that is no folder.
    broken_at: Option<TreePath>,
}

/// Whether an entry can have others in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inside {
    /// It is a folder.
    Others,
    /// It is not.
    Nothing,
}

impl Ledger {
    /// A new entry.
    pub(crate) fn announce(&self, path: &[u8], inside: Inside, record: Record) {
        self.follow(path, inside);
        self.with(|records| records.insert(path.to_vec(), record));
    }

    fn follow(&self, path: &[u8], inside: Inside) {
        let key = tree_order(path);
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = order.last.as_ref().is_none_or(|(last, holds)| {
            let is_in_it =
                last.is_empty() || key.starts_with(last) && key.get(last.len()) == Some(&0);
            *last < key && (*holds == Inside::Others || !is_in_it)
        });
        if !fits {
            order.broken_at.get_or_insert_with(|| path.to_vec());
        }
        order.last = Some((key, inside));
    }

    /// Refuses a source whose entries did not come in the order of a tree: the library would write a
    /// folder twice.
    pub(crate) fn in_order(&self) -> Result<(), Refused> {
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        match &order.broken_at {
            None => Ok(()),
            Some(path) => {
                let path = shown(path);
                Err(Refused::Invalid(format!("the source gave {path} out of order")))
            }
        }
    }

    /// What became of an entry.
    pub(crate) fn stand(&self, path: &[u8], standing: Standing) {
        self.with(|records| {
            if let Some(record) = records.get_mut(path) {
                record.standing = standing;
            }
        });
    }

    /// Something that is not kept, or not kept whole.
    pub(crate) fn leave_out(&self, left_out: LeftOut) {
        self.left_out.lock().unwrap_or_else(PoisonError::into_inner).push(left_out);
    }

    /// The account, once the source has been read.
    pub(crate) fn close(&self) -> (BTreeMap<TreePath, Record>, Vec<LeftOut>) {
        let records = self.with(std::mem::take);
        let mut left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        (records, std::mem::take(&mut *left_out))
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut BTreeMap<TreePath, Record>) -> T) -> T {
        use_it(&mut self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The refusal that names the first of these lost entries.
pub(crate) fn lost(entries: &[(TreePath, String)]) -> Refused {
    let first =
        entries.first().map(|(path, why)| format!("{} ({why})", shown(path))).unwrap_or_default();
    Refused::Lost { count: entries.len(), first }
}
