//! Opens the target of an attempt, its identity checked.

use std::sync::Arc;

use holdfast_contract::attempt::Attempt;
use holdfast_contract::provider::{Provider, Targets};
use holdfast_kernel::event::TargetReference;
use holdfast_kernel::failure::Failure;

/// The target that the attempt's run works on.
pub(crate) async fn open(
    attempt: &Attempt,
    targets: &Arc<dyn Targets>,
) -> Result<Arc<dyn Provider>, Failure> {
    let target = attempt.target()?.clone();
    open_this(attempt, targets, target).await
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
