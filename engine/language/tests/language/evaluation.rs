//! What expressions come to while a run runs.

use holdfast_contract::evaluate::Evaluate as _;
use holdfast_contract::list::ListedItem;
use holdfast_kernel::event::Question;
use holdfast_kernel::failure::Class;
use holdfast_kernel::id::{ItemIndex, Millis};
use holdfast_kernel::status::{Counts, StepEnd};
use holdfast_kernel::value::Value;
use holdfast_language::{Source, check};
use proptest::prelude::*;

use crate::run::{Count, Run, Sink, stored};
use crate::specs::actions;

const HEAD: &str = "holdfast: 1\nname: example\noperation: maintenance\ninputs:\n  \
    size: { type: integer, default: 1 }\n  name: { type: string }\n  \
    set: { type: backup_set }\ntarget: here\n";

fn inputs() -> Value {
    Value::from([
        ("size", Value::from(3)),
        ("name", Value::None),
        ("set", Value::from([("id", Value::from("s1")), ("target", Value::from("contoso"))])),
    ])
}

/// Evaluates `with.stdin` and `with.argv` of a command after a step `list` that listed.
fn check_with(with: &str, expect: &str) {
    let text = format!(
        "{HEAD}steps:\n  - id: list\n    uses: inventory\n  - id: show\n    uses: command\n    with: {with}\n"
    );
    let (mut run, program) = Run::of(&text, inputs());
    let output = Value::from([("items", stored(100_000)), ("count", Value::from(100_000))]);
    run.end("list", StepEnd::Succeeded, output);
    let found = match program.with(&run, run.index("show"), ItemIndex(0)) {
        Ok(value) => value.canonical(),
        Err(failure) => failure.to_string(),
    };
    assert!(found.contains(expect), "{with}: {found}");
}

#[test]
fn values_are_fitted_to_what_the_action_takes() {
    check_with(
        "{ argv: [\"{{ inputs.size }}\", \"{{ inputs.size + 1 }}x\", plain] }",
        r#"{"argv":["3","4x","plain"]}"#,
    );
    check_with("{ argv: [a], cwd: \"{{ inputs.name }}\" }", r#"{"argv":["a"]}"#);
    check_with(
        "{ argv: [\"{{ inputs.name }}\"] }",
        "example.yaml:14:24: `inputs.name`: `argv` of `command`: element 1: it is nothing, and takes a string (invalid)",
    );
    check_with(
        "{ argv: [\"a {{ inputs.name }}\"] }",
        "example.yaml:14:26: `inputs.name`: it is nothing and cannot stand inside of text (expression)",
    );
    check_with(
        "{ argv: [a], stdin: \"{{ run.target }} {{ run.object | join('+') }} {{ run.initiator }} {{ run.started_at }}\" }",
        "contoso a+b ada 1970-01-01T00:00:00Z",
    );
    check_with("{ argv: [a], ok_exit_codes: [\"{{ inputs.size }}\"] }", r#""ok_exit_codes":[3]"#);
    check_with(
        "{ argv: [a], stdin: \"{{ inputs.set.id }} {{ inputs.set | tojson }}\" }",
        r#"s1 {\"id\":\"s1\",\"target\":\"contoso\"}"#,
    );
}

#[test]
fn an_expression_sees_the_length_of_a_long_list_and_no_more_than_its_share() {
    check_with("{ argv: [\"{{ steps.list.output.items | length }}\"] }", r#"["100000"]"#);
    check_with("{ argv: [\"{{ steps.list.output.items[7].key }}\"] }", r#"["k7"]"#);
    check_with("{ argv: [\"{{ steps.list.output.count }}\"] }", r#"["100000"]"#);
    check_with(
        "{ argv: [\"{{ steps.list.output.items | map(attribute='key') | join }}\"] }",
        "the list has 100000 elements, and an expression sees the first 10000 of them (expression)",
    );
    check_with(
        "{ argv: [\"{{ steps.list.error is none }}\", \"{{ steps.list.status }}\"] }",
        r#"["true","succeeded"]"#,
    );
}

fn fan_out(for_each: &str) -> (Run, holdfast_language::Program) {
    let text = format!(
        "{HEAD}steps:\n  - id: list\n    uses: inventory\n  - id: each\n    for_each: {for_each}\n    uses: command\n    \
         env: {{ KEY: \"{{{{ loop.key }}}}\", NAME: \"{{{{ inputs.name }}}}\" }}\n    with: {{ argv: [echo, \"{{{{ loop.index }}}} {{{{ item | tojson }}}}\"] }}\n"
    );
    Run::of(&text, inputs())
}

/// Lists a fan-out: `key@stage` of each item, excluded ones in parentheses, then stages and parallel.
fn check_items(for_each: &str, expect: &str) {
    let (mut run, program) = fan_out(for_each);
    run.end("list", StepEnd::Succeeded, Value::from([("items", stored(4))]));
    let mut sink = Sink::default();
    let found = match program.items(&run, run.index("each"), &mut sink) {
        Ok(listed) => {
            let items: Vec<String> = (0..)
                .zip(&sink.0)
                .map(|(number, item)| {
                    let text = format!("{}@{}", item.key, item.stage);
                    if listed.excluded.get(number).is_some() { format!("({text})") } else { text }
                })
                .collect();
            let stages: Vec<u32> = listed.stages.iter().map(|stage| stage.0).collect();
            assert_eq!(listed.total as usize, sink.0.len());
            format!("{} {stages:?} {}", items.join(" "), listed.max_parallel)
        }
        Err(failure) => failure.to_string(),
    };
    assert!(found.contains(expect), "{for_each}: {found}");
}

#[test]
fn items_get_their_keys_and_stages() {
    check_items("\"{{ steps.list.output.items }}\"", "k0@0 k1@0 k2@0 k3@0 [0] 4");
    check_items("[b, a, 5, true]", "b@0 a@0 5@0 true@0 [0] 4");
    check_items("\"{{ steps.list.output.items | default([]) }}\"", "k0@0 k1@0 k2@0 k3@0 [0] 4");
    check_items("[]", " [] 4");
    check_items("{ items: [a, b], max_parallel: \"{{ inputs.size }}\" }", "[0] 3");
    check_items(
        "{ items: \"{{ steps.list.output.items }}\", where: item.number != 1, key: \"n{{ item.number }}\", stage: \"{{ item.number // 2 }}\" }",
        "n0@0 (n1@0) n2@1 n3@1 [0, 2] 4",
    );
    check_items(
        "{ items: \"{{ range(inputs.size) }}\", key: \"{{ loop.index }}\" }",
        "0@0 1@0 2@0 [0] 4",
    );
    check_items("{ items: [{ key: x, stage: 2 }, { key: y, stage: 5 }] }", "x@2 y@5 [0, 1] 4");
    check_items("{ items: [{ key: x, stage: null }, { key: y, stage: 5 }] }", "x@0 y@5 [0, 1] 4");
}

#[test]
fn a_list_that_cannot_be_worked_through_is_refused_before_any_item_starts() {
    let check = check_items;
    check("[a, b, a, c, b]", "2 keys are not unique: `a`, `b` (expression)");
    check("[{ name: x }]", "item 0 has no `key`; say what its key is with `key`");
    check("[\"\"]", "the key of item 0 is empty");
    check("{ items: [a], key: \"{{ 'x' * 1025 }}\" }", "has 1025 bytes, more than 1024");
    check("{ items: [a], key: \"{{ none }}\" }", "the key of item 0 is nothing, and must be text");
    check(
        "{ items: [{ key: x, stage: 2 }, { key: y, stage: 1 }] }",
        "item `y` is of stage 1, after an item of a later stage",
    );
    check(
        "{ items: [{ key: x, stage: a }] }",
        "the stage of item 0 is a string, and must be a whole number",
    );
    check(
        "{ items: [{ key: x, flag: 5 }], where: item.flag }",
        "for item 0 it is an integer, and must be a boolean",
    );
    check(
        "{ items: [a], max_parallel: \"{{ inputs.size - 3 }}\" }",
        "`max_parallel` is 0, and must be a whole number from 1",
    );
    check(
        "\"{{ inputs.name if inputs.size > 5 else inputs.size }}\"",
        "`items` is an integer, and must be a list",
    );
    let twenty: Vec<String> = (0..20).flat_map(|n| [format!("a{n}"), format!("a{n}")]).collect();
    check(
        &format!("[{}]", twenty.join(", ")),
        "20 keys are not unique: `a0`, `a1`, `a2`, `a3`, `a4`, `a5`, `a6`, `a7`, `a8`, `a9`, … (expression)",
    );
}

#[test]
fn a_hundred_thousand_items_are_listed_one_by_one() {
    let (mut run, program) = fan_out(
        "{ items: \"{{ steps.list.output.items }}\", key: \"{{ item.key }}/{{ item.number }}\", where: item.number % 2 == 0 }",
    );
    run.end("list", StepEnd::Succeeded, Value::from([("items", stored(100_000))]));
    let mut count = Count::default();
    let listed = program.items(&run, run.index("each"), &mut count).unwrap();
    assert_eq!((listed.total, count.0), (100_000, 100_000));
    assert_eq!(listed.excluded.count(), 50_000);
}

#[test]
fn results_are_streamed_where_they_are_the_list_and_bounded_elsewhere() {
    let text = format!(
        "{HEAD}steps:\n  - id: first\n    for_each: [a]\n    uses: command\n    with: {{ argv: [a] }}\n  - id: again\n    run_when: done\n    \
         for_each: {{ items: \"{{{{ steps.first.results }}}}\", where: item.status == 'failed' }}\n    uses: command\n    \
         with: {{ argv: [\"{{{{ steps.first.results | selectattr('status', 'eq', 'failed') | list | length }}}}\"] }}\n"
    );
    let (mut run, program) = Run::of(&text, inputs());
    run.end("first", StepEnd::Partial, Value::empty_map());
    run.set_results("first", 50_000);
    let (first, again) = (run.index("first"), run.index("again"));
    assert!(program.reads_results(Question::Items(again)));
    for question in [
        Question::Items(first),
        Question::Gate(again),
        Question::Outputs,
        Question::Pause(again, ItemIndex(0)),
    ] {
        assert!(!program.reads_results(question), "{question:?}");
    }
    let mut count = Count::default();
    let listed = program.items(&run, run.index("again"), &mut count).unwrap();
    assert_eq!((listed.total, listed.excluded.count()), (50_000, 45_000));
    run.item = Some(ListedItem { key: "k".to_owned(), stage: 0, value: Value::None });
    let failure = program.with(&run, run.index("again"), ItemIndex(0)).unwrap_err();
    assert!(failure.message.contains("50000 elements"), "{failure}");
    run.set_results("first", 1_000);
    let with = program.with(&run, run.index("again"), ItemIndex(0)).unwrap();
    assert_eq!(with.canonical(), r#"{"argv":["100"]}"#);
}

#[test]
fn an_expression_sees_a_mebibyte_of_elements_and_no_more() {
    let text = format!(
        "{HEAD}steps:\n  - id: first\n    for_each: [a]\n    uses: command\n    with: {{ argv: [a] }}\n  - id: again\n    uses: command\n    \
         with: {{ argv: [\"{{{{ steps.first.results | map(attribute='key') | list | length }}}}\"] }}\n"
    );
    let (mut run, program) = Run::of(&text, inputs());
    run.end("first", StepEnd::Succeeded, Value::empty_map());
    run.set_results("first", 2_000);
    run.width = 400;
    let with = program.with(&run, run.index("again"), ItemIndex(0)).unwrap();
    assert_eq!(with.canonical(), r#"{"argv":["2000"]}"#);
    run.width = 600;
    let failure = program.with(&run, run.index("again"), ItemIndex(0)).unwrap_err();
    assert_eq!(failure.class, Class::Expression);
    assert!(failure.message.contains("the list has 2000 elements"), "{failure}");
}

#[test]
fn the_counts_of_a_fan_out_that_never_started_are_zeros() {
    let text = format!(
        "{HEAD}steps:\n  - id: first\n    if: inputs.size > 5\n    for_each: [a]\n    uses: command\n    with: {{ argv: [a] }}\n  - id: again\n    uses: command\n    \
         with: {{ argv: [\"{{{{ steps.first.counts | tojson }}}}\"] }}\n"
    );
    let (mut run, program) = Run::of(&text, inputs());
    let check = |run: &Run| {
        let with = program.with(run, run.index("again"), ItemIndex(0)).unwrap();
        let text = with.get("argv").and_then(Value::as_list).unwrap()[0].clone();
        let counts: serde_json::Value = serde_json::from_str(text.as_text().unwrap()).unwrap();
        let counts = counts.as_object().unwrap();
        let names: Vec<_> = counts.keys().map(String::as_str).collect();
        let all = ["failed", "partial", "skipped", "succeeded", "total", "unknown", "untried"];
        assert_eq!(names, all);
        assert!(counts.values().all(|count| *count == 0), "{counts:?}");
    };
    check(&run);
    run.end("first", StepEnd::Skipped, Value::empty_map());
    check(&run);
}

#[test]
fn counts_say_how_many_items_came_to_what() {
    let with = ["total", "succeeded", "partial", "failed", "skipped", "unknown", "untried"]
        .map(|name| format!("\"{{{{ steps.first.counts.{name} }}}}\""));
    let text = format!(
        "{HEAD}steps:\n  - id: first\n    for_each: [a]\n    uses: command\n    with: {{ argv: [a] }}\n  - id: again\n    run_when: done\n    uses: command\n    \
         with: {{ argv: [{}] }}\n",
        with.join(", ")
    );
    let (mut run, program) = Run::of(&text, inputs());
    run.end("first", StepEnd::Partial, Value::empty_map());
    let first = run.index("first");
    run.state.steps[first.place()].items.counts = Counts {
        total: 21,
        succeeded: 1,
        partial: 2,
        failed: 3,
        skipped: 4,
        unknown: 5,
        untried: 6,
    };
    let with = program.with(&run, run.index("again"), ItemIndex(0)).unwrap();
    assert_eq!(with.canonical(), r#"{"argv":["21","1","2","3","4","5","6"]}"#);
}

#[test]
fn an_item_is_seen_by_with_and_env_and_handed_to_actions_that_take_one() {
    let (mut run, program) = fan_out("[a, b]");
    run.item = Some(ListedItem { key: "b".to_owned(), stage: 0, value: Value::from("b") });
    let each = run.index("each");
    let with = program.with(&run, each, ItemIndex(1)).unwrap();
    assert_eq!(with.canonical(), r#"{"argv":["echo","1 \"b\""]}"#);
    let env = program.env(&run, each, ItemIndex(1)).unwrap();
    assert_eq!(env, [("KEY".to_owned(), "b".to_owned())]);

    let (mut run, program) = Run::of(include_str!("../workflows/backup.yaml"), inputs());
    let item = Value::from([("key", Value::from("k")), ("kind", Value::from("policy"))]);
    run.item = Some(ListedItem { key: "k".to_owned(), stage: 0, value: item.clone() });
    let with = program.with(&run, run.index("capture"), ItemIndex(0)).unwrap();
    assert_eq!(with, Value::from([("item", item)]));
    let env = program.env(&run, run.index("tell"), ItemIndex(0)).unwrap();
    assert_eq!(env, [("TOKEN".to_owned(), "the secret token".to_owned())]);
}

#[test]
fn gates_and_pauses_have_one_type() {
    let text = format!(
        "{HEAD}steps:\n  - id: wait\n    if: inputs.size > 2\n    uses: sleep\n    with: {{ duration: \"{{{{ inputs.size }}}}m\" }}\n  \
         - id: odd\n    if: inputs.set.id or false\n    uses: sleep\n    with: {{ duration: \"{{{{ inputs.set.id }}}}\" }}\n"
    );
    let (run, program) = Run::of(&text, inputs());
    let (wait, odd) = (run.index("wait"), run.index("odd"));
    assert_eq!(program.gate(&run, wait), Ok(true));
    assert_eq!(program.pause(&run, wait, ItemIndex(0)), Ok(Millis::seconds(180)));
    let failure = program.gate(&run, odd).unwrap_err();
    assert!(failure.message.ends_with("it is a string, and `if` must be a boolean"), "{failure}");
    let failure = program.pause(&run, odd, ItemIndex(0)).unwrap_err();
    assert!(failure.message.contains("`s1` is not a duration"), "{failure}");
}

#[test]
fn an_output_that_was_not_reached_is_none_and_a_broken_one_is_a_failure() {
    let text = format!(
        "{HEAD}steps:\n  - id: list\n    uses: inventory\n  - id: look\n    uses: command\n    with: {{ argv: [a] }}\noutputs:\n  \
         items: \"{{{{ steps.list.output.items }}}}\"\n  code: \"{{{{ steps.look.output.exit_code }}}}\"\n  text: \"code {{{{ steps.look.output.exit_code }}}}\"\n  \
         status: \"{{{{ steps.look.status }}}}\"\n  fixed: [1, {{ a: b }}]\n"
    );
    let (mut run, program) = Run::of(&text, inputs());
    run.end("list", StepEnd::Succeeded, Value::from([("items", stored(5))]));
    run.end("look", StepEnd::Failed, Value::empty_map());
    let outputs = program.outputs(&run).unwrap();
    assert_eq!(outputs.get("items"), Some(&stored(5)), "passed by reference");
    assert_eq!(outputs.get("code"), Some(&Value::None));
    assert_eq!(outputs.get("text"), Some(&Value::None));
    assert_eq!(outputs.get("status"), Some(&Value::from("failed")));
    assert_eq!(outputs.get("fixed").map(Value::canonical).as_deref(), Some(r#"[1,{"a":"b"}]"#));
    run.end("look", StepEnd::Succeeded, Value::empty_map());
    let failure = program.outputs(&run).unwrap_err();
    assert!(
        failure.message.starts_with("example.yaml:17:13: `steps.look.output.exit_code`"),
        "{failure}"
    );
}

#[test]
fn a_long_list_with_a_default_is_still_handed_on_whole() {
    let text = format!(
        "{HEAD}steps:\n  - id: list\n    if: inputs.size > 5\n    uses: inventory\n  - id: each\n    for_each: \"{{{{ steps.list.output.items | default([]) }}}}\"\n    uses: command\n    with: {{ argv: [a] }}\n"
    );
    let (mut run, program) = Run::of(&text, inputs());
    let listed = |run: &Run| {
        let mut count = Count::default();
        program.items(run, run.index("each"), &mut count).unwrap().total
    };
    run.end("list", StepEnd::Skipped, Value::empty_map());
    assert_eq!(listed(&run), 0);
    run.end("list", StepEnd::Succeeded, Value::from([("items", stored(30_000))]));
    assert_eq!(listed(&run), 30_000);
}

#[test]
fn a_program_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let (_, program) = fan_out("[a]");
    shared(&program);
}

#[test]
fn a_damaged_definition_is_refused() {
    let (run, _) = fan_out("[a]");
    let mut definition = (*run.definition).clone();
    definition.expressions[0] = Value::from("nonsense");
    let error = holdfast_language::Program::compile(std::sync::Arc::new(definition), &actions())
        .unwrap_err();
    assert_eq!(error.to_string(), "expression 0 of the definition cannot be read");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn no_expression_makes_the_evaluation_panic(
        parts in prop::collection::vec(prop::sample::select(vec![
            "inputs.size", "inputs.name", "inputs.set", "run.object", "steps.list.output.items", "none", "true",
            "'é}x'", "[1, 'a']", "{'a': 1}", "1.5", "-3", " + ", " - ", " * ", " / ", " // ", " % ", " ** ", " ~ ",
            " == ", " < ", " and ", " or ", " not ", " in ", " if ", " else ", "(", ")", "[", "]", " | length",
            " | first", " | join('x')", " | sort", " | tojson", " | map('upper')", " | default(1)", " | int",
            " | list", " | groupby('a')", " | batch(2)", " | round(2)", " | format(1)", " is defined", ".a", "[0]", "[1:]",
        ]), 1..9)
    ) {
        let expression = parts.concat();
        let text = format!(
            "{HEAD}steps:\n  - id: list\n    uses: inventory\n  - id: show\n    uses: assert\n    with: {{ that: {:?} }}\n",
            format!("{{{{ {expression} }}}}"),
        );
        if let Ok(checked) = check(&Source::new("example.yaml", text.as_str()), &actions()) {
            drop(checked);
            let (mut run, program) = Run::of(&text, inputs());
            run.end("list", StepEnd::Succeeded, Value::from([("items", stored(20_000))]));
            let value = program.with(&run, run.index("show"), ItemIndex(0));
            let again = program.with(&run, run.index("show"), ItemIndex(0));
            prop_assert_eq!(value, again);
        }
    }
}
