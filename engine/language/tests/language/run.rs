//! A run in memory, for expressions to look at.

use std::sync::Arc;

use holdfast_contract::evaluate::{ListSink, Scope};
use holdfast_contract::list::{ListedItem, StoredList};
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{Initiator, KeyKind, Request, TargetReference};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::fold::begin;
use holdfast_kernel::id::{DedupeKey, Digest, Instant, ItemIndex, RunId, StepIndex};
use holdfast_kernel::payload::{Payload, Reference};
use holdfast_kernel::state::{Items, Phase, RunState, StepPhase};
use holdfast_kernel::status::StepEnd;
use holdfast_kernel::value::Value;
use holdfast_language::{Program, Source, check};

use crate::specs::actions;

/// A run whose stored lists are `{key: "k0"}`, `{key: "k1"}`, …
pub(crate) struct Run {
    pub definition: Arc<Definition>,
    pub state: RunState,
    pub item: Option<ListedItem>,
    pub results: u32,
    /// The bytes of each of them, besides.
    pub width: usize,
}

/// What a sink was given.
#[derive(Default)]
pub(crate) struct Sink(pub Vec<ListedItem>);

impl ListSink for Sink {
    fn push(&mut self, item: ListedItem) -> Result<(), Failure> {
        self.0.push(item);
        Ok(())
    }
}

/// Counts what it is given, and keeps nothing.
#[derive(Default)]
pub(crate) struct Count(pub u32);

impl ListSink for Count {
    fn push(&mut self, _item: ListedItem) -> Result<(), Failure> {
        self.0 += 1;
        Ok(())
    }
}

impl Run {
    /// A run of a workflow, and its program.
    pub(crate) fn of(text: &str, inputs: Value) -> (Self, Program) {
        let checked = match check(&Source::new("example.yaml", text), &actions()) {
            Ok(checked) => checked,
            Err(found) => panic!("{found:#?}"),
        };
        let definition = Arc::new(checked.definition);
        let program = Program::compile(Arc::clone(&definition), &actions()).unwrap();
        let request = Request {
            run: RunId::from_bytes([1; 16]),
            definition: Digest::of_bytes(b""),
            target: Some(TargetReference {
                name: "contoso".to_owned(),
                identity: "tenant".to_owned(),
            }),
            object: vec!["a".to_owned(), "b".to_owned()],
            inputs,
            dedupe_key: DedupeKey(Digest::of_bytes(b"")),
            key_kind: KeyKind::Inputs,
            group: None,
            initiator: Initiator::User("ada".to_owned()),
            rerun_of: None,
        };
        let mut state = begin(&definition, &request, Instant(0));
        (state.phase, state.started_at) = (Phase::Running, Some(Instant(0)));
        let run = Self { definition, state, item: None, results: 0, width: 0 };
        (run, program)
    }

    /// Ends a step.
    pub(crate) fn end(&mut self, id: &str, end: StepEnd, output: Value) {
        let (index, _) = self.definition.step_named(id).unwrap();
        let step = &mut self.state.steps[index.place()];
        step.phase = StepPhase::Final(end);
        step.output = Some(Payload::Inline(output));
        if end == StepEnd::Failed {
            step.failure = Some(Failure::without_effect(Class::Auth, "the door is locked"));
        }
    }

    /// Makes the results of a fan-out so long.
    pub(crate) fn set_results(&mut self, id: &str, total: u32) {
        let (index, _) = self.definition.step_named(id).unwrap();
        self.results = total;
        self.state.steps[index.place()].items = Items { total, ..Items::default() };
    }

    pub(crate) fn index(&self, id: &str) -> StepIndex {
        self.definition.step_named(id).unwrap().0
    }
}

/// The mark of a stored list of so many elements.
pub(crate) fn stored(count: u32) -> Value {
    let directory = Reference { offset: 0, length: 0, hash: Digest::of_bytes(b"") };
    StoredList { directory, count }.as_value()
}

fn keyed(number: u32) -> Value {
    Value::from([
        ("key", Value::Text(format!("k{number}"))),
        ("number", Value::from(u64::from(number))),
    ])
}

impl Scope for Run {
    fn definition(&self) -> &Definition {
        &self.definition
    }

    fn state(&self) -> &RunState {
        &self.state
    }

    fn run_url(&self) -> String {
        "https://holdfast.example/run".to_owned()
    }

    fn load(&self, payload: &Payload) -> Result<Value, Failure> {
        match payload {
            Payload::Inline(value) => Ok(value.clone()),
            Payload::Stored(_) => {
                Err(Failure::without_effect(Class::Internal, "nothing is stored"))
            }
        }
    }

    fn elements<'a>(
        &'a self,
        list: &StoredList,
    ) -> Box<dyn Iterator<Item = Result<Value, Failure>> + 'a> {
        Box::new((0..list.count).map(|number| Ok(keyed(number))))
    }

    fn item(&self, _step: StepIndex, _item: ItemIndex) -> Result<ListedItem, Failure> {
        self.item
            .clone()
            .ok_or_else(|| Failure::without_effect(Class::Internal, "there is no item"))
    }

    fn results<'a>(
        &'a self,
        _step: StepIndex,
    ) -> Box<dyn Iterator<Item = Result<Value, Failure>> + 'a> {
        Box::new((0..self.results).map(|number| {
            let status = if number % 10 == 0 { "failed" } else { "succeeded" };
            Ok(Value::from([
                ("key", Value::Text(format!("k{number}"))),
                ("status", Value::from(status)),
                ("output", Value::Text("x".repeat(self.width))),
            ]))
        }))
    }

    fn secret(&self, name: &str) -> Result<String, Failure> {
        Ok(format!("the secret {name}"))
    }
}
