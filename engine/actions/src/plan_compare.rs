//! `plan.compare`: compares one item of a set with what is live.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output};
use holdfast_contract::attempt::{Attempt, Progress};
use holdfast_contract::list::{ListOut, StoredList};
use holdfast_contract::plan::{Change, PlanCounts, Risk, Sort};
use holdfast_contract::provider::{Comparing, Extra, Kept, Targets};
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::event::TargetReference;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::value::Value;
use holdfast_repository::backup_set::{Completeness, SetId};
use holdfast_repository::read::OpenSet;

use crate::input::{boolean, reference_id, texts};
use crate::repositories::{Repositories, set_id};
use crate::target::TARGET;

/// The name of the action.
pub(crate) const NAME: &str = "plan.compare";

/// Where an output says what was compared. No expression can read it: the names of outputs start with letters.
const COMPARED: &str = "$compared";

static SPEC: ActionSpec = ActionSpec {
    name: NAME,
    version: 1,
    effect: EffectClass::Pure,
    writes: Writes::Nothing,
    target: TargetUse::Run,
    batch: Batch::Allowed,
    defaults: Defaults::Reach,
    run_when: RunWhen::Ok,
    env: Env::Refused,
    item: ItemUse::Taken,
    inputs: &[
        Field::optional("item", Shape::Item, "What is compared; in a fan-out the loop variable."),
        Field::required("backup_set", Shape::BackupSet, "The set it is an item of."),
        Field::optional(
            "delete",
            Shape::Boolean,
            "Whether what the set does not have is to be removed; false unless given.",
        ),
        TARGET,
    ],
    outputs: &[
        Field::required(
            "change",
            Shape::Word(&["create", "update", "delete", "none", "blocked"]),
            "What would happen to the item; of a unit the weightiest change in it.",
        ),
        Field::required("risk", Shape::Word(&["low", "high"]), "The highest risk in it."),
        Field::required(
            "reason",
            Shape::String,
            "Why it is blocked or of high risk; empty if there is nothing to say.",
        ),
        Field::required("count", Shape::Integer, "How many objects in it would change."),
        Field::required("unchanged", Shape::Integer, "How many are as they should be."),
    ],
    summary: "Compares one item of a backup set with what is live.",
    remarks: "It writes nothing to the target. The changes it finds are sealed in the run's encrypted file; a \
              `plan.freeze` behind it makes a plan of them.",
    example: "- id: open\n  uses: backup_set.open\n- id: compare\n  for_each: \"{{ steps.open.output.items }}\"\n  uses: plan.compare\n  with: { backup_set: \"{{ steps.open.output.backup_set }}\" }\n",
};

/// The action.
pub struct Compare {
    targets: Arc<dyn Targets>,
    repositories: Arc<Repositories>,
}

impl Compare {
    /// Of these targets with sets in this repository.
    pub fn new(targets: Arc<dyn Targets>, repositories: Arc<Repositories>) -> Self {
        Self { targets, repositories }
    }
}

#[async_trait]
impl Action for Compare {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        let item = input.with.get("item").cloned().ok_or_else(|| {
            Failure::without_effect(Class::Invalid, "there is no item to compare")
        })?;
        let id = set_id(&reference_id(&input.with, "backup_set")?.unwrap_or_default())?;
        let delete = boolean(&input.with, "delete")?.unwrap_or(false);
        let how = Comparing {
            names: texts(&item, "names")?,
            extra: if delete { Extra::Delete } else { Extra::Keep },
        };
        let (target, reference) = crate::target::open(attempt, &self.targets, input).await?;
        let (repository, set) = (self.repositories.of(attempt), id.clone());
        let kept = attempt.blocking(move || repository.set(&set)).await?;
        if delete {
            may_remove(&id, &kept.open, &target.bounds())?;
        }
        let kept = kept as Arc<dyn Kept>;
        let tally = Box::new(Tally::new(attempt.records().bodies()));
        let seen = tally.seen();
        let (unchanged, changes) = target.compare(attempt, &item, kept, &how, tally).await?;
        let list = attempt.blocking(move || changes.finish()).await?;
        let seen = seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        attempt.progress(Progress::Advance(unchanged + u64::from(list.count)));
        let unchanged = unchanged + seen.counts.unchanged;
        let other = attempt.target().ok() != Some(&reference);
        let other = other.then_some(reference);
        let compared = Compared { set: id.to_string(), list, unchanged, other };
        Ok(Output::whole(Value::from([
            ("change", Value::from(seen.sort.word())),
            ("risk", Value::from(seen.risk.word())),
            ("reason", Value::Text(seen.reason)),
            ("count", Value::from(seen.counts.changes())),
            ("unchanged", Value::from(unchanged)),
            (COMPARED, compared.to_value()),
        ])))
    }
}

/// Whether what a set lacks was not there, rather than not readable or none of the target's.
fn may_remove(id: &SetId, set: &OpenSet, bounds: &str) -> Result<(), Failure> {
    let refused = |message| Err(Failure::without_effect(Class::Invalid, message));
    if set.set().completeness == Completeness::Partial {
        return refused(format!(
            "{id} is partial: what it lacks may only not have been readable, so nothing is removed by it"
        ));
    }
    let before = &set.manifest().target.bounds;
    if before.is_empty() {
        return refused(format!(
            "{id} does not say what belonged to its target when it was made, so nothing is removed by it; back \
             the target up again first"
        ));
    }
    if before != bounds {
        return refused(format!(
            "when {id} was made, the bounds of the target were {before}, and now they are {bounds}: what the set lacks may only not \
             have belonged to it, so nothing is removed by it; back the target up again first"
        ));
    }
    Ok(())
}

/// What a comparison left for the freezing.
pub(crate) struct Compared {
    pub(crate) set: String,
    pub(crate) list: StoredList,
    pub(crate) unchanged: u64,
    /// What it was compared with, if that is another target than the run's.
    pub(crate) other: Option<TargetReference>,
}

impl Compared {
    fn to_value(&self) -> Value {
        let other = self.other.as_ref().map(|other| {
            Value::from([
                ("name", Value::from(other.name.as_str())),
                ("identity", Value::from(other.identity.as_str())),
            ])
        });
        Value::from([
            ("other", other.unwrap_or(Value::None)),
            ("set", Value::from(self.set.as_str())),
            ("list", self.list.as_value()),
            ("unchanged", Value::from(self.unchanged)),
        ])
    }

    /// What an output of `plan.compare` says.
    pub(crate) fn of(output: &Value) -> Option<Self> {
        let compared = output.get(COMPARED)?;
        let other = compared.get("other").filter(|other| **other != Value::None);
        let text = |of: &Value, key| Some(of.get(key)?.as_text()?.to_owned());
        Some(Self {
            other: match other {
                Some(other) => Some(TargetReference {
                    name: text(other, "name")?,
                    identity: text(other, "identity")?,
                }),
                None => None,
            },
            set: compared.get("set")?.as_text()?.to_owned(),
            list: StoredList::from_value(compared.get("list")?)?,
            unchanged: u64::try_from(compared.get("unchanged")?.as_integer()?).ok()?,
        })
    }
}

/// A list of changes that tells what the weightiest of them is.
struct Tally {
    list: Box<dyn ListOut>,
    shared: Arc<std::sync::Mutex<Seen>>,
}

#[derive(Clone)]
struct Seen {
    sort: Sort,
    risk: Risk,
    reason: String,
    counts: PlanCounts,
}

impl Tally {
    fn new(list: Box<dyn ListOut>) -> Self {
        let seen = Seen {
            sort: Sort::None,
            risk: Risk::Low,
            reason: String::new(),
            counts: PlanCounts::default(),
        };
        Self { list, shared: Arc::new(std::sync::Mutex::new(seen)) }
    }

    fn seen(&self) -> Arc<std::sync::Mutex<Seen>> {
        Arc::clone(&self.shared)
    }
}

/// Which change weighs more where one word has to do for several.
const fn weight(sort: Sort) -> u8 {
    match sort {
        Sort::None => 0,
        Sort::Create => 1,
        Sort::Update => 2,
        Sort::Delete => 3,
        Sort::Blocked => 4,
    }
}

impl ListOut for Tally {
    fn push(&mut self, element: Value) -> Result<(), Failure> {
        let change = Change::from_value(&element)?;
        {
            let mut seen = self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            seen.counts.add(&change);
            if weight(change.sort) > weight(seen.sort) {
                seen.sort = change.sort;
            }
            if seen.reason.is_empty() && !change.reason.is_empty() {
                seen.reason = format!("{}: {}", change.key, change.reason);
            }
            seen.risk = seen.risk.max(change.risk);
        }
        self.list.push(element)
    }

    fn count(&self) -> u32 {
        self.list.count()
    }

    fn finish(self: Box<Self>) -> Result<StoredList, Failure> {
        self.list.finish()
    }
}
