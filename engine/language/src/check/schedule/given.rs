//! What a schedule gives its runs: only what the workflow declares, all that it requires, each value in its one form.
//!
//! A target, a backup set or a plan is not looked up here; only its form is judged.

use std::collections::BTreeMap;

use holdfast_kernel::value::Value;

use super::id_span;
use crate::check::input::find_template;
use crate::code::Code;
use crate::diagnostic::Sink;
use crate::input::{Declarations, Unfit};
use crate::suggest;
use crate::workflow::get;
use crate::yaml::{Entry, Node};

/// The inputs that a schedule gives, each in its one form.
pub(super) fn inputs(
    sink: &mut Sink<'_>,
    root: &Node,
    declarations: &Declarations,
    schedule: &Node,
) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    let node = get(schedule, "inputs");
    if node.is_some_and(|node| node.entries().is_none()) {
        return values;
    }
    let given = node.and_then(Node::entries).unwrap_or_default();
    for entry in given {
        let value = input(sink, root, declarations, entry);
        values.extend(value.map(|value| (entry.key.clone(), value)));
    }
    for input in declarations.inputs.iter().filter(|input| input.required) {
        let is_given = given
            .iter()
            .any(|entry| entry.key == input.name && entry.value.scalar() != Some(&Value::None));
        if !is_given {
            sink.error(
                Code::MissingScheduleInput,
                id_span(schedule),
                format!("This schedule does not give the input `{}`.", input.name),
            )
            .remedy(format!(
                "Add `{}:` to its `inputs`, or give the input a default in place of `required`.",
                input.name
            ));
        }
    }
    values
}

/// The value of one input; none if it has none, or if something was reported.
fn input(
    sink: &mut Sink<'_>,
    root: &Node,
    declarations: &Declarations,
    entry: &Entry,
) -> Option<Value> {
    let Some(input) = declarations.inputs.iter().find(|input| input.name == entry.key) else {
        unknown_input(sink, root, entry);
        return None;
    };
    if let Some(found) = find_template(&entry.value) {
        sink.error(Code::TemplateRefused, found, "A template is not allowed here.")
            .remedy("Write the value itself: there is nothing that it could be made of.");
        return None;
    }
    let value = entry.value.to_value();
    if value == Value::None {
        return None;
    }
    match input.accept(value) {
        Ok(value) => return Some(value),
        // The declaration is refused itself.
        Err(Unfit::BadPattern) => {}
        Err(reason) => {
            sink.error(
                Code::UnfitScheduleInput,
                entry.value.span,
                format!("The input `{}` does not fit: {reason}.", input.name),
            )
            .remedy(format!("It is of type `{}`.", input.kind.word()));
        }
    }
    None
}

fn unknown_input(sink: &mut Sink<'_>, root: &Node, entry: &Entry) {
    let declared = get(root, "inputs").and_then(Node::entries).unwrap_or_default();
    let names: Vec<&str> = declared.iter().map(|declared| declared.key.as_str()).collect();
    // One that is there and could not be made sense of was reported.
    if !names.contains(&entry.key.as_str()) {
        sink.error(
            Code::UnknownScheduleInput,
            entry.key_span,
            format!("The workflow has no input `{}`.", entry.key),
        )
        .remedy(suggest::remedy(&entry.key, &names));
    }
}
