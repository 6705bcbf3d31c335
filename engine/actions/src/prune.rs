//! `backup_set.prune`: takes away the sets that no rule keeps, with what only they refer to.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output};
use holdfast_contract::attempt::Attempt;
use holdfast_contract::duration;
use holdfast_contract::records::Records;
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{Instant, Millis};
use holdfast_kernel::value::Value;
use holdfast_repository::backup_set::BackupSet;
use holdfast_repository::prune::{KeepRules, PruneRequest, Pruning, Verdict, newest_complete};

use crate::input::{boolean, text};
use crate::repositories::{Repositories, permit};

static SPEC: ActionSpec = ActionSpec {
    name: "backup_set.prune",
    version: 1,
    effect: EffectClass::Idempotent,
    writes: Writes::Repository,
    target: TargetUse::None,
    batch: Batch::Refused,
    defaults: Defaults::DoNotReach,
    run_when: RunWhen::Clean,
    env: Env::Refused,
    item: ItemUse::None,
    inputs: &[
        Field::optional(
            "keep",
            Shape::Map,
            "The rules `last`, `hourly`, `daily`, `weekly`, `monthly`, `yearly`, `within`; those of the \
             configuration unless given.",
        ),
        Field::optional(
            "verified_within",
            Shape::Duration,
            "Nothing of a target and object goes unless its newest complete set was verified clean in that time.",
        ),
        Field::optional("dry_run", Shape::Boolean, "Only say what would go."),
    ],
    outputs: &[
        Field::required("removed", Shape::Integer, "How many sets went, or would go."),
        Field::required("kept", Shape::Integer, "How many stay."),
        Field::required(
            "freed_bytes",
            Shape::Integer,
            "The bytes that nothing refers to any more; they are deleted by a prune a day later.",
        ),
        Field::required(
            "sets",
            Shape::List(&Shape::Record(&[
                Field::required("backup_set", Shape::BackupSet, "The set."),
                Field::required("action", Shape::String, "`keep` or `remove`."),
                Field::required("reason", Shape::String, "Why."),
            ])),
            "Every set of the repository, with what becomes of it and why.",
        ),
        Field::required("text", Shape::Text, "The same, a line for each set."),
    ],
    summary: "Takes away the backup sets that no rule keeps, with what only they refer to.",
    remarks: "Rules count complete sets, of each target and object by itself. The newest complete set stays in any \
              case, and so does a set that a run, a plan or an item in doubt refers to. A partial set goes once a \
              complete one is newer.",
    example: "- id: prune\n  uses: backup_set.prune\n  with: { keep: { last: 7, daily: 14 }, dry_run: true }\n",
};

/// The action.
pub struct Prune {
    repositories: Arc<Repositories>,
    keep: Option<KeepRules>,
}

impl Prune {
    /// Of sets in this repository, by these rules where a step gives none.
    pub fn new(repositories: Arc<Repositories>, keep: Option<KeepRules>) -> Self {
        Self { repositories, keep }
    }

    fn rules(&self, input: &Input) -> Result<KeepRules, Failure> {
        let invalid = |message: String| Failure::without_effect(Class::Invalid, message);
        match input.with.get("keep").filter(|keep| **keep != Value::None) {
            Some(keep) => rules(keep).map_err(invalid),
            None => self.keep.ok_or_else(|| {
                invalid(
                    "there are no rules: write `keep` in `with`, or `retention` in the configuration"
                        .to_owned(),
                )
            }),
        }
    }
}

#[async_trait]
impl Action for Prune {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        let keep = self.rules(input)?;
        let within = text(&input.with, "verified_within")?;
        let within = within.map(|text| duration::parse(&text)).transpose().map_err(|error| {
            Failure::without_effect(Class::Invalid, format!("`verified_within`: {error}"))
        })?;
        let dry_run = boolean(&input.with, "dry_run")?.unwrap_or(false);
        let (repository, permit) = (self.repositories.of(attempt), permit(attempt));
        let (at, now) = (attempt.clone(), attempt.facts().started_at);
        attempt
            .blocking(move || {
                let repository = repository.get()?;
                let records = at.records();
                let request = |sets: &[BackupSet]| request(sets, &**records, keep, (within, now));
                let pruning = if dry_run {
                    repository.plan_prune(request, now)?
                } else {
                    repository.prune(request, now, &permit)?
                };
                for verdict in &pruning.sets {
                    at.log(&line(verdict));
                }
                Ok(output(&pruning))
            })
            .await
    }
}

fn rules(keep: &Value) -> Result<KeepRules, String> {
    let Some(map) = keep.as_map().filter(|map| !map.is_empty()) else {
        return Err("`keep` is a map with at least one rule".to_owned());
    };
    let mut rules = KeepRules::default();
    for (rule, value) in map {
        let count = || {
            let count = value.as_integer().and_then(|count| u32::try_from(count).ok());
            count.filter(|count| *count > 0).ok_or(format!("`{rule}` of `keep` is a whole number"))
        };
        match rule.as_str() {
            "last" => rules.last = Some(count()?),
            "hourly" => rules.hourly = Some(count()?),
            "daily" => rules.daily = Some(count()?),
            "weekly" => rules.weekly = Some(count()?),
            "monthly" => rules.monthly = Some(count()?),
            "yearly" => rules.yearly = Some(count()?),
            "within" => {
                let text = value.as_text().unwrap_or_default();
                let length = duration::parse(text).map_err(|error| format!("`within`: {error}"))?;
                rules.within = Some(length);
            }
            other => return Err(format!("`{other}` is no rule of `keep`")),
        }
    }
    Ok(rules)
}

/// What must stay whatever the rules say.
fn request(
    sets: &[BackupSet],
    records: &dyn Records,
    keep: KeepRules,
    (within, now): (Option<Millis>, Instant),
) -> Result<PruneRequest, Failure> {
    let references = records.references(now)?;
    let mut request = PruneRequest { keep, active: references.active, ..PruneRequest::default() };
    for (id, why) in references.sets {
        // What is no set of this repository needs no protection here.
        if let Ok(id) = id.parse() {
            request.referenced.insert(id, why);
        }
    }
    let Some(within) = within else { return Ok(request) };
    for (group, id) in newest_complete(sets) {
        let verified = records.verifications(&id.to_string())?;
        let clean = verified.iter().any(|one| one.damaged == 0 && now.since(one.at) <= within);
        if !clean {
            let length = duration::format(within);
            let why = format!("{id}, the newest one, was not verified clean within {length}");
            request.unverified.insert(group, why);
        }
    }
    Ok(request)
}

fn line(verdict: &Verdict) -> String {
    let set = &verdict.set;
    let word = if verdict.stays { "keep" } else { "remove" };
    let object = set.object.as_ref().map(|object| format!(" ({object})")).unwrap_or_default();
    format!(
        "{word:<6}  {}  {}  {}{object}: {}",
        set.id,
        set.completeness.word(),
        set.target,
        verdict.reason
    )
}

fn output(pruning: &Pruning) -> Output {
    let kept = pruning.sets.iter().filter(|verdict| verdict.stays).count() as u64;
    let sets = pruning.sets.iter().map(|verdict| {
        let set = &verdict.set;
        let word = if verdict.stays { "keep" } else { "remove" };
        Value::from([
            ("backup_set", crate::seal::reference(set)),
            ("action", Value::from(word)),
            ("reason", Value::from(verdict.reason.as_str())),
        ])
    });
    let lines: Vec<String> = pruning.sets.iter().map(line).collect();
    Output::whole(Value::from([
        ("removed", Value::from(pruning.sets.len() as u64 - kept)),
        ("kept", Value::from(kept)),
        ("freed_bytes", Value::from(pruning.freed_bytes)),
        ("sets", Value::List(sets.collect())),
        ("text", Value::Text(lines.join("\n"))),
    ]))
}
