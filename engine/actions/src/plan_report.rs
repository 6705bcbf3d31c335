//! `plan.report`: counts how the changes of a plan ended.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output};
use holdfast_contract::attempt::Attempt;
use holdfast_contract::records::{EarlierEnd, EarlierItem};
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::value::Value;

use crate::input::named_steps;
use crate::plan_apply::NAME;

static SPEC: ActionSpec = ActionSpec {
    name: "plan.report",
    version: 1,
    effect: EffectClass::Pure,
    writes: Writes::Nothing,
    target: TargetUse::None,
    batch: Batch::Refused,
    defaults: Defaults::DoNotReach,
    run_when: RunWhen::Done,
    env: Env::Refused,
    item: ItemUse::None,
    inputs: &[Field::optional("from", Shape::Steps, "Only what these steps applied.")],
    outputs: &[
        Field::required("applied", Shape::Integer, "How many changes were made."),
        Field::required(
            "unchanged",
            Shape::Integer,
            "How many objects were as they should be already.",
        ),
        Field::required(
            "conflicts",
            Shape::Integer,
            "How many were changed since the preview, and left as they are.",
        ),
        Field::required(
            "failed",
            Shape::Integer,
            "How many failed otherwise, are in doubt, or were never tried.",
        ),
    ],
    summary: "Counts how the changes of a plan ended.",
    remarks: "It reads the ends of the `plan.apply` steps before it, however many there are.",
    example: "- id: open\n  uses: plan.open\n  with: { plan: \"{{ inputs.plan }}\" }\n- id: apply\n  for_each: \"{{ steps.open.output.items }}\"\n  uses: plan.apply\n  with: { plan: \"{{ inputs.plan }}\" }\n- id: report\n  uses: plan.report\n",
};

/// The action.
#[derive(Clone, Copy, Debug)]
pub struct Report;

#[derive(Default)]
struct Counts {
    applied: u64,
    unchanged: u64,
    conflicts: u64,
    failed: u64,
}

impl Counts {
    fn add(&mut self, item: &EarlierItem) {
        let is_unchanged = item.output.get("unchanged").and_then(Value::as_boolean) == Some(true);
        let is_conflict =
            item.failure.as_ref().is_some_and(|failure| failure.class == Class::Conflict);
        match item.end {
            EarlierEnd::Whole | EarlierEnd::Partial if is_unchanged => self.unchanged += 1,
            EarlierEnd::Whole | EarlierEnd::Partial => self.applied += 1,
            EarlierEnd::Skipped => {}
            EarlierEnd::Lacking if is_conflict => self.conflicts += 1,
            EarlierEnd::Lacking => self.failed += 1,
        }
    }
}

#[async_trait]
impl Action for Report {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        let from = named_steps(&input.with, "from")?;
        let records = Arc::clone(attempt.records());
        let counts = attempt
            .blocking(move || {
                let mut counts = Counts::default();
                for step in records.earlier(from.as_deref(), &[NAME])? {
                    for item in records.items(&step.id) {
                        counts.add(&item?);
                    }
                }
                Ok(counts)
            })
            .await?;
        Ok(Output::whole(Value::from([
            ("applied", Value::from(counts.applied)),
            ("unchanged", Value::from(counts.unchanged)),
            ("conflicts", Value::from(counts.conflicts)),
            ("failed", Value::from(counts.failed)),
        ])))
    }
}
