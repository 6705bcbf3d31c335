//! `targets`: the targets of the configuration, for a fan-out over them.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::action::{Action, Input, Output};
use holdfast_contract::attempt::Attempt;
use holdfast_contract::provider::{ListedTarget, Targets};
use holdfast_contract::spec::{ActionSpec, Batch, Defaults, Env, Field, ItemUse, Shape, TargetUse};
use holdfast_kernel::definition::{EffectClass, RunWhen, Writes};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::value::Value;

use crate::input::text;

static ITEM: &[Field] = &[
    Field::required("key", Shape::String, "Its name, unique in the list."),
    Field::required("name", Shape::Target, "Its name, as the inputs of workflows take it."),
    Field::required("kind", Shape::String, "What kind of target it is."),
    Field::required("labels", Shape::Map, "What people call it by besides."),
];

static SPEC: ActionSpec = ActionSpec {
    name: "targets",
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
        Field::optional("kind", Shape::String, "Only targets of this kind."),
        Field::optional("labels", Shape::Map, "Only targets that have all of these labels."),
    ],
    outputs: &[
        Field::required("items", Shape::List(&Shape::Record(ITEM)), "The targets, by name."),
        Field::required("count", Shape::Integer, "How many there are."),
    ],
    summary: "Lists the targets of the configuration.",
    remarks: "They are sorted by name. A folder that is named by its path is none of them.",
    example: "- id: list\n  uses: targets\n  with: { kind: files, labels: { team: office } }\n- id: backup\n  for_each: { items: \"{{ steps.list.output.items }}\", max_parallel: 5 }\n  workflow: files/backup\n  with: { target: \"{{ item.name }}\" }\n",
};

/// The action.
pub struct ListTargets {
    targets: Arc<dyn Targets>,
}

impl ListTargets {
    /// Of these targets.
    pub fn new(targets: Arc<dyn Targets>) -> Self {
        Self { targets }
    }
}

#[async_trait]
impl Action for ListTargets {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    async fn run(&self, _attempt: &Attempt, input: &Input) -> Result<Output, Failure> {
        let kind = text(&input.with, "kind")?;
        let labels = match input.with.get("labels") {
            None | Some(Value::None) => Vec::new(),
            Some(Value::Map(map)) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
            Some(_) => {
                let message = "`labels` must be a map";
                return Err(Failure::without_effect(Class::Invalid, message));
            }
        };
        let fits = |target: &ListedTarget| {
            kind.as_ref().is_none_or(|kind| kind == target.kind)
                && labels.iter().all(|(key, wanted)| has_label(target, key, wanted))
        };
        let items: Vec<Value> =
            self.targets.list().into_iter().filter(fits).map(|target| item(&target)).collect();
        Ok(Output::whole(Value::from([
            ("count", Value::from(items.len() as u64)),
            ("items", Value::List(items)),
        ])))
    }
}

fn has_label(target: &ListedTarget, key: &str, wanted: &Value) -> bool {
    let Some(label) = target.labels.get(key) else { return false };
    wanted.as_text().map_or_else(|| *label == wanted.canonical(), |wanted| wanted == label)
}

fn item(target: &ListedTarget) -> Value {
    let labels =
        target.labels.iter().map(|(key, label)| (key.clone(), Value::from(label.as_str())));
    Value::from([
        ("key", Value::from(target.name.as_str())),
        ("name", Value::from(target.name.as_str())),
        ("kind", Value::from(target.kind)),
        ("labels", Value::Map(labels.collect())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_label_that_is_asked_for_must_be_there() {
        let labels = BTreeMap::from([("team".to_owned(), "office".to_owned())]);
        let target = ListedTarget { name: "a".to_owned(), kind: "files", labels };
        assert!(has_label(&target, "team", &Value::from("office")));
        assert!(!has_label(&target, "team", &Value::from("cellar")));
        assert!(!has_label(&target, "floor", &Value::from("office")));
    }
}
