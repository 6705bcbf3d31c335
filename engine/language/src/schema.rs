//! The JSON Schema of workflows and of the configuration, for editors: made from the same tables of keys as the
//! checker, and from the specs of the actions.
//!
//! It says no more than those tables do: what values mean together is told by `validate` alone.

mod words;

use serde_json::{Map, Value, json};

use holdfast_contract::spec::{ActionSpec, Field, ItemUse, Presence, Shape};

use crate::action::Actions;
use crate::configuration::{CHANNELS, CONFIGURATION, TARGETS};
use crate::shape::{FINALLY, FOR_EACH, Key, Kind, Need, Place, SECRET, STEP, WORKFLOW};

/// The draft that editors know best.
const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// One duration, as `1h30m`.
const DURATION: &str = "^([0-9]+(ms|s|m|h|d))+$";

/// The schema of a workflow that may use these actions.
pub fn of_workflow(actions: &Actions) -> Value {
    let mut schema = Schema { actions: Some(actions), definitions: Map::new() };
    let root = schema.place(&WORKFLOW);
    schema.whole("A holdfast workflow", root)
}

/// The schema of `holdfast.yaml`.
pub fn of_configuration() -> Value {
    let mut schema = Schema { actions: None, definitions: Map::new() };
    let mut root = schema.place(&CONFIGURATION);
    let targets = TARGETS.iter().map(|place| schema.reference(place)).collect::<Vec<_>>();
    let target = json!({ "anyOf": targets });
    let channels = CHANNELS.iter().map(|(_, place)| schema.reference(place)).collect::<Vec<_>>();
    let channel = json!({ "anyOf": channels });
    if let Some(properties) = root.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("targets".to_owned(), map_of(&json!({ "pattern": NAME }), &target));
        properties.insert("channels".to_owned(), map_of(&json!({ "pattern": NAME }), &channel));
        properties.insert("holdfast_config".to_owned(), json!({ "const": 1 }));
    }
    schema.whole("The configuration of holdfast", root)
}

const NAME: &str = "^[a-z][a-z0-9_]{0,63}$";

struct Schema<'a> {
    actions: Option<&'a Actions>,
    /// The places that were met, by their names.
    definitions: Map<String, Value>,
}

impl Schema<'_> {
    fn whole(self, title: &str, root: Value) -> Value {
        let Value::Object(mut root) = root else { return root };
        root.insert("$schema".to_owned(), json!(DRAFT));
        root.insert("title".to_owned(), json!(title));
        root.insert("definitions".to_owned(), Value::Object(self.definitions));
        Value::Object(root)
    }

    /// A reference to a place, which is defined when it is met first.
    fn reference(&mut self, place: &'static Place) -> Value {
        let name = definition_name(place);
        if !self.definitions.contains_key(&name) {
            // First a sign that it is known: places may contain themselves.
            self.definitions.insert(name.clone(), Value::Null);
            let made = self.place(place);
            self.definitions.insert(name.clone(), made);
        }
        json!({ "$ref": format!("#/definitions/{name}") })
    }

    fn place(&mut self, place: &'static Place) -> Value {
        let keys = place.keys.iter().filter(|key| key.need != Need::NotBuilt);
        let required: Vec<&str> =
            keys.clone().filter(|key| key.need == Need::Required).map(|key| key.name).collect();
        let mut properties = Map::new();
        for key in keys {
            properties.insert(key.name.to_owned(), self.key(place, key));
        }
        let mut made = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": properties,
        });
        let Some(object) = made.as_object_mut() else { return made };
        if !required.is_empty() {
            object.insert("required".to_owned(), json!(required));
        }
        if place.name == STEP.name {
            self.step(object);
        }
        made
    }

    fn key(&mut self, place: &'static Place, key: &'static Key) -> Value {
        let doc = words::of(place.name, key.name);
        let kind = match (place.name, key.name) {
            ("a workflow", "holdfast") => json!({ "const": 1 }),
            ("a channel of the kind `ntfy`", "topic") => self.text_or_secret(),
            ("a channel of the kind `webhook`", "headers") => {
                let value = self.text_or_secret();
                map_of(&json!({}), &value)
            }
            _ => self.kind(&key.kind),
        };
        match kind {
            // What stands beside a reference is ignored in this draft.
            Value::Object(object) if object.contains_key("$ref") => {
                json!({ "allOf": [object], "description": doc })
            }
            Value::Object(mut object) => {
                object.insert("description".to_owned(), json!(doc));
                Value::Object(object)
            }
            other => other,
        }
    }

    /// What the table of keys takes as anything, because it is a text or where one is found.
    fn text_or_secret(&mut self) -> Value {
        let secret = self.reference(&SECRET);
        json!({ "anyOf": [{ "type": "string" }, secret] })
    }

    fn kind(&mut self, kind: &'static Kind) -> Value {
        match kind {
            Kind::Text => json!({ "type": "string" }),
            Kind::Name => json!({ "type": "string", "pattern": NAME }),
            Kind::WorkflowName => {
                json!({ "type": "string", "pattern": "^[a-z0-9_]+([-./][a-z0-9_]+)*$" })
            }
            Kind::Variable => json!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" }),
            Kind::Literal | Kind::Template => json!({}),
            Kind::Condition => json!({ "type": ["string", "boolean"] }),
            Kind::Boolean => json!({ "type": "boolean" }),
            Kind::Integer(least, most) => {
                json!({ "type": "integer", "minimum": small(*least), "maximum": small(*most) })
            }
            Kind::Number(least, most) => {
                json!({ "type": "number", "minimum": least, "maximum": most })
            }
            Kind::Share => json!({ "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^[0-9]{1,3}%$" },
            ] }),
            Kind::Duration => json!({ "type": "string", "pattern": DURATION }),
            Kind::Address => {
                let secret = self.reference(&SECRET);
                json!({ "anyOf": [{ "type": "string", "pattern": "^https?://" }, secret] })
            }
            Kind::Word(words) => json!({ "enum": words }),
            Kind::List(of) => {
                let of = self.kind(of);
                json!({ "type": "array", "items": of })
            }
            Kind::Map(keys, values) => {
                let (keys, values) = (self.kind(keys), self.kind(values));
                map_of(&keys, &values)
            }
            Kind::Place(place) => self.reference(place),
            Kind::Steps => self.steps(),
            Kind::FanOut => {
                let place = self.reference(&FOR_EACH);
                json!({ "anyOf": [{ "type": ["string", "array"] }, place] })
            }
            Kind::Finally => {
                let (steps, place) = (self.steps(), self.reference(&FINALLY));
                json!({ "anyOf": [steps, place] })
            }
        }
    }

    fn steps(&mut self) -> Value {
        let step = self.reference(&STEP);
        json!({ "type": "array", "items": step, "minItems": 1 })
    }

    /// A step uses an action or a workflow, and takes what that takes.
    fn step(&self, step: &mut Map<String, Value>) {
        let Some(actions) = self.actions else { return };
        let specs: Vec<&ActionSpec> =
            actions.names().filter_map(|name| actions.spec(name)).collect();
        let names: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
        if let Some(uses) = step
            .get_mut("properties")
            .and_then(|properties| properties.get_mut("uses"))
            .and_then(Value::as_object_mut)
        {
            uses.insert("enum".to_owned(), json!(names));
        }
        let one_of = json!([{ "required": ["uses"] }, { "required": ["workflow"] }]);
        step.insert("oneOf".to_owned(), one_of);
        let of_action = |spec: &&ActionSpec| {
            json!({
                "if": { "properties": { "uses": { "const": spec.name } }, "required": ["uses"] },
                "then": { "properties": { "with": inputs(spec) } },
            })
        };
        step.insert("allOf".to_owned(), specs.iter().map(of_action).collect());
    }
}

/// What an action takes in `with`. That something is missing is told by `validate`: a fan-out may give it.
fn inputs(spec: &ActionSpec) -> Value {
    let mut properties = Map::new();
    for field in spec.inputs {
        properties.insert(field.name.to_owned(), described(field));
    }
    if spec.item == ItemUse::Taken {
        properties.entry("item").or_insert_with(|| json!({}));
    }
    json!({
        "type": "object",
        "description": spec.summary,
        "additionalProperties": false,
        "properties": properties,
    })
}

/// A field: its value, a template that gives it, or none where it may be left out.
fn described(field: &Field) -> Value {
    let mut any = vec![shape(&field.shape), json!({ "type": "string", "pattern": r"\{\{" })];
    if field.presence == Presence::Optional {
        any.push(json!({ "type": "null" }));
    }
    json!({ "description": field.doc, "anyOf": any })
}

fn shape(of: &Shape) -> Value {
    match of {
        Shape::Any | Shape::Item => json!({}),
        Shape::String | Shape::Text | Shape::Target | Shape::BackupSet | Shape::Plan => {
            json!({ "type": "string" })
        }
        Shape::Integer => json!({ "type": "integer" }),
        Shape::Number => json!({ "type": "number" }),
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Duration => json!({ "type": "string", "pattern": DURATION }),
        Shape::Word(words) => json!({ "enum": words }),
        // An element may be a template of any type.
        Shape::List(_) => json!({ "type": "array" }),
        Shape::Map | Shape::Record(_) => json!({ "type": "object" }),
        Shape::Steps => json!({ "type": "array", "items": { "type": "string", "pattern": NAME } }),
        Shape::OrNone(of) => json!({ "anyOf": [shape(of), { "type": "null" }] }),
    }
}

fn map_of(keys: &Value, values: &Value) -> Value {
    json!({ "type": "object", "propertyNames": keys, "additionalProperties": values })
}

/// `` `for_each` `` is `for_each`, `a step` is `step`.
fn definition_name(place: &Place) -> String {
    let name = place.name.trim_start_matches("an ").trim_start_matches("a ");
    let name = name.trim_start_matches("the ");
    let is_plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let parts = name.split(|character| !is_plain(character)).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("_")
}

/// The bounds of keys are far within what JSON can say.
fn small(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(of: &Value) -> usize {
        of["definitions"].as_object().map_or(0, Map::len)
    }

    #[test]
    fn every_place_is_defined_and_every_key_has_its_words() {
        for (schema, least) in [(of_workflow(&Actions::default()), 9), (of_configuration(), 6)] {
            assert!(places(&schema) >= least, "{schema:#}");
            let text = schema.to_string();
            assert!(!text.contains(r#""description":"""#), "a key has no words: {schema:#}");
            for part in text.split("#/definitions/").skip(1) {
                let name = part.split('"').next().unwrap_or_default();
                assert!(schema["definitions"][name].is_object(), "{name}");
            }
        }
    }
}
