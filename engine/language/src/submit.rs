//! From what a person gave to the inputs of a run, its target and its object: all that is wrong at once.
//!
//! It asks for backup sets and plans through [`References`] and knows no store. Files named with `@` are
//! read by the caller.

use std::collections::BTreeMap;

use holdfast_contract::list::{MARK, has_mark};
use holdfast_kernel::event::Group;
use holdfast_kernel::failure::Failure;
use holdfast_kernel::value::Value;
use thiserror::Error;

pub use holdfast_kernel::submit::{child_key, custom_key, dedupe_key, in_repository};

use crate::diagnostic::Sink;
use crate::input::{Declarations, Input, InputType};
use crate::program::Program;
use crate::scalar;
use crate::source::Source;
use crate::suggest;
use crate::yaml;

/// The longest key or name of a group, in bytes.
const LONGEST_NAME: usize = 1_024;

/// A value as it was given.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// Text from a command line, read by the declared type.
    Text(String),
    /// A value from a file, the service or another run.
    Value(Value),
}

/// Something that keeps a run from being submitted. Its `Display` is a full sentence.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Problem {
    /// The input it is about; empty if it is about the whole request.
    pub input: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// A backup set or plan that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its id, or its digest.
    pub id: String,
    /// The name of its target.
    pub target: String,
}

/// Which backup set is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// The one of this id.
    Id(&'a str),
    /// The newest complete one.
    Latest {
        /// Of this target.
        target: &'a str,
        /// Of this object, sorted; empty: all.
        object: &'a [String],
    },
}

/// Finds what inputs refer to. An error is a fragment that fits after "cannot …:".
pub trait References {
    /// The name that a target goes by; none if there is no such target.
    ///
    /// # Errors
    /// The configuration cannot be asked.
    fn target(&self, name: &str) -> Result<Option<String>, String>;

    /// The backup set that is wanted; none if there is none.
    ///
    /// # Errors
    /// The repository cannot be asked.
    fn backup_set(&self, wanted: Wanted<'_>) -> Result<Option<Reference>, String>;

    /// The plan of this digest; none if there is none.
    ///
    /// # Errors
    /// The store cannot be asked.
    fn plan(&self, digest: &str) -> Result<Option<Reference>, String>;
}

/// What a run is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The inputs, a map with every declared input.
    pub inputs: Value,
    /// The name of its target.
    pub target: Option<String>,
    /// What of the target it is about, sorted and without doubles; empty: all.
    pub object: Vec<String>,
    /// The workflow's own dedupe key, if it gives one.
    pub dedupe_key: Option<String>,
    /// The group it belongs to, if it belongs to one.
    pub group: Option<Group>,
}

/// Resolves everything a run needs to know before it is queued.
///
/// # Errors
/// Everything that is wrong.
pub fn resolve(
    program: &Program,
    declarations: &Declarations,
    given: &BTreeMap<String, Given>,
    references: &dyn References,
) -> Result<Resolved, Vec<Problem>> {
    let mut problems = unknown(declarations, given);
    let mut values = BTreeMap::new();
    let mut latest = Vec::new();
    for input in &declarations.inputs {
        match first_pass(input, given.get(&input.name), references) {
            Ok(First::Value(value)) => {
                values.insert(input.name.clone(), value);
            }
            Ok(First::Latest(target)) => {
                values.insert(input.name.clone(), Value::None);
                latest.push((input, target));
            }
            Err(problem) => problems.push(problem),
        }
    }
    // Without all the others neither target nor object can be known.
    if problems.is_empty() {
        let of_run = |values: &BTreeMap<String, Value>| about(program, values);
        for (input, target) in latest {
            match newest(input, target, of_run(&values), references) {
                Ok(value) => {
                    values.insert(input.name.clone(), value);
                }
                Err(problem) => problems.push(problem),
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let (target, object) = about(program, &values).map_err(|problem| vec![problem])?;
    let inputs = Value::Map(values);
    let text = |name: &str, value: Result<Option<Value>, Failure>| match value {
        Ok(None) => Ok(None),
        Ok(Some(Value::Text(text))) if (1..=LONGEST_NAME).contains(&text.len()) => Ok(Some(text)),
        Ok(Some(value @ (Value::Boolean(_) | Value::Integer(_) | Value::Number(_)))) => {
            Ok(Some(value.canonical()))
        }
        // Left out silently, runs would go on at once that must not.
        Ok(Some(Value::None)) => {
            let message = format!("`{name}` is nothing: an input that it is made of is not given.");
            Err(vec![problem("", message)])
        }
        Ok(Some(Value::Text(_) | Value::List(_) | Value::Map(_))) => {
            Err(vec![problem("", format!("`{name}` is no text of 1 to 1,024 bytes."))])
        }
        Err(failure) => Err(vec![problem("", format!("`{name}`: {}.", failure.message))]),
    };
    let dedupe_key = text("dedupe.key", program.dedupe_key(&inputs))?;
    let group = text("concurrency.group", program.group(&inputs))?;
    let group = group.zip(program.definition().concurrency.as_ref()).map(|(name, of)| Group {
        name,
        limit: of.limit,
        when_full: of.when_full,
    });
    Ok(Resolved { inputs, target, object, dedupe_key, group })
}

fn problem(input: &str, message: String) -> Problem {
    Problem { input: input.to_owned(), message, remedy: None }
}

fn unknown(declarations: &Declarations, given: &BTreeMap<String, Given>) -> Vec<Problem> {
    let names: Vec<&str> = declarations.inputs.iter().map(|input| input.name.as_str()).collect();
    given
        .keys()
        .filter(|name| !names.contains(&name.as_str()))
        .map(|name| Problem {
            remedy: Some(suggest::remedy(name, &names)),
            ..problem(name, format!("The workflow has no input `{name}`."))
        })
        .collect()
}

/// What an input comes to before target and object are known.
enum First {
    Value(Value),
    /// The newest set, of this target or of the run's.
    Latest(Option<String>),
}

fn first_pass(
    input: &Input,
    given: Option<&Given>,
    references: &dyn References,
) -> Result<First, Problem> {
    let name = input.name.as_str();
    let value = match given {
        Some(Given::Text(text)) => read(input, text)?,
        Some(Given::Value(value)) if has_mark(value) => {
            return Err(problem(
                name,
                format!("The input `{name}` has the reserved key `{MARK}`."),
            ));
        }
        Some(Given::Value(value)) => value.clone(),
        None => Value::None,
    };
    let value = match value {
        Value::None => input.default.clone().unwrap_or(Value::None),
        other => other,
    };
    if value == Value::None {
        if input.required {
            return Err(Problem {
                remedy: Some(format!("Give it with `--input {name}=...`.")),
                ..problem(name, format!("The input `{name}` is required."))
            });
        }
        return Ok(First::Value(Value::None));
    }
    let as_list = match (input.kind, value.as_text()) {
        (InputType::List, Some(text)) => Some(format!("Write it as a list: `[{text}]`.")),
        _ => None,
    };
    let value = input.accept(value).map_err(|reason| Problem {
        remedy: as_list,
        ..problem(name, format!("The input `{name}` does not fit: {reason}."))
    })?;
    refer(input, value, references)
}

/// Looks up what a target, set or plan refers to.
fn refer(input: &Input, value: Value, references: &dyn References) -> Result<First, Problem> {
    let name = input.name.as_str();
    let id =
        value.as_text().or_else(|| value.get("id").and_then(Value::as_text)).unwrap_or_default();
    let unasked = |reason: String| {
        problem(name, format!("The input `{name}` cannot be looked up: {reason}."))
    };
    let found = match input.kind {
        InputType::Target => {
            if let Some(target) = references.target(id).map_err(unasked)? {
                return Ok(First::Value(Value::Text(target)));
            }
            let message =
                format!("There is no target `{id}` in the configuration, and no such folder.");
            return Err(problem(name, message));
        }
        InputType::BackupSet => {
            if id == "latest" {
                return Ok(First::Latest(None));
            }
            if let Some(target) = id.strip_prefix("latest@") {
                return Ok(First::Latest(Some(target.to_owned())));
            }
            references.backup_set(Wanted::Id(id)).map_err(unasked)?
        }
        InputType::Plan => references.plan(id).map_err(unasked)?,
        InputType::String
        | InputType::Integer
        | InputType::Number
        | InputType::Boolean
        | InputType::Duration
        | InputType::List
        | InputType::Map => return Ok(First::Value(value)),
    };
    let what = input.kind.word().replace('_', " ");
    found
        .map(|found| First::Value(found.into()))
        .ok_or_else(|| problem(name, format!("There is no {what} `{id}`.")))
}

impl From<Reference> for Value {
    fn from(reference: Reference) -> Self {
        Self::from([("id", Self::Text(reference.id)), ("target", Self::Text(reference.target))])
    }
}

/// The newest complete set, of a named target or of the run's target and object.
fn newest(
    input: &Input,
    target: Option<String>,
    about: Result<(Option<String>, Vec<String>), Problem>,
    references: &dyn References,
) -> Result<Value, Problem> {
    let name = input.name.as_str();
    let (of_run, object) = about?;
    let Some(target) = target.or(of_run) else {
        return Err(Problem {
            remedy: Some("Write `latest@TARGET`, or the id of a set.".to_owned()),
            ..problem(name, "`latest` is of the run's target, and the run has none.".to_owned())
        });
    };
    let wanted = Wanted::Latest { target: &target, object: &object };
    match references.backup_set(wanted) {
        Ok(Some(found)) => Ok(found.into()),
        Ok(None) if !input.required => Ok(Value::None),
        Ok(None) => {
            Err(problem(name, format!("There is no complete backup set of the target `{target}`.")))
        }
        Err(reason) => {
            Err(problem(name, format!("The newest backup set cannot be looked up: {reason}.")))
        }
    }
}

/// A text from a command line, read by the declared type.
fn read(input: &Input, text: &str) -> Result<Value, Problem> {
    Ok(match input.kind {
        InputType::String
        | InputType::Duration
        | InputType::Target
        | InputType::BackupSet
        | InputType::Plan => Value::from(text),
        // A text that is no number or boolean stays text, and the declaration says what it is not.
        InputType::Integer | InputType::Number | InputType::Boolean => scalar::resolve(text),
        InputType::List | InputType::Map => {
            let source = Source::new("the input", text);
            let mut sink = Sink::new(&source);
            let node = yaml::read(&mut sink);
            let found = sink.into_diagnostics();
            match (node, found.first()) {
                (Some(node), None) => node.to_value(),
                (_, reason) => {
                    let reason =
                        reason.map_or("There is nothing.", |reason| reason.message.as_str());
                    return Err(problem(
                        &input.name,
                        format!("The input `{}` cannot be read as YAML. {reason}", input.name),
                    ));
                }
            }
        }
    })
}

/// The target and the object of a run with these inputs.
fn about(
    program: &Program,
    values: &BTreeMap<String, Value>,
) -> Result<(Option<String>, Vec<String>), Problem> {
    let inputs = Value::Map(values.clone());
    let failed = |what: &str, reason: String| {
        problem("", format!("The {what} of the run is not known: {reason}."))
    };
    let target = program.target(&inputs).map_err(|failure| failed("target", failure.message))?;
    let target = match target {
        Value::None if program.definition().target.is_none() => None,
        Value::Text(name) if !name.is_empty() => Some(name),
        other => {
            let reason = format!("it is {}, and must be the name of a target", described(&other));
            return Err(failed("target", reason));
        }
    };
    let object = program.object(&inputs).map_err(|failure| failed("object", failure.message))?;
    let object = object_of(object).map_err(|reason| failed("object", reason))?;
    Ok((target, object))
}

fn described(value: &Value) -> &'static str {
    crate::input::with_article(value.type_name())
}

/// An object in its one form: sorted, without doubles; empty for all.
fn object_of(value: Value) -> Result<Vec<String>, String> {
    let parts = match value {
        Value::None => Vec::new(),
        Value::List(list) => list,
        other => vec![other],
    };
    let mut object = Vec::new();
    for part in parts {
        let text = part
            .as_text()
            .or_else(|| part.get("id").and_then(Value::as_text))
            .ok_or_else(|| format!("a part of it is {}, and must be text", described(&part)))?;
        if !text.is_empty() {
            object.push(text.to_owned());
        }
    }
    object.sort_unstable();
    object.dedup();
    Ok(object)
}
