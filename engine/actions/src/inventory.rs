//! `inventory`: lists what a target has.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output};
use holdfast_contract::attempt::{Attempt, Progress};
use holdfast_contract::entry::{LeftOut, shown};
use holdfast_contract::list::{ListOut, StoredList};
use holdfast_contract::provider::{Selection, Targets};
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::failure::Failure;
use holdfast_kernel::value::Value;

use crate::input::texts;
use crate::target::TARGET;

/// How much of what was left out an output lists; the log has all of it.
const LISTED: usize = 1_000;

static ITEM: &[Field] = &[
    Field::required("key", Shape::String, "Unique in the list."),
    Field::required("kind", Shape::String, "What kind of object it is."),
    Field::required("name", Shape::String, "Its name for people."),
    Field::optional("version", Shape::String, "The target's own version tag."),
    Field::required("stage", Shape::Integer, "What must come first has the lower number."),
];

static SPEC: ActionSpec = ActionSpec {
    name: "inventory",
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
        Field::optional("kinds", Shape::List(&Shape::String), "Only objects of these kinds."),
        Field::optional("names", Shape::List(&Shape::String), "Only objects with these names."),
        Field::optional("keys", Shape::List(&Shape::String), "Only objects with these keys."),
        TARGET,
    ],
    outputs: &[
        Field::required("items", Shape::List(&Shape::Record(ITEM)), "What the target has."),
        Field::required("count", Shape::Integer, "How many items there are."),
        Field::required("kinds", Shape::Map, "How many items of each kind there are."),
        Field::required("left_out", LEFT_OUT, "What is not in the list, and why."),
    ],
    summary: "Lists what a target has.",
    remarks: "Without a selection: everything. Of a file tree an item is a unit: at most 10,000 entries or \
              1 GiB. It is partial if something could not be listed; what a rule keeps out is listed too and \
              does not make it partial.",
    example: "- id: list\n  uses: inventory\n",
};

static LEFT_OUT_FIELDS: &[Field] = &[
    Field::required("what", Shape::String, "A path, a kind or a key."),
    Field::required("reason", Shape::String, "Why."),
    Field::required(
        "missing",
        Shape::Boolean,
        "Whether it belongs to the target; false for what a rule keeps out.",
    ),
];
pub(crate) const LEFT_OUT: Shape = Shape::List(&Shape::Record(LEFT_OUT_FIELDS));

/// The action.
pub struct Inventory {
    targets: Arc<dyn Targets>,
}

impl Inventory {
    /// Of these targets.
    pub fn new(targets: Arc<dyn Targets>) -> Self {
        Self { targets }
    }
}

#[async_trait]
impl Action for Inventory {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        let selection = Selection {
            kinds: texts(&input.with, "kinds")?,
            names: texts(&input.with, "names")?,
            keys: texts(&input.with, "keys")?,
        };
        let (target, reference) = crate::target::open(attempt, &self.targets, input).await?;
        attempt.progress(Progress::Message(format!("listing {}", reference.name)));
        let items = Box::new(Counted {
            list: attempt.records().list(),
            kinds: BTreeMap::new(),
            shared: Arc::default(),
        });
        let shared = Arc::clone(&items.shared);
        let (found, items) = target.inventory(attempt, &selection, items).await?;
        let count = items.count();
        let list = items.finish()?;
        let kinds = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let kinds = kinds.into_iter().map(|(kind, count)| (kind, Value::from(count)));
        let value = Value::from([
            ("items", list.as_value()),
            ("count", Value::from(u64::from(count))),
            ("kinds", Value::Map(kinds.collect())),
            ("left_out", left_out(attempt, &found.missing, &found.ruled)),
        ]);
        let is_whole = found.missing.is_empty();
        Ok(if is_whole { Output::whole(value) } else { Output::partial(value) })
    }
}

/// A list that counts the kinds of its items.
struct Counted {
    list: Box<dyn ListOut>,
    kinds: BTreeMap<String, u64>,
    shared: Arc<std::sync::Mutex<BTreeMap<String, u64>>>,
}

impl ListOut for Counted {
    fn push(&mut self, element: Value) -> Result<(), Failure> {
        let kind = element.get("kind").and_then(Value::as_text).unwrap_or_default().to_owned();
        self.list.push(element)?;
        *self.kinds.entry(kind).or_default() += 1;
        Ok(())
    }

    fn count(&self) -> u32 {
        self.list.count()
    }

    fn finish(self: Box<Self>) -> Result<StoredList, Failure> {
        *self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = self.kinds;
        self.list.finish()
    }
}

/// What was left out as a value: the first thousand, all of it in the log.
pub(crate) fn left_out(attempt: &Attempt, missing: &[LeftOut], ruled: &[LeftOut]) -> Value {
    for one in missing.iter().chain(ruled) {
        attempt.log(&format!("left out: {}: {}", shown(&one.path), one.reason));
    }
    let value = |(one, missing): (&LeftOut, bool)| {
        Value::from([
            ("what", Value::Text(shown(&one.path))),
            ("reason", Value::from(one.reason.as_str())),
            ("missing", Value::Boolean(missing)),
        ])
    };
    let missing = missing.iter().map(|one| (one, true));
    let all = missing.chain(ruled.iter().map(|one| (one, false)));
    Value::List(all.take(LISTED).map(value).collect())
}
