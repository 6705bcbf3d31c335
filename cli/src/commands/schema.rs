//! `schema`: the JSON Schema of workflows or of the configuration, for editors.

use std::process::ExitCode;

use holdfast_language::schema;

use crate::arguments::{Schema, SchemaOf};
use crate::compose::{Parts, parts};
use crate::error::Error;
use crate::output::Output;
use crate::settings::Settings;

/// The file beside workflows that has their schema.
pub(super) const WORKFLOW_FILE: &str = "holdfast-workflow.schema.json";

/// The file beside the configuration that has its schema.
pub(super) const CONFIGURATION_FILE: &str = "holdfast.schema.json";

/// Prints a schema.
///
/// # Errors
/// It has no JSON.
pub(crate) fn perform(
    schema: &Schema,
    settings: &Settings,
    output: Output,
) -> Result<ExitCode, Error> {
    let parts = parts(settings, output);
    match schema.of {
        SchemaOf::Workflow => output.json(&schema::of_workflow(&parts.actions))?,
        SchemaOf::Configuration => output.json(&schema::of_configuration())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The texts of both, each with the name of its file.
///
/// # Errors
/// One has no JSON.
pub(super) fn files(parts: &Parts) -> Result<[(&'static str, String); 2], Error> {
    let text = |schema: &serde_json::Value| {
        serde_json::to_string_pretty(schema)
            .map(|text| format!("{text}\n"))
            .map_err(|error| Error::internal(format!("The schema cannot be written: {error}.")))
    };
    Ok([
        (WORKFLOW_FILE, text(&schema::of_workflow(&parts.actions))?),
        (CONFIGURATION_FILE, text(&schema::of_configuration())?),
    ])
}
