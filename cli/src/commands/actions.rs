//! `actions`: what a step can use, from the specs in the code.

use std::process::ExitCode;

use holdfast_contract::spec::{ActionSpec, Field, Presence, Shape};
use serde::Serialize;

use crate::arguments::Actions;
use crate::compose::parts;
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;

#[derive(Serialize)]
struct Shown {
    name: &'static str,
    summary: &'static str,
    effect: &'static str,
    writes: &'static str,
    inputs: Vec<ShownField>,
    outputs: Vec<ShownField>,
    remarks: &'static str,
    example: &'static str,
}

#[derive(Serialize)]
struct ShownField {
    name: &'static str,
    r#type: String,
    required: bool,
    doc: &'static str,
}

/// Lists the actions, or shows one.
///
/// # Errors
/// There is no action of that name.
pub(crate) fn perform(
    actions: &Actions,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    let wanted = |spec: &&ActionSpec| actions.name.as_ref().is_none_or(|name| name == spec.name);
    let specs: Vec<&'static ActionSpec> = parts.registry.specs().filter(wanted).collect();
    if let (true, Some(name)) = (specs.is_empty(), &actions.name) {
        return Err(Error::usage(format!("There is no action `{name}`."))
            .hint("`holdfast actions` lists them."));
    }
    if output.is_json() {
        output.json(&specs.iter().map(|spec| shown(spec)).collect::<Vec<_>>())?;
    } else if let (Some(_), [spec]) = (&actions.name, specs.as_slice()) {
        show(spec, output);
    } else {
        for spec in specs {
            output.line(format!("{:<20} {}", spec.name, spec.summary));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(spec: &ActionSpec, output: Output) {
    output.line(format!("{}: {}", spec.name, spec.summary));
    output.line(format!("effect: {}    writes: {}", spec.effect.word(), spec.writes.word()));
    for (title, fields) in [("with", spec.inputs), ("output", spec.outputs)] {
        output.line(format!("\n{title}:{}", if fields.is_empty() { " nothing" } else { "" }));
        for field in fields.iter().map(shown_field) {
            let mark = if field.required { "*" } else { " " };
            output.line(format!("  {:<22}{mark} {:<18} {}", field.name, field.r#type, field.doc));
        }
    }
    output.line(format!("\n{}\n\n{}", spec.remarks, spec.example.trim_end()));
}

fn shown(spec: &ActionSpec) -> Shown {
    Shown {
        name: spec.name,
        summary: spec.summary,
        effect: spec.effect.word(),
        writes: spec.writes.word(),
        inputs: spec.inputs.iter().map(shown_field).collect(),
        outputs: spec.outputs.iter().map(shown_field).collect(),
        remarks: spec.remarks,
        example: spec.example,
    }
}

fn shown_field(field: &Field) -> ShownField {
    let shape = match field.shape {
        Shape::Word(words) => words.join(" | "),
        Shape::List(element) => format!("list of {}", element.name()),
        other => other.name().to_owned(),
    };
    ShownField {
        name: field.name,
        r#type: shape,
        required: field.presence == Presence::Required,
        doc: field.doc,
    }
}
