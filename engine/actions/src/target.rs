//! Opens the target of an attempt, its identity checked: the run's, or the one that `with.target` names.

use std::sync::Arc;

use holdfast_contract::action::Input;
use holdfast_contract::attempt::Attempt;
use holdfast_contract::provider::{Provider, Targets};
use holdfast_contract::spec::{Field, Shape};
use holdfast_kernel::event::TargetReference;
use holdfast_kernel::failure::Failure;
use holdfast_kernel::value::Value;

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

/// The hidden key of outputs that says which other target than the run's it was.
const OTHER: &str = "$target";

/// An output with the target that it is of, if that is another one than the run's.
pub(crate) fn marked(output: Value, attempt: &Attempt, target: &TargetReference) -> Value {
    let Value::Map(mut map) = output else { return output };
    if attempt.target().ok() != Some(target) {
        let reference = Value::from([
            ("name", Value::from(target.name.as_str())),
            ("identity", Value::from(target.identity.as_str())),
        ]);
        map.insert(OTHER.to_owned(), reference);
    }
    Value::Map(map)
}

/// The target that an output is of; none: the run's.
pub(crate) fn mark_of(output: &Value) -> Option<TargetReference> {
    let reference = output.get(OTHER)?;
    let text = |key| Some(reference.get(key)?.as_text()?.to_owned());
    Some(TargetReference { name: text("name")?, identity: text("identity")? })
}
