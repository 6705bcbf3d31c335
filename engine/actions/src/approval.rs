//! `approval`: waits for a person. The engine asks and waits, so no attempt is ever made.

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output};
use holdfast_contract::attempt::Attempt;
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::failure::{Class, Failure};

static SPEC: ActionSpec = ActionSpec {
    name: "approval",
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
        Field::optional(
            "plan",
            Shape::Plan,
            "The plan that is approved, also for its target's policy.",
        ),
        Field::optional("text", Shape::Text, "The question, at most 4 KiB."),
        Field::optional(
            "by",
            Shape::List(&Shape::String),
            "The roles or names that may answer; `approver` unless given.",
        ),
        Field::optional(
            "allow_self",
            Shape::Boolean,
            "Whether who asked for the run may answer too; never where the target's policy asks.",
        ),
    ],
    outputs: &[
        Field::required("by", Shape::String, "Who approved."),
        Field::required("at", Shape::String, "When."),
        Field::required("comment", Shape::Text, "What they said."),
        Field::required("plan", Shape::OrNone(&Shape::Plan), "The plan that was approved."),
    ],
    summary: "Waits for a person's yes or no.",
    remarks: "Rejected or late (`timeout`, 7d unless given) is failed, class `rejected`, never retried. \
              The run gives its slots back while it waits, and its timeout stands still.",
    example: "- id: approve\n  uses: approval\n  with: { text: Restore this?, by: [approver] }\n",
};

/// The action.
#[derive(Clone, Copy, Debug)]
pub struct Approval;

#[async_trait]
impl Action for Approval {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, _attempt: &Attempt, _input: &Input) -> Result<Output, Failure> {
        Err(Failure::without_effect(Class::Internal, "an approval was run as an attempt"))
    }
}
