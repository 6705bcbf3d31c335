//! `plan.apply`: makes the changes of a plan, each only if what is live is what the plan saw.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output, Probe};
use holdfast_contract::attempt::{Attempt, Progress};
use holdfast_contract::plan::{Change, Plan};
use holdfast_contract::provider::{Applied, Applying, Begun, Found, Kept, Made, Provider, Targets};
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::event::Completeness;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::EffectKey;
use holdfast_kernel::value::Value;

use crate::input::reference_id;
use crate::plans::{OpenPlan, Plans};
use crate::repositories::{Repositories, set_id};

/// The name of the action.
pub(crate) const NAME: &str = "plan.apply";

/// The note of an attempt that begins to change an object in place.
const BEGUN: &str = "begun";

static SPEC: ActionSpec = ActionSpec {
    name: NAME,
    version: 1,
    effect: EffectClass::Probed,
    writes: Writes::Target,
    target: TargetUse::Run,
    batch: Batch::Allowed,
    defaults: Defaults::Reach,
    run_when: RunWhen::Ok,
    env: Env::Refused,
    item: ItemUse::Taken,
    inputs: &[
        Field::required("plan", Shape::Plan, "The plan."),
        Field::optional(
            "item",
            Shape::Item,
            "An item of its `plan.open`; in a fan-out the loop variable.",
        ),
    ],
    outputs: &[
        Field::required("change", Shape::String, "What the plan says of the item."),
        Field::required("unchanged", Shape::Boolean, "Whether it was as it should be already."),
    ],
    summary: "Makes the changes of a plan, each only if what is live is what the plan saw.",
    remarks: "An object that was changed since the preview is left as it is: the item fails, class `conflict`. \
              One that is as it should be already is succeeded and unchanged, so a plan that is applied twice \
              changes nothing the second time. Only a workflow of the operation `restore` may use it.",
    example: "- id: open\n  uses: plan.open\n  with: { plan: \"{{ inputs.plan }}\" }\n- id: apply\n  for_each: { items: \"{{ steps.open.output.items }}\", batch: 100 }\n  uses: plan.apply\n  with: { plan: \"{{ inputs.plan }}\" }\n",
};

/// The action.
pub struct Apply {
    targets: Arc<dyn Targets>,
    repositories: Arc<Repositories>,
    plans: Arc<Plans>,
}

/// What the items of one attempt need.
struct Opened {
    plan: Arc<OpenPlan>,
    target: Arc<dyn Provider>,
    kept: Arc<dyn Kept>,
}

impl Apply {
    /// To these targets, from sets in this repository, with the plans of this process.
    pub fn new(
        targets: Arc<dyn Targets>,
        repositories: Arc<Repositories>,
        plans: Arc<Plans>,
    ) -> Self {
        Self { targets, repositories, plans }
    }

    async fn open(&self, attempt: &Attempt, input: &Input) -> Result<Opened, Failure> {
        let id = reference_id(&input.with, "plan")?.unwrap_or_default();
        let (plans, repositories) = (Arc::clone(&self.plans), Arc::clone(&self.repositories));
        let at = attempt.clone();
        let (plan, kept) = attempt
            .blocking(move || {
                let plan = plans.get(&at, &id)?;
                // The one that the plan was made from, whatever the workflow says.
                let repository = repositories.named(plan.plan.repository.as_deref());
                let kept = repository.set(&set_id(&plan.plan.backup_set)?)?;
                Ok((plan, kept))
            })
            .await?;
        // The target of the plan, whatever the run says: its identity is checked once more.
        let reference = plan.plan.target.clone();
        self.check_approval(attempt, &plan.plan).await?;
        let target = crate::target::open_this(attempt, &self.targets, reference).await?;
        Ok(Opened { plan, target, kept })
    }

    /// The target's policy, whatever the graph of the workflow says.
    async fn check_approval(&self, attempt: &Attempt, plan: &Plan) -> Result<(), Failure> {
        let (targets, at, plan) = (Arc::clone(&self.targets), attempt.clone(), plan.clone());
        attempt
            .blocking(move || {
                let records = at.records();
                let words = records.approvals(&plan.id)?;
                let allowed = targets.may_restore(&plan.target, &words, &records.initiator());
                allowed.map_err(|why| {
                    let message = format!(
                        "{0} may not be applied: {why}; another person says: holdfast approve {0}",
                        plan.id
                    );
                    Failure::without_effect(Class::Rejected, message)
                })
            })
            .await
    }

    /// What is to be applied for one item, noted where it has to be.
    async fn applying(
        attempt: &Attempt,
        opened: &Opened,
        input: &Input,
    ) -> Result<Applying, Failure> {
        let (plan, item) = (Arc::clone(&opened.plan), item(input)?);
        let change = attempt.blocking(move || plan.change(&item)).await?;
        let applying = applying(opened, change, input);
        if applying.begun == Begun::No {
            let kept = Arc::clone(&opened.kept);
            if opened.target.begins_in_place(attempt, &applying, kept).await? {
                attempt.note(input.item, Value::from(BEGUN)).await?;
            }
        }
        Ok(applying)
    }
}

fn item(input: &Input) -> Result<Value, Failure> {
    input.with.get("item").cloned().ok_or_else(|| {
        Failure::without_effect(Class::Invalid, "there is no item of a plan to apply")
    })
}

fn applying(opened: &Opened, change: Change, input: &Input) -> Applying {
    let effect = EffectKey::of_plan(opened.plan.plan.digest, &change.key);
    let has_begun = input.note.as_ref().and_then(Value::as_text) == Some(BEGUN);
    Applying { change, effect, begun: if has_begun { Begun::Yes } else { Begun::No } }
}

fn output(attempt: &Attempt, change: &Change, applied: Applied) -> Output {
    for shortfall in &applied.shortfalls {
        attempt.log(&format!("{}: {shortfall}", change.key));
    }
    let value = value(change, applied.made);
    let is_whole = applied.shortfalls.is_empty();
    let completeness = if is_whole { Completeness::Whole } else { Completeness::Partial };
    Output { value, completeness }
}

fn value(change: &Change, made: Made) -> Value {
    Value::from([
        ("change", Value::from(change.sort.word())),
        ("unchanged", Value::Boolean(made == Made::Unchanged)),
    ])
}

#[async_trait]
impl Action for Apply {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        let opened = self.open(attempt, input).await?;
        let applying = Self::applying(attempt, &opened, input).await?;
        let change = applying.change.clone();
        let kept = Arc::clone(&opened.kept);
        let mut ends = opened.target.apply(attempt, vec![applying], kept).await;
        let end = ends.pop().unwrap_or_else(|| Err(unreported()));
        attempt.progress(Progress::Advance(1));
        end.map(|applied| output(attempt, &change, applied))
    }

    async fn run_batch(&self, attempt: &Attempt, inputs: &[Input]) {
        let Some(first) = inputs.first() else { return };
        let opened = match self.open(attempt, first).await {
            Ok(opened) => opened,
            Err(failure) => {
                return inputs
                    .iter()
                    .for_each(|input| attempt.end(input.item, Err(failure.clone())));
            }
        };
        let (mut items, mut changes) = (Vec::new(), Vec::new());
        for input in inputs {
            match Self::applying(attempt, &opened, input).await {
                Ok(applying) => {
                    items.push((input.item, applying.change.clone()));
                    changes.push(applying);
                }
                Err(failure) => attempt.end(input.item, Err(failure)),
            }
        }
        let ends = opened.target.apply(attempt, changes, Arc::clone(&opened.kept)).await;
        attempt.progress(Progress::Advance(ends.len() as u64));
        for ((item, change), end) in items.into_iter().zip(ends) {
            attempt.end(item, end.map(|applied| output(attempt, &change, applied)));
        }
    }

    async fn probe(&self, attempt: &Attempt, input: &Input) -> Result<Probe, Failure> {
        let opened = self.open(attempt, input).await?;
        let (plan, item) = (Arc::clone(&opened.plan), item(input)?);
        let change = attempt.blocking(move || plan.change(&item)).await?;
        let applying = applying(&opened, change.clone(), input);
        let found = opened.target.probe(attempt, applying, Arc::clone(&opened.kept)).await?;
        Ok(match found {
            Found::Done => Probe::Done(value(&change, Made::Changed)),
            Found::Absent => Probe::Absent,
        })
    }
}

fn unreported() -> Failure {
    Failure::with_unknown_effect(Class::Permanent, "a bug in the provider: it reported no end")
}
