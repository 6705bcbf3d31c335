//! From a file to a checked definition, or to everything that is wrong with it.
//!
//! The parts check one subject each, in the order in which people think of it. A part goes on with
//! whatever the parts before it could make sense of, so that all mistakes are told at once.

mod action;
mod child;
mod comparison;
mod expression;
mod function;
pub(crate) mod graph;
mod infer;
mod input;
mod run;
mod schedule;
mod step;

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_kernel::definition::Definition;

pub(crate) use action::{Used, is_item};
pub(crate) use input::secret;
pub(crate) use step::{Expressions, FanOut};

use crate::action::Actions;
use crate::child::ChildWorkflow;
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Sink};
use crate::input::Declarations;
use crate::kind::Family;
use crate::lower::{self, Lowering};
use crate::schedule::Schedule;
use crate::scope::Scopes;
use crate::shape;
use crate::source::{Source, Span};
use crate::template::Template;
use crate::workflow::{Workflow, get, text};
use crate::yaml;
use expression::Examiner;

/// A workflow that may run.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The definition, lowered, with every default filled in.
    pub definition: Definition,
    /// What it declares: inputs and secrets.
    pub declarations: Declarations,
    /// The workflows it runs as children.
    pub children: Vec<Arc<ChildWorkflow>>,
    /// When it is started by itself, in the order of the file; no part of the definition.
    pub schedules: Vec<Schedule>,
    /// What is most likely a mistake and does not refuse it.
    pub warnings: Vec<Diagnostic>,
}

/// What a workflow declares, of its text alone; none if that cannot be read. Definitions of the first version do not say it.
pub fn declarations_of(source: &Source) -> Option<Declarations> {
    let mut sink = Sink::new(source);
    let root = yaml::read(&mut sink)?;
    let declarations = input::check(&mut sink, &root);
    (!sink.has_errors()).then_some(declarations)
}

/// The name of a workflow, whether it is valid or not; none if nothing can be read of it.
pub fn name_of(source: &Source) -> Option<String> {
    let mut sink = Sink::new(source);
    let root = yaml::read(&mut sink)?;
    text(&root, "name").map(str::to_owned)
}

/// Checks a workflow.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file, warnings included.
pub fn check(source: &Source, actions: &Actions) -> Result<Checked, Vec<Diagnostic>> {
    let mut sink = Sink::new(source);
    let checked = check_into(&mut sink, actions);
    let refused = sink.has_errors();
    let diagnostics = sink.into_diagnostics();
    match checked {
        Some(checked) if !refused => Ok(Checked { warnings: diagnostics, ..checked }),
        _ => Err(diagnostics),
    }
}

/// The workflow without its warnings, which are in the sink; none if it may not run.
fn check_into(sink: &mut Sink<'_>, actions: &Actions) -> Option<Checked> {
    let root = match yaml::read(sink) {
        Some(root) if root.entries().is_some() => root,
        read => {
            if !sink.has_errors() {
                let span = read.map_or(Span::at(0), |node| node.span);
                sink.error(Code::NoWorkflow, span, "A workflow is a map, and here is none.")
                    .remedy("Start with `holdfast: 1`.");
            }
            return None;
        }
    };
    shape::check::place(sink, &root, &shape::WORKFLOW);
    run::check_version(sink, &root);
    let declarations = input::check(sink, &root);
    let workflow = Workflow::of(&root, actions);
    let graph = graph::check(sink, &workflow);
    run::check_timeouts(sink, &workflow);
    let used = action::check(sink, &workflow, &graph, actions);
    child::check(sink, &workflow, actions);
    let schedules = schedule::check(sink, &workflow, &declarations, &used);
    let scopes = Scopes::new(&workflow, &graph, &declarations);
    let mut examiner = Examiner { sink, scopes: &scopes, read: BTreeSet::new() };
    let mut steps = Vec::new();
    for (index, step) in workflow.steps.iter().enumerate() {
        if examiner.sink.is_full() {
            break;
        }
        steps.push(examiner.step(step, index));
        let read = std::mem::take(&mut examiner.read);
        examiner.check_place(&graph, index, &read);
    }
    let of_run = run_expressions(&mut examiner, &workflow);
    if sink.has_errors() {
        return None;
    }
    let lowering =
        Lowering { workflow: &workflow, graph: &graph, used: &used, file: sink.source().name() };
    let mut definition = lower::lower(&lowering, steps, of_run)?;
    definition.secrets.clone_from(&declarations.secrets);
    definition.declarations = declarations.to_value();
    if let Err(invalid) = definition.check() {
        // The checks above refuse all of it, each with its place; this is the last door.
        sink.error(Code::NotYaml, Span::at(0), format!("This workflow cannot run: {invalid}."))
            .remedy("This is a mistake of holdfast; please report it with the file.");
        return None;
    }
    let children = workflow.steps.iter().filter_map(|step| step.child.as_ref()?.found.clone().ok());
    Some(Checked {
        definition,
        declarations,
        children: children.collect(),
        schedules,
        warnings: Vec::new(),
    })
}

/// The expressions of the run itself.
#[derive(Default)]
pub(crate) struct OfRun {
    pub target: Option<Template>,
    pub object: Option<Template>,
    pub dedupe_key: Option<Template>,
    pub group: Option<Template>,
    pub outputs: Option<Template>,
}

fn run_expressions(examiner: &mut Examiner<'_, '_, '_>, workflow: &Workflow<'_>) -> OfRun {
    let at_submit = examiner.scopes.at_submit();
    let target = get(workflow.root, "target").map(|node| {
        let (template, known) = examiner.template(node, &at_submit, None);
        examiner.expect(node.span, &known, &[Family::Text], "`target` is the name of a target");
        template
    });
    let object = get(workflow.root, "object").map(|node| {
        let (template, known) = examiner.template(node, &at_submit, None);
        let fits = [Family::Text, Family::List, Family::Map];
        examiner.expect(node.span, &known, &fits, "`object` is text or a list of texts");
        template
    });
    let at_end = examiner.scopes.at_end();
    let outputs = get(workflow.root, "outputs")
        .filter(|node| node.entries().is_some())
        .map(|node| examiner.template(node, &at_end, None).0);
    let mut text_at_submit = |place: &str, key: &str| {
        let node = get(workflow.root, place).and_then(|node| get(node, key))?;
        let (template, known) = examiner.template(node, &at_submit, None);
        let scalars = [Family::Text, Family::Number, Family::Boolean];
        examiner.expect(node.span, &known, &scalars, &format!("`{place}.{key}` is text"));
        Some(template)
    };
    let dedupe_key = text_at_submit("dedupe", "key");
    let group = text_at_submit("concurrency", "group");
    OfRun { target, object, dedupe_key, group, outputs }
}

/// A text with its first letter in upper case, for the start of a sentence.
fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).collect())
        .unwrap_or_default()
}
