//! A definition whose expressions were read: what the executor asks for values.
//!
//! It evaluates and does nothing else. Masking of secrets is the executor's. Stored expressions keep the
//! file, line and column they come from, so every failure names them.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_contract::evaluate::{Evaluate, ListSink, Listed, Scope};
use holdfast_contract::spec::{Presence, Shape};
use holdfast_kernel::definition::{Definition, Step, Work};
use holdfast_kernel::event::{ApprovalAsk, Question};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{ExpressionId, ItemIndex, Millis, StepIndex};
use holdfast_kernel::value::Value;
use minijinja::Environment;
use thiserror::Error;

use crate::action::{APPROVAL, Actions};
use crate::check::is_item;
use crate::evaluate::context::{Turn, View, find_step, has_output};
use crate::evaluate::engine;
use crate::evaluate::evaluator::{
    Evaluator, Raised, article, at_template, expression_failure, internal,
};
use crate::evaluate::items::{self, FanOut};
use crate::evaluate::prepared::{Prepared, Root};
use crate::fit::{self, Origin};
use holdfast_contract::duration;

/// A definition, ready to be evaluated.
#[derive(Debug)]
pub struct Program {
    definition: Arc<Definition>,
    roots: Vec<Root>,
    environment: Environment<'static>,
    actions: Actions,
}

/// A stored definition that cannot be evaluated; a fragment that fits after "cannot …:".
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CompileError {
    /// An expression cannot be read back: it is damaged, or of a later version.
    #[error("expression {0} of the definition cannot be read")]
    Unreadable(usize),
}

impl Program {
    /// Reads the expressions of a definition. What an action takes is looked up in `actions`.
    ///
    /// # Errors
    /// The definition is damaged.
    pub fn compile(definition: Arc<Definition>, actions: &Actions) -> Result<Self, CompileError> {
        let roots = definition
            .expressions
            .iter()
            .enumerate()
            .map(|(place, stored)| Root::of(stored).ok_or(CompileError::Unreadable(place)))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { definition, roots, environment: engine::environment(), actions: actions.clone() })
    }

    /// The definition.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The value of the workflow's `target` before there is a run.
    pub(crate) fn target(&self, inputs: &Value) -> Result<Value, Failure> {
        Ok(self.at_submit(self.definition.target, inputs)?.unwrap_or(Value::None))
    }

    /// The value of the workflow's `object` before there is a run.
    pub(crate) fn object(&self, inputs: &Value) -> Result<Value, Failure> {
        Ok(self.at_submit(self.definition.object, inputs)?.unwrap_or(Value::None))
    }

    /// The value of the workflow's `dedupe.key` before there is a run; none if it has none.
    pub(crate) fn dedupe_key(&self, inputs: &Value) -> Result<Option<Value>, Failure> {
        self.at_submit(self.definition.dedupe_key, inputs)
    }

    /// The value of the workflow's `concurrency.group` before there is a run, if it has one.
    pub(crate) fn group(&self, inputs: &Value) -> Result<Option<Value>, Failure> {
        let group = self.definition.concurrency.as_ref().map(|concurrency| concurrency.group);
        self.at_submit(group, inputs)
    }

    fn at_submit(
        &self,
        id: Option<ExpressionId>,
        inputs: &Value,
    ) -> Result<Option<Value>, Failure> {
        let Some(id) = id else {
            return Ok(None);
        };
        let view = View { inputs, scope: None, turn: None };
        Ok(Some(self.evaluator().root(self.root(id)?, &view)?))
    }

    fn evaluator(&self) -> Evaluator<'_> {
        Evaluator::new(&self.environment)
    }

    fn root(&self, ExpressionId(id): ExpressionId) -> Result<&Root, Failure> {
        self.roots
            .get(id as usize)
            .ok_or_else(|| internal("an expression of the definition is missing"))
    }

    fn maybe(&self, id: Option<ExpressionId>) -> Result<Option<&Root>, Failure> {
        id.map(|id| self.root(id)).transpose()
    }

    fn step(&self, index: StepIndex) -> Result<&Step, Failure> {
        self.definition.step(index).ok_or_else(|| internal("a step of the definition is missing"))
    }

    /// Calls `look` with the view of one item of a step.
    fn at_item<T>(
        &self,
        scope: &dyn Scope,
        (step, item): (StepIndex, ItemIndex),
        look: impl FnOnce(&View<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Some(fan_out) = &self.step(step)?.for_each else {
            return look(&View::of(scope));
        };
        let listed = scope.item(step, item)?;
        look(&View {
            turn: Some(Turn {
                variable: &fan_out.variable,
                item: &listed.value,
                index: item,
                key: Some(&listed.key),
            }),
            ..View::of(scope)
        })
    }

    /// The map of `with`, judged by what the action takes.
    fn fit(&self, step: &Step, root: &Root, values: Value) -> Result<Value, Failure> {
        let spec = match &step.work {
            Work::Action(action) => {
                let spec = self.actions.spec(&action.action);
                spec.filter(|spec| action.version == spec.version)
            }
            Work::Approval { .. } => self.actions.spec(APPROVAL),
            Work::Pause { .. } | Work::Child(_) => None,
        };
        let (Some(spec), Value::Map(map)) = (spec, values) else {
            return Err(internal("the action of a step is not there in its version"));
        };
        let mut fitted = BTreeMap::new();
        for (key, value) in map {
            let refused = |reason: &str| {
                let message = format!("`{key}` of `{}`: {reason}", spec.name);
                let part = part_of(&root.template, &key);
                Failure::without_effect(Class::Invalid, at_template(&root.file, part, &message))
            };
            if is_item(spec, &key) {
                fitted.insert(key, value);
                continue;
            }
            let Some(field) = spec.input(&key) else {
                return Err(refused("the action does not take it"));
            };
            // What may be left out and is none is left out.
            let is_none = value == Value::None && !matches!(field.shape, Shape::Any | Shape::Item);
            if is_none && field.presence == Presence::Optional {
                continue;
            }
            let value = fit::accept(value, &field.shape, Origin::Expression)
                .map_err(|misfit| refused(&misfit.to_string()))?;
            fitted.insert(key, value);
        }
        Ok(Value::Map(fitted))
    }
}

/// The most bytes of a question that a person is asked.
const QUESTION: usize = 4_096;

/// What `with` of an approval asks.
fn asked(with: &Value) -> ApprovalAsk {
    let plan = with.get("plan").and_then(|plan| plan.get("id").unwrap_or(plan).as_text());
    let target = with.get("plan").and_then(|plan| plan.get("target")?.as_text());
    let by = with.get("by").and_then(Value::as_list).unwrap_or_default();
    let by: Vec<String> = by.iter().filter_map(Value::as_text).map(str::to_owned).collect();
    let text = with.get("text").and_then(Value::as_text).unwrap_or_default();
    ApprovalAsk {
        plan: plan.map(str::to_owned),
        target: target.map(str::to_owned),
        text: text
            .chars()
            .scan(0, |bytes, c| {
                *bytes += c.len_utf8();
                (*bytes <= QUESTION).then_some(c)
            })
            .collect(),
        by: if by.is_empty() { vec!["approver".to_owned()] } else { by },
        allow_self: with.get("allow_self").and_then(Value::as_boolean).unwrap_or(false),
    }
}

/// The part of a map's template under a key, for the place of a message.
fn part_of<'t>(template: &'t Prepared, key: &str) -> &'t Prepared {
    match template {
        Prepared::Map(map) => map.get(key).unwrap_or(template),
        Prepared::Value(_) | Prepared::Expression(_) | Prepared::Text(_) | Prepared::List(_) => {
            template
        }
    }
}

impl Evaluate for Program {
    fn reads_results(&self, question: Question) -> bool {
        let step = |index: StepIndex| self.definition.step(index);
        let asked = match question {
            Question::Gate(index) => vec![step(index).and_then(|step| step.condition)],
            Question::Items(index) => step(index)
                .and_then(|step| step.for_each.as_ref())
                .map(|of| vec![Some(of.items), of.key, of.filter, of.stage, of.max_parallel])
                .unwrap_or_default(),
            Question::Pause(index, _) => match step(index).map(|step| &step.work) {
                Some(Work::Pause { duration }) => vec![Some(*duration)],
                _ => Vec::new(),
            },
            Question::Approval(index, _) => match step(index).map(|step| &step.work) {
                Some(Work::Approval { with }) => vec![*with],
                _ => Vec::new(),
            },
            Question::Outputs => vec![self.definition.outputs],
        };
        let roots = asked.into_iter().flatten().filter_map(|id| self.root(id).ok());
        roots
            .flat_map(|root| root.template.expressions())
            .any(|ready| ready.references.steps.values().any(|parts| parts.reads("results")))
    }

    fn gate(&self, scope: &dyn Scope, step: StepIndex) -> Result<bool, Failure> {
        let Some(root) = self.maybe(self.step(step)?.condition)? else {
            return Ok(true);
        };
        let value = self.evaluator().root(root, &View::of(scope))?;
        value.as_boolean().ok_or_else(|| {
            let message = format!("it is {}, and `if` must be a boolean", article(&value));
            expression_failure(at_template(&root.file, &root.template, &message))
        })
    }

    fn items(
        &self,
        scope: &dyn Scope,
        step: StepIndex,
        sink: &mut dyn ListSink,
    ) -> Result<Listed, Failure> {
        let Some(for_each) = &self.step(step)?.for_each else {
            return Err(internal("the items of a step without a fan-out were asked for"));
        };
        let fan_out = FanOut {
            items: self.root(for_each.items)?,
            key: self.maybe(for_each.key)?,
            filter: self.maybe(for_each.filter)?,
            stage: self.maybe(for_each.stage)?,
            max_parallel: self.maybe(for_each.max_parallel)?,
            variable: &for_each.variable,
        };
        items::list(&mut self.evaluator(), &fan_out, scope, sink)
    }

    fn pause(
        &self,
        scope: &dyn Scope,
        step: StepIndex,
        item: ItemIndex,
    ) -> Result<Millis, Failure> {
        let Work::Pause { duration } = &self.step(step)?.work else {
            return Err(internal("the pause of a step that is no pause was asked for"));
        };
        let root = self.root(*duration)?;
        self.at_item(scope, (step, item), |view| {
            let value = self.evaluator().root(root, view)?;
            let reason = match value.as_text().map(duration::parse) {
                Some(Ok(length)) => return Ok(length),
                Some(Err(reason)) => reason.to_string(),
                None => format!("it is {}, and must be a duration", article(&value)),
            };
            let message = at_template(&root.file, &root.template, &reason);
            Err(Failure::without_effect(Class::Invalid, message))
        })
    }

    fn approval(
        &self,
        scope: &dyn Scope,
        step: StepIndex,
        item: ItemIndex,
    ) -> Result<ApprovalAsk, Failure> {
        let definition = self.step(step)?;
        let Work::Approval { with } = &definition.work else {
            return Err(internal("what an approval asks was asked of another step"));
        };
        let values = match self.maybe(*with)? {
            None => Value::empty_map(),
            Some(root) => self.at_item(scope, (step, item), |view| {
                let values = self.evaluator().root(root, view)?;
                self.fit(definition, root, values)
            })?,
        };
        Ok(asked(&values))
    }

    fn outputs(&self, scope: &dyn Scope) -> Result<Value, Failure> {
        let Some(root) = self.maybe(self.definition.outputs)? else {
            return Ok(Value::empty_map());
        };
        let Prepared::Map(map) = &root.template else {
            return Ok(self.evaluator().root(root, &View::of(scope))?);
        };
        let (mut evaluator, view) = (self.evaluator(), View::of(scope));
        let mut outputs = BTreeMap::new();
        for (name, prepared) in map {
            let value = match evaluator.value(&root.file, prepared, &view) {
                Ok(value) => value,
                // What was not reached is none; a misspelled field of what was reached is a failure.
                Err(Raised::Undefined(_)) if !is_reached(prepared, scope) => Value::None,
                Err(raised) => return Err(raised.into()),
            };
            outputs.insert(name.clone(), value);
        }
        Ok(Value::Map(outputs))
    }

    fn with(&self, scope: &dyn Scope, step: StepIndex, item: ItemIndex) -> Result<Value, Failure> {
        let definition = self.step(step)?;
        let with = match &definition.work {
            Work::Action(action) => action.with,
            Work::Child(child) => child.with,
            Work::Pause { .. } | Work::Approval { .. } => None,
        };
        let Some(root) = self.maybe(with)? else {
            return Ok(Value::empty_map());
        };
        self.at_item(scope, (step, item), |view| {
            let values = self.evaluator().root(root, view)?;
            // What a child takes is judged by its own declarations.
            if matches!(definition.work, Work::Child(_)) {
                return Ok(values);
            }
            self.fit(definition, root, values)
        })
    }

    fn env(
        &self,
        scope: &dyn Scope,
        step: StepIndex,
        item: ItemIndex,
    ) -> Result<Vec<(String, String)>, Failure> {
        let definition = self.step(step)?;
        let Some(root) = self.maybe(definition.action().and_then(|action| action.env))? else {
            return Ok(Vec::new());
        };
        let values =
            self.at_item(scope, (step, item), |view| Ok(self.evaluator().root(root, view)?))?;
        let mut variables = Vec::new();
        for (name, value) in values.as_map().into_iter().flatten() {
            match value {
                // A variable that is none is not set.
                Value::None => {}
                Value::Text(text) => variables.push((name.clone(), text.clone())),
                Value::Boolean(_) | Value::Integer(_) | Value::Number(_) => {
                    variables.push((name.clone(), value.canonical()));
                }
                Value::List(_) | Value::Map(_) => {
                    let message = format!("`{name}` is {}, and must be text", article(value));
                    let part = part_of(&root.template, name);
                    return Err(expression_failure(at_template(&root.file, part, &message)));
                }
            }
        }
        Ok(variables)
    }
}

/// Whether every step that a template reads has ended with an output.
fn is_reached(prepared: &Prepared, scope: &dyn Scope) -> bool {
    prepared
        .expressions()
        .iter()
        .flat_map(|ready| ready.references.steps.keys())
        .all(|id| find_step(scope, id).is_some_and(|(_, state)| has_output(state)))
}
