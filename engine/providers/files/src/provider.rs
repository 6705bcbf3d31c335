//! The verbs of the contract for a file tree: each is blocking work on the pool of the attempt.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use holdfast_contract::attempt::Attempt;
use holdfast_contract::entry::EntryKind;
use holdfast_contract::list::ListOut;
use holdfast_contract::plan::Sort;
use holdfast_contract::provider::{
    Applied, Applying, Captured, Comparing, Found, Inventoried, Kept, Provider, Selection,
};
use holdfast_contract::unit::Unit;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::value::Value;

use crate::apply::Batch;
use crate::compare::Comparison;
use crate::folder::Folders;
use crate::root::FilesTarget;

/// The word of the kind.
pub const KIND: &str = "files";

/// Where nobody is root, folders are opened for a batch and shut behind it: one batch at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[async_trait]
impl Provider for FilesTarget {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn identity(&self) -> String {
        self.name()
    }

    fn bounds(&self) -> String {
        self.inner.bounds.clone()
    }

    async fn inventory(
        &self,
        attempt: &Attempt,
        selection: &Selection,
        mut items: Box<dyn ListOut>,
    ) -> Result<(Inventoried, Box<dyn ListOut>), Failure> {
        refuse_selection(selection)?;
        let (target, at) = (self.clone(), attempt.clone());
        attempt
            .blocking(move || {
                let found = target.inventory_of(&|| at.permit().is_ok())?;
                for unit in &found.units {
                    items.push(unit.item())?;
                }
                Ok((Inventoried { missing: found.unreadable, ruled: found.ruled }, items))
            })
            .await
    }

    async fn capture(&self, _attempt: &Attempt, item: &Value) -> Result<Captured, Failure> {
        Ok(Captured::Tree(Arc::new(self.source(Unit::range_of(item)?))))
    }

    async fn compare(
        &self,
        attempt: &Attempt,
        item: &Value,
        kept: Arc<dyn Kept>,
        how: &Comparing,
        mut changes: Box<dyn ListOut>,
    ) -> Result<(u64, Box<dyn ListOut>), Failure> {
        let (target, at) = (self.clone(), attempt.clone());
        let (range, how) = (Unit::range_of(item)?, how.clone());
        attempt
            .blocking(move || {
                let permitted = || at.permit().is_ok();
                let comparison =
                    Comparison::new(&target.inner, &*kept, &how, &permitted, &mut *changes)?;
                let unchanged = comparison.run(&range)?;
                Ok((unchanged, changes))
            })
            .await
    }

    async fn begins_in_place(
        &self,
        attempt: &Attempt,
        change: &Applying,
        kept: Arc<dyn Kept>,
    ) -> Result<bool, Failure> {
        let of = &change.change;
        if of.sort != Sort::Update || of.kind != EntryKind::Folder.name() {
            return Ok(false);
        }
        let (target, at, change) = (self.clone(), attempt.clone(), change.clone());
        attempt
            .blocking(move || {
                let permitted = || at.permit().is_ok();
                let (inner, folders) = (&target.inner, Folders::default());
                let (kept, say) = (&*kept, &|_: &str| ());
                let mut batch = Batch { inner, kept, permitted: &permitted, folders, say };
                batch.begins_in_place(change)
            })
            .await
    }

    async fn apply(
        &self,
        attempt: &Attempt,
        changes: Vec<Applying>,
        kept: Arc<dyn Kept>,
    ) -> Vec<Result<Applied, Failure>> {
        let (target, at, count) = (self.clone(), attempt.clone(), changes.len());
        let ends = attempt
            .blocking(move || {
                let alone = alone();
                let permitted = || at.permit().is_ok();
                let (inner, folders) = (&target.inner, Folders::default());
                let say = |line: &str| at.log(line);
                let batch =
                    Batch { inner, kept: &*kept, permitted: &permitted, folders, say: &say };
                let ends = batch.run(changes);
                drop(alone);
                Ok(ends)
            })
            .await;
        ends.unwrap_or_else(|failure| vec![Err(failure); count])
    }

    async fn probe(
        &self,
        attempt: &Attempt,
        change: Applying,
        kept: Arc<dyn Kept>,
    ) -> Result<Found, Failure> {
        let (target, at) = (self.clone(), attempt.clone());
        attempt
            .blocking(move || {
                // One that was given up may still go on.
                let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
                let found =
                    crate::probe::probe(&target.inner, &*kept, &change, &|| at.permit().is_ok());
                drop(alone);
                found
            })
            .await
    }
}

/// Waits until nobody else opens and shuts folders.
fn alone() -> Option<MutexGuard<'static, ()>> {
    let is_root = rustix::process::geteuid().is_root();
    (!is_root).then(|| ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A tree is captured whole: include and exclude of the target say what belongs to it.
fn refuse_selection(selection: &Selection) -> Result<(), Failure> {
    if *selection == Selection::default() {
        return Ok(());
    }
    let message = "a file tree is listed whole: what belongs to it is said by `include` and `exclude` \
                   of its target, not by `kinds`, `names` or `keys`";
    Err(Failure::without_effect(Class::Invalid, message))
}
