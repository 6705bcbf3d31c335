//! The parts of a workflow's tree that checks ask for by name.
//!
//! It reports nothing: a key that is not there or has the wrong type is none here and was reported by
//! the table of keys.

use holdfast_contract::spec::ActionSpec;
use holdfast_kernel::definition::{Operation, RunWhen};
use holdfast_kernel::id::Millis;
use holdfast_kernel::value::Value;

use std::sync::Arc;

use crate::action::Actions;
use crate::child::{ChildRefusal, ChildWorkflow};
use crate::shape::is_workflow_name;
use crate::source::Span;
use crate::yaml::{Entry, Node};
use holdfast_contract::duration;

/// A workflow's tree with its steps found.
pub(crate) struct Workflow<'n> {
    pub root: &'n Node,
    pub operation: Option<Operation>,
    /// Those of `finally` come last.
    pub steps: Vec<StepNode<'n>>,
    /// How many steps the main graph has.
    pub main: usize,
}

/// A step's tree with what most checks need.
pub(crate) struct StepNode<'n> {
    pub node: &'n Node,
    /// Its id; empty if it has none.
    pub id: &'n str,
    pub id_span: Span,
    /// The action's name and where it stands.
    pub uses: Option<(&'n str, Span)>,
    pub spec: Option<&'static ActionSpec>,
    /// The workflow it runs as a child, and where that stands.
    pub child: Option<Child<'n>>,
    /// What `run_when` comes to.
    pub run_when: RunWhen,
}

/// The child workflow of a step.
#[derive(Clone)]
pub(crate) struct Child<'n> {
    pub name: &'n str,
    pub span: Span,
    pub found: Result<Arc<ChildWorkflow>, ChildRefusal>,
}

/// Which graph a step belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Graph {
    Main,
    Finally,
}

impl<'n> Workflow<'n> {
    pub(crate) fn of(root: &'n Node, actions: &Actions) -> Self {
        let operation = text(root, "operation")
            .and_then(|word| Operation::ALL.into_iter().find(|operation| operation.word() == word));
        let list = |node: &'n Node| node.list().unwrap_or_default();
        let main = get(root, "steps").map(list).unwrap_or_default();
        let late = finally_steps(root).map(list).unwrap_or_default();
        let repository = text(root, "repository");
        let of = |graph| move |node: &'n Node| StepNode::of(node, graph, actions, repository);
        let steps = main.iter().map(of(Graph::Main)).chain(late.iter().map(of(Graph::Finally)));
        Self { root, operation, steps: steps.collect(), main: main.len() }
    }

    /// Whether a step belongs to `finally`.
    pub(crate) const fn is_late(&self, index: usize) -> bool {
        index >= self.main
    }

    /// How long `finally` may take.
    pub(crate) fn finally_timeout(&self) -> Option<Millis> {
        get(self.root, "finally").and_then(|finally| millis(finally, "timeout"))
    }
}

impl<'n> StepNode<'n> {
    fn of(node: &'n Node, graph: Graph, actions: &Actions, repository: Option<&str>) -> Self {
        let uses = get(node, "uses").and_then(|uses| Some((uses.text()?, uses.span)));
        let spec = uses.and_then(|(name, _)| actions.spec(name));
        let said = text(node, "run_when").and_then(|word| match word {
            "ok" => Some(RunWhen::Ok),
            "clean" => Some(RunWhen::Clean),
            "done" => Some(RunWhen::Done),
            "failed" => Some(RunWhen::Failed),
            _ => None,
        });
        Self {
            node,
            id: text(node, "id").unwrap_or_default(),
            id_span: get(node, "id").map_or(node.span, |id| id.span),
            uses,
            spec,
            child: child(node, actions, repository),
            run_when: said.unwrap_or_else(|| match (graph, spec) {
                (Graph::Finally, _) => RunWhen::Done,
                (Graph::Main, spec) => spec.map_or(RunWhen::Ok, |spec| spec.run_when),
            }),
        }
    }

    /// The entry of one of its keys.
    pub(crate) fn entry(&self, key: &str) -> Option<&'n Entry> {
        entry(self.node, key)
    }

    /// The value of one of its keys.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        get(self.node, key)
    }

    /// Whether one of its keys is `true`.
    pub(crate) fn is_true(&self, key: &str) -> bool {
        is_true(self.node, key)
    }

    /// A key of its `with`.
    pub(crate) fn with(&self, key: &str) -> Option<&'n Entry> {
        self.get("with").and_then(|with| entry(with, key))
    }

    /// The key of its fan-out, where that is written as a map.
    pub(crate) fn fan_out(&self, key: &str) -> Option<&'n Node> {
        self.get("for_each").and_then(|fan_out| get(fan_out, key))
    }

    /// The list of its fan-out, if it has one.
    pub(crate) fn items(&self) -> Option<&'n Node> {
        let fan_out = self.get("for_each")?;
        if fan_out.entries().is_some() {
            return get(fan_out, "items");
        }
        Some(fan_out)
    }

    /// The name of its loop variable.
    pub(crate) fn variable(&self) -> &'n str {
        self.fan_out("as").and_then(Node::text).unwrap_or("item")
    }
}

fn child<'n>(node: &'n Node, actions: &Actions, repository: Option<&str>) -> Option<Child<'n>> {
    let named = get(node, "workflow")?;
    let name = named.text().filter(|name| is_workflow_name(name))?;
    Some(Child { name, span: named.span, found: actions.child(name, repository) })
}

/// The list of the steps of `finally`.
pub(crate) fn finally_steps(root: &Node) -> Option<&Node> {
    let finally = get(root, "finally")?;
    if finally.entries().is_some() { get(finally, "steps") } else { Some(finally) }
}

/// The entry of a key of a map.
pub(crate) fn entry<'n>(node: &'n Node, key: &str) -> Option<&'n Entry> {
    node.entries()?.iter().find(|entry| entry.key == key)
}

/// The value of a key of a map.
pub(crate) fn get<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    entry(node, key).map(|entry| &entry.value)
}

/// The text of a key of a map.
pub(crate) fn text<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    get(node, key)?.text()
}

/// The duration of a key of a map.
pub(crate) fn millis(node: &Node, key: &str) -> Option<Millis> {
    duration::parse(text(node, key)?).ok()
}

/// The whole number of a key of a map.
pub(crate) fn integer(node: &Node, key: &str) -> Option<u32> {
    let number = get(node, key)?.scalar()?.as_integer()?;
    u32::try_from(number).ok()
}

/// Whether a key of a map is `true`.
pub(crate) fn is_true(node: &Node, key: &str) -> bool {
    get(node, key).and_then(Node::scalar).and_then(Value::as_boolean) == Some(true)
}
