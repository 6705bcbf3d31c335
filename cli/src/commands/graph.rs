//! `graph`: the steps of a workflow and what runs after what, for people or as Mermaid.

use std::process::ExitCode;

use holdfast_kernel::definition::{Definition, RunWhen, Step, Work};
use holdfast_kernel::id::StepIndex;

use crate::arguments::{Graph, GraphForm};
use crate::compose::parts;
use crate::error::Error;
use crate::find;
use crate::output::Output;
use crate::settings::Settings;

/// Draws a workflow.
///
/// # Errors
/// It is not there, or not valid.
pub(crate) fn perform(
    graph: &Graph,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let workflow = find::workflow(&graph.workflow, settings, &parts, output)?;
    let definition = &workflow.checked.definition;
    if output.is_json() {
        let steps = definition.numbered().map(|(index, step)| {
            serde_json::json!({
                "id": step.id,
                "does": does(step),
                "needs": needs(definition, step),
                "run_when": run_when(step.run_when),
                "finally": definition.is_of_finally(index),
                "stage": level(definition, index),
            })
        });
        output.json(&steps.collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    match graph.format {
        GraphForm::Text => text(definition, output),
        GraphForm::Mermaid => mermaid(definition, output),
    }
    Ok(ExitCode::SUCCESS)
}

/// Step after step in the order in which they may start, each with what it waits for.
fn text(definition: &Definition, output: Output) {
    let mut steps: Vec<_> = definition.numbered().collect();
    steps.sort_by_key(|(index, _)| (definition.is_of_finally(*index), level(definition, *index)));
    let width = steps.iter().map(|(_, step)| step.id.len()).max().unwrap_or(0);
    let mut in_finally = false;
    for (index, step) in steps {
        if definition.is_of_finally(index) && !in_finally {
            in_finally = true;
            output.line("finally");
        }
        let indent = "  ".repeat(level(definition, index));
        let needs = needs(definition, step);
        let after =
            if needs.is_empty() { String::new() } else { format!("  after {}", needs.join(", ")) };
        let when = match run_when(step.run_when) {
            "ok" => String::new(),
            word => format!("  [{word}]"),
        };
        let many = if step.for_each.is_some() { " *" } else { "" };
        output.line(format!("{indent}{:<width$}  {}{many}{when}{after}", step.id, does(step)));
    }
}

fn mermaid(definition: &Definition, output: Output) {
    output.line("flowchart TD");
    let mut in_finally = false;
    for (index, step) in definition.numbered() {
        if definition.is_of_finally(index) && !in_finally {
            in_finally = true;
            output.line("  subgraph finally");
        }
        let many = if step.for_each.is_some() { ", for each item" } else { "" };
        // Quotes would end the label.
        let label = format!("{}<br/>{}{many}", step.id, does(step)).replace('"', "'");
        output.line(format!("  {}[\"{label}\"]", node(step)));
    }
    if in_finally {
        output.line("  end");
    }
    for (_, step) in definition.numbered() {
        for need in step.needs.iter().filter_map(|need| definition.step(*need)) {
            let arrow = match run_when(step.run_when) {
                "ok" => "-->".to_owned(),
                word => format!("-->|{word}|"),
            };
            output.line(format!("  {} {arrow} {}", node(need), node(step)));
        }
    }
}

/// `end` and the like are words of Mermaid.
fn node(step: &Step) -> String {
    format!("step_{}", step.id)
}

/// What a step does, in a word or two.
pub(super) fn does(step: &Step) -> String {
    match &step.work {
        Work::Action(used) => used.action.clone(),
        Work::Pause { .. } => "sleep".to_owned(),
        Work::Approval { .. } => "approval".to_owned(),
        Work::Child(child) => format!("workflow {}", child.workflow),
    }
}

/// The ids of the steps that a step needs directly.
pub(super) fn needs<'a>(definition: &'a Definition, step: &Step) -> Vec<&'a str> {
    let needed = step.needs.iter().filter_map(|need| definition.step(*need));
    needed.map(|step| step.id.as_str()).collect()
}

pub(super) const fn run_when(when: RunWhen) -> &'static str {
    match when {
        RunWhen::Ok => "ok",
        RunWhen::Clean => "clean",
        RunWhen::Done => "done",
        RunWhen::Failed => "failed",
    }
}

/// How many steps stand before a step at most.
fn level(definition: &Definition, index: StepIndex) -> usize {
    let mut levels: Vec<usize> = Vec::with_capacity(definition.steps.len());
    // What a step needs stands above it or was refused as a circle; a step that is needed and stands below counts
    // from the start, which only indents it less.
    for step in &definition.steps {
        let deepest = step.needs.iter().filter_map(|need| levels.get(need.place())).max();
        levels.push(deepest.map_or(0, |deepest| deepest + 1));
    }
    levels.get(index.place()).copied().unwrap_or(0)
}
