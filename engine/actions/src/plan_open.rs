//! `plan.open`: lists the changes of a plan in the order in which they are applied.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output};
use holdfast_contract::attempt::Attempt;
use holdfast_contract::plan::{Change, PlanDigest};
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::value::Value;

use crate::input::reference_id;
use crate::plans::{Plans, reference};

static ITEM: &[Field] = &[
    Field::required("key", Shape::String, "Unique in the plan; of a file tree the path."),
    Field::required("kind", Shape::String, "What kind of object it is."),
    Field::required("name", Shape::String, "Its name for people."),
    Field::required(
        "change",
        Shape::Word(&["create", "update", "delete", "blocked"]),
        "What happens to it.",
    ),
    Field::required("risk", Shape::Word(&["low", "high"]), "How much that may hurt."),
    Field::required("stage", Shape::Integer, "What must come first has the lower number."),
];

static SPEC: ActionSpec = ActionSpec {
    name: "plan.open",
    version: 1,
    effect: EffectClass::Pure,
    writes: Writes::Nothing,
    target: TargetUse::Run,
    batch: Batch::Refused,
    defaults: Defaults::Reach,
    run_when: RunWhen::Ok,
    env: Env::Refused,
    item: ItemUse::None,
    inputs: &[Field::required("plan", Shape::Plan, "The plan.")],
    outputs: &[
        Field::required("plan", Shape::Plan, "The plan."),
        Field::required("target", Shape::Target, "The target it was made for."),
        Field::required("backup_set", Shape::BackupSet, "The set it restores."),
        Field::required("count", Shape::Integer, "How many items it has."),
        Field::required("items", Shape::List(&Shape::Record(ITEM)), "Its changes, in their order."),
    ],
    summary: "Lists the changes of a plan in the order in which they are applied.",
    remarks: "The plan must not have expired, must have been made for the target of the run, and must still \
              have the digest it is named by.",
    example: "- id: open\n  uses: plan.open\n  with: { plan: \"{{ inputs.plan }}\" }\n",
};

/// The action.
pub struct OpenPlan {
    plans: Arc<Plans>,
}

impl OpenPlan {
    /// With the plans of this process.
    pub fn new(plans: Arc<Plans>) -> Self {
        Self { plans }
    }
}

#[async_trait]
impl Action for OpenPlan {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        let id = reference_id(&input.with, "plan")?.unwrap_or_default();
        let (plans, at) = (Arc::clone(&self.plans), attempt.clone());
        attempt
            .blocking(move || {
                let open = plans.get(&at, &id)?;
                let plan = &open.plan;
                let mut digest = PlanDigest::new(&plan.target.identity, &plan.backup_set);
                let mut items = at.records().list();
                for place in 0..open.changes.count() {
                    at.permit()?;
                    let change = open.changes.get(place)?;
                    digest.add(&change);
                    items.push(Change::from_value(&change)?.item(place))?;
                }
                if digest.end() != plan.digest {
                    let message = format!("{} is not what its digest says", plan.id);
                    return Err(Failure::without_effect(Class::Invalid, message));
                }
                let set = Value::from([
                    ("id", Value::from(plan.backup_set.as_str())),
                    ("target", Value::from(plan.target.name.as_str())),
                ]);
                Ok(Output::whole(Value::from([
                    ("plan", reference(plan)),
                    ("target", Value::from(plan.target.name.as_str())),
                    ("backup_set", set),
                    ("count", Value::from(u64::from(open.changes.count()))),
                    ("items", items.finish()?.as_value()),
                ])))
            })
            .await
    }
}
