//! Files with mistakes: everything is told at once, at its place, with what to do.

use std::sync::Arc;

use holdfast_language::render::Colour;
use holdfast_language::{Diagnostic, Program, Source, check};
use proptest::prelude::*;

use crate::specs::actions;

const HEAD: &str = "holdfast: 1\nname: example\noperation: maintenance\n";

fn refused(text: &str) -> Vec<Diagnostic> {
    match check(&Source::new("example.yaml", text), &actions()) {
        Ok(checked) => checked.warnings,
        Err(found) => found,
    }
}

/// Checks a file with the usual head: the codes with their lines and columns.
fn check_places(body: &str, expect: &[&str]) {
    let found: Vec<String> = refused(&format!("{HEAD}{body}"))
        .iter()
        .map(|found| {
            let place = found.location.start;
            format!("{} {}:{}", found.code, place.line, place.column)
        })
        .collect();
    assert_eq!(found, expect, "{body}");
}

/// Checks one expression in an `if`; the first diagnostic's message and remedy.
fn check_condition(condition: &str, expect: &str) {
    let file = format!(
        "{HEAD}inputs:\n  kinds: {{ type: list, items: string, default: [] }}\n  name: {{ type: string }}\n  \
         size: {{ type: integer, default: 1 }}\nsteps:\n  - id: free\n    uses: command\n    with: {{ argv: [df] }}\n  \
         - id: show\n    if: {condition}\n    uses: command\n    with: {{ argv: [df] }}\n"
    );
    let found = refused(&file);
    let first = found.first().map_or_else(String::new, |found| {
        let remedy = found.remedy.as_deref().unwrap_or_default();
        format!("{} {} {remedy}", found.code, found.message)
    });
    assert!(first.contains(expect), "{condition}: {first}");
}

#[test]
fn everything_wrong_with_a_file_is_told_at_once_and_rendered_at_its_place() {
    let text = r#"holdfast: 1
name: tenant-backup
operation: backup
colour: green

inputs:
  target: { type: target, required: true }
  kinds: { type: list, items: string, default: [], min: 5, max: 1 }

target: "{{ inputs.taget }}"

steps:
  - id: list
    uses: inventory
    with: { kinds: "{{ inputs.kinds }}", names: [1] }

  - id: capture
    for_each: { items: "{{ steps.list.output.itmes }}", max_parallel: eight }
    uses: capture
    timeout: 30

  - id: seal
    run_when: always
    uses: backup_set.seal

  - id: check
    if: steps.seal.status == "completed" && inputs.verify
    depends_on: [seal]
    uses: backup_set.verify
    with: { backup_set: "${{ steps.seal.output.backup_set }}" }

finally:
  - id: report
    uses: notify
"#;
    let source = Source::new("workflows/tenant-backup.yaml", text);
    let found = check(&source, &actions()).unwrap_err();
    let rendered: Vec<String> =
        found.iter().map(|found| found.render(&source, Colour::None)).collect();
    insta::assert_snapshot!("a_file_with_many_mistakes", rendered.join("\n\n"));
    let json: Vec<String> = found.iter().map(|found| found.to_json().to_string()).collect();
    insta::assert_snapshot!("a_file_with_many_mistakes_as_json", json.join("\n"));
    let coloured = found.first().map(|found| found.render(&source, Colour::Ansi)).unwrap();
    assert!(coloured.contains("\u{1b}["), "{coloured}");
}

#[test]
fn places_are_exact_inside_of_quoted_folded_and_block_scalars() {
    let step = |argument: &str| {
        format!(
            "steps:\n  - id: show\n    uses: command\n    with:\n      argv:\n        - echo\n        - {argument}\n"
        )
    };
    check_places(&step("\"a {{ inputs.x }}\""), &["HF0407 10:17"]);
    check_places(&step("'it''s {{ inputs.x }}'"), &["HF0407 10:21"]);
    check_places(&step("\"\\\"é\\\" {{ inputs.x }}\""), &["HF0407 10:21"]);
    check_places(&step("\"\\u00e9 \\x41\\\\ {{ inputs.x }}\""), &["HF0407 10:29"]);
    check_places(&step("\"a\\\n            {{ inputs.x }}\""), &["HF0407 11:16"]);
    check_places(
        &step("a {{ inputs.x }}\n            {{ inputs.y }}"),
        &["HF0407 10:16", "HF0407 11:16"],
    );
    check_places(&step("{ a: \"{{ inputs.x }}\" }"), &["HF0304 10:11", "HF0407 10:20"]);
    let block = "steps:\n  - id: show\n    uses: command\n    with:\n      argv: [cat]\n      stdin: |\n        first\n          {{ inputs.x }}\n        {{ inputs.y }}\n";
    check_places(block, &["HF0407 11:14", "HF0407 12:12"]);
    let folded = block.replace('|', ">-");
    check_places(&folded, &["HF0407 11:14", "HF0407 12:12"]);
}

#[test]
fn bad_yaml_is_refused_by_its_reason() {
    let wait = "steps:\n  - id: wait\n    uses: sleep\n    with: { duration: 5s }\n";
    let with = |extra: &str| format!("{extra}{wait}");
    check_places(&with("labels: &a { b: *a }\n"), &["HF0007 4:17"]);
    check_places(&with("labels: *missing\n"), &["HF0002 4:9"]);
    check_places(&with("? [a, b]\n: c\n"), &["HF0010 4:3"]);
    check_places(&with("labels: !!map { a: b }\n"), &["HF0006 4:9"]);
    check_places(&with("labels: { a: !!str 5 }\n"), &[]);
    check_places(&with("labels: { <<: { a: b } }\n"), &["HF0104 4:15"]);
    check_places(&with("%TAG ! x\n"), &["HF0002 4:1"]);
    check_places(&with("# a\tcomment\nlabels: { a: \"b\tc\" }\n"), &[]);
    check_places(&with("labels:\n\ta: b\n"), &["HF0005 5:1"]);
    check_places(&with("---\n"), &["HF0003 4:1"]);
    check_places(&with("labels: { $list: x }\n"), &["HF0107 4:11"]);
    check_places(&with("labels: { a: b }\n").replace('\n', "\r\n"), &[]);
    check_places(&with("colour: red\n").replace('\n', "\r\n"), &["HF0101 4:1"]);
    let long = format!("description: {}\n{wait}", "x".repeat(300_000));
    check_places(&long, &["HF0109 4:14"]);
    for (text, code) in [
        ("", "HF0003"),
        ("- a\n", "HF0003"),
        ("a\n", "HF0003"),
        ("\u{0}", "HF0002"),
        ("a: b: c", "HF0002"),
    ] {
        let found = refused(text);
        assert_eq!(
            found.first().map(|found| found.code.number()),
            Some(code),
            "{text:?}: {found:?}"
        );
    }
}

#[test]
fn an_alias_bomb_is_refused_quickly() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let before = format!("*a{}, ", level - 1).repeat(9);
        text.push_str(&format!("a{level}: &a{level} [{before} *a{}]\n", level - 1));
    }
    let found = refused(&text);
    assert_eq!(found.first().map(|found| found.code.number()), Some("HF0007"), "{found:?}");
}

#[test]
fn words_of_other_tools_are_answered_with_ours() {
    let step = |key: &str| {
        format!("steps:\n  - id: wait\n    uses: sleep\n    with: {{ duration: 5s }}\n    {key}\n")
    };
    for key in [
        "run: ls",
        "script: ls",
        "when: x",
        "depends_on: [a]",
        "with_items: [a]",
        "loop: x",
        "matrix: {}",
        "ignore_errors: true",
        "timeout-minutes: 5",
        "params: {}",
        "continue-on-error: true",
        "outputs: {}",
    ] {
        check_places(&step(key), &["HF0102 8:5"]);
    }
    for key in ["jobs: {}", "tasks: []", "params: {}"] {
        check_places(&format!("{key}\n{}", step("needs: []")), &["HF0102 4:1"]);
    }
    let found = refused(&format!("{HEAD}{}", step("max_parallel: 4")));
    let remedy = found.first().and_then(|found| found.remedy.as_deref());
    assert_eq!(remedy, Some("It is a key of `for_each`."));
    check_condition(
        "success()",
        "HF0417 `success()` is a function of another tool. A step runs after success",
    );
    check_condition("always()", "run_when: done");
    check_condition("inputs.size > 0 && inputs.size < 3", "Write `and`.");
    check_condition("inputs.size > 0 || inputs.size < 3", "Write `or`.");
    check_condition("\"!inputs.size\"", "HF0417 `!` is an operator of another tool. Write `not`.");
    check_condition(
        "!inputs.size",
        "HF0006 The tag `!inputs.size` is refused. In a condition, write `not inputs.size`.",
    );
    check_condition("! inputs.size", "HF0006");
    check_condition("\"${{ inputs.size }}\"", "HF0403");
    check_condition("{{ inputs.size }}", "HF0009");
    for value in [
        "{{ inputs.x }} tail",
        "[echo, {{ a }}, b]",
        "{{ a | b('c') }}",
        "{{ a.b[0] }}",
        "{ b: {{ a }} }",
        "{{ a == \"b\" }}",
        "{{a}}",
    ] {
        let found = refused(&format!("{HEAD}object: {value}\nsteps: []\n"));
        let codes: Vec<_> = found.iter().map(|found| found.code.number()).collect();
        assert_eq!(codes.first(), Some(&"HF0009"), "{value}: {found:?}");
    }
    check_condition(
        "\"{{ inputs.size > 0 }}\"",
        "HF0402 A condition has no braces. Write `inputs.size > 0`.",
    );
}

#[test]
fn names_paths_and_types_in_expressions_are_checked() {
    for (condition, expect) in [
        (
            "inputs.kidns | length > 0",
            "HF0407 There is no `kidns` in the inputs. Did you mean `kinds`?",
        ),
        (
            "env.HOME == 'x'",
            "HF0406 There is no `env` here. Expressions cannot read the environment.",
        ),
        ("now() > 3", "HF0409"),
        ("steps.fre.status == 'failed'", "HF0407 There is no step `fre`. Did you mean `free`?"),
        ("steps.show.status == 'failed'", "HF0408 Step `show` is read here and is not needed"),
        (
            "steps.free.output.stdot == ''",
            "HF0407 There is no `stdot` in the output of step `free`. Did you mean `stdout`?",
        ),
        ("steps.free.counts.total > 0", "HF0407"),
        ("steps.free.status == 'success'", "HF0413 `steps.free.status` is never `success`."),
        (
            "steps.free.status in ['failed', 'canceled']",
            "HF0413 `steps.free.status` is never `canceled`. Write `failed`.",
        ),
        ("steps.free.status == 3", "HF0412 A string is compared with an integer."),
        ("inputs.size == '1'", "HF0412"),
        ("inputs.size", "HF0415 A condition gives a boolean, and this gives an integer."),
        ("inputs.name", "HF0415"),
        ("inputs.kinds | lenght > 0", "HF0409 There is no filter `lenght`. Did you mean `length`?"),
        ("inputs.size is evn", "HF0409 There is no test `evn`. Did you mean `even`?"),
        (
            "inputs.name.upper() == 'X'",
            "HF0409 There is no method `upper()`. Values have no methods; write a filter: `value | upper`.",
        ),
        ("steps | length > 0", "HF0407 `steps` is no value by itself."),
        (
            "run.status == 'failed'",
            "HF0407 There is no `status` in the run. The run's status is not known before its end.",
        ),
        (
            "item.key == 'x'",
            "HF0406 There is no `item` here. `item` is there only in a step with `for_each`.",
        ),
        ("inputs.name | default('x') == 5", "HF0412"),
        ("secrets.token == 'x'", "HF0410 A secret may not be read here."),
        (
            "steps.free.output.json.a == 1",
            "HF0411 `json` may be missing here. The action may leave `json` out. Write `| default(...)` behind it.",
        ),
        ("inputs.size >", "HF0401"),
        ("inputs.name.first == 1", "HF0407 There is no `first` in a string."),
        ("inputs.size == 1", ""),
        ("inputs.name == none or inputs.name == 'x'", ""),
        ("steps.free.error.class == 'timeout'", ""),
        ("steps['free'].output.exit_code == 0 and range(3) | length == 3", ""),
        ("true", ""),
    ] {
        check_condition(condition, expect);
        if expect.is_empty() {
            check_condition(condition, "");
        }
    }
}

#[test]
fn what_an_action_needs_is_not_none() {
    check_places(
        "steps:\n  - id: a\n    uses: sleep\n    with: { duration: null }\n",
        &["HF0303 6:11"],
    );
}

#[test]
fn a_pattern_is_whole_by_itself() {
    let input = |pattern: &str| {
        format!(
            "inputs:\n  a: {{ type: string, pattern: {pattern:?} }}\nsteps:\n  - id: wait\n    uses: sleep\n    with: {{ duration: 5s }}\n"
        )
    };
    check_places(&input("a)|(b"), &["HF0503 5:31"]);
    check_places(&input("a|b"), &[]);
}

#[test]
fn an_if_is_asked_before_there_are_items() {
    let text = format!(
        "{HEAD}steps:\n  - id: each\n    for_each: {{ items: [a], as: object }}\n    if: object == 'a'\n    uses: command\n    with: {{ argv: [a] }}\n"
    );
    let found = refused(&text);
    let remedy = found.first().and_then(|found| found.remedy.as_deref());
    assert_eq!(
        remedy,
        Some("`if` is asked once, before there are items; ask of each item in `where`.")
    );
}

#[test]
fn a_secret_is_read_only_where_it_is_not_stored() {
    let secrets = "secrets:\n  token: { env: TOKEN }\n";
    let step = |line: &str| {
        format!(
            "{secrets}steps:\n  - id: login\n    uses: command\n    with:\n      argv: [login]\n    {line}\n"
        )
    };
    check_places(&step("env: { TOKEN: \"{{ secrets.token }}\" }"), &[]);
    check_places(&step("  stdin: \"{{ secrets.token }}\""), &[]);
    check_places(&step("env: { TOKEN: \"{{ secrets.tken }}\" }"), &["HF0407 11:23"]);
    check_places(&step("env: { TOKEN: \"{{ secrets | tojson }}\" }"), &["HF0410 11:23"]);
    check_places(&step("  cwd: \"{{ secrets.token }}\""), &["HF0410 11:16"]);
    check_places(
        &step("for_each: { items: [a], key: \"{{ secrets.token }}\" }"),
        &["HF0410 11:38"],
    );
    let output =
        format!("{}outputs: {{ token: \"{{{{ secrets.token }}}}\" }}\n", step("needs: []"));
    check_places(&output, &["HF0410 12:23"]);
    check_places(
        &format!("object: \"{{{{ secrets.token }}}}\"\n{}", step("needs: []")),
        &["HF0410 4:13"],
    );
}

#[test]
fn what_is_not_built_yet_is_refused_by_name() {
    let wait = "  - id: wait\n    uses: sleep\n    with: { duration: 5s }\n";
    check_places(&format!("repository: second\nsteps:\n{wait}"), &[]);
    check_places(&format!("repository: \"{{{{ x }}}}\"\nsteps:\n{wait}"), &["HF0405 4:13"]);
    for action in ["notify", "targets"] {
        check_places(&format!("steps:\n  - id: a\n    uses: {action}\n"), &["HF0106 6:11"]);
    }
}

#[test]
fn another_target_than_the_runs_is_for_actions_that_write_none() {
    let with = |action: &str, more: &str| {
        format!("steps:\n  - id: a\n    uses: {action}\n    with: {{ target: other{more} }}\n")
    };
    // The run needs no target of its own then.
    check_places(&with("backup_set.open", ""), &[]);
    check_places(&with("inventory", ""), &["HF0310 6:11", "HF0302 7:13"]);
    let target = "inputs:\n  target: { type: target, required: true }\ntarget: \"{{ inputs.target }}\"\nsteps:\n  - id: list\n    uses: inventory\n    with: { target: other }\n";
    check_places(target, &["HF0302 10:13"]);
}

#[test]
fn the_end_of_a_run_is_a_graph_of_its_own() {
    let wait = "steps:\n  - id: wait\n    uses: sleep\n    with: { duration: 5s }\n";
    let with = |finally: &str| format!("{wait}finally:\n{finally}");
    let rest = "  - id: rest\n    uses: sleep\n    with: { duration: 5s }\n";
    check_places(&with(rest), &[]);
    let mapped = "finally:\n  timeout: 1m\n  steps:\n  - id: rest\n    uses: sleep\n    with: { duration: 5s }\n";
    check_places(&format!("{wait}{mapped}"), &[]);
    check_places(&format!("{wait}finally: []\n"), &["HF0112 8:10"]);
    check_places(&format!("{wait}finally: later\n"), &["HF0104 8:10"]);
    check_places(&with(&format!("{rest}    needs: [wait]\n")), &["HF0207 12:13"]);
    check_places(&with(&format!("{rest}    run_when: failed\n")), &["HF0204 12:15"]);
    check_places(&with(&rest.replace("rest", "wait")), &["HF0201 9:9"]);
    check_places(&with(&rest.replace("5s", "\"{{ run.summary }}\"")), &[]);
    check_places(&with(&format!("{rest}    if: run.status == 'failed'\n")), &[]);
    check_places(&with(&format!("{rest}    if: run.status == 'queued'\n")), &["HF0413 12:23"]);
    let early = format!("{wait}    needs: [rest]\n");
    check_places(&format!("{early}finally:\n{rest}"), &["HF0207 8:13"]);
    let early = format!("{wait}    if: steps.rest.status == 'failed'\n");
    check_places(&format!("{early}finally:\n{rest}"), &["HF0207 8:9"]);
    check_places(&format!("{wait}    if: run.status == 'failed'\n"), &["HF0407 8:9"]);
    let outputs = "outputs:\n  a: \"{{ steps.rest.status }}\"\n";
    check_places(&format!("{}{outputs}", with(rest)), &["HF0207 13:10"]);
    let reads =
        "  - id: rest\n    uses: command\n    with: { argv: [echo, \"{{ steps.df.output.stdout";
    let df = "steps:\n  - id: df\n    uses: command\n    with: { argv: [df] }\nfinally:\n";
    check_places(&format!("{df}{reads} }}}}\"] }}\n"), &["HF0411 11:30"]);
    check_places(&format!("{df}{reads} | default('') }}}}\"] }}\n"), &[]);
    let long = format!(
        "{}    timeout: 11m\n",
        rest.replace("sleep", "command").replace("duration: 5s", "argv: [df]")
    );
    check_places(&with(&long), &["HF0205 12:14"]);
}

#[test]
fn a_child_is_checked_by_what_its_workflow_declares() {
    let child = |keys: &str| format!("steps:\n  - id: inner\n    workflow: tidy\n{keys}");
    check_places(&child("    with: { days: 3 }\n"), &[]);
    check_places(&child("    with: { days: \"{{ run.id }}\" }\n"), &[]);
    check_places(&child(""), &["HF0303 6:15"]);
    check_places(&child("    with: { days: 0 }\n"), &["HF0304 7:19"]);
    check_places(&child("    with: { days: 1, dep: true }\n"), &["HF0302 7:22"]);
    for key in ["timeout: 1m", "retry: { attempts: 2 }", "effect: pure"] {
        check_places(&child(&format!("    with: {{ days: 1 }}\n    {key}\n")), &["HF0312 8:5"]);
    }
    check_places(&child("    with: { days: 1 }\n    env: { A: b }\n"), &["HF0305 8:5"]);
    check_places(
        &child("    uses: sleep\n    with: { duration: 1s }\n"),
        &["HF0317 6:5", "HF0303 6:15", "HF0302 8:13"],
    );
    check_places("steps:\n  - id: inner\n    workflow: broken\n", &["HF0313 6:15"]);
    check_places("steps:\n  - id: inner\n    workflow: deep\n", &["HF0314 6:15"]);
    check_places("steps:\n  - id: inner\n    workflow: \"{{ run.id }}\"\n", &["HF0405 6:15"]);
    let output =
        "  - id: show\n    uses: command\n    with: { argv: [echo, \"{{ steps.inner.output.";
    let read = |name: &str| {
        format!("{}{output}{name} | default(0) }}}}\"] }}\n", child("    with: { days: 1 }\n"))
    };
    check_places(&read("count"), &[]);
    check_places(&read("cuont"), &["HF0407 10:30"]);
}

#[test]
fn a_file_with_a_thousand_steps_is_checked_in_no_time() {
    let mut text = format!("{HEAD}steps:\n");
    for step in 0..1_000 {
        let needs = if step == 0 {
            String::new()
        } else {
            format!(
                "    if: steps.s{}.status == 'succeeded' and steps.s0.output.exit_code == 0\n",
                step - 1
            )
        };
        text.push_str(&format!("  - id: s{step}\n{needs}    uses: command\n    run_when: clean\n    with: {{ argv: [df] }}\n"));
    }
    let found = refused(&text);
    assert!(found.iter().all(|found| found.code.number() == "HF0411"), "{:?}", found.first());
    let more = text + "  - id: last\n    uses: command\n    with: { argv: [df] }\n";
    assert!(refused(&more).iter().any(|found| found.code.number() == "HF0112"));
}

#[test]
fn the_deepest_expressions_that_are_read_are_also_checked_and_compiled() {
    let deep = [
        "not ".repeat(190) + "true",
        format!("1{} == 1", " + 1".repeat(190)),
        format!("inputs{} == 1", ".a".repeat(190)),
        format!("(1{}) == 1", " | abs".repeat(180)),
        format!("{}1{} == []", "[".repeat(70), "]".repeat(70)),
        format!("({}1) == 1", "1 if true else ".repeat(140)),
        format!("{}true", "true and ".repeat(190)),
    ];
    for condition in deep {
        let text = format!(
            "{HEAD}inputs: {{ a: {{ type: map, default: {{}} }} }}\nsteps:\n  - id: a\n    if: {condition:?}\n    uses: sleep\n    with: {{ duration: 5s }}\n"
        );
        match check(&Source::new("deep.yaml", text), &actions()) {
            Ok(checked) => {
                Program::compile(Arc::new(checked.definition), &actions()).unwrap();
            }
            Err(found) => {
                let known = ["HF0407", "HF0416", "HF0401"];
                assert!(
                    found.iter().all(|found| known.contains(&found.code.number())),
                    "{condition}: {found:?}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn no_text_makes_the_check_panic(
        noise in prop::collection::vec((any::<prop::sample::Index>(), "[-{}\\[\\]:&*!|>'\"%@#\\t\\n a{}$é~.,0]{0,4}"), 1..6)
    ) {
        let mut text = include_str!("../workflows/backup.yaml").to_owned();
        for (index, piece) in noise {
            let mut at = index.index(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            text.insert_str(at, &piece);
        }
        let source = Source::new("noise.yaml", text);
        if let Err(found) = check(&source, &actions()) {
            for found in found {
                prop_assert!(!found.render(&source, Colour::None).is_empty());
            }
        }
    }
}

#[test]
fn what_would_wait_for_itself_or_be_tried_again_in_vain_is_refused() {
    let wait = "steps:\n  - id: wait\n    uses: sleep\n    with: { duration: 5s }\n";
    check_places(&format!("{wait}    needs: [wait]\n"), &["HF0203 8:12"]);
    let step = "steps:\n  - id: a\n    uses: command\n    with: { argv: [a] }\n";
    check_places(&format!("{step}    retry: {{ when: [sometimes] }}\n"), &["HF0105 8:21"]);
    check_places(&format!("{step}    retry: {{ when: [transient] }}\n"), &[]);
    let ask = "steps:\n  - id: ask\n    uses: approval\n";
    check_places(ask, &[]);
    check_places(&format!("{ask}    retry: {{ attempts: 2 }}\n"), &["HF0312 7:5"]);
}
