//! What a workflow declares: inputs whose keys agree with each other, and secrets by reference.

use std::collections::BTreeMap;

use holdfast_kernel::value::Value;

use crate::code::Code;
use crate::diagnostic::Sink;
use crate::input::{Declarations, Input, InputType, SecretReference, limit, whole_pattern};
use crate::source::Span;
use crate::workflow::{entry, get, is_true, text};
use crate::yaml::{Data, Entry, Node};

/// Reads the declarations, and reports those that contradict themselves.
pub(super) fn check(sink: &mut Sink<'_>, root: &Node) -> Declarations {
    let inputs = get(root, "inputs").and_then(Node::entries).unwrap_or_default();
    let secrets = get(root, "secrets").and_then(Node::entries).unwrap_or_default();
    let mut declarations = Declarations::default();
    for entry in inputs {
        declarations.inputs.extend(input(sink, entry));
    }
    declarations.secrets = secrets
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), secret(sink, entry)?)))
        .collect::<BTreeMap<_, _>>();
    declarations
}

fn kind_of(node: &Node, key: &str) -> Option<InputType> {
    let word = text(node, key)?;
    InputType::ALL.into_iter().find(|kind| kind.word() == word)
}

fn input(sink: &mut Sink<'_>, declared: &Entry) -> Option<Input> {
    let node = &declared.value;
    let kind = kind_of(node, "type")?;
    let value = |key: &str| get(node, key).map(Node::to_value);
    let choices = get(node, "enum").and_then(Node::list).unwrap_or_default();
    let input = Input {
        name: declared.key.clone(),
        kind,
        required: is_true(node, "required"),
        default: value("default").filter(|value| *value != Value::None),
        items: kind_of(node, "items"),
        unordered: is_true(node, "unordered"),
        choices: choices.iter().map(Node::to_value).collect(),
        pattern: text(node, "pattern").map(str::to_owned),
        min: value("min"),
        max: value("max"),
        description: text(node, "description").unwrap_or_default().to_owned(),
    };
    refuse_templates(sink, node);
    check_keys(sink, node, &input);
    check_choices(sink, node, &input);
    Some(check_default(sink, node, input))
}

/// A template would need values that are not there when a run is submitted.
fn refuse_templates(sink: &mut Sink<'_>, node: &Node) {
    for key in ["default", "enum", "min", "max"] {
        if let Some(found) = get(node, key).and_then(find_template) {
            sink.error(Code::TemplateRefused, found, "A template is not allowed here.")
                .remedy("Write the value itself: it must be known before a run starts.");
        }
    }
}

/// Where a template stands in a value; none if there is none.
pub(super) fn find_template(node: &Node) -> Option<Span> {
    match &node.data {
        Data::Scalar(value) => {
            value.as_text().filter(|text| text.contains("{{")).map(|_| node.span)
        }
        Data::List(list) => list.iter().find_map(find_template),
        Data::Map(entries) => entries.iter().find_map(|entry| find_template(&entry.value)),
        Data::Broken => None,
    }
}

fn check_keys(sink: &mut Sink<'_>, node: &Node, input: &Input) {
    use InputType::{BackupSet, Duration, Integer, List, Number, Plan, String, Target};
    let rules: [(&str, &[InputType]); 6] = [
        ("items", &[List]),
        ("unordered", &[List]),
        ("pattern", &[String, Target]),
        ("min", &[Integer, Number, Duration, String, List]),
        ("max", &[Integer, Number, Duration, String, List]),
        ("default", &InputType::ALL),
    ];
    for (key, kinds) in rules {
        let Some(entry) = entry(node, key).filter(|_| !kinds.contains(&input.kind)) else {
            continue;
        };
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
        sink.error(
            Code::BadInput,
            entry.key_span,
            format!("`{key}` has no meaning for an input of type `{}`.", input.kind.word()),
        )
        .remedy(format!("Leave it out; it is for {}.", kinds.join(", ")));
    }
    if let (true, Some(default)) = (input.required, entry(node, "default")) {
        sink.error(
            Code::BadInput,
            default.key_span,
            "An input that is required has no use for a default.",
        )
        .remedy("Leave `required` or `default` out.");
    }
    if let Some(pattern) = get(node, "pattern")
        && input.pattern.as_deref().is_some_and(|text| whole_pattern(text).is_none())
    {
        sink.error(Code::BadPattern, pattern.span, "This is no regular expression.")
            .remedy("Escape what is meant as itself: `\\.`, `\\(`; there is no look-around.");
    }
    check_bounds(sink, node, input);
    if matches!(input.kind, BackupSet | Plan)
        && let Some(choices) = entry(node, "enum")
    {
        sink.error(
            Code::BadInput,
            choices.key_span,
            format!("`enum` has no meaning for an input of type `{}`.", input.kind.word()),
        )
        .remedy("Leave it out.");
    }
}

fn check_bounds(sink: &mut Sink<'_>, node: &Node, input: &Input) {
    let bound = |key: &str, value: &Option<Value>| {
        let value = value.as_ref()?;
        Some((get(node, key)?.span, limit(input.kind, value)))
    };
    let (min, max) = (bound("min", &input.min), bound("max", &input.max));
    let wanted = match input.kind {
        InputType::Duration => "a duration such as `15m`",
        InputType::String | InputType::List => "a whole number: a length",
        InputType::Integer => "a whole number",
        InputType::Number => "a number",
        InputType::Boolean
        | InputType::Map
        | InputType::Target
        | InputType::BackupSet
        | InputType::Plan => return,
    };
    for (span, limit) in [min, max].into_iter().flatten() {
        if limit.is_none() {
            sink.error(Code::BadInput, span, format!("The bound is not {wanted}."))
                .remedy(format!("Write {wanted}."));
        }
    }
    if let (Some((_, Some(min))), Some((span, Some(max)))) = (min, max)
        && min > max
    {
        sink.error(Code::BadInput, span, "`max` is less than `min`.").remedy("Exchange them.");
    }
}

fn check_choices(sink: &mut Sink<'_>, node: &Node, input: &Input) {
    let Some(list) = get(node, "enum").filter(|node| node.list().is_some()) else {
        return;
    };
    if input.choices.is_empty() {
        sink.error(Code::BadInput, list.span, "There is no value to choose.")
            .remedy("Write the values, or leave `enum` out.");
    }
    // A choice of a list input is an element of it.
    let single = Input {
        choices: Vec::new(),
        default: None,
        kind: match input.kind {
            InputType::List => input.items.unwrap_or(InputType::String),
            other => other,
        },
        min: None,
        max: None,
        ..input.clone()
    };
    for choice in list.list().unwrap_or_default() {
        if let Err(reason) = single.accept(choice.to_value()) {
            sink.error(
                Code::BadInput,
                choice.span,
                format!("The choice is no value of its input: {reason}."),
            )
            .remedy("Write a value that the declaration itself accepts.");
        }
    }
}

/// The input with its default in its one form.
fn check_default(sink: &mut Sink<'_>, node: &Node, mut input: Input) -> Input {
    let Some(default) = input.default.take() else {
        return input;
    };
    let refused = find_template(node).is_some();
    match input.accept(default.clone()) {
        Ok(accepted) => input.default = Some(accepted),
        Err(reason) => {
            // Expressions are checked as if there were one.
            input.default = Some(default);
            if let Some(at) = get(node, "default").filter(|_| !refused) {
                sink.error(
                    Code::UnfitDefault,
                    at.span,
                    format!("The default does not fit its input: {reason}."),
                )
                .remedy("Write a value that the declaration itself accepts.");
            }
        }
    }
    input
}

/// Where a secret is to be found; what the table of keys reported is none here.
pub(crate) fn secret(sink: &mut Sink<'_>, declared: &Entry) -> Option<SecretReference> {
    let node = &declared.value;
    let entries = node.entries()?;
    if entries.len() != 1 {
        sink.error(
            Code::KeysExclude,
            declared.key_span,
            format!("The secret `{}` has one of `env`, `file` and `command`.", declared.key),
        )
        .remedy("Write `{ env: NAME }`, `{ file: PATH }` or `{ command: [program] }`.");
        return None;
    }
    if let Some(name) = text(node, "env") {
        return Some(SecretReference::Env(name.to_owned()));
    }
    if let Some(path) = text(node, "file") {
        return Some(SecretReference::File(path.to_owned()));
    }
    let list = get(node, "command")?.list()?;
    let words: Option<Vec<String>> =
        list.iter().map(|word| word.text().map(str::to_owned)).collect();
    let words = words?;
    if words.is_empty() {
        sink.error(Code::OutOfRange, declared.key_span, "The command has no program.")
            .remedy("Write `command: [/path/of/program, argument]`.");
        return None;
    }
    Some(SecretReference::Command(words))
}
