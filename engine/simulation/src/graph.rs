//! Random definitions: chains and graphs with fan-outs, stages, batches, retries, timeouts and sleeps.
//!
//! They hold no real expressions: [`crate::script`] answers for them.

use holdfast_kernel::definition::{
    ActionUse, ChildUse, Definition, EffectClass, Finally, ForEach, OnFailure, Operation,
    RetryPolicy, RunWhen, Share, Step, WhenFull, Work, Writes,
};
use holdfast_kernel::event::{Group, TargetReference};
use holdfast_kernel::failure::Class;
use holdfast_kernel::id::{Digest, ExpressionId, Millis, StepIndex};
use holdfast_kernel::value::Value;

use crate::chance::Chance;

/// The expression every template of a random definition refers to.
const SCRIPTED: ExpressionId = ExpressionId(0);

/// How large and how wild random definitions are.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// The most steps of the main graph.
    pub steps: u32,
    /// Whether steps may run children.
    pub children: Children,
}

/// Whether steps may run children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Children {
    /// Some do.
    Some,
    /// None does.
    None,
}

/// A random definition that passes [`Definition::check`].
pub fn definition(chance: &mut Chance, size: Size) -> Definition {
    let count = 1 + chance.small(size.steps);
    let late = if chance.percent(40) { 1 + chance.small(2) } else { 0 };
    let mut steps: Vec<Step> = (0..count + late)
        .map(|index| {
            let first = if index < count { 0 } else { count };
            step(chance, index, first, size.children)
        })
        .collect();
    for step in steps.iter_mut().skip(count as usize) {
        step.run_when = if chance.percent(80) { RunWhen::Done } else { step.run_when };
    }
    let edges: Vec<(u32, StepIndex)> = (0..count + late)
        .zip(&steps)
        .flat_map(|(index, step)| step.needs.iter().map(move |need| (index, *need)))
        .collect();
    for (index, need) in edges {
        if let Some(step) = steps.get_mut(need.place()) {
            step.needed_by.push(StepIndex(index));
        }
    }
    let timeout =
        if chance.percent(15) { Millis(chance.below(20_000)) } else { Millis::seconds(86_400) };
    let end =
        if chance.percent(15) { Millis(chance.below(3_000)) } else { Millis::seconds(86_400) };
    Definition {
        name: "random".to_owned(),
        operation: chance.pick([Operation::Backup, Operation::Restore, Operation::Maintenance]),
        description: String::new(),
        labels: std::collections::BTreeMap::new(),
        secrets: std::collections::BTreeMap::new(),
        declarations: None,
        target: None,
        object: None,
        dedupe_key: None,
        concurrency: None,
        repository: None,
        finally: (late > 0).then_some(Finally { first: StepIndex(count), timeout: end }),
        timeout,
        steps,
        outputs: chance.percent(50).then_some(SCRIPTED),
        expressions: vec![Value::None],
    }
}

fn step(chance: &mut Chance, index: u32, first: u32, children: Children) -> Step {
    let work = match chance.below(100) {
        0..8 => Work::Pause { duration: SCRIPTED },
        8..15 => Work::Approval { with: Some(SCRIPTED) },
        15..22 if children == Children::Some => Work::Child(ChildUse {
            workflow: "child".to_owned(),
            definition: Digest::of_bytes(b"made when it starts"),
            writes: chance.pick([Writes::Nothing, Writes::Target]),
            with: Some(SCRIPTED),
        }),
        _ => Work::Action(action(chance)),
    };
    Step {
        id: format!("s{index}"),
        work,
        needs: needs(chance, index, first),
        needed_by: Vec::new(),
        run_when: chance.pick([
            RunWhen::Ok,
            RunWhen::Ok,
            RunWhen::Ok,
            RunWhen::Clean,
            RunWhen::Done,
            RunWhen::Failed,
        ]),
        condition: chance.percent(15).then_some(SCRIPTED),
        for_each: chance.percent(45).then(|| fan_out(chance)),
        retry: retry(chance),
        timeout: chance.percent(60).then(|| Millis(100 + chance.below(3_000))),
        on_failure: if chance.percent(15) { OnFailure::Continue } else { OnFailure::Fail },
    }
}

/// Mostly the step before, sometimes none or several.
fn needs(chance: &mut Chance, index: u32, first: u32) -> Vec<StepIndex> {
    if index == first || chance.percent(10) {
        return Vec::new();
    }
    if chance.percent(60) {
        return vec![StepIndex(index - 1)];
    }
    (first..index).filter(|_| chance.percent(40)).map(StepIndex).collect()
}

fn action(chance: &mut Chance) -> ActionUse {
    ActionUse {
        action: "scripted".to_owned(),
        version: 1,
        effect: chance.pick([
            EffectClass::Pure,
            EffectClass::Idempotent,
            EffectClass::Keyed,
            EffectClass::Probed,
            EffectClass::Probed,
            EffectClass::Once,
        ]),
        writes: Writes::Target,
        on_target: chance.percent(50),
        with: Some(SCRIPTED),
        env: None,
    }
}

fn fan_out(chance: &mut Chance) -> ForEach {
    ForEach {
        items: SCRIPTED,
        key: None,
        filter: None,
        stage: None,
        max_parallel: None,
        variable: "item".to_owned(),
        batch: chance.pick([1, 1, 2, 5]),
        max_failed: chance.percent(30).then(|| {
            if chance.percent(50) {
                Share::Count(chance.small(4))
            } else {
                Share::Percent(chance.small(60))
            }
        }),
        min_items: if chance.percent(10) { 3 } else { 0 },
        fail_fast: chance.percent(20),
    }
}

fn retry(chance: &mut Chance) -> RetryPolicy {
    let mut when = vec![Class::Transient, Class::Throttled, Class::Timeout];
    if chance.percent(20) {
        when.push(Class::Permanent);
    }
    RetryPolicy {
        attempts: 1 + chance.small(4),
        delay: Millis(1 + chance.below(2_000)),
        backoff_thousandths: chance.pick([1_000, 1_500, 2_000]),
        max_delay: Millis(5_000),
        max_elapsed: chance.percent(15).then(|| Millis(chance.below(8_000))),
        when,
    }
}

/// What a child run asks for besides its work.
pub(crate) struct Terms {
    pub(crate) target: Option<TargetReference>,
    pub(crate) group: Option<Group>,
}

/// Its parent's target, one that only children have, or none; a group, if it may be of one. Only who has no children
/// waits for what no ancestor has: two that wait for each other would never end.
pub(crate) fn terms(chance: &mut Chance, of_parent: Option<TargetReference>, alone: bool) -> Terms {
    let side = TargetReference { name: "side".to_owned(), identity: "side".to_owned() };
    let target = match chance.below(4) {
        0 => None,
        1 if alone => Some(side),
        _ => of_parent,
    };
    let rejects = chance.percent(30);
    let group = (alone && chance.percent(30)).then(|| Group {
        name: "children".to_owned(),
        limit: 1 + chance.small(1),
        when_full: if rejects { WhenFull::Reject } else { WhenFull::Queue },
    });
    Terms { target, group }
}
