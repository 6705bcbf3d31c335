//! From what a person gave to what a run is made from.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_kernel::value::Value;
use holdfast_language::input::Declarations;
use holdfast_language::submit::{Given, Problem, Reference, References, Resolved, Wanted, resolve};
use holdfast_language::{Program, Source, check};

use crate::specs::actions;

const TEXT: &str = r#"holdfast: 1
name: example
operation: backup
inputs:
  target: { type: target, required: true }
  kinds: { type: list, items: string, default: [], unordered: true }
  size: { type: integer, min: 1, max: 10 }
  quiet: { type: boolean, default: false }
  pause: { type: duration, default: 90m }
  map: { type: map }
  set: { type: backup_set }
  needed: { type: backup_set, required: true }
  plan: { type: plan }
target: "{{ inputs.target }}"
object: "{{ inputs.kinds }}"
steps:
  - id: wait
    uses: sleep
    with: { duration: 5s }
"#;

struct Known;

impl References for Known {
    fn target(&self, name: &str) -> Result<Option<String>, String> {
        Ok(matches!(name, "contoso" | "other").then(|| name.to_owned()))
    }

    fn backup_set(&self, wanted: Wanted<'_>) -> Result<Option<Reference>, String> {
        let found = |id: &str, target: &str| {
            Ok(Some(Reference { id: id.to_owned(), target: target.to_owned() }))
        };
        match wanted {
            Wanted::Id("s1") => found("s1", "contoso"),
            Wanted::Latest { target: "contoso", object } => {
                found(&format!("newest of {}", object.join("+")), "contoso")
            }
            Wanted::Id(_) | Wanted::Latest { .. } => Ok(None),
        }
    }

    fn plan(&self, _digest: &str) -> Result<Option<Reference>, String> {
        Err("the store is closed".to_owned())
    }
}

fn program() -> (Program, Declarations) {
    let checked = check(&Source::new("example.yaml", TEXT), &actions()).unwrap();
    let program = Program::compile(Arc::new(checked.definition), &actions()).unwrap();
    (program, checked.declarations)
}

fn submit(given: &[(&str, &str)]) -> Result<Resolved, Vec<Problem>> {
    let (program, declarations) = program();
    let given: BTreeMap<String, Given> = given
        .iter()
        .map(|(name, text)| ((*name).to_owned(), Given::Text((*text).to_owned())))
        .collect();
    resolve(&program, &declarations, &given, &Known)
}

#[test]
fn texts_are_read_by_the_declared_type() {
    let resolved = submit(&[
        ("target", "contoso"),
        ("kinds", "[b, a, b]"),
        ("size", "5"),
        ("quiet", "true"),
        ("map", "{ a: [1, x] }"),
        ("needed", "latest"),
        ("set", "latest@other"),
    ])
    .unwrap();
    assert_eq!(resolved.target.as_deref(), Some("contoso"));
    assert_eq!(resolved.object, ["a", "b"]);
    assert_eq!(
        resolved.inputs.canonical(),
        r#"{"kinds":["a","b"],"map":{"a":[1,"x"]},"needed":{"id":"newest of a+b","target":"contoso"},"pause":"1h30m","plan":null,"quiet":true,"set":null,"size":5,"target":"contoso"}"#
    );
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let problems = submit(&[
        ("target", "nowhere"),
        ("kinds", "[a"),
        ("size", "11"),
        ("quiet", "yes"),
        ("pause", "5"),
        ("kind", "a"),
        ("set", "s2"),
        ("plan", "abc"),
    ])
    .unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("problems_of_a_submit", told.join("\n"));
    assert_eq!(
        problems.first().and_then(|problem| problem.remedy.as_deref()),
        Some("Did you mean `kinds`?")
    );
}

#[test]
fn nobody_can_submit_a_reference_into_what_is_stored() {
    let (program, declarations) = program();
    let mark = Value::from([("deep", Value::List(vec![Value::from([("$list", Value::None)])]))]);
    let text = |text: &str| Given::Text(text.to_owned());
    let given = BTreeMap::from([
        ("target".to_owned(), text("contoso")),
        ("needed".to_owned(), text("s1")),
        ("map".to_owned(), Given::Value(mark)),
        ("kinds".to_owned(), text("[{ $list: 1 }]")),
    ]);
    let problems = resolve(&program, &declarations, &given, &Known).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "The input `kinds` cannot be read as YAML. The key `$list` is reserved.",
            "The input `map` has the reserved key `$list`.",
        ]
    );
}

#[test]
fn latest_is_of_the_run_s_target_and_must_be_there_where_it_is_required() {
    let problems = submit(&[("target", "other"), ("needed", "latest")]).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["There is no complete backup set of the target `other`."]);
    let resolved = submit(&[("target", "other"), ("needed", "s1"), ("set", "latest")]).unwrap();
    assert_eq!(resolved.inputs.get("set"), Some(&Value::None));
    let resolved = submit(&[("target", "other"), ("needed", "latest@contoso")]).unwrap();
    assert_eq!(
        resolved.inputs.get("needed").and_then(|set| set.get("id")),
        Some(&Value::from("newest of "))
    );
}

#[test]
fn a_group_or_key_that_is_nothing_is_refused_and_not_left_out() {
    let text = |what: &str| {
        format!(
            "holdfast: 1\nname: w\noperation: maintenance\ninputs:\n  disk: {{ type: string }}\n{what}\nsteps:\n  - id: s\n    uses: sleep\n    with: {{ duration: 1s }}\n"
        )
    };
    let keys = [
        ("concurrency: { group: \"{{ inputs.disk }}\" }", "concurrency.group"),
        ("dedupe: { key: \"{{ inputs.disk }}\" }", "dedupe.key"),
    ];
    for (what, name) in keys {
        let checked = check(&Source::new("example.yaml", text(what)), &actions()).unwrap();
        let program = Program::compile(Arc::new(checked.definition), &actions()).unwrap();
        let with = |given: BTreeMap<String, Given>| {
            resolve(&program, &checked.declarations, &given, &Known)
        };
        let disk = |text: &str| BTreeMap::from([("disk".to_owned(), Given::Text(text.to_owned()))]);
        assert!(with(disk("sda")).is_ok());
        for given in [BTreeMap::new(), disk("")] {
            let problems = with(given).unwrap_err();
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            assert!(told.join(" ").contains(&format!("`{name}` is n")), "{told:?}");
        }
    }
}
