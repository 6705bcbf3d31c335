//! `plan.freeze`: makes one stored, digested plan of what the steps before it compared.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output};
use holdfast_contract::attempt::Attempt;
use holdfast_contract::records::Keep;
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::failure::Failure;
use holdfast_kernel::id::Millis;
use holdfast_kernel::value::Value;

use crate::freezing::{Frozen, freeze};
use crate::input::{length_of_time, named_steps};
use crate::repositories::Repositories;

/// How long a plan may be applied unless the step says otherwise.
const EXPIRES: Millis = Millis::seconds(7 * 24 * 60 * 60);

static SPEC: ActionSpec = ActionSpec {
    name: "plan.freeze",
    version: 1,
    effect: EffectClass::Idempotent,
    writes: Writes::Nothing,
    target: TargetUse::Run,
    batch: Batch::Refused,
    defaults: Defaults::Reach,
    run_when: RunWhen::Clean,
    env: Env::Refused,
    item: ItemUse::None,
    inputs: &[
        Field::optional("from", Shape::Steps, "Only what these steps compared."),
        Field::optional(
            "expires",
            Shape::Duration,
            "How long it may be applied: `7d` unless given.",
        ),
    ],
    outputs: &[
        Field::required("plan", Shape::Plan, "The plan."),
        Field::required("count", Shape::Integer, "How many objects would change."),
        Field::required("create", Shape::Integer, "How many would be made."),
        Field::required("update", Shape::Integer, "How many would be changed."),
        Field::required("delete", Shape::Integer, "How many would be removed."),
        Field::required("blocked", Shape::Integer, "How many differ and would not be touched."),
        Field::required("high_risk", Shape::Integer, "How many changes are of high risk."),
        Field::required("text", Shape::Text, "A readable summary of at most 4 KiB."),
    ],
    summary: "Makes one stored plan of what the steps before it compared.",
    remarks: "A restore of the plan applies exactly it, to exactly the target it was made for. Its id is made \
              from its digest: the same changes of the same set are the same plan.",
    example: "- id: open\n  uses: backup_set.open\n- id: compare\n  for_each: \"{{ steps.open.output.items }}\"\n  uses: plan.compare\n  with: { backup_set: \"{{ steps.open.output.backup_set }}\" }\n- id: freeze\n  uses: plan.freeze\n",
};

/// The action.
pub struct Freeze {
    repositories: Arc<Repositories>,
}

impl Freeze {
    /// Of sets in this repository.
    pub fn new(repositories: Arc<Repositories>) -> Self {
        Self { repositories }
    }
}

#[async_trait]
impl Action for Freeze {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        let from = named_steps(&input.with, "from")?;
        let expires = length_of_time(&input.with, "expires")?.unwrap_or(EXPIRES);
        let (repository, at) = (self.repositories.of(attempt), attempt.clone());
        let frozen =
            attempt.blocking(move || freeze(&repository, &at, from.as_deref(), expires)).await?;
        let Frozen { plan, text } = frozen;
        attempt.records().keep(Keep::Plan(plan.clone())).await?;
        let number = |number: u64| Value::from(number);
        Ok(Output::whole(Value::from([
            ("plan", crate::plans::reference(&plan)),
            ("count", number(plan.counts.changes())),
            ("create", number(plan.counts.create)),
            ("update", number(plan.counts.update)),
            ("delete", number(plan.counts.delete)),
            ("blocked", number(plan.counts.blocked)),
            ("high_risk", number(plan.counts.high_risk)),
            ("text", Value::Text(text)),
        ])))
    }
}
