//! Steps and items as people name them: by id and key.

use holdfast_journal::items::Show;
use holdfast_journal::query::Paged;
use holdfast_journal::record::ItemView;
use holdfast_kernel::id::{ItemIndex, RunId, StepIndex};
use holdfast_service::wire::ask::{Ask, LoadedRun};

use crate::access::Access;
use crate::error::Error;

/// How many items are looked at with one question.
const PAGE: usize = 1_000;

/// The step of a run with this id.
///
/// # Errors
/// There is none.
pub(super) fn step_of(loaded: &LoadedRun, id: &str) -> Result<StepIndex, Error> {
    loaded.definition.step_named(id).map(|(step, _)| step).ok_or_else(|| {
        let ids: Vec<&str> = loaded.definition.steps.iter().map(|step| step.id.as_str()).collect();
        Error::usage(format!("The run has no step `{id}`."))
            .hint(format!("Its steps: {}.", ids.join(", ")))
    })
}

/// The item of a step with this key that is not ok; of a step without a fan-out its only one.
///
/// # Errors
/// There is none, or a key is needed.
pub(super) fn item_not_ok(
    access: &Access,
    loaded: &LoadedRun,
    step: StepIndex,
    key: Option<&str>,
) -> Result<ItemIndex, Error> {
    let definition = loaded.definition.step(step);
    let id = definition.map_or("", |step| step.id.as_str());
    let Some(key) = key else {
        if definition.is_some_and(|step| step.for_each.is_some()) {
            return Err(Error::usage(format!("The step `{id}` fans out: name the item too.")));
        }
        return Ok(ItemIndex(0));
    };
    let mut after = None;
    loop {
        let page = items(access, loaded.state.run(), step, (Show::NotOk, after, PAGE))?;
        let Some(page) = page else { break };
        if let Some(found) = page.rows.iter().find(|item| item.key.as_deref() == Some(key)) {
            return Ok(found.index);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Err(Error::usage(format!("The step `{id}` has no item `{key}` that is not ok.")))
}

/// A page of a step's items.
pub(super) fn items(
    access: &Access,
    run: RunId,
    step: StepIndex,
    (show, after, limit): (Show, Option<ItemIndex>, usize),
) -> Result<Option<Paged<ItemView, ItemIndex>>, Error> {
    access.ask(Ask::Items { run, step, show, after, limit })
}

/// The key of an item; none of a step without a fan-out.
pub(super) fn key_of(
    access: &Access,
    loaded: &LoadedRun,
    (step, item): (StepIndex, ItemIndex),
) -> Result<Option<String>, Error> {
    let fans_out = loaded.definition.step(step).is_some_and(|step| step.for_each.is_some());
    if !fans_out {
        return Ok(None);
    }
    let before = item.0.checked_sub(1).map(ItemIndex);
    let page = items(access, loaded.state.run(), step, (Show::All, before, 1))?;
    Ok(page.and_then(|page| page.rows.into_iter().next()?.key))
}
