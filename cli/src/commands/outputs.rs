//! The outputs of a run, for people: one line each, longer texts in a block of their own.

use holdfast_contract::list::StoredList;
use holdfast_kernel::id::RunId;
use holdfast_kernel::value::Value;
use holdfast_service::wire::ask::Ask;

use crate::access::Access;
use crate::error::Error;
use crate::output::Output;

/// Prints what the run returned; nothing if it returned nothing.
///
/// # Errors
/// It cannot be read.
pub(super) fn print(access: &Access, run: RunId, output: Output) -> Result<(), Error> {
    let outputs: Option<Value> = access.ask(Ask::Outputs { run })?;
    let outputs = outputs.as_ref().and_then(Value::as_map);
    let Some(outputs) = outputs.filter(|outputs| !outputs.is_empty()) else { return Ok(()) };
    let is_block = |value: &Value| value.as_text().is_some_and(|text| text.contains('\n'));
    for (name, value) in outputs.iter().filter(|(_, value)| !is_block(value)) {
        output.line(format!("{name:<12} {}", in_words(value)));
    }
    for (_, value) in outputs.iter().filter(|(_, value)| is_block(value)) {
        output.line("");
        for line in value.as_text().unwrap_or_default().lines() {
            output.line(format!("  {line}"));
        }
    }
    Ok(())
}

fn in_words(value: &Value) -> String {
    if let Some(id) = value.get("id").and_then(Value::as_text) {
        return id.to_owned();
    }
    if let Some(list) = StoredList::from_value(value) {
        return format!("{} elements", list.count);
    }
    match value {
        // What has fields of its own is for programs.
        Value::List(list) if list.iter().any(|element| element.as_map().is_some()) => {
            format!("{} elements", list.len())
        }
        Value::None => "none".to_owned(),
        Value::Text(text) => text.clone(),
        other => other.canonical(),
    }
}
