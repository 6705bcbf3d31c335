//! What an expression at a given place may see, and what is known of it.
//!
//! It names things and their types. It does not look at any expression.

use std::rc::Rc;

use holdfast_kernel::definition::RunWhen;

use crate::check::graph::Graph;
use crate::input::{Declarations, Input, InputType};
use crate::kind::{Field, Known, Missing, MissingKind, Record};
use crate::workflow::{Child, StepNode, Workflow, get};

/// The words of a step's status.
pub(crate) const STEP_STATUS: &[&str] =
    &["pending", "running", "waiting", "succeeded", "partial", "failed", "skipped", "blocked"];

/// The words of a run's status once its main graph is final.
const FINAL_STATUS: &[&str] = &["succeeded", "partial", "failed"];

/// The words of why a run failed.
const REASON: &[&str] = &["cancelled", "timeout", "queue_timeout", "step_failed", "internal"];

/// The words of an item's status in `results`.
const ITEM_STATUS: &[&str] = &["succeeded", "partial", "failed", "skipped", "unknown", "untried"];

/// The words of an error's class.
const ERROR_CLASS: &[&str] = &[
    "transient",
    "throttled",
    "timeout",
    "permanent",
    "conflict",
    "not_found",
    "auth",
    "invalid",
    "dependency",
    "rejected",
    "expression",
    "interrupted",
    "unknown_effect",
    "crash_loop",
    "cancelled",
    "internal",
];

/// What an expression may see.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    pub names: Vec<Field>,
    /// The steps whose status is known to have been looked at.
    pub guarded: Vec<String>,
    /// The name of a loop variable that is not there yet.
    pub loop_variable: Option<String>,
}

impl Scope {
    /// Adds a name.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, known: Known) -> Self {
        self.names.retain(|field| field.name != name);
        self.names.push(Field { name: name.to_owned(), known, missing: None });
        self
    }

    /// Takes it as given that these steps ended well where the expression is evaluated.
    #[must_use]
    pub(crate) fn guarded_by(mut self, steps: Vec<String>) -> Self {
        self.guarded.extend(steps);
        self
    }
}

/// Makes the scopes of one workflow.
pub(crate) struct Scopes<'a, 'n> {
    pub workflow: &'a Workflow<'n>,
    graph: &'a Graph,
    declarations: &'a Declarations,
    has_target: bool,
    /// For each step whether it may end skipped.
    skippable: Vec<bool>,
}

/// What `steps.X` is to a reader.
pub(crate) enum Found {
    /// It may be read.
    Readable(Known),
    /// It is there and is not needed by the reader.
    NotNeeded,
    /// It belongs to `finally`, and the reader does not.
    InFinally,
    /// There is no such step.
    Unknown,
}

impl<'a, 'n> Scopes<'a, 'n> {
    pub(crate) fn new(
        workflow: &'a Workflow<'n>,
        graph: &'a Graph,
        declarations: &'a Declarations,
    ) -> Self {
        Self {
            workflow,
            graph,
            declarations,
            has_target: get(workflow.root, "target").is_some(),
            skippable: skippable(workflow, graph),
        }
    }

    /// Where only the inputs are known: `target` and `object`.
    pub(crate) fn at_submit(&self) -> Scope {
        Scope::default().with("inputs", self.inputs())
    }

    /// Where all steps are final: `outputs`. What was not reached is none there.
    pub(crate) fn at_end(&self) -> Scope {
        self.with_steps(None)
    }

    /// Inside of a step.
    pub(crate) fn of_step(&self, reader: usize) -> Scope {
        self.with_steps(Some(reader))
    }

    fn with_steps(&self, reader: Option<usize>) -> Scope {
        let late = reader.is_some_and(|reader| self.workflow.is_late(reader));
        self.at_submit().with("steps", Known::Steps(reader)).with("run", self.run(late))
    }

    /// What `steps.ID` is to a reader.
    pub(crate) fn find_step(&self, reader: Option<usize>, id: &str) -> Found {
        let Some(index) = self.workflow.steps.iter().position(|step| step.id == id) else {
            return Found::Unknown;
        };
        let late = self.workflow.is_late(index);
        match reader {
            Some(reader) if !self.workflow.is_late(reader) && late => Found::InFinally,
            None if late => Found::InFinally,
            Some(reader) if self.workflow.is_late(reader) && !late => {
                self.step(index, self.missing_in_finally(index))
            }
            Some(reader) if !self.graph.is_behind(reader, index) => Found::NotNeeded,
            Some(reader) => self.step(index, self.missing(reader, index)),
            None => self.step(index, None),
        }
    }

    /// What `secrets` is, where it may be read.
    pub(crate) fn secrets(&self) -> Known {
        let names: Vec<(&str, Known)> =
            self.declarations.secrets.keys().map(|name| (name.as_str(), Known::Text)).collect();
        Known::record("the secrets", &names)
    }

    fn inputs(&self) -> Known {
        let fields = self.declarations.inputs.iter().map(|input| Field {
            name: input.name.clone(),
            known: known_input(input),
            missing: None,
        });
        Known::Record(Rc::new(Record { name: "the inputs".to_owned(), fields: fields.collect() }))
    }

    fn run(&self, late: bool) -> Known {
        let target = if self.has_target { Known::Text } else { Known::or_none(Known::Text) };
        let mut fields = vec![
            ("id", Known::Text),
            ("url", Known::Text),
            ("workflow", Known::Text),
            ("operation", Known::Text),
            ("target", target),
            ("object", Known::list(Known::Text)),
            ("initiator", Known::Text),
            ("started_at", Known::Text),
        ];
        if late {
            fields.push(("status", Known::Word(FINAL_STATUS)));
            fields.push(("reason", Known::or_none(Known::Word(REASON))));
            fields.push(("summary", Known::Text));
        }
        Known::record("the run", &fields)
    }

    /// What `steps.X` is.
    fn step(&self, index: usize, missing: Option<Missing>) -> Found {
        let Some(step) = self.workflow.steps.get(index) else {
            return Found::Unknown;
        };
        let named =
            |name: &str, known: Known| Field { name: name.to_owned(), known, missing: None };
        let error = Known::record(
            "the error",
            &[("class", Known::Word(ERROR_CLASS)), ("message", Known::Text)],
        );
        let mut fields = vec![
            named("status", Known::Word(STEP_STATUS)),
            named("output", output(step, missing.as_ref())),
            named("error", Known::or_none(error.clone())),
        ];
        if step.items().is_some() {
            fields.push(named("counts", counts()));
            fields.push(named("results", Known::list(result(error))));
        }
        Found::Readable(Known::Record(Rc::new(Record {
            name: format!("step `{}`", step.id),
            fields,
        })))
    }

    /// Why an output of a step may be missing in `finally`.
    fn missing_in_finally(&self, step: usize) -> Option<Missing> {
        let of = self.workflow.steps.get(step)?;
        let reason = format!("`finally` runs even if step `{}` did not succeed.", of.id);
        Some(Missing { step: of.id.to_owned(), reason, kind: MissingKind::ByStatus })
    }

    /// Why an output of `step` may be missing where `reader` reads it.
    fn missing(&self, reader: usize, step: usize) -> Option<Missing> {
        let (by, of) = (self.workflow.steps.get(reader)?, self.workflow.steps.get(step)?);
        let may_be_skipped = self.skippable.get(step).copied().unwrap_or(false);
        let direct = self.graph.direct(reader).contains(&step);
        let reason = match by.run_when {
            RunWhen::Done | RunWhen::Failed => {
                format!("Step `{}` runs even if step `{}` did not succeed.", by.id, of.id)
            }
            RunWhen::Ok if of.is_true("continue_on_error") => {
                format!("Step `{}` may fail and has `continue_on_error`.", of.id)
            }
            RunWhen::Clean if direct => return None,
            RunWhen::Ok | RunWhen::Clean if may_be_skipped => {
                format!("Step `{}` may be skipped.", of.id)
            }
            RunWhen::Ok | RunWhen::Clean => return None,
        };
        Some(Missing { step: of.id.to_owned(), reason, kind: MissingKind::ByStatus })
    }
}

/// For each step whether it may end skipped. `clean` passes a skip on to what needs it.
fn skippable(workflow: &Workflow<'_>, graph: &Graph) -> Vec<bool> {
    let steps = &workflow.steps;
    let mut found: Vec<bool> = steps
        .iter()
        .map(|step| step.get("if").is_some() || step.run_when == RunWhen::Failed)
        .collect();
    let mut changed = true;
    while changed {
        changed = false;
        for (index, step) in steps.iter().enumerate() {
            let passed_on = step.run_when == RunWhen::Clean
                && graph
                    .direct(index)
                    .iter()
                    .any(|need| found.get(*need).copied().unwrap_or(false));
            if let Some(skippable) = found.get_mut(index)
                && passed_on
                && !*skippable
            {
                *skippable = true;
                changed = true;
            }
        }
    }
    found
}

/// What `steps.X.output` is.
fn output(step: &StepNode<'_>, missing: Option<&Missing>) -> Known {
    if let Some(child) = &step.child {
        return child_output(step, child, missing);
    }
    let Some(spec) = step.spec else {
        return Known::Any;
    };
    // The items of a fan-out have an output each; the step itself has none.
    let outputs = if step.items().is_some() { &[] } else { spec.outputs };
    Known::Record(Rc::new(Record {
        name: format!("the output of step `{}`", step.id),
        fields: outputs.iter().map(|field| Field::of_spec(field, missing)).collect(),
    }))
}

/// What `steps.X.output` is of a child run: its outputs, of which each may be none.
fn child_output(step: &StepNode<'_>, child: &Child<'_>, missing: Option<&Missing>) -> Known {
    let Ok(workflow) = &child.found else {
        return Known::Any;
    };
    let names = if step.items().is_some() { Vec::new() } else { workflow.outputs() };
    let fields =
        names.into_iter().map(|name| Field { name, known: Known::Any, missing: missing.cloned() });
    Known::Record(Rc::new(Record {
        name: format!("the output of step `{}`", step.id),
        fields: fields.collect(),
    }))
}

fn counts() -> Known {
    let names = ["total", "succeeded", "partial", "failed", "skipped", "unknown", "untried"];
    let fields: Vec<(&str, Known)> = names.map(|name| (name, Known::Integer)).to_vec();
    Known::record("the counts", &fields)
}

fn result(error: Known) -> Known {
    Known::record(
        "a result",
        &[
            ("key", Known::Text),
            ("index", Known::Integer),
            ("status", Known::Word(ITEM_STATUS)),
            ("output", Known::Map),
            ("error", Known::or_none(error)),
            ("attempts", Known::Integer),
        ],
    )
}

/// What an input is in expressions.
fn known_input(input: &Input) -> Known {
    let known = match input.kind {
        InputType::String | InputType::Duration | InputType::Target => Known::Text,
        InputType::Integer => Known::Integer,
        InputType::Number => Known::Number,
        InputType::Boolean => Known::Boolean,
        InputType::List => Known::list(match input.items {
            Some(InputType::Integer) => Known::Integer,
            Some(InputType::Number) => Known::Number,
            Some(InputType::Boolean) => Known::Boolean,
            Some(InputType::Map) => Known::Map,
            Some(InputType::String | InputType::Duration) => Known::Text,
            Some(InputType::List | InputType::Target | InputType::BackupSet | InputType::Plan)
            | None => Known::Any,
        }),
        InputType::Map => Known::Map,
        InputType::BackupSet => Known::reference("a backup set"),
        InputType::Plan => Known::reference("a plan"),
    };
    if input.required || input.default.is_some() { known } else { Known::or_none(known) }
}

/// What `loop` is.
pub(crate) fn loop_variable() -> Known {
    Known::record("`loop`", &[("index", Known::Integer), ("key", Known::Text)])
}
