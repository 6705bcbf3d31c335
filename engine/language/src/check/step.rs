//! The expressions of a step, each with what its place lets it see.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_contract::spec::{Secrets, Shape};
use holdfast_kernel::definition::RunWhen;
use holdfast_kernel::value::Value;

use super::action::takes_item;
use super::expression::Examiner;
use super::graph::Graph;
use crate::code::Code;
use crate::kind::{Family, Known};
use crate::scope::{Scope, loop_variable};
use crate::source::Span;
use crate::template::{Stored, Template};
use crate::workflow::StepNode;
use crate::yaml::Node;

/// The expressions of a step in their stored form.
#[derive(Default)]
pub(crate) struct Expressions {
    pub with: Option<Template>,
    pub env: Option<Template>,
    pub condition: Option<Stored>,
    pub fan_out: Option<FanOut>,
}

/// The expressions of a fan-out.
pub(crate) struct FanOut {
    pub items: Template,
    pub key: Option<Template>,
    pub filter: Option<Stored>,
    pub stage: Option<Template>,
    pub max_parallel: Option<Template>,
}

/// The names that a loop variable would hide, and the words of expressions.
const RESERVED: [&str; 16] = [
    "inputs", "steps", "run", "secrets", "loop", "range", "and", "or", "not", "in", "is", "if",
    "else", "true", "false", "none",
];

impl Examiner<'_, '_, '_> {
    /// Checks all expressions of a step.
    pub(super) fn step(&mut self, step: &StepNode<'_>, index: usize) -> Expressions {
        let scope = self.scopes.of_step(index);
        let before_items = Scope {
            loop_variable: step.items().map(|_| step.variable().to_owned()),
            ..scope.clone()
        };
        let condition = step.get("if").and_then(|node| self.condition(node, &before_items));
        let scope = scope.guarded_by(Self::guards(condition.as_ref()));
        let (fan_out, item) = match step.items() {
            Some(items) => {
                let (fan_out, item) = self.fan_out(step, items, &scope);
                (Some(fan_out), Some(item))
            }
            None => (None, None),
        };
        let scope = match item {
            Some(item) => scope.with(step.variable(), item).with("loop", loop_variable()),
            None => scope,
        };
        Expressions {
            with: self.with(step, &scope),
            env: self.env(step, &scope),
            condition,
            fan_out,
        }
    }

    fn fan_out(&mut self, step: &StepNode<'_>, items: &Node, scope: &Scope) -> (FanOut, Known) {
        let (template, known) = self.template(items, scope, None);
        self.expect(items.span, &known, &[Family::List], "`items` is a list");
        let item = known.element();
        if RESERVED.contains(&step.variable())
            && let Some(node) = step.fan_out("as")
        {
            self.sink
                .error(
                    Code::BadName,
                    node.span,
                    format!("`{}` is the name of something else.", step.variable()),
                )
                .remedy("Give the loop variable another name.");
        }
        let index = Known::record("`loop`", &[("index", Known::Integer)]);
        let inner = scope.clone().with(step.variable(), item.clone()).with("loop", index);
        let key = step.fan_out("key").map(|node| {
            let (template, known) = self.template(node, &inner, None);
            let scalars = [Family::Text, Family::Number, Family::Boolean];
            self.expect(node.span, &known, &scalars, "`key` is text");
            template
        });
        let stage = step.fan_out("stage").map(|node| {
            let (template, known) = self.template(node, &inner, None);
            self.expect(node.span, &known, &[Family::Number], "`stage` is a whole number");
            template
        });
        let max_parallel = step.fan_out("max_parallel").map(|node| {
            let (template, known) = self.template(node, scope, None);
            self.expect(node.span, &known, &[Family::Number], "`max_parallel` is a whole number");
            self.check_parallel(node, &template);
            template
        });
        let filter = step.fan_out("where").and_then(|node| self.condition(node, &inner));
        let fan_out = FanOut { items: template, key, filter, stage, max_parallel };
        (fan_out, item)
    }

    fn check_parallel(&mut self, node: &Node, template: &Template) {
        let number = template.literal().and_then(Value::as_integer);
        if number.is_some_and(|number| !(1..=10_000).contains(&number)) {
            self.sink
                .error(Code::OutOfRange, node.span, "`max_parallel` is between 1 and 10000.")
                .remedy("Choose a value in that range.");
        }
    }

    /// Reports a value that is certainly of another type.
    pub(super) fn expect(&mut self, span: Span, known: &Known, wanted: &[Family], rule: &str) {
        let Some(found) = known.present().family() else {
            return;
        };
        if !wanted.contains(&found) {
            self.sink
                .error(Code::UnfitResult, span, format!("{rule}, and this is {}.", known.name()))
                .remedy("Write an expression that gives that type.");
        }
    }

    fn with(&mut self, step: &StepNode<'_>, scope: &Scope) -> Option<Template> {
        let given = step.get("with").and_then(Node::entries).unwrap_or_default();
        let mut parts = BTreeMap::new();
        for entry in given {
            let field = step.spec.and_then(|spec| spec.input(&entry.key));
            let may_read_secrets = field.is_some_and(|field| field.secrets == Secrets::Allowed);
            let widened;
            let scope = if may_read_secrets {
                widened = scope.clone().with("secrets", self.scopes.secrets());
                &widened
            } else {
                scope
            };
            // What may be left out may also be none.
            let shape: Option<&Shape> = field
                .map(|field| &field.shape)
                .filter(|_| entry.value.scalar() != Some(&Value::None));
            let (part, _) = self.template(&entry.value, scope, shape);
            parts.insert(entry.key.clone(), part);
        }
        if step.spec.is_some_and(|spec| takes_item(step, spec)) && !parts.contains_key("item") {
            parts.insert(
                "item".to_owned(),
                Template::Expression(Stored {
                    text: step.variable().to_owned(),
                    place: self.sink.source().place(step.node.span.start),
                }),
            );
        }
        (!parts.is_empty()).then(|| Template::map(parts))
    }

    fn env(&mut self, step: &StepNode<'_>, scope: &Scope) -> Option<Template> {
        let given = step.get("env").and_then(Node::entries)?;
        let scope = scope.clone().with("secrets", self.scopes.secrets());
        let mut parts = BTreeMap::new();
        for entry in given {
            let (part, _) = self.template(&entry.value, &scope, Some(&Shape::Text));
            parts.insert(entry.key.clone(), part);
        }
        Some(Template::map(parts))
    }

    /// Warns of a step that needs one that always runs only because it stands behind it.
    pub(super) fn check_place(&mut self, graph: &Graph, index: usize, read: &BTreeSet<String>) {
        let steps = &self.scopes.workflow.steps;
        let Some(step) = steps.get(index).filter(|step| step.get("needs").is_none()) else {
            return;
        };
        let [above] = graph.direct(index) else {
            return;
        };
        let Some(above) = steps.get(*above) else {
            return;
        };
        let always = above.run_when == RunWhen::Done && step.run_when != RunWhen::Done;
        if always && !read.contains(above.id) {
            self.sink
                .warning(
                    Code::NeedByPlace,
                    step.id_span,
                    format!(
                        "Step `{}` runs after `{}` only because it stands behind it.",
                        step.id, above.id
                    ),
                )
                .related(above.id_span, "this step runs whatever happened")
                .remedy(format!(
                    "Write `needs:` with what it needs; `needs: [{}]` if it is meant as it is.",
                    above.id
                ));
        }
    }
}
