//! The list of a fan-out: each item with its key and stage, what `where` leaves out, and the stages.
//!
//! Items go one by one from where they come to the sink; what stays in memory is a hash of each key.

use std::collections::BTreeSet;

use holdfast_contract::evaluate::{ListSink, Listed, Scope};
use holdfast_contract::list::{ListedItem, MAX_ITEMS, StoredList};
use holdfast_kernel::failure::Failure;
use holdfast_kernel::id::{Digest, ItemIndex};
use holdfast_kernel::ranges::RangeSet;
use holdfast_kernel::value::Value;

use super::context::{Turn, View, find_step};
use super::evaluator::{Evaluator, article, at_template, expression_failure};
use super::prepared::{Prepared, Root};

/// How many items are open at once unless the step says otherwise.
const MAX_PARALLEL: u32 = 4;
/// The most bytes a key may have.
const MAX_KEY: usize = 1_024;
/// How many keys that are not unique a message lists.
const SHOWN: usize = 10;

/// The templates of a fan-out.
pub(crate) struct FanOut<'a> {
    pub items: &'a Root,
    pub key: Option<&'a Root>,
    pub filter: Option<&'a Root>,
    pub stage: Option<&'a Root>,
    pub max_parallel: Option<&'a Root>,
    pub variable: &'a str,
}

type Elements<'a> = Box<dyn Iterator<Item = Result<Value, Failure>> + 'a>;

/// Writes the items of a fan-out into the sink.
pub(crate) fn list(
    evaluator: &mut Evaluator<'_>,
    fan_out: &FanOut<'_>,
    scope: &dyn Scope,
    sink: &mut dyn ListSink,
) -> Result<Listed, Failure> {
    let view = View::of(scope);
    let max_parallel = max_parallel(evaluator, fan_out, &view)?;
    let value;
    let elements: Elements<'_> = if let Some(results) = results(fan_out.items, scope) {
        results
    } else {
        value = evaluator.root(fan_out.items, &view)?;
        elements(fan_out.items, &value, scope)?
    };
    let mut listing = Listing {
        evaluator,
        fan_out,
        scope,
        seen: BTreeSet::new(),
        doubles: Vec::new(),
        double_count: 0,
        listed: Listed { total: 0, excluded: RangeSet::new(), stages: Vec::new(), max_parallel },
        stage: None,
    };
    for element in elements {
        listing.add(element?, sink)?;
    }
    listing.finish()
}

/// The results of a step, if that is all the expression says.
fn results<'a>(items: &Root, scope: &'a dyn Scope) -> Option<Elements<'a>> {
    let Prepared::Expression(ready) = &items.template else {
        return None;
    };
    match ready.path.as_deref()? {
        [steps, id, part] if steps == "steps" && part == "results" => {
            let (index, _) = find_step(scope, id)?;
            Some(scope.results(index))
        }
        _ => None,
    }
}

fn elements<'a>(
    items: &Root,
    value: &'a Value,
    scope: &'a dyn Scope,
) -> Result<Elements<'a>, Failure> {
    if let Some(list) = StoredList::from_value(value) {
        return Ok(scope.elements(&list));
    }
    match value {
        Value::List(list) => Ok(Box::new(list.iter().cloned().map(Ok))),
        other => Err(expression_failure(at_template(
            &items.file,
            &items.template,
            &format!("`items` is {}, and must be a list", article(other)),
        ))),
    }
}

fn max_parallel(
    evaluator: &mut Evaluator<'_>,
    fan_out: &FanOut<'_>,
    view: &View<'_>,
) -> Result<u32, Failure> {
    let Some(root) = fan_out.max_parallel else {
        return Ok(MAX_PARALLEL);
    };
    let value = evaluator.root(root, view)?;
    value
        .as_integer()
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| *number >= 1)
        .ok_or_else(|| {
            expression_failure(at_template(
                &root.file,
                &root.template,
                &format!("`max_parallel` is {}, and must be a whole number from 1", shown(&value)),
            ))
        })
}

/// A list while it is being made.
struct Listing<'a, 'p> {
    evaluator: &'a mut Evaluator<'p>,
    fan_out: &'a FanOut<'a>,
    scope: &'a dyn Scope,
    /// The first half of the hash of each key: enough to tell two million keys apart.
    seen: BTreeSet<u128>,
    doubles: Vec<String>,
    double_count: u64,
    listed: Listed,
    stage: Option<i64>,
}

impl Listing<'_, '_> {
    fn add(&mut self, item: Value, sink: &mut dyn ListSink) -> Result<(), Failure> {
        let index = self.listed.total;
        if index >= MAX_ITEMS {
            return Err(self.failure(&format!("the list has more than {MAX_ITEMS} items")));
        }
        let key = self.key(&item, index)?;
        let stage = self.stage(&item, index)?;
        if self.stage.is_some_and(|before| stage < before) {
            let message = format!(
                "item `{key}` is of stage {stage}, after an item of a later stage; sort the list by stage"
            );
            return Err(self.failure(&message));
        }
        if self.stage != Some(stage) {
            self.listed.stages.push(ItemIndex(index));
            self.stage = Some(stage);
        }
        if !self.is_wanted(&item, index)? {
            self.listed.excluded.set(index..index + 1, ());
        }
        self.note_key(&key);
        self.listed.total += 1;
        if self.double_count == 0 {
            sink.push(ListedItem { key, stage, value: item })?;
        }
        Ok(())
    }

    fn note_key(&mut self, key: &str) {
        let digest = Digest::of_bytes(key.as_bytes());
        let half = digest
            .bytes()
            .iter()
            .take(16)
            .fold(0, |number, byte| (number << 8) | u128::from(*byte));
        if !self.seen.insert(half) {
            self.double_count += 1;
            if self.doubles.len() < SHOWN && !self.doubles.iter().any(|double| double == key) {
                self.doubles.push(key.to_owned());
            }
        }
    }

    fn key(&mut self, item: &Value, index: u32) -> Result<String, Failure> {
        let value = match self.fan_out.key {
            Some(root) => self.evaluate(root, item, index)?,
            None => match item {
                Value::Text(_) | Value::Integer(_) | Value::Boolean(_) => item.clone(),
                other => other.get("key").cloned().unwrap_or(Value::None),
            },
        };
        let key = match value {
            Value::Text(text) => text,
            Value::Integer(_) | Value::Boolean(_) => value.canonical(),
            other => {
                let message = if self.fan_out.key.is_none() && other == Value::None {
                    format!("item {index} has no `key`; say what its key is with `key`")
                } else {
                    format!("the key of item {index} is {}, and must be text", article(&other))
                };
                return Err(self.failure(&message));
            }
        };
        if key.is_empty() {
            return Err(self.failure(&format!("the key of item {index} is empty")));
        }
        if key.len() > MAX_KEY {
            return Err(self.failure(&format!(
                "the key of item {index} has {} bytes, more than {MAX_KEY}",
                key.len()
            )));
        }
        Ok(key)
    }

    fn stage(&mut self, item: &Value, index: u32) -> Result<i64, Failure> {
        let value = match self.fan_out.stage {
            Some(root) => self.evaluate(root, item, index)?,
            None => match item.get("stage") {
                Some(Value::None) | None => Value::Integer(0),
                Some(stage) => stage.clone(),
            },
        };
        value.as_integer().and_then(|stage| i64::try_from(stage).ok()).ok_or_else(|| {
            self.failure(&format!(
                "the stage of item {index} is {}, and must be a whole number",
                shown(&value)
            ))
        })
    }

    fn is_wanted(&mut self, item: &Value, index: u32) -> Result<bool, Failure> {
        let Some(root) = self.fan_out.filter else {
            return Ok(true);
        };
        let value = self.evaluate(root, item, index)?;
        value.as_boolean().ok_or_else(|| {
            expression_failure(at_template(
                &root.file,
                &root.template,
                &format!("for item {index} it is {}, and must be a boolean", article(&value)),
            ))
        })
    }

    fn evaluate(&mut self, root: &Root, item: &Value, index: u32) -> Result<Value, Failure> {
        let view = View {
            turn: Some(Turn {
                variable: self.fan_out.variable,
                item,
                index: ItemIndex(index),
                key: None,
            }),
            ..View::of(self.scope)
        };
        Ok(self.evaluator.root(root, &view)?)
    }

    fn failure(&self, message: &str) -> Failure {
        let items = self.fan_out.items;
        expression_failure(at_template(&items.file, &items.template, message))
    }

    fn finish(self) -> Result<Listed, Failure> {
        if self.double_count == 0 {
            return Ok(self.listed);
        }
        let more = if self.doubles.len() == SHOWN { ", …" } else { "" };
        Err(self.failure(&format!(
            "{} keys are not unique: `{}`{more}",
            self.double_count,
            self.doubles.join("`, `")
        )))
    }
}

/// A small value itself, a large one by its type.
fn shown(value: &Value) -> String {
    match value {
        Value::Boolean(_) | Value::Integer(_) | Value::Number(_) => value.canonical(),
        Value::None | Value::Text(_) | Value::List(_) | Value::Map(_) => article(value).to_owned(),
    }
}
