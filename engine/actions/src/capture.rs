//! `capture`: keeps one item of an inventory in the repository.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output};
use holdfast_contract::attempt::{Attempt, Progress};
use holdfast_contract::entry::{EntrySource, Found};
use holdfast_contract::provider::{Captured, Targets};
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::value::Value;
use holdfast_repository::unit::{FILES, UnitRequest, UnitSummary};

use crate::inventory::{LEFT_OUT, left_out};
use crate::repositories::{Repositories, object_label, permit};
use crate::target::TARGET;

/// After how many entries an attempt tells how far it is.
const TOLD_AT_ONCE: u64 = 200;

static SPEC: ActionSpec = ActionSpec {
    name: "capture",
    version: 1,
    effect: EffectClass::Idempotent,
    writes: Writes::Repository,
    target: TargetUse::Run,
    batch: Batch::Allowed,
    defaults: Defaults::Reach,
    run_when: RunWhen::Ok,
    env: Env::Refused,
    item: ItemUse::Taken,
    inputs: &[
        Field::optional("item", Shape::Item, "What is captured; in a fan-out the loop variable."),
        TARGET,
    ],
    outputs: &[
        Field::required("key", Shape::String, "The item's key."),
        Field::required("bytes", Shape::Integer, "How many bytes of content it has."),
        Field::required(
            "sha256",
            Shape::OrNone(&Shape::String),
            "The SHA-256 of an object's body; none for a part of a tree.",
        ),
        Field::required("left_out", LEFT_OUT, "What of it is not kept, and why."),
    ],
    summary: "Keeps one item of an inventory in the repository.",
    remarks: "What was captured belongs to no backup set until a `backup_set.seal` behind it takes it in. \
              What cannot be read makes the item partial and is listed with its path. Captured again after a \
              crash, it is found and not read again.",
    example: "- id: list\n  uses: inventory\n- id: capture\n  for_each: \"{{ steps.list.output.items }}\"\n  uses: capture\n- id: seal\n  run_when: done\n  uses: backup_set.seal\n",
};

/// The action.
pub struct Capture {
    targets: Arc<dyn Targets>,
    repositories: Arc<Repositories>,
}

impl Capture {
    /// From these targets into this repository.
    pub fn new(targets: Arc<dyn Targets>, repositories: Arc<Repositories>) -> Self {
        Self { targets, repositories }
    }

    async fn tree(
        &self,
        attempt: &Attempt,
        input: &Input,
        (source, bounds, target): (Arc<dyn EntrySource>, String, String),
    ) -> Result<UnitSummary, Failure> {
        let (repository, permit) = (self.repositories.of(attempt), permit(attempt));
        let (run, at) = (attempt.facts().run, attempt.facts().started_at);
        let effect = input.effect_key;
        let object = object_label(&attempt.records().object());
        let (number, teller) = (input.number, attempt.clone());
        attempt
            .blocking(move || {
                if number > 1
                    && let Err(failure) = repository.reclaim(run, at, &permit)
                {
                    // It only saves space: what it would have found is stored once more.
                    teller.log(&format!("what a dead process left is not used again: {failure}"));
                }
                let repository = repository.get()?;
                let previous = repository.newest(&target, object.as_deref())?;
                let previous = previous.map(|set| set.id);
                let area = FILES;
                let request = UnitRequest { run, effect, at, area, source, bounds, previous };
                Ok(repository.capture_unit(&request, &permit)?)
            })
            .await
    }
}

/// A source that tells how many of its entries were taken.
struct Counted {
    source: Arc<dyn EntrySource>,
    attempt: Attempt,
}

impl EntrySource for Counted {
    fn entries(&self) -> Box<dyn Iterator<Item = Found> + Send> {
        let attempt = self.attempt.clone();
        let mut taken = 0;
        Box::new(self.source.entries().inspect(move |_| {
            taken += 1;
            if taken == TOLD_AT_ONCE {
                attempt.progress(Progress::Advance(taken));
                taken = 0;
            }
        }))
    }

    fn again(&self, path: &[u8]) -> Found {
        self.source.again(path)
    }
}

#[async_trait]
impl Action for Capture {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        let item = input.with.get("item").ok_or_else(|| {
            Failure::without_effect(Class::Invalid, "there is no item to capture")
        })?;
        let key = item.get("key").and_then(Value::as_text).unwrap_or_default().to_owned();
        let (target, reference) = crate::target::open(attempt, &self.targets, input).await?;
        let Captured::Tree(source) = target.capture(attempt, item).await?;
        let entries = item.get("entries").and_then(Value::as_integer).unwrap_or(0);
        attempt.progress(Progress::Total(u64::try_from(entries).unwrap_or(0)));
        let source = Arc::new(Counted { source, attempt: attempt.clone() });
        let name = reference.name.clone();
        let unit = self.tree(attempt, input, (source, target.bounds(), name)).await?;
        let value = Value::from([
            ("key", Value::Text(key)),
            ("bytes", Value::from(unit.counts.bytes)),
            ("sha256", Value::None),
            ("left_out", left_out(attempt, &unit.left_out, &[])),
        ]);
        let value = crate::target::marked(value, attempt, &reference);
        let is_whole = unit.left_out.is_empty();
        Ok(if is_whole { Output::whole(value) } else { Output::partial(value) })
    }
}
