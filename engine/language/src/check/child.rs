//! A step that runs a workflow: whether it may, and whether its `with` fits what the workflow declares.
//!
//! The expressions of `with` are judged with the others, not here.

use holdfast_kernel::value::Value;

use crate::action::Actions;
use crate::child::{ChildRefusal, ChildWorkflow};
use crate::code::Code;
use crate::diagnostic::Sink;
use crate::suggest;
use crate::workflow::{Child, StepNode, Workflow};
use crate::yaml::{Entry, Node};

/// Checks what each step runs.
pub(super) fn check(sink: &mut Sink<'_>, workflow: &Workflow<'_>, actions: &Actions) {
    for step in &workflow.steps {
        check_choice(sink, step);
        if let Some(child) = &step.child {
            check_keys(sink, step);
            match &child.found {
                Ok(found) => check_child(sink, workflow, step, (child, found)),
                Err(refusal) => refused(sink, child, refusal, actions),
            }
        }
    }
}

/// A step does one thing.
fn check_choice(sink: &mut Sink<'_>, step: &StepNode<'_>) {
    match (step.entry("uses"), step.entry("workflow")) {
        (Some(_), Some(workflow)) => {
            sink.error(
                Code::UsesOrWorkflow,
                workflow.key_span,
                "A step has `uses` or `workflow`, not both.",
            )
            .remedy("Make two steps of it.");
        }
        (None, None) if step.node.entries().is_some() => {
            sink.error(
                Code::UsesOrWorkflow,
                step.id_span,
                format!("Step `{}` does nothing.", step.id),
            )
            .remedy("Add `uses:` with an action, or `workflow:` with the name of a workflow.");
        }
        _ => {}
    }
}

fn check_keys(sink: &mut Sink<'_>, step: &StepNode<'_>) {
    for key in ["timeout", "retry", "effect"] {
        if let Some(entry) = step.entry(key) {
            sink.error(
                Code::NoAttempts,
                entry.key_span,
                format!("A child run has no `{key}` on its step."),
            )
            .remedy("Write it in the workflow that is run.");
        }
    }
    if let Some(entry) = step.entry("env") {
        sink.error(Code::EnvRefused, entry.key_span, "A child run takes no `env`.")
            .remedy("Give it inputs in `with`.");
    }
    let more_than_one =
        |node: &&Node| node.scalar().and_then(Value::as_integer).is_some_and(|number| number > 1);
    if let Some(batch) = step.fan_out("batch").filter(more_than_one) {
        sink.error(Code::BatchRefused, batch.span, "A child run takes one item.")
            .remedy("Leave `batch` out; `max_parallel` says how many children go on at once.");
    }
}

fn refused(sink: &mut Sink<'_>, child: &Child<'_>, refusal: &ChildRefusal, actions: &Actions) {
    let (code, message, remedy) = match refusal {
        ChildRefusal::Unknown => {
            let names = actions.workflow_names();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let remedy = suggest::remedy(child.name, &names);
            (Code::UnknownWorkflow, format!("There is no workflow `{}`.", child.name), remedy)
        }
        ChildRefusal::Invalid(reason) => (
            Code::UnknownWorkflow,
            format!("The workflow `{}` cannot be run: {reason}", child.name),
            "Mend that workflow first.".to_owned(),
        ),
        ChildRefusal::Circle(way) => (
            Code::WorkflowCircle,
            format!("The workflow `{}` would run itself: {way}.", child.name),
            "Take one of them out.".to_owned(),
        ),
        ChildRefusal::TooDeep => (
            Code::WorkflowCircle,
            "Child runs are nested more than 8 deep here.".to_owned(),
            "Let an outer workflow run the innermost ones itself.".to_owned(),
        ),
    };
    sink.error(code, child.span, message).remedy(remedy);
}

fn check_child(
    sink: &mut Sink<'_>,
    workflow: &Workflow<'_>,
    step: &StepNode<'_>,
    (child, found): (&Child<'_>, &ChildWorkflow),
) {
    if let Some(operation) = workflow.operation
        && !operation.allows(found.writes())
    {
        sink.error(
            Code::ChildWrites,
            child.span,
            format!("`{}` may write a target, and `{operation}` may not.", child.name),
        )
        .remedy("Use another operation.");
    }
    let given = step.get("with").and_then(Node::entries).unwrap_or_default();
    for entry in given {
        check_input(sink, child, found, entry);
    }
    for input in found.declarations.inputs.iter().filter(|input| input.required) {
        let is_given = given
            .iter()
            .any(|entry| entry.key == input.name && entry.value.scalar() != Some(&Value::None));
        if !is_given {
            sink.error(
                Code::MissingActionInput,
                child.span,
                format!("`{}` needs `{}` in `with`.", child.name, input.name),
            )
            .remedy(format!("Add `{}:` to `with`. {}", input.name, input.description));
        }
    }
}

fn check_input(sink: &mut Sink<'_>, child: &Child<'_>, found: &ChildWorkflow, entry: &Entry) {
    let inputs = &found.declarations.inputs;
    let Some(input) = inputs.iter().find(|input| input.name == entry.key) else {
        let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        sink.error(
            Code::UnknownActionInput,
            entry.key_span,
            format!("`{}` has no input `{}`.", child.name, entry.key),
        )
        .remedy(suggest::remedy(&entry.key, &names));
        return;
    };
    let literal = entry.value.to_value();
    if has_template(&literal) || literal == Value::None {
        return;
    }
    if let Err(reason) = input.accept(literal) {
        sink.error(
            Code::UnfitActionInput,
            entry.value.span,
            format!("`{}` of `{}` does not fit: {reason}.", entry.key, child.name),
        )
        .remedy(format!("It is of type `{}`.", input.kind.word()));
    }
}

fn has_template(value: &Value) -> bool {
    match value {
        Value::Text(text) => text.contains("{{"),
        Value::List(list) => list.iter().any(has_template),
        Value::Map(map) => map.values().any(has_template),
        Value::None | Value::Boolean(_) | Value::Integer(_) | Value::Number(_) => false,
    }
}
