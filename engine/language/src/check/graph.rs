//! The graph of steps: who needs whom, directly and through others.
//!
//! The list order and `needs` are the whole graph; reading a step's output makes no edge.

use std::collections::BTreeMap;

use holdfast_kernel::definition::RunWhen;

use crate::code::Code;
use crate::diagnostic::Sink;
use crate::shape::STEP_LIMIT;
use crate::suggest;
use crate::workflow::{StepNode, Workflow, finally_steps, get};
use crate::yaml::Node;

/// Who needs whom.
pub(crate) struct Graph {
    /// What each step needs directly, ascending.
    pub needs: Vec<Vec<usize>>,
    /// For each step, whether it needs another, directly or through others.
    behind: Vec<Vec<bool>>,
}

impl Graph {
    /// Whether `step` needs `other`, directly or through others.
    pub(crate) fn is_behind(&self, step: usize, other: usize) -> bool {
        self.behind.get(step).and_then(|row| row.get(other)).copied().unwrap_or(false)
    }

    /// What a step needs directly.
    pub(crate) fn direct(&self, step: usize) -> &[usize] {
        self.needs.get(step).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Resolves the needs of all steps, and reports what is wrong with them.
pub(crate) fn check(sink: &mut Sink<'_>, workflow: &Workflow<'_>) -> Graph {
    let steps = &workflow.steps;
    if let Some(list) = get(workflow.root, "steps").filter(|node| node.list().is_some())
        && (workflow.main == 0 || steps.len() > STEP_LIMIT)
    {
        sink.error(
            Code::TooManySteps,
            list.span,
            format!("The workflow has {} steps; it has between 1 and {STEP_LIMIT}.", steps.len()),
        )
        .remedy("Write at least one step, and use `for_each` for what is done many times.");
    }
    if let Some(list) = finally_steps(workflow.root)
        && list.list().is_some_and(<[_]>::is_empty)
    {
        sink.error(Code::TooManySteps, list.span, "`finally` has no steps.")
            .remedy("Write at least one step, or leave it out.");
    }
    let ids = unique_ids(sink, steps);
    let needs: Vec<Vec<usize>> = (0..steps.len().min(STEP_LIMIT))
        .map(|index| needs_of(sink, workflow, &ids, index))
        .collect();
    report_cycles(sink, steps, &needs);
    for (index, (step, needs)) in steps.iter().zip(&needs).enumerate() {
        if step.run_when == RunWhen::Failed && needs.is_empty() {
            let span = step.get("run_when").map_or(step.id_span, |node| node.span);
            let remedy = if workflow.is_late(index) {
                "Write `if: run.status == \"failed\"` for the run's own end."
            } else {
                "Add `needs: [...]` with the steps whose failure is meant."
            };
            sink.error(
                Code::NothingToFail,
                span,
                format!("Step `{}` runs if a step before it failed, and needs none.", step.id),
            )
            .remedy(remedy);
        }
    }
    let behind = closures(&needs);
    Graph { needs, behind }
}

fn unique_ids<'n>(sink: &mut Sink<'_>, steps: &[StepNode<'n>]) -> BTreeMap<&'n str, usize> {
    let mut ids = BTreeMap::new();
    for (index, step) in steps.iter().enumerate().filter(|(_, step)| !step.id.is_empty()) {
        let first = *ids.entry(step.id).or_insert(index);
        if first != index {
            let span = steps.get(first).map_or(step.id_span, |step| step.id_span);
            sink.error(
                Code::DuplicateStep,
                step.id_span,
                format!("There are two steps of the id `{}`.", step.id),
            )
            .related(span, "it is here first")
            .remedy("Give one of them another id.");
        }
    }
    ids
}

fn needs_of(
    sink: &mut Sink<'_>,
    workflow: &Workflow<'_>,
    ids: &BTreeMap<&str, usize>,
    index: usize,
) -> Vec<usize> {
    let steps = &workflow.steps;
    let Some(step) = steps.get(index) else {
        return Vec::new();
    };
    let first = if workflow.is_late(index) { workflow.main } else { 0 };
    let Some(list) = step.get("needs") else {
        let above = steps.get(first..index).unwrap_or_default();
        return above
            .iter()
            .rposition(|above| above.run_when != RunWhen::Failed)
            .map(|place| first + place)
            .into_iter()
            .collect();
    };
    let mut needs = Vec::new();
    for node in list.list().unwrap_or_default() {
        match node.text().map(|id| (id, ids.get(id))) {
            Some((id, Some(need))) if workflow.is_late(*need) != workflow.is_late(index) => {
                other_graph(sink, node, id, workflow.is_late(index));
            }
            Some((_, Some(need))) => needs.push(*need),
            Some((id, None)) => unknown_step(sink, node, id, ids),
            None => {}
        }
    }
    needs.sort_unstable();
    needs.dedup();
    needs
}

fn unknown_step(sink: &mut Sink<'_>, node: &Node, id: &str, ids: &BTreeMap<&str, usize>) {
    let known: Vec<&str> = ids.keys().copied().collect();
    sink.error(Code::UnknownStep, node.span, format!("There is no step `{id}`."))
        .remedy(suggest::remedy(id, &known));
}

fn other_graph(sink: &mut Sink<'_>, node: &Node, id: &str, late: bool) {
    let (message, remedy) = if late {
        (
            format!("Step `{id}` is final before `finally` starts."),
            "Leave it out: any step can be read in `finally`.",
        )
    } else {
        (
            format!("Step `{id}` belongs to `finally`, which starts after this step."),
            "Leave it out, or move the step.",
        )
    };
    sink.error(Code::OtherGraph, node.span, message).remedy(remedy);
}

/// Reports each circle once, with the way round it.
fn report_cycles(sink: &mut Sink<'_>, steps: &[StepNode<'_>], needs: &[Vec<usize>]) {
    let mut done = vec![false; needs.len()];
    for start in 0..needs.len() {
        if let Some(circle) = find_cycle(needs, &mut done, start) {
            let id = |index: &usize| steps.get(*index).map_or("", |step| step.id);
            let way: Vec<&str> = circle.iter().chain(circle.first()).map(id).collect();
            let first = circle.first().and_then(|index| steps.get(*index));
            let span = first.map_or_else(Default::default, |step| {
                step.get("needs").map_or(step.id_span, |node| node.span)
            });
            sink.error(
                Code::Cycle,
                span,
                format!("These steps need each other in a circle: {}.", way.join(" -> ")),
            )
            .remedy("Take one of them out of the `needs` of another.");
        }
    }
}

/// A circle that can be reached from `start` by steps not looked at before.
fn find_cycle(needs: &[Vec<usize>], done: &mut [bool], start: usize) -> Option<Vec<usize>> {
    // The way from the start, each step with how many of its needs were followed.
    let mut way: Vec<(usize, usize)> = vec![(start, 0)];
    let mut circle = None;
    while let Some((step, followed)) = way.last_mut() {
        let step = *step;
        let next = needs.get(step).and_then(|needs| needs.get(*followed)).copied();
        *followed += 1;
        let finished = done.get(step).copied().unwrap_or(true);
        match next.filter(|_| !finished) {
            None => {
                way.pop();
                if let Some(done) = done.get_mut(step) {
                    *done = true;
                }
            }
            Some(next) => match way.iter().position(|(on_way, _)| *on_way == next) {
                Some(at) if circle.is_none() => {
                    circle = Some(way.iter().skip(at).map(|(step, _)| *step).collect());
                }
                Some(_) => {}
                None => way.push((next, 0)),
            },
        }
    }
    circle
}

/// For each step all the steps that can be reached through needs.
fn closures(needs: &[Vec<usize>]) -> Vec<Vec<bool>> {
    let reach = |start: usize| {
        let mut row = vec![false; needs.len()];
        let mut open: Vec<usize> = needs.get(start).cloned().unwrap_or_default();
        while let Some(step) = open.pop() {
            if let Some(seen) = row.get_mut(step)
                && !*seen
            {
                *seen = true;
                open.extend(needs.get(step).into_iter().flatten());
            }
        }
        row
    };
    (0..needs.len()).map(reach).collect()
}
