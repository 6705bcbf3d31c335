//! `docs/actions.md` is what the specs in the code say.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::sync::Arc;

use holdfast_actions::registry::{Policy, standard};
use holdfast_actions::repositories::Repositories;
use holdfast_contract::provider::{ListedTarget, Provider, Targets};
use holdfast_contract::records::Approval;
use holdfast_contract::spec::{ActionSpec, Defaults, Field, Presence, Secrets, Shape};
use holdfast_kernel::event::TargetReference;
use holdfast_kernel::failure::{Class, Failure};

const PAGE: &str = include_str!("../../../docs/actions.md");

/// Everything before this line is written by hand.
const MARK: &str =
    "<!-- What follows is made from the specs in the code; a test compares it. -->\n";

struct NoTargets;

impl NoTargets {
    fn refused() -> Failure {
        Failure::without_effect(Class::NotFound, "a page has none")
    }
}

impl Targets for NoTargets {
    fn open(&self, _target: &TargetReference) -> Result<Arc<dyn Provider>, Failure> {
        Err(Self::refused())
    }

    fn reference(&self, _name: &str) -> Result<TargetReference, Failure> {
        Err(Self::refused())
    }

    fn list(&self) -> Vec<ListedTarget> {
        Vec::new()
    }

    fn may_restore(
        &self,
        _target: &TargetReference,
        _words: &[Approval],
        _initiator: &str,
    ) -> Result<(), String> {
        Ok(())
    }
}

fn made() -> String {
    let targets: Arc<dyn Targets> = Arc::new(NoTargets);
    let repositories =
        Arc::new(Repositories::new(String::new(), Arc::new(|_| Err(NoTargets::refused()))));
    standard(Policy::default(), &targets, &repositories).specs().fold(
        String::new(),
        |mut page, spec| {
            page.push('\n');
            page.push_str(&section(spec));
            page
        },
    )
}

fn section(spec: &ActionSpec) -> String {
    let mut text = format!("## `{}`\n\n{} {}\n\n", spec.name, spec.summary, spec.remarks);
    let reach = match spec.defaults {
        Defaults::Reach => "reach it",
        Defaults::DoNotReach => "do not reach it",
    };
    write!(
        text,
        "Effect class `{}`; writes {}; `defaults` of the workflow {reach}.\n\n",
        spec.effect.word(),
        spec.writes.word()
    )
    .expect("a string takes every text");
    table(&mut text, "with", spec.inputs);
    table(&mut text, "output", spec.outputs);
    write!(text, "```yaml action\n{}```\n", spec.example).expect("a string takes every text");
    text
}

fn table(text: &mut String, title: &str, fields: &[Field]) {
    if fields.is_empty() {
        write!(text, "It has no `{title}`.\n\n").expect("a string takes every text");
        return;
    }
    writeln!(text, "| `{title}` | type | |\n|---|---|---|").expect("a string takes every text");
    for field in fields {
        let shape = match field.shape {
            Shape::Word(words) => words.join(" or "),
            Shape::List(element) => format!("list of {}", element.name()),
            other => other.name().to_owned(),
        };
        let presence = if field.presence == Presence::Required { "\\*" } else { "" };
        let secrets = if field.secrets == Secrets::Allowed { " May hold secrets." } else { "" };
        writeln!(text, "| `{}`{presence} | {shape} | {}{secrets} |", field.name, field.doc)
            .expect("a string takes every text");
    }
    text.push('\n');
}

#[test]
fn the_page_of_actions_is_made_from_the_specs() {
    let (_, shown) = PAGE.split_once(MARK).expect("the page has the mark");
    let made = made();
    assert!(
        shown == made,
        "docs/actions.md is not what the specs say; it should go on after the mark with:\n{made}"
    );
}
