//! The names an expression sees, made from a run.
//!
//! Only what the expression reads is loaded. Of a long list it sees at most 10,000 elements and 1 MiB.

use std::collections::BTreeMap;

use holdfast_contract::evaluate::Scope;
use holdfast_contract::list::StoredList;
use holdfast_contract::summary::summary;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{ItemIndex, StepIndex};
use holdfast_kernel::state::{Phase, StepPhase, StepState};
use holdfast_kernel::status::{StepEnd, run_outcome};
use holdfast_kernel::value::Value;

use super::engine::{LongList, MAX_RESULT, Names, to_engine};
use super::reference::{References, StepParts};
use holdfast_contract::time::written;

/// The most elements of lists that one expression sees.
const MAX_ELEMENTS: usize = 10_000;

/// From where an expression looks at a run.
pub(crate) struct View<'a> {
    pub inputs: &'a Value,
    /// The run; none while it is being submitted.
    pub scope: Option<&'a dyn Scope>,
    /// The item of the fan-out it is in.
    pub turn: Option<Turn<'a>>,
}

/// What a plain path leads to.
pub(crate) enum Followed {
    /// This.
    Value(Value),
    /// There is nothing at its end.
    Nothing,
    /// It must be evaluated.
    NotPlain,
}

/// An item of a fan-out.
#[derive(Clone, Copy)]
pub(crate) struct Turn<'a> {
    pub variable: &'a str,
    pub item: &'a Value,
    pub index: ItemIndex,
    /// Its key, once it has one.
    pub key: Option<&'a str>,
}

impl Turn<'_> {
    /// Adds the loop variable and `loop`.
    pub(crate) fn add_to(&self, names: &mut Names) {
        names.insert(self.variable.to_owned(), to_engine(self.item));
        names.insert("loop".to_owned(), to_engine(&self.loop_value()));
    }

    fn loop_value(&self) -> Value {
        let ItemIndex(index) = self.index;
        let mut value = BTreeMap::from([("index".to_owned(), Value::from(u64::from(index)))]);
        if let Some(key) = self.key {
            value.insert("key".to_owned(), Value::from(key));
        }
        Value::Map(value)
    }
}

impl<'a> View<'a> {
    /// The view of a running run, outside of a fan-out.
    pub(crate) fn of(scope: &'a dyn Scope) -> Self {
        Self { inputs: &scope.state().request.inputs, scope: Some(scope), turn: None }
    }

    /// The names that an expression reads, without those of a fan-out's item.
    pub(crate) fn names(&self, references: &References) -> Result<Names, Failure> {
        let mut names = Names::new();
        let mut loader = Loader { scope: self.scope, elements: MAX_ELEMENTS, bytes: MAX_RESULT };
        if references.names.contains("inputs") {
            names.insert("inputs".to_owned(), to_engine(self.inputs));
        }
        if let Some(scope) = self.scope {
            if references.names.contains("run") {
                names.insert("run".to_owned(), to_engine(&run(scope)));
            }
            if references.names.contains("steps") {
                let steps = references.steps.iter();
                let steps =
                    steps.map(|(id, parts)| Ok((id.clone(), loader.step(scope, id, parts)?)));
                let steps: Names = steps.collect::<Result<_, Failure>>()?;
                names.insert("steps".to_owned(), steps.into());
            }
            if references.names.contains("secrets") {
                let secrets = references.secrets.iter();
                let secrets = secrets.map(|name| Ok((name.clone(), scope.secret(name)?.into())));
                let secrets: Names = secrets.collect::<Result<_, Failure>>()?;
                names.insert("secrets".to_owned(), secrets.into());
            }
        }
        Ok(names)
    }

    /// The value of a plain path, stored lists left as marks.
    pub(crate) fn by_reference(&self, path: &[String]) -> Result<Followed, Failure> {
        let walk = |value: &Value, rest: &[String]| {
            rest.iter()
                .try_fold(value, |value, name| value.get(name))
                .map_or(Followed::Nothing, |value| Followed::Value(value.clone()))
        };
        let Some((first, rest)) = path.split_first() else {
            return Ok(Followed::NotPlain);
        };
        if let Some(turn) = self.turn.filter(|turn| turn.variable == first) {
            return Ok(walk(turn.item, rest));
        }
        match (first.as_str(), rest, self.scope) {
            ("inputs", rest, _) => Ok(walk(self.inputs, rest)),
            ("steps", [id, part, rest @ ..], Some(scope)) if part == "output" => {
                let Some((_, state)) = find_step(scope, id) else {
                    return Ok(Followed::Nothing);
                };
                let output = load_output(scope, state)?;
                Ok(walk(&output, rest))
            }
            _ => Ok(Followed::NotPlain),
        }
    }
}

/// A step with its state.
pub(crate) fn find_step<'a>(scope: &'a dyn Scope, id: &str) -> Option<(StepIndex, &'a StepState)> {
    let (index, _) = scope.definition().step_named(id)?;
    Some((index, scope.state().step(index)?))
}

/// Whether a step has ended with an output.
pub(crate) fn has_output(state: &StepState) -> bool {
    matches!(state.phase, StepPhase::Final(StepEnd::Succeeded | StepEnd::Partial))
}

/// The output of a step; an empty map until it is succeeded or partial.
fn load_output(scope: &dyn Scope, state: &StepState) -> Result<Value, Failure> {
    match &state.output {
        Some(payload) if has_output(state) => scope.load(payload),
        _ => Ok(Value::empty_map()),
    }
}

/// Turns values into the engine's, up to what one expression may see.
struct Loader<'a> {
    scope: Option<&'a dyn Scope>,
    elements: usize,
    bytes: usize,
}

impl Loader<'_> {
    fn step(
        &mut self,
        scope: &dyn Scope,
        id: &str,
        parts: &StepParts,
    ) -> Result<minijinja::Value, Failure> {
        let Some((index, state)) = find_step(scope, id) else {
            let message = format!("there is no step `{id}` in the definition");
            return Err(Failure::without_effect(Class::Internal, message));
        };
        let mut names = Names::new();
        if parts.reads("status") {
            names.insert("status".to_owned(), status(state).into());
        }
        if parts.reads("error") {
            names.insert("error".to_owned(), to_engine(&error(state)));
        }
        let fan_out = scope.definition().step(index).is_some_and(|step| step.for_each.is_some());
        if parts.reads("counts") && fan_out {
            names.insert("counts".to_owned(), to_engine(&counts(state)));
        }
        if parts.reads("results") && fan_out {
            let total = state.items.total as usize;
            let results = self.list(scope.results(index), total)?;
            names.insert("results".to_owned(), results);
        }
        if parts.reads("output") {
            let output = load_output(scope, state)?;
            let fields = output.as_map().into_iter().flatten();
            let fields = fields
                .filter(|(key, _)| parts.reads_field(key))
                .map(|(key, value)| Ok((key.clone(), self.value(value)?)));
            let fields: Names = fields.collect::<Result<_, Failure>>()?;
            names.insert("output".to_owned(), fields.into());
        }
        Ok(names.into())
    }

    /// A value in which stored lists are looked up.
    fn value(&mut self, value: &Value) -> Result<minijinja::Value, Failure> {
        if let (Some(list), Some(scope)) = (StoredList::from_value(value), self.scope) {
            return self.list(scope.elements(&list), list.count as usize);
        }
        match value {
            Value::List(list) => self.list(list.iter().cloned().map(Ok), list.len()),
            Value::Map(map) => {
                let mut names = Names::new();
                for (key, value) in map {
                    names.insert(key.clone(), self.value(value)?);
                }
                Ok(names.into())
            }
            Value::None
            | Value::Boolean(_)
            | Value::Integer(_)
            | Value::Number(_)
            | Value::Text(_) => Ok(to_engine(value)),
        }
    }

    fn list(
        &mut self,
        elements: impl Iterator<Item = Result<Value, Failure>>,
        total: usize,
    ) -> Result<minijinja::Value, Failure> {
        let mut seen = Vec::new();
        for element in elements.take(total) {
            let element = element?;
            let size = size(&element);
            if self.elements == 0 || self.bytes < size {
                break;
            }
            self.elements -= 1;
            self.bytes -= size;
            // What an element holds counts as part of it.
            seen.push(to_engine(&element));
        }
        if seen.len() == total {
            return Ok(seen.into());
        }
        Ok(minijinja::Value::from_object(LongList { seen, total }))
    }
}

fn size(value: &Value) -> usize {
    8 + match value {
        Value::None | Value::Boolean(_) | Value::Integer(_) | Value::Number(_) => 0,
        Value::Text(text) => text.len(),
        Value::List(list) => list.iter().map(size).sum(),
        Value::Map(map) => map.iter().map(|(key, value)| key.len() + size(value)).sum(),
    }
}

fn status(state: &StepState) -> &'static str {
    let mut open = state.items.open.values();
    let waits = !state.items.open.is_empty() && open.all(|open| open.stage.is_idle());
    match state.phase {
        StepPhase::Running if waits => "waiting",
        StepPhase::Pending => "pending",
        StepPhase::Gating | StepPhase::Listing | StepPhase::Running | StepPhase::Halting => {
            "running"
        }
        StepPhase::Final(end) => end.word(),
    }
}

fn error(state: &StepState) -> Value {
    state.failure.as_ref().map_or(Value::None, |failure| {
        Value::from([
            ("class", Value::from(failure.class.word())),
            ("message", Value::from(failure.message.as_str())),
        ])
    })
}

fn counts(state: &StepState) -> Value {
    let counts = &state.items.counts;
    let number = |number: u32| Value::from(u64::from(number));
    Value::from([
        ("total", number(counts.total)),
        ("succeeded", number(counts.succeeded)),
        ("partial", number(counts.partial)),
        ("failed", number(counts.failed)),
        ("skipped", number(counts.skipped)),
        ("unknown", number(counts.unknown)),
        ("untried", number(counts.untried)),
    ])
}

fn run(scope: &dyn Scope) -> Value {
    let (definition, state) = (scope.definition(), scope.state());
    let request = &state.request;
    let object = request.object.iter().map(|part| Value::from(part.as_str()));
    let mut value = Value::from([
        ("id", Value::Text(request.run.to_string())),
        ("url", Value::Text(scope.run_url())),
        ("workflow", Value::from(definition.name.as_str())),
        ("operation", Value::from(definition.operation.word())),
        (
            "target",
            request.target.as_ref().map_or(Value::None, |target| Value::from(target.name.as_str())),
        ),
        ("object", Value::List(object.collect())),
        ("initiator", Value::Text(request.initiator.name().into_owned())),
        ("started_at", state.started_at.map_or(Value::None, |at| Value::Text(written(at)))),
    ]);
    if let (Phase::Finally(_) | Phase::StoppingFinally { .. }, Value::Map(map)) =
        (&state.phase, &mut value)
    {
        let outcome = run_outcome(definition, state);
        let reason = outcome.reason().map_or(Value::None, |reason| Value::from(reason.word()));
        map.insert("status".to_owned(), Value::from(outcome.status().word()));
        map.insert("reason".to_owned(), reason);
        map.insert("summary".to_owned(), Value::Text(summary(definition, state)));
    }
    value
}
