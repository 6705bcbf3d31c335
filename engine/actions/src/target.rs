//! Opens the target of an attempt, its identity checked: the run's, or the one that `with.target` names.

use std::sync::Arc;

use holdfast_contract::action::Input;
use holdfast_contract::attempt::Attempt;
use holdfast_contract::provider::{Provider, Targets};
use holdfast_contract::spec::{Field, Shape};
use holdfast_kernel::event::TargetReference;
use holdfast_kernel::failure::Failure;

use crate::input::text;

/// What actions take that do not write the target.
pub(crate) const TARGET: Field = Field::optional(
    "target",
    Shape::Target,
    "Another target than the run's; it is what it is when the attempt begins.",
);

/// The target that an attempt works on.
pub(crate) async fn open(
    attempt: &Attempt,
    targets: &Arc<dyn Targets>,
    input: &Input,
) -> Result<(Arc<dyn Provider>, TargetReference), Failure> {
    let target = reference(attempt, targets, input).await?;
    Ok((open_this(attempt, targets, target.clone()).await?, target))
}

/// The reference to it: pinned to the run, or looked up now.
pub(crate) async fn reference(
    attempt: &Attempt,
    targets: &Arc<dyn Targets>,
    input: &Input,
) -> Result<TargetReference, Failure> {
    let Some(name) = text(&input.with, TARGET.name)? else {
        return attempt.target().cloned();
    };
    // The run's own by its name is the one that is pinned to the run.
    if let Ok(target) = attempt.target()
        && target.name == name
    {
        return Ok(target.clone());
    }
    let targets = Arc::clone(targets);
    attempt.blocking(move || targets.reference(&name)).await
}

/// A target by its reference.
pub(crate) async fn open_this(
    attempt: &Attempt,
    targets: &Arc<dyn Targets>,
    target: TargetReference,
) -> Result<Arc<dyn Provider>, Failure> {
    let targets = Arc::clone(targets);
    attempt.blocking(move || targets.open(&target)).await
}
