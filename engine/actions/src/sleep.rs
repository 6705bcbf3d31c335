//! `sleep`: waits. The engine waits with a journaled timer, so no attempt is ever made.

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output};
use holdfast_contract::attempt::Attempt;
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::failure::{Class, Failure};

static SPEC: ActionSpec = ActionSpec {
    name: "sleep",
    version: 1,
    effect: EffectClass::Pure,
    writes: Writes::Nothing,
    target: TargetUse::None,
    batch: Batch::Refused,
    defaults: Defaults::DoNotReach,
    run_when: RunWhen::Ok,
    env: Env::Refused,
    item: ItemUse::None,
    inputs: &[Field::required("duration", Shape::Duration, "How long to wait.")],
    outputs: &[],
    summary: "Waits, without keeping a place from others.",
    remarks: "The wait is journaled: a restart neither forgets nor repeats it.",
    example: "- id: settle\n  uses: sleep\n  with: { duration: 30s }\n",
};

/// The action.
#[derive(Clone, Copy, Debug)]
pub struct Sleep;

#[async_trait]
impl Action for Sleep {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, _attempt: &Attempt, _input: &Input) -> Result<Output, Failure> {
        Err(Failure::without_effect(Class::Internal, "a sleep was run as an attempt"))
    }
}
