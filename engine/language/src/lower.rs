//! From a checked tree to the definition that the kernel runs: every default filled in.
//!
//! It is called only when nothing is wrong, so it reports nothing.

use holdfast_contract::spec::{Defaults, TargetUse};
use holdfast_kernel::definition::{
    ActionUse, ChildUse, Concurrency, Definition, Finally, ForEach, OnFailure, RetryPolicy, Share,
    Step, WhenFull, Work,
};
use holdfast_kernel::failure::Class;
use holdfast_kernel::id::{ExpressionId, Millis, StepIndex};
use holdfast_kernel::people::APPROVAL_TIMEOUT;
use holdfast_kernel::value::Value;

use crate::action::{APPROVAL, SLEEP};
use crate::check::graph::Graph;
use crate::check::{Expressions, OfRun, Used};
use crate::shape::check::percent;
use crate::template::{Stored, Template};
use crate::workflow::{StepNode, Workflow, get, integer, is_true, millis, text};
use crate::yaml::Node;

/// How long a run may take unless it says otherwise.
pub(crate) const RUN_TIMEOUT: Millis = Millis::seconds(24 * 60 * 60);
/// How long `finally` may take unless it says otherwise.
pub(crate) const FINALLY_TIMEOUT: Millis = Millis::seconds(10 * 60);

/// How long an attempt at a target may take unless the file says otherwise.
const ATTEMPT_TIMEOUT: Millis = Millis::seconds(5 * 60);
/// How many attempts at a target there may be unless the file says otherwise.
const ATTEMPTS: u32 = 5;

/// What lowering reads.
pub(crate) struct Lowering<'a, 'n> {
    pub workflow: &'a Workflow<'n>,
    pub graph: &'a Graph,
    pub used: &'a [Option<Used>],
    pub file: &'a str,
}

/// The expressions of the definition so far.
struct Pool<'a> {
    file: &'a str,
    stored: Vec<Value>,
}

impl Pool<'_> {
    fn add(&mut self, template: &Template) -> ExpressionId {
        self.stored.push(template.to_value(self.file));
        let place = self.stored.len() - 1;
        ExpressionId(u32::try_from(place).unwrap_or(u32::MAX))
    }

    fn maybe(&mut self, template: Option<&Template>) -> Option<ExpressionId> {
        template.map(|template| self.add(template))
    }

    fn condition(&mut self, stored: Option<Stored>) -> Option<ExpressionId> {
        stored.map(|stored| self.add(&Template::Expression(stored)))
    }
}

/// The definition; none if a part is missing, which then was reported.
pub(crate) fn lower(
    lowering: &Lowering<'_, '_>,
    expressions: Vec<Expressions>,
    run: OfRun,
) -> Option<Definition> {
    let root = lowering.workflow.root;
    let mut pool = Pool { file: lowering.file, stored: Vec::new() };
    let OfRun { target, object, dedupe_key, group, outputs } = run;
    let (target, object) = (pool.maybe(target.as_ref()), pool.maybe(object.as_ref()));
    let (dedupe_key, group) = (pool.maybe(dedupe_key.as_ref()), pool.maybe(group.as_ref()));
    let mut steps = Vec::new();
    for (index, expressions) in expressions.into_iter().enumerate() {
        steps.push(step(lowering, &mut pool, index, expressions)?);
    }
    let outputs = pool.maybe(outputs.as_ref());
    let labels = get(root, "labels").and_then(Node::entries).unwrap_or_default();
    let mut definition = Definition {
        name: text(root, "name")?.to_owned(),
        operation: lowering.workflow.operation?,
        description: text(root, "description").unwrap_or_default().to_owned(),
        labels: labels
            .iter()
            .filter_map(|entry| Some((entry.key.clone(), entry.value.text()?.to_owned())))
            .collect(),
        secrets: std::collections::BTreeMap::new(),
        declarations: None,
        target,
        object,
        dedupe_key,
        concurrency: group.map(|group| concurrency(root, group)),
        repository: text(root, "repository").map(str::to_owned),
        timeout: millis(root, "timeout").unwrap_or(RUN_TIMEOUT),
        finally: finally(lowering.workflow),
        steps,
        outputs,
        expressions: pool.stored,
    };
    turn_needs_round(&mut definition);
    Some(definition)
}

fn concurrency(root: &Node, group: ExpressionId) -> Concurrency {
    let node = get(root, "concurrency");
    let reject = node.and_then(|node| text(node, "when_full")) == Some("reject");
    Concurrency {
        group,
        limit: node.and_then(|node| integer(node, "limit")).unwrap_or(1),
        when_full: if reject { WhenFull::Reject } else { WhenFull::Queue },
    }
}

fn finally(workflow: &Workflow<'_>) -> Option<Finally> {
    let first = u32::try_from(workflow.main).ok()?;
    let timeout = workflow.finally_timeout().unwrap_or(FINALLY_TIMEOUT);
    (workflow.steps.len() > workflow.main).then_some(Finally { first: StepIndex(first), timeout })
}

fn turn_needs_round(definition: &mut Definition) {
    let edges: Vec<(usize, StepIndex)> = definition
        .numbered()
        .flat_map(|(index, step)| step.needs.iter().map(move |need| (need.place(), index)))
        .collect();
    for (need, index) in edges {
        if let Some(step) = definition.steps.get_mut(need) {
            step.needed_by.push(index);
        }
    }
}

fn step(
    lowering: &Lowering<'_, '_>,
    pool: &mut Pool<'_>,
    index: usize,
    expressions: Expressions,
) -> Option<Step> {
    let node = lowering.workflow.steps.get(index)?;
    let used = lowering.used.get(index).copied().flatten();
    let reaches = used.is_some_and(|used| used.spec.defaults == Defaults::Reach);
    let is_approval = used.is_some_and(|used| used.spec.name == APPROVAL);
    let defaults = get(lowering.workflow.root, "defaults").filter(|_| reaches);
    let default_timeout = defaults
        .and_then(|defaults| millis(defaults, "timeout"))
        .or(reaches.then_some(ATTEMPT_TIMEOUT))
        .or(is_approval.then_some(APPROVAL_TIMEOUT));
    let needs = lowering.graph.direct(index).iter();
    let Expressions { with, env, condition, fan_out } = expressions;
    let work = match used {
        Some(used) => work(pool, used, with.as_ref(), env.as_ref()),
        None => child(pool, node, with.as_ref())?,
    };
    Some(Step {
        id: node.id.to_owned(),
        work,
        needs: needs.map(|need| StepIndex(u32::try_from(*need).unwrap_or(u32::MAX))).collect(),
        needed_by: Vec::new(),
        run_when: node.run_when,
        condition: pool.condition(condition),
        for_each: fan_out.map(|fan_out| for_each(pool, node, fan_out)),
        retry: retry(node, defaults, reaches),
        timeout: millis(node.node, "timeout").or(default_timeout),
        on_failure: if node.is_true("continue_on_error") {
            OnFailure::Continue
        } else {
            OnFailure::Fail
        },
    })
}

fn work(pool: &mut Pool<'_>, used: Used, with: Option<&Template>, env: Option<&Template>) -> Work {
    if used.spec.name == SLEEP {
        let duration = match with {
            Some(Template::Map(map)) => map.get("duration").cloned(),
            Some(Template::Value(value)) => value.get("duration").cloned().map(Template::Value),
            _ => None,
        };
        // A sleep without a duration was refused: it is a required input.
        let duration = duration.unwrap_or(Template::Value(Value::None));
        return Work::Pause { duration: pool.add(&duration) };
    }
    if used.spec.name == APPROVAL {
        return Work::Approval { with: pool.maybe(with) };
    }
    Work::Action(ActionUse {
        action: used.spec.name.to_owned(),
        version: used.spec.version,
        effect: used.effect,
        writes: used.writes,
        on_target: used.spec.target == TargetUse::Run,
        with: pool.maybe(with),
        env: pool.maybe(env),
    })
}

/// The child run of a step; none if the workflow was not found, which then was reported.
fn child(pool: &mut Pool<'_>, step: &StepNode<'_>, with: Option<&Template>) -> Option<Work> {
    let child = step.child.as_ref()?;
    let found = child.found.as_ref().ok()?;
    Some(Work::Child(ChildUse {
        workflow: child.name.to_owned(),
        definition: found.digest,
        writes: found.writes(),
        with: pool.maybe(with),
    }))
}

fn for_each(pool: &mut Pool<'_>, step: &StepNode<'_>, fan_out: crate::check::FanOut) -> ForEach {
    let node = step.get("for_each").filter(|node| node.entries().is_some());
    let number = |key: &str| node.and_then(|node| integer(node, key));
    ForEach {
        items: pool.add(&fan_out.items),
        key: pool.maybe(fan_out.key.as_ref()),
        filter: pool.condition(fan_out.filter),
        stage: pool.maybe(fan_out.stage.as_ref()),
        max_parallel: pool.maybe(fan_out.max_parallel.as_ref()),
        variable: step.variable().to_owned(),
        batch: number("batch").unwrap_or(1),
        max_failed: step.fan_out("max_failed").and_then(share),
        min_items: number("min_items").unwrap_or(0),
        fail_fast: node.is_some_and(|node| is_true(node, "fail_fast")),
    }
}

fn share(node: &Node) -> Option<Share> {
    let value = node.scalar()?;
    if let Some(count) = value.as_integer() {
        return u32::try_from(count).ok().map(Share::Count);
    }
    let share = percent(value.as_text()?)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a percentage is a whole number between 0 and 100"
    )]
    Some(Share::Percent(share as u32))
}

/// The step's own policy, then the workflow's defaults, then the language's, key by key.
fn retry(step: &StepNode<'_>, defaults: Option<&Node>, reaches: bool) -> RetryPolicy {
    let base = RetryPolicy { attempts: if reaches { ATTEMPTS } else { 1 }, ..RetryPolicy::once() };
    let places: Vec<&Node> =
        [step.get("retry"), defaults.and_then(|defaults| get(defaults, "retry"))]
            .into_iter()
            .flatten()
            .collect();
    let duration = |key: &str| places.iter().find_map(|node| millis(node, key));
    let classes = places.iter().find_map(|node| classes(node));
    RetryPolicy {
        attempts: places.iter().find_map(|node| integer(node, "attempts")).unwrap_or(base.attempts),
        delay: duration("delay").unwrap_or(base.delay),
        backoff_thousandths: places
            .iter()
            .find_map(|node| thousandths(get(node, "backoff")?))
            .unwrap_or(base.backoff_thousandths),
        max_delay: duration("max_delay").unwrap_or(base.max_delay),
        max_elapsed: duration("max_elapsed"),
        when: classes.unwrap_or(base.when),
    }
}

fn classes(retry: &Node) -> Option<Vec<Class>> {
    let words = get(retry, "when")?.list()?;
    let mut classes: Vec<Class> = words
        .iter()
        .filter_map(|node| {
            let word = node.text()?;
            Class::ALL.into_iter().find(|class| class.word() == word)
        })
        .collect();
    classes.sort_unstable();
    classes.dedup();
    Some(classes)
}

fn thousandths(node: &Node) -> Option<u32> {
    match node.scalar()? {
        Value::Integer(number) => u32::try_from(number * 1_000).ok(),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and 100, as the table of keys says"
        )]
        Value::Number(number) => Some((number * 1_000.0).round() as u32),
        _ => None,
    }
}
