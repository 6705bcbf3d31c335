//! The schema for editors takes what the checker takes, and refuses what the table of keys refuses.

use boon::{Compiler, Schemas};
use holdfast_language::schema::{of_configuration, of_workflow};
use serde_json::Value;

use crate::specs::actions;

const LANGUAGE: &str = include_str!("../../../../docs/language.md");
const CONFIGURATION: &str = include_str!("../../../../docs/configuration.md");

fn compiled(schema: Value) -> (Schemas, boon::SchemaIndex) {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("schema.json", schema).unwrap();
    let index = compiler.compile("schema.json", &mut schemas).unwrap();
    (schemas, index)
}

fn fits(schema: Value, yaml: &str) -> Result<(), String> {
    let instance: Value =
        serde_yaml::from_str(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
    let (schemas, index) = compiled(schema);
    schemas.validate(&instance, index).map_err(|error| format!("{error:#}"))
}

fn blocks(page: &str) -> impl Iterator<Item = &str> {
    page.split("\n```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next())
}

#[test]
fn every_file_of_the_pages_fits_its_schema() {
    for block in blocks(LANGUAGE) {
        assert_eq!(fits(of_workflow(&actions()), block), Ok(()), "{block}");
    }
    for block in blocks(CONFIGURATION) {
        assert_eq!(fits(of_configuration(), block), Ok(()), "{block}");
    }
}

#[test]
fn what_the_table_of_keys_refuses_the_schema_refuses_too() {
    let file = |rest: &str| format!("holdfast: 1\nname: a\noperation: maintenance\n{rest}");
    let step = |rest: &str| file(&format!("steps:\n  - id: a\n    {rest}\n"));
    let sleep = "uses: sleep\n    with: { duration: 5s }";
    assert_eq!(fits(of_workflow(&actions()), &step(sleep)), Ok(()));
    let nightly = |rest: &str| {
        let schedule = format!("{{ id: nightly, cron: '15 2 * * *', {rest} }}");
        step(&format!("{sleep}\non: {{ schedule: [{schedule}] }}"))
    };
    for right in ["heartbeat_url: 'https://example.org'", "heartbeat_url: { env: BEAT }"] {
        assert_eq!(fits(of_workflow(&actions()), &nightly(right)), Ok(()));
    }
    for wrong in [
        file("steps: []\n"),
        file("stepps: []\n"),
        step(&sleep.replace("5s", "5")),
        step(&sleep.replace("duration", "length")),
        step(&sleep.replace("uses: sleep", "uses: slep")),
        step("uses: sleep\n    workflow: b"),
        step("description: nothing is done"),
        step(&format!("{sleep}\n    run_when: always")),
        step(&format!("{sleep}\n    timeout: 5")),
        step(&format!("{sleep}\n    retry: {{ attempts: 0 }}")),
        step(sleep).replace("operation: maintenance", "operation: cleanup"),
        step(sleep).replace("holdfast: 1", "holdfast: 2"),
        nightly("overlap: forbid"),
        nightly("jitter: 5"),
        nightly("heartbeat_url: example.org"),
        nightly("heartbeat_url: { path: a }"),
        nightly("jitter: 5m").replace("id: nightly, ", ""),
        step(&format!("{sleep}\non: {{ push: [] }}")),
    ] {
        assert!(fits(of_workflow(&actions()), &wrong).is_err(), "{wrong}");
    }
    let target = |target: &str| format!("holdfast_config: 1\ntargets: {{ a: {{ {target} }} }}\n");
    assert_eq!(fits(of_configuration(), &target("kind: files, root: /a")), Ok(()));
    for wrong in ["kind: files", "kind: tapes, root: /a", "kind: files, root: /a, rot: b"] {
        assert!(fits(of_configuration(), &target(wrong)).is_err(), "{wrong}");
    }
    let channel =
        |channel: &str| format!("holdfast_config: 1\nchannels: {{ a: {{ {channel} }} }}\n");
    for fine in [
        "kind: webhook, url: \"https://example.org\", headers: { a: b, c: { env: D } }",
        "kind: ntfy, topic: { file: a }",
    ] {
        assert_eq!(fits(of_configuration(), &channel(fine)), Ok(()), "{fine}");
    }
    for wrong in [
        "kind: pigeon",
        "kind: slack, url: \"https://example.org\"",
        "kind: webhook, url: example.org",
        "kind: webhook, url: { env: A }, headers: { a: [b] }",
        "kind: ntfy, topic: 5",
        "kind: mail, host: a, port: 0, from: a@b, to: [c@d]",
    ] {
        assert!(fits(of_configuration(), &channel(wrong)).is_err(), "{wrong}");
    }
}
