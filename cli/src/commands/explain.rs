//! `explain`: what a workflow does, every default filled in: order, effects, what is written where.

use std::process::ExitCode;

use holdfast_contract::duration;
use holdfast_kernel::definition::{Definition, ForEach, OnFailure, Share, Step, Work};
use holdfast_kernel::id::ExpressionId;
use holdfast_kernel::queue::{Hold, hold_of};
use holdfast_language::input::{Declarations, Input};
use holdfast_language::written;
use serde_json::{Value as Json, json};

use crate::arguments::Explain;
use crate::commands::graph::{does, needs, run_when};
use crate::compose::parts;
use crate::error::Error;
use crate::find;
use crate::output::Output;
use crate::settings::Settings;

/// Explains a workflow.
///
/// # Errors
/// It is not there, or not valid.
pub(crate) fn perform(
    explain: &Explain,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let workflow = find::workflow(&explain.workflow, settings, &parts, output)?;
    output.diagnostics(&workflow.source, &workflow.checked.warnings);
    let (definition, declarations) = (&workflow.checked.definition, &workflow.checked.declarations);
    if output.is_json() {
        output.json(&data(definition, declarations))?;
    } else {
        tell(definition, declarations, output);
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(definition: &Definition, declarations: &Declarations, output: Output) {
    output.line(format!("{}  {}", definition.name, definition.operation));
    if !definition.description.is_empty() {
        output.line(&definition.description);
    }
    let run = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            output.line(format!("{name:<11} {value}"));
        }
    };
    let of = |expression: Option<ExpressionId>| template(definition, expression);
    run("target", of(definition.target));
    run("object", of(definition.object));
    run("repository", definition.repository.clone());
    run("dedupe key", of(definition.dedupe_key));
    let group = definition.concurrency.as_ref();
    run(
        "group",
        group
            .and_then(|group| Some(format!("{}, {} at once", of(Some(group.group))?, group.limit))),
    );
    run("hold", hold(definition).map(str::to_owned));
    run("timeout", Some(duration::format(definition.timeout)));
    run("finally", definition.finally.map(|finally| duration::format(finally.timeout)));
    run("outputs", of(definition.outputs));
    for input in &declarations.inputs {
        run("input", Some(declared(input)));
    }
    for (index, step) in definition.numbered() {
        let place = if definition.is_of_finally(index) { "  finally" } else { "" };
        output.line(format!("\n{}  {}{place}", step.id, does(step)));
        for (name, value) in facts(definition, step) {
            output.line(format!("  {name:<10} {value}"));
        }
    }
}

/// What a run has of its target while it goes on.
const fn hold(definition: &Definition) -> Option<&'static str> {
    match (definition.target, hold_of(definition.operation)) {
        (None, _) | (_, Hold::None) => None,
        (Some(_), Hold::Shared) => Some("its target, beside other backups and no restore"),
        (Some(_), Hold::Exclusive) => Some("its target alone, beside no backup and no restore"),
    }
}

fn declared(input: &Input) -> String {
    let of = input.items.map(|items| format!(" of {}", items.word())).unwrap_or_default();
    let needed = match (&input.default, input.required) {
        (Some(default), _) => format!(", {} unless given", default.canonical()),
        (None, true) => ", required".to_owned(),
        (None, false) => String::new(),
    };
    format!("{}: {}{of}{needed}", input.name, input.kind.word())
}

/// What is to be known of a step, in the order in which it matters.
fn facts(definition: &Definition, step: &Step) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let needs = needs(definition, step);
    if !needs.is_empty() {
        facts.push(("after", needs.join(", ")));
    }
    facts.push(("run_when", run_when(step.run_when).to_owned()));
    if let Some(condition) = bare(definition, step.condition) {
        facts.push(("if", condition));
    }
    if let Some(fan_out) = &step.for_each {
        facts.push(("for_each", fans_out(definition, fan_out)));
    }
    if let Some(used) = step.action() {
        facts.push(("effect", used.effect.word().to_owned()));
    }
    if !matches!(step.work, Work::Pause { .. } | Work::Approval { .. }) {
        facts.push(("writes", step.writes().word().to_owned()));
    }
    if let Some(timeout) = step.timeout {
        facts.push(("timeout", duration::format(timeout)));
    }
    let retry = &step.retry;
    if step.action().is_some() && retry.attempts > 1 {
        let classes: Vec<&str> = retry.when.iter().map(|class| class.word()).collect();
        let (delay, most) = (duration::format(retry.delay), duration::format(retry.max_delay));
        let told = format!(
            "{} attempts after {}, waiting {delay} up to {most}",
            retry.attempts,
            classes.join(", ")
        );
        facts.push(("retry", told));
    }
    if step.on_failure == OnFailure::Continue {
        facts.push(("failure", "lets the rest go on; the run is partial at best".to_owned()));
    }
    let with = match &step.work {
        Work::Action(used) => used.with,
        Work::Pause { duration } => Some(*duration),
        Work::Approval { with } => *with,
        Work::Child(child) => child.with,
    };
    if let Some(with) = template(definition, with) {
        facts.push(("with", with));
    }
    facts
}

fn fans_out(definition: &Definition, fan_out: &ForEach) -> String {
    let items = template(definition, Some(fan_out.items)).unwrap_or_default();
    let at_once = template(definition, fan_out.max_parallel).unwrap_or_else(|| "4".to_owned());
    let mut told = format!("{items}, {at_once} at once");
    if fan_out.batch > 1 {
        told = format!("{told}, up to {} in one attempt", fan_out.batch);
    }
    if let Some(filter) = bare(definition, fan_out.filter) {
        told = format!("{told}, where {filter}");
    }
    match fan_out.max_failed {
        Some(Share::Count(most)) => format!("{told}, failed after more than {most}"),
        Some(Share::Percent(most)) => format!("{told}, failed after more than {most}%"),
        None => told,
    }
}

/// A stored template as its author wrote it.
fn template(definition: &Definition, expression: Option<ExpressionId>) -> Option<String> {
    let place = usize::try_from(expression?.0).ok()?;
    written(definition.expressions.get(place)?)
}

/// A stored expression that stands without braces.
fn bare(definition: &Definition, expression: Option<ExpressionId>) -> Option<String> {
    let text = template(definition, expression)?;
    let inner = text.strip_prefix("{{ ").and_then(|text| text.strip_suffix(" }}"));
    Some(inner.unwrap_or(&text).to_owned())
}

fn data(definition: &Definition, declarations: &Declarations) -> Json {
    let steps = definition.numbered().map(|(index, step)| {
        let facts = facts(definition, step).into_iter();
        let facts: serde_json::Map<String, Json> =
            facts.map(|(name, value)| (name.to_owned(), json!(value))).collect();
        json!({
            "id": step.id,
            "does": does(step),
            "finally": definition.is_of_finally(index),
            "needs": needs(definition, step),
            "facts": facts,
        })
    });
    json!({
        "name": definition.name,
        "operation": definition.operation.word(),
        "description": definition.description,
        "target": template(definition, definition.target),
        "object": template(definition, definition.object),
        "repository": definition.repository,
        "dedupe_key": template(definition, definition.dedupe_key),
        "group": definition.concurrency.as_ref().map(|of| json!({
            "name": template(definition, Some(of.group)),
            "limit": of.limit,
        })),
        "hold": hold(definition),
        "timeout": duration::format(definition.timeout),
        "finally_timeout": definition.finally.map(|finally| duration::format(finally.timeout)),
        "outputs": template(definition, definition.outputs),
        "inputs": declarations.inputs,
        "steps": steps.collect::<Vec<_>>(),
    })
}
