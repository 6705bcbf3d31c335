//! `backup_set.seal`: makes one unchangeable backup set of what the steps before it captured.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output, Probe};
use holdfast_contract::attempt::Attempt;
use holdfast_contract::provider::Targets;
use holdfast_contract::records::{EarlierEnd, Records, Upstream};
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::event::TargetReference;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::EffectKey;
use holdfast_kernel::value::Value;
use holdfast_repository::backup_set::{BackupSet, Completeness};
use holdfast_repository::manifest::{Missing, Target};
use holdfast_repository::seal::{SealRequest, SealedSet};
use holdfast_repository::unit::Origin;

use crate::input::{boolean, named_steps};
use crate::repositories::{Repositories, object_label, permit};
use crate::target::{TARGET, mark_of};

/// The actions whose items a seal takes in.
const CAPTURES: &[&str] = &["capture", "capture.command"];

static SPEC: ActionSpec = ActionSpec {
    name: "backup_set.seal",
    version: 1,
    effect: EffectClass::Probed,
    writes: Writes::Repository,
    target: TargetUse::Run,
    batch: Batch::Refused,
    defaults: Defaults::DoNotReach,
    run_when: RunWhen::Ok,
    env: Env::Refused,
    item: ItemUse::None,
    inputs: &[
        Field::optional("from", Shape::Steps, "Only what these steps captured."),
        Field::optional("allow_empty", Shape::Boolean, "Whether nothing at all may be sealed."),
        Field::optional(
            "unless_unchanged",
            Shape::Boolean,
            "Seal nothing if nothing differs from the newest complete set.",
        ),
        TARGET,
    ],
    outputs: &[
        Field::required("backup_set", Shape::BackupSet, "The set; if unchanged, the newest one."),
        Field::required(
            "previous",
            Shape::OrNone(&Shape::BackupSet),
            "The newest complete set of the same target and object before it.",
        ),
        Field::required(
            "unchanged",
            Shape::Boolean,
            "Whether nothing differed, so nothing was sealed.",
        ),
        Field::required("complete", Shape::Boolean, "Whether nothing is missing in it."),
        Field::required("count", Shape::Integer, "How many entries or objects it has."),
        Field::required("bytes", Shape::Integer, "How many bytes of content it has."),
    ],
    summary: "Makes one unchangeable backup set of what the steps before it captured.",
    remarks: "Write `run_when: done` on it: what was captured is then kept, whatever failed. Whether the set is \
              complete is computed from everything the step depends on. Nothing captured is class `invalid`.",
    example: "- id: list\n  uses: inventory\n- id: capture\n  for_each: \"{{ steps.list.output.items }}\"\n  uses: capture\n- id: seal\n  run_when: done\n  uses: backup_set.seal\n",
};

/// The action.
pub struct Seal {
    targets: Arc<dyn Targets>,
    repositories: Arc<Repositories>,
}

/// What the steps before the seal came to.
struct Gathered {
    units: Vec<EffectKey>,
    /// Those that units of the same items had before they were captured anew.
    superseded: Vec<EffectKey>,
    missing: Vec<Missing>,
}

impl Seal {
    /// Of these targets in this repository.
    pub fn new(targets: Arc<dyn Targets>, repositories: Arc<Repositories>) -> Self {
        Self { targets, repositories }
    }
}

#[async_trait]
impl Action for Seal {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        let (provider, target) = crate::target::open(attempt, &self.targets, input).await?;
        let other = (attempt.target().ok() != Some(&target)).then(|| target.clone());
        let target = Target {
            name: target.name,
            kind: provider.kind().to_owned(),
            identity: target.identity,
            bounds: provider.bounds(),
        };
        let from = named_steps(&input.with, "from")?;
        let allow_empty = boolean(&input.with, "allow_empty")?.unwrap_or(false);
        let unless_unchanged = boolean(&input.with, "unless_unchanged")?.unwrap_or(false);
        let (repository, permit) = (self.repositories.of(attempt), permit(attempt));
        let (at, effect) = (attempt.clone(), input.effect_key);
        attempt
            .blocking(move || {
                let records = at.records();
                let gathered = gather(&**records, from.as_deref(), other.as_ref())?;
                if gathered.units.is_empty() && !allow_empty {
                    return Err(nothing(&gathered));
                }
                let repository = repository.get()?;
                let object = object_label(&records.object());
                let previous = repository.newest(&target.name, object.as_deref())?;
                let previous = previous.filter(|set| set.run != at.facts().run);
                let is_whole = records.upstream() == Upstream::Whole && gathered.missing.is_empty();
                let request = SealRequest {
                    run: at.facts().run,
                    effect,
                    at: at.facts().started_at,
                    workflow: records.definition(),
                    written_by: env!("CARGO_PKG_VERSION").to_owned(),
                    target,
                    object,
                    units: gathered.units,
                    superseded: gathered.superseded,
                    objects: None,
                    items: Vec::new(),
                    left_out: gathered.missing,
                    completeness: if is_whole {
                        Completeness::Complete
                    } else {
                        Completeness::Partial
                    },
                    unless_same_as: previous
                        .as_ref()
                        .filter(|_| unless_unchanged)
                        .map(|set| set.id.clone()),
                };
                let SealedSet { set, origin } = repository.seal(&request, &permit)?;
                Ok(output(&set, previous.as_ref(), origin))
            })
            .await
    }

    async fn probe(&self, attempt: &Attempt, input: &Input) -> Result<Probe, Failure> {
        let (repository, at, effect) =
            (self.repositories.of(attempt), attempt.clone(), input.effect_key);
        attempt
            .blocking(move || {
                let repository = repository.get()?;
                let Some(set) = repository.probe_seal(at.facts().run, effect)? else {
                    return Ok(Probe::Absent);
                };
                // What follows the snapshot is harmless to do again: the attempt finds it and ends it.
                Ok(Probe::Partial(Value::Text(set.id.to_string())))
            })
            .await
    }
}

/// The effect keys of what was captured, and what is missing.
///
/// # Errors
/// Something was captured of another target than the set is to be of: `other`, or the run's.
fn gather(
    records: &dyn Records,
    from: Option<&[String]>,
    other: Option<&TargetReference>,
) -> Result<Gathered, Failure> {
    let mut gathered = Gathered { units: Vec::new(), superseded: Vec::new(), missing: Vec::new() };
    for step in records.earlier(from, CAPTURES)? {
        for item in records.items(&step.id) {
            let item = item?;
            gathered.superseded.extend(&item.earlier_effects);
            match item.end {
                EarlierEnd::Whole | EarlierEnd::Partial => {
                    is_of(&item.output, other)?;
                    gathered.units.push(item.effect);
                }
                EarlierEnd::Skipped => {}
                EarlierEnd::Lacking => gathered.missing.push(Missing {
                    what: item.key.unwrap_or_else(|| step.id.clone()),
                    reason: item.failure.map_or_else(
                        || "it was not tried".to_owned(),
                        |failure| failure.to_string(),
                    ),
                }),
            }
        }
    }
    for step in records.earlier(None, &["inventory"])? {
        let left_out = step.output.get("left_out").and_then(Value::as_list).unwrap_or_default();
        let is_missing =
            |one: &&Value| one.get("missing").and_then(Value::as_boolean) == Some(true);
        let text = |one: &Value, key: &str| {
            one.get(key).and_then(Value::as_text).unwrap_or_default().to_owned()
        };
        gathered.missing.extend(
            left_out
                .iter()
                .filter(is_missing)
                .map(|one| Missing { what: text(one, "what"), reason: text(one, "reason") }),
        );
    }
    Ok(gathered)
}

/// Whether what was captured is of the target that the set is to be of.
fn is_of(output: &Value, other: Option<&TargetReference>) -> Result<(), Failure> {
    let of = mark_of(output);
    if of.as_ref() == other { Ok(()) } else { Err(mixed(of.as_ref(), other)) }
}

fn mixed(of: Option<&TargetReference>, other: Option<&TargetReference>) -> Failure {
    let name = |target: Option<&TargetReference>| {
        target.map_or_else(|| "the run's target".to_owned(), |target| target.identity.clone())
    };
    let message = format!(
        "what was captured is of {}, and the set is to be of {}: write the same `target` in `with`",
        name(of),
        name(other)
    );
    Failure::without_effect(Class::Invalid, message)
}

fn nothing(gathered: &Gathered) -> Failure {
    let why = match gathered.missing.first() {
        Some(missing) => format!(": {}: {}", missing.what, missing.reason),
        None => {
            ": the target has nothing in it. Write `allow_empty: true` if that is as it should be"
                .to_owned()
        }
    };
    Failure::without_effect(Class::Invalid, format!("nothing was captured{why}"))
}

/// A set as a value in expressions.
pub(crate) fn reference(set: &BackupSet) -> Value {
    Value::from([
        ("id", Value::Text(set.id.to_string())),
        ("target", Value::from(set.target.as_str())),
    ])
}

/// How many entries a set has.
pub(crate) const fn entries(set: &BackupSet) -> u64 {
    set.counts.files + set.counts.folders + set.counts.others
}

fn output(set: &BackupSet, previous: Option<&BackupSet>, origin: Origin) -> Output {
    let is_complete = set.completeness == Completeness::Complete;
    let value = Value::from([
        ("backup_set", reference(set)),
        ("previous", previous.map_or(Value::None, reference)),
        ("unchanged", Value::Boolean(origin == Origin::Same)),
        ("complete", Value::Boolean(is_complete)),
        ("count", Value::from(entries(set))),
        ("bytes", Value::from(set.counts.bytes)),
    ]);
    if is_complete { Output::whole(value) } else { Output::partial(value) }
}
