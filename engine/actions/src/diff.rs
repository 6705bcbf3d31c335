//! `backup_set.diff`: what changed from one set to a later one.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output};
use holdfast_contract::attempt::Attempt;
use holdfast_contract::entry::shown;
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::failure::Failure;
use holdfast_kernel::value::Value;
use holdfast_repository::backup_set::{BackupSet, Completeness, SetId};
use holdfast_repository::diff::{Change, Differences};

use crate::input::reference_id;
use crate::repositories::{LazyRepository, Repositories, set_id};

static ITEM: &[Field] = &[
    Field::required("key", Shape::String, "Unique in the list; of a file tree the path."),
    Field::required("kind", Shape::String, "What kind of object it is."),
    Field::required("name", Shape::String, "Its name for people."),
    Field::required(
        "change",
        Shape::Word(&["created", "updated", "deleted"]),
        "What became of it.",
    ),
];

static SPEC: ActionSpec = ActionSpec {
    name: "backup_set.diff",
    version: 1,
    effect: EffectClass::Pure,
    writes: Writes::Nothing,
    target: TargetUse::None,
    batch: Batch::Refused,
    defaults: Defaults::Reach,
    run_when: RunWhen::Ok,
    env: Env::Refused,
    item: ItemUse::None,
    inputs: &[
        Field::optional(
            "from",
            Shape::BackupSet,
            "The earlier set; otherwise the newest complete one before `to`, of the same target and object.",
        ),
        Field::required("to", Shape::BackupSet, "The later set."),
    ],
    outputs: &[
        Field::required("created", Shape::Integer, "How many entries only the later set has."),
        Field::required("updated", Shape::Integer, "How many both have, and differ."),
        Field::required("deleted", Shape::Integer, "How many only the earlier set has."),
        Field::required("changed", Shape::Integer, "How many that are together."),
        Field::required("text", Shape::Text, "A readable summary of at most 4 KiB."),
        Field::required("items", Shape::List(&Shape::Record(ITEM)), "Each of them."),
    ],
    summary: "Says what changed from one backup set to another.",
    remarks: "Where there is no earlier set, nothing has changed: `changed` is 0.",
    example: "- id: open\n  uses: backup_set.open\n- id: diff\n  uses: backup_set.diff\n  with: { to: \"{{ steps.open.output.backup_set }}\" }\n",
};

/// The action.
pub struct Diff {
    repositories: Arc<Repositories>,
}

impl Diff {
    /// Of sets in these repositories.
    pub fn new(repositories: Arc<Repositories>) -> Self {
        Self { repositories }
    }
}

#[async_trait]
impl Action for Diff {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        let from = reference_id(&input.with, "from")?.map(|id| set_id(&id)).transpose()?;
        let to = set_id(&reference_id(&input.with, "to")?.unwrap_or_default())?;
        let (repository, at) = (self.repositories.of(attempt), attempt.clone());
        attempt
            .blocking(move || {
                let found = differences(&repository, from, &to)?;
                output(&at, &found)
            })
            .await
    }
}

fn differences(
    repository: &LazyRepository,
    from: Option<SetId>,
    to: &SetId,
) -> Result<Differences, Failure> {
    let later = repository.set(to)?;
    let from = match from {
        Some(id) => Some(id),
        None => before(&repository.get()?.sets()?, later.open.set()),
    };
    let Some(from) = from else { return Ok(Differences::default()) };
    Ok(repository.set(&from)?.open.diff(&later.open)?)
}

/// The newest complete set before another, of its target and object.
fn before(sets: &[BackupSet], later: &BackupSet) -> Option<SetId> {
    let earlier = sets.iter().rev().find(|set| {
        set.target == later.target
            && set.object == later.object
            && set.completeness == Completeness::Complete
            && (set.sealed_at, &set.id) < (later.sealed_at, &later.id)
    });
    earlier.map(|set| set.id.clone())
}

fn output(attempt: &Attempt, found: &Differences) -> Result<Output, Failure> {
    let mut items = attempt.records().list();
    for one in &found.changes {
        attempt.permit()?;
        let path = Value::Text(shown(one.for_people()));
        items.push(Value::from([
            ("key", path.clone()),
            ("kind", Value::from(one.kind)),
            ("name", path),
            ("change", Value::from(one.change.word())),
        ]))?;
    }
    let count = |change| Value::from(found.count(change) as u64);
    Ok(Output::whole(Value::from([
        ("created", count(Change::Created)),
        ("updated", count(Change::Updated)),
        ("deleted", count(Change::Deleted)),
        ("changed", Value::from(found.changes.len() as u64)),
        ("text", Value::Text(found.summary())),
        ("items", items.finish()?.as_value()),
    ])))
}
