//! What a step uses, and whether it may: the action, its inputs, what it writes, what it promises.
//!
//! The values of `with` are judged with their expressions, not here.

use holdfast_contract::spec::{ActionSpec, Batch, Env, ItemUse, Presence, TargetUse};
use holdfast_kernel::definition::{EffectClass, Operation, Writes};
use holdfast_kernel::value::Value;

use super::graph::Graph;
use crate::action::{APPLY, APPROVAL, Actions, CAPTURES, COMMAND, NOTIFY, PROGRAMS, SEAL, SLEEP};
use crate::code::Code;
use crate::configuration::INBOX;
use crate::diagnostic::Sink;
use crate::shape::check::not_built_yet;
use crate::suggest;
use crate::workflow::{StepNode, Workflow, get};
use crate::yaml::Node;

/// What a step's action comes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub spec: &'static ActionSpec,
    pub effect: EffectClass,
    pub writes: Writes,
}

/// Checks what each step uses; none for a step whose action is not there.
pub(super) fn check(
    sink: &mut Sink<'_>,
    workflow: &Workflow<'_>,
    graph: &Graph,
    actions: &Actions,
) -> Vec<Option<Used>> {
    let used =
        workflow.steps.iter().map(|step| check_step(sink, workflow, step, actions)).collect();
    for index in 0..workflow.steps.len() {
        check_step_ids(sink, workflow, graph, index);
    }
    check_seals(sink, workflow, graph);
    used
}

fn check_step(
    sink: &mut Sink<'_>,
    workflow: &Workflow<'_>,
    step: &StepNode<'_>,
    actions: &Actions,
) -> Option<Used> {
    let (name, span) = step.uses?;
    let Some(spec) = step.spec else {
        if actions.is_to_come(name) {
            not_built_yet(sink, span, &format!("the action `{name}`"));
        } else {
            let names: Vec<&str> = actions.names().collect();
            sink.error(Code::UnknownAction, span, format!("There is no action `{name}`."))
                .remedy(suggest::remedy(name, &names));
        }
        return None;
    };
    check_inputs(sink, step, spec);
    check_fan_out(sink, step, spec);
    let named = spec.input("target").is_some() && step.with("target").is_some();
    if spec.target == TargetUse::Run && !named && get(workflow.root, "target").is_none() {
        sink.error(
            Code::TargetMissing,
            span,
            format!("`{name}` works on the run's target, and the workflow has none."),
        )
        .remedy(
            "Write `target: \"{{ inputs.target }}\"` at the top, with an input of type `target`.",
        );
    }
    if let Some(env) = step.entry("env").filter(|_| spec.env == Env::Refused) {
        sink.error(
            Code::EnvRefused,
            env.key_span,
            format!("`{name}` starts no program, so it takes no `env`."),
        )
        .remedy("Leave it out.");
    }
    check_channel(sink, step, spec, actions);
    check_waits(sink, step, spec);
    let writes = writes_of(step, spec, actions);
    check_operation(sink, workflow, step, spec, writes);
    Some(Used { spec, effect: effect_of(sink, step, spec), writes })
}

/// A channel that is named outright is one of the configuration's.
fn check_channel(sink: &mut Sink<'_>, step: &StepNode<'_>, spec: &ActionSpec, actions: &Actions) {
    let node = step.with("channel").map(|entry| &entry.value).filter(|_| spec.name == NOTIFY);
    let Some((node, name)) = node.and_then(|node| Some((node, node.text()?))) else { return };
    if name == INBOX || name.contains("{{") || actions.channels().contains(name) {
        return;
    }
    let channels = actions.channels().iter().map(String::as_str);
    let names: Vec<&str> = std::iter::once(INBOX).chain(channels).collect();
    sink.error(Code::UnknownChannel, node.span, format!("There is no channel `{name}`."))
        .remedy(suggest::remedy(name, &names));
}

fn check_inputs(sink: &mut Sink<'_>, step: &StepNode<'_>, spec: &ActionSpec) {
    let given = step.get("with").and_then(Node::entries).unwrap_or_default();
    for entry in given {
        let key = entry.key.as_str();
        if spec.input(key).is_some() || is_item(spec, key) {
            continue;
        }
        if key == "target" && spec.target == TargetUse::Run {
            sink.error(
                Code::UnknownActionInput,
                entry.key_span,
                format!("`{}` works on the run's target and on no other.", spec.name),
            )
            .remedy("Leave it out: only what writes no target may work on another one.");
            continue;
        }
        let names: Vec<&str> = spec.inputs.iter().map(|field| field.name).collect();
        sink.error(
            Code::UnknownActionInput,
            entry.key_span,
            format!("`{}` takes no `{key}`.", spec.name),
        )
        .remedy(suggest::remedy(key, &names));
    }
    for field in spec.inputs {
        let filled_in = field.name == "item" && takes_item(step, spec);
        let given = given
            .iter()
            .any(|entry| entry.key == field.name && entry.value.scalar() != Some(&Value::None));
        if field.presence == Presence::Required && !given && !filled_in {
            sink.error(
                Code::MissingActionInput,
                step.uses.map_or(step.id_span, |(_, span)| span),
                format!("`{}` needs `{}` in `with`.", spec.name, field.name),
            )
            .remedy(format!("Add `{}:` to `with`. {}", field.name, field.doc));
        }
    }
    let item = spec.item == ItemUse::Taken && step.items().is_none();
    let listed = spec
        .inputs
        .iter()
        .any(|field| field.name == "item" && field.presence == Presence::Required);
    if item && !listed && step.with("item").is_none() {
        sink.error(
            Code::MissingActionInput,
            step.uses.map_or(step.id_span, |(_, span)| span),
            format!("`{}` takes one item, and there is none.", spec.name),
        )
        .remedy(
            "Write `for_each: \"{{ steps.ID.output.items }}\"`, or give `with: { item: ... }`.",
        );
    }
}

/// Whether a key is the item of an action that takes one, whether its spec lists it or not.
pub(crate) fn is_item(spec: &ActionSpec, key: &str) -> bool {
    key == "item" && spec.item == ItemUse::Taken
}

/// Whether `with.item` is the loop variable unless given.
pub(crate) fn takes_item(step: &StepNode<'_>, spec: &ActionSpec) -> bool {
    spec.item == ItemUse::Taken && step.items().is_some()
}

fn check_fan_out(sink: &mut Sink<'_>, step: &StepNode<'_>, spec: &ActionSpec) {
    if spec.batch == Batch::Allowed {
        return;
    }
    let more_than_one = |node: &&Node| {
        let number = node.scalar().and_then(Value::as_integer);
        number.is_some_and(|number| number > 1)
    };
    if let Some(batch) = step.fan_out("batch").filter(more_than_one) {
        sink.error(
            Code::BatchRefused,
            batch.span,
            format!("`{}` takes one item an attempt.", spec.name),
        )
        .remedy("Leave `batch` out; `max_parallel` says how many items go on at once.");
    }
}

/// A `sleep` and an `approval` have no attempts.
fn check_waits(sink: &mut Sink<'_>, step: &StepNode<'_>, spec: &ActionSpec) {
    let refused: &[&str] = match spec.name {
        SLEEP => &["timeout", "retry", "effect"],
        APPROVAL => &["retry", "effect"],
        _ => return,
    };
    let tolerated = step.entry("continue_on_error").filter(|_| step.is_true("continue_on_error"));
    if let Some(entry) = tolerated.filter(|_| spec.name == APPROVAL) {
        sink.error(
            Code::ApprovalTolerated,
            entry.key_span,
            "An approval with `continue_on_error` would be none.",
        )
        .remedy("Leave it out.");
    }
    for key in refused {
        if let Some(entry) = step.entry(key) {
            sink.error(
                Code::NoAttempts,
                entry.key_span,
                format!("`{}` makes no attempts, so it has no `{key}`.", spec.name),
            )
            .remedy("Leave it out.");
        }
    }
}

/// What an action writes here; a program what the configuration says of it.
fn writes_of(step: &StepNode<'_>, spec: &ActionSpec, actions: &Actions) -> Writes {
    if !PROGRAMS.contains(&spec.name) {
        return spec.writes;
    }
    let argv = step.with("argv").and_then(|entry| entry.value.list());
    let program = argv.and_then(|list| list.first()?.text()).filter(|text| !text.contains("{{"));
    let writes = actions.program_writes(program);
    if spec.name == COMMAND { writes } else { writes.max(spec.writes) }
}

fn check_operation(
    sink: &mut Sink<'_>,
    workflow: &Workflow<'_>,
    step: &StepNode<'_>,
    spec: &ActionSpec,
    writes: Writes,
) {
    let (Some(operation), Some((_, span))) = (workflow.operation, step.uses) else {
        return;
    };
    if spec.name == APPLY && operation != Operation::Restore {
        sink.error(
            Code::OperationRefused,
            span,
            format!("`{APPLY}` is allowed only where the operation is `restore`."),
        )
        .remedy("Write `operation: restore`.");
    } else if !operation.allows(writes) {
        let remedy = if PROGRAMS.contains(&spec.name) {
            "Say in the configuration's allow-list what the program writes, or use another operation."
        } else {
            "Use another operation."
        };
        sink.error(
            Code::WriteRefused,
            span,
            format!("This may write the target, and `{operation}` may not."),
        )
        .remedy(remedy);
    }
}

fn effect_of(sink: &mut Sink<'_>, step: &StepNode<'_>, spec: &ActionSpec) -> EffectClass {
    let waits = matches!(spec.name, SLEEP | APPROVAL);
    let Some(promise) = step.get("effect").filter(|_| !waits) else {
        return spec.effect;
    };
    if spec.name == COMMAND && promise.text() == Some(EffectClass::Idempotent.word()) {
        return EffectClass::Idempotent;
    }
    let (message, remedy) = if spec.name == COMMAND {
        (
            "A command can only be promised to be `idempotent`.".to_owned(),
            "Write `effect: idempotent`, or leave it out.",
        )
    } else {
        (format!("`{}` is `{}` by itself.", spec.name, spec.effect.word()), "Leave `effect` out.")
    };
    sink.error(Code::EffectRefused, promise.span, message).remedy(remedy);
    spec.effect
}

/// The step ids in `with` name steps that are needed.
fn check_step_ids(sink: &mut Sink<'_>, workflow: &Workflow<'_>, graph: &Graph, index: usize) {
    use holdfast_contract::spec::Shape;
    let Some((step, spec)) = workflow.steps.get(index).and_then(|step| Some((step, step.spec?)))
    else {
        return;
    };
    let ids: Vec<&str> = workflow.steps.iter().map(|step| step.id).collect();
    for field in spec.inputs.iter().filter(|field| matches!(field.shape, Shape::Steps)) {
        let Some(entry) = step.with(field.name) else {
            continue;
        };
        for node in entry.value.list().unwrap_or_default() {
            let Some(id) = node.text() else {
                continue;
            };
            match ids.iter().position(|other| *other == id) {
                _ if id.contains("{{") => {
                    sink.error(Code::TemplateRefused, node.span, "A template is not allowed here.")
                        .remedy("Write the step's id.");
                }
                None => {
                    sink.error(Code::UnknownStep, node.span, format!("There is no step `{id}`."))
                        .remedy(suggest::remedy(id, &ids));
                }
                Some(other) if !graph.is_behind(index, other) => {
                    sink.error(
                        Code::StepNotNeeded,
                        node.span,
                        format!("Step `{id}` is not needed by this step."),
                    )
                    .remedy(format!("Add `{id}` to the `needs` of this step."));
                }
                Some(_) => {}
            }
        }
    }
}

/// Every capturing step is taken in by a seal.
fn check_seals(sink: &mut Sink<'_>, workflow: &Workflow<'_>, graph: &Graph) {
    let takes = |seal: &StepNode<'_>, seal_index: usize, capture: usize, id: &str| {
        let listed = seal
            .with("from")
            .and_then(|from| from.value.list())
            .is_none_or(|list| list.iter().any(|node| node.text() == Some(id)));
        seal.uses.is_some_and(|(name, _)| name == SEAL)
            && listed
            && graph.is_behind(seal_index, capture)
    };
    for (index, step) in workflow.steps.iter().enumerate() {
        let Some((name, span)) = step.uses.filter(|(name, _)| CAPTURES.contains(name)) else {
            continue;
        };
        let sealed = workflow
            .steps
            .iter()
            .enumerate()
            .any(|(seal_index, seal)| takes(seal, seal_index, index, step.id));
        if !sealed && step.spec.is_some() {
            sink.error(
                Code::CaptureUnsealed,
                span,
                format!(
                    "Step `{}` uses `{name}`, and no `{SEAL}` takes in what it captures.",
                    step.id
                ),
            )
            .remedy(format!("Add a step with `uses: {SEAL}` and `run_when: done` behind it."));
        }
    }
}
