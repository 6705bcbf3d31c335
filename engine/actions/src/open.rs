//! `backup_set.open`: says what is in a set, in the items that a plan is compared by.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output};
use holdfast_contract::attempt::Attempt;
use holdfast_contract::entry::{shown, unshown};
use holdfast_contract::provider::{Kept as _, Targets, is_pattern};
use holdfast_contract::records::Verification;
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_contract::time::written;
use holdfast_contract::unit::{Cutter, Range};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::event::TargetReference;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{Instant, Millis};
use holdfast_kernel::value::Value;
use holdfast_repository::Repository;
use holdfast_repository::backup_set::{BackupSet, Completeness};

use crate::input::{length_of_time, reference_id, text, texts};
use crate::repositories::{KeptSet, LazyRepository, Repositories, object_label, set_id};
use crate::seal::{entries, reference};
use crate::target::TARGET;

static ITEM: &[Field] = &[
    Field::required("key", Shape::String, "Unique in the list."),
    Field::required("kind", Shape::String, "What kind of object it is."),
    Field::required("name", Shape::String, "Its name for people."),
    Field::optional("bytes", Shape::Integer, "How many bytes of content it has."),
    Field::optional("sha256", Shape::String, "The SHA-256 of an object's body."),
];

static SPEC: ActionSpec = ActionSpec {
    name: "backup_set.open",
    version: 1,
    effect: EffectClass::Pure,
    writes: Writes::Nothing,
    target: TargetUse::Run,
    batch: Batch::Refused,
    defaults: Defaults::Reach,
    run_when: RunWhen::Ok,
    env: Env::Refused,
    item: ItemUse::None,
    inputs: &[
        Field::optional(
            "backup_set",
            Shape::BackupSet,
            "The set; otherwise the newest complete one of the target.",
        ),
        Field::optional(
            "names",
            Shape::List(&Shape::String),
            "Only objects with these names. In a file tree: paths from its root, and patterns of paths; a folder stands for all that is in it.",
        ),
        Field::optional(
            "verified_within",
            Shape::Duration,
            "The set must have been verified clean this lately.",
        ),
        TARGET,
    ],
    outputs: &[
        Field::required("backup_set", Shape::BackupSet, "The set."),
        Field::required("target", Shape::Target, "The target it was made of."),
        Field::required("sealed_at", Shape::String, "When it was sealed, in UTC."),
        Field::required("complete", Shape::Boolean, "Whether nothing is missing in it."),
        Field::required("count", Shape::Integer, "How many entries or objects it has."),
        Field::required("items", Shape::List(&Shape::Record(ITEM)), "What is in it."),
        Field::required(
            "verified_at",
            Shape::OrNone(&Shape::String),
            "When it was last verified on this machine.",
        ),
        Field::required(
            "verified_clean",
            Shape::OrNone(&Shape::Boolean),
            "Whether nothing was damaged then.",
        ),
    ],
    summary: "Says what is in a backup set.",
    remarks: "Without `backup_set`: the newest complete set of the target. If there is none, or none that was \
              verified clean in time, it fails, class `not_found`. Of a file tree an item is a unit, a range of \
              paths; the units together cover every path there could be.",
    example: "- id: open\n  uses: backup_set.open\n",
};

/// The action.
pub struct Open {
    targets: Arc<dyn Targets>,
    repositories: Arc<Repositories>,
}

impl Open {
    /// Of sets of these targets in these repositories.
    pub fn new(targets: Arc<dyn Targets>, repositories: Arc<Repositories>) -> Self {
        Self { targets, repositories }
    }
}

#[async_trait]
impl Action for Open {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        let id = reference_id(&input.with, "backup_set")?;
        let names = texts(&input.with, "names")?;
        let within = length_of_time(&input.with, "verified_within")?;
        let target = target(attempt, &self.targets, input).await?;
        let (repository, at) = (self.repositories.of(attempt), attempt.clone());
        let wanted = Wanted { id, names, within, target };
        attempt.blocking(move || open(&repository, &at, &wanted)).await
    }
}

/// Whose set it is. A target that is lost may be what it is opened for: its name is enough.
async fn target(
    attempt: &Attempt,
    targets: &Arc<dyn Targets>,
    input: &Input,
) -> Result<TargetReference, Failure> {
    match crate::target::reference(attempt, targets, input).await {
        Ok(target) => Ok(target),
        Err(failure) => match text(&input.with, TARGET.name)? {
            Some(name) => Ok(TargetReference { name, identity: String::new() }),
            None => Err(failure),
        },
    }
}

/// Which set is to be opened, and what of it.
struct Wanted {
    id: Option<String>,
    names: Vec<String>,
    within: Option<Millis>,
    target: TargetReference,
}

fn open(lazy: &LazyRepository, attempt: &Attempt, wanted: &Wanted) -> Result<Output, Failure> {
    let Wanted { id, names, within, target } = wanted;
    let (id, within) = (id.as_deref(), *within);
    let repository = lazy.get()?;
    let now = attempt.facts().started_at;
    let (set, verified) = match id {
        Some(id) => {
            let set = lazy.set(&set_id(id)?)?.open.set().clone();
            let verified = attempt.records().verifications(id)?.pop();
            (set, verified)
        }
        None => newest(&repository, attempt, target, within.map(|within| (now, within)))?,
    };
    if let (Some(within), Some(_)) = (within, id)
        && !is_verified(verified.as_ref(), now, within)
    {
        let message = format!("{} was not verified clean in time", set.id);
        return Err(Failure::without_effect(Class::NotFound, message));
    }
    let kept = lazy.set(&set.id)?;
    let identity = &kept.open.manifest().target.identity;
    if !target.identity.is_empty() && target.identity != *identity {
        attempt.log(&format!("{} was made of {identity}, which is another target", set.id));
    }
    check_names(&kept, names)?;
    let items = items(attempt, &kept, names)?;
    let at = verified.as_ref().map(|verified| Value::Text(written(verified.at)));
    let clean = verified.map(|verified| Value::Boolean(verified.damaged == 0));
    let value = Value::from([
        ("backup_set", reference(&set)),
        ("target", Value::from(set.target.as_str())),
        ("sealed_at", Value::Text(written(set.sealed_at))),
        ("complete", Value::Boolean(set.completeness == Completeness::Complete)),
        ("count", Value::from(entries(&set))),
        ("items", items),
        ("verified_at", at.unwrap_or(Value::None)),
        ("verified_clean", clean.unwrap_or(Value::None)),
    ]);
    Ok(Output::whole(value))
}

/// The newest complete set of the run's target and object; if asked for, one that was verified in time.
fn newest(
    repository: &Repository,
    attempt: &Attempt,
    target: &TargetReference,
    within: Option<(Instant, Millis)>,
) -> Result<(BackupSet, Option<Verification>), Failure> {
    let object = object_label(&attempt.records().object());
    for set in repository.sets()?.into_iter().rev() {
        let is_complete = set.completeness == Completeness::Complete;
        if set.target != target.name || set.object != object || !is_complete {
            continue;
        }
        let verified = attempt.records().verifications(&set.id.to_string())?.pop();
        let fits = within.is_none_or(|(now, within)| is_verified(verified.as_ref(), now, within));
        if fits {
            return Ok((set, verified));
        }
    }
    let how = if within.is_some() { " that was verified clean in time" } else { "" };
    let message = format!("there is no complete backup set of the target `{}`{how}", target.name);
    Err(Failure::without_effect(Class::NotFound, message))
}

fn is_verified(verified: Option<&Verification>, now: Instant, within: Millis) -> bool {
    verified.is_some_and(|verified| verified.damaged == 0 && verified.at.plus(within) >= now)
}

/// A name without a wildcard must be in the set: a slip of the finger must not look like nothing to do.
fn check_names(kept: &KeptSet, names: &[String]) -> Result<(), Failure> {
    for name in names.iter().filter(|name| !is_pattern(name)) {
        let path = unshown(name).unwrap_or_default();
        if kept.entry(&path)?.is_none() {
            let message = format!("there is no `{}` in {}", shown(&path), kept.open.set().id);
            return Err(Failure::without_effect(Class::NotFound, message));
        }
    }
    Ok(())
}

fn items(attempt: &Attempt, kept: &KeptSet, names: &[String]) -> Result<Value, Failure> {
    let mut cutter = Cutter::default();
    for entry in kept.entries(&Range::default())? {
        let entry = entry?;
        attempt.permit()?;
        cutter.add(&entry.path, entry.kind.size());
    }
    let mut list = attempt.records().list();
    for unit in cutter.end() {
        let Value::Map(mut item) = unit.item() else { continue };
        if !names.is_empty() {
            let names = names.iter().map(|name| Value::from(name.as_str())).collect();
            item.insert("names".to_owned(), Value::List(names));
        }
        list.push(Value::Map(item))?;
    }
    Ok(list.finish()?.as_value())
}
