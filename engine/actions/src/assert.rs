//! `assert`: fails unless a condition holds.

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output};
use holdfast_contract::attempt::Attempt;
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::value::Value;

use crate::input::text;

static SPEC: ActionSpec = ActionSpec {
    name: "assert",
    version: 1,
    effect: EffectClass::Pure,
    writes: Writes::Nothing,
    target: TargetUse::None,
    batch: Batch::Refused,
    defaults: Defaults::DoNotReach,
    run_when: RunWhen::Ok,
    env: Env::Refused,
    item: ItemUse::None,
    inputs: &[
        Field::required("that", Shape::Boolean, "What must be true."),
        Field::optional("message", Shape::Text, "What the failure says."),
    ],
    outputs: &[],
    summary: "Fails, class `invalid`, unless a condition holds.",
    remarks: "It replaces a failing step behind an `if`, which is skipped by accident.",
    example: "- id: enough\n  uses: assert\n  with: { that: \"{{ steps.list.output.count > 0 }}\", message: nothing to back up }\n",
};

/// The action.
#[derive(Clone, Copy, Debug)]
pub struct Assert;

#[async_trait]
impl Action for Assert {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, _attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        let message = text(&input.with, "message")?;
        match input.with.get("that").and_then(Value::as_boolean) {
            Some(true) => Ok(Output::whole(Value::empty_map())),
            Some(false) => {
                let message = message.unwrap_or_else(|| "the assertion does not hold".to_owned());
                Err(Failure::without_effect(Class::Invalid, message))
            }
            None => Err(Failure::without_effect(Class::Invalid, "`that` must be a boolean")),
        }
    }
}
