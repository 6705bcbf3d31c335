//! Configurations with mistakes: everything is told at once, at its place, with what to do.

use holdfast_language::render::Colour;
use holdfast_language::{Diagnostic, Source, check, configuration};
use proptest::prelude::*;

use crate::specs::actions;

/// Everything that is told about a file, warnings included.
pub(crate) fn told(text: &str) -> Vec<Diagnostic> {
    configuration::read(&Source::new("holdfast.yaml", text))
        .map_or_else(|found| found, |read| read.warnings)
}

/// Checks a file with the usual head: the codes with their lines and columns.
fn check_places(body: &str, expect: &[&str]) {
    let found: Vec<String> = told(&format!("holdfast_config: 1\n{body}"))
        .iter()
        .map(|found| {
            let place = found.location.start;
            format!("{} {}:{}", found.code, place.line, place.column)
        })
        .collect();
    assert_eq!(found, expect, "{body}");
}

/// Checks what is said first about a file with the usual head: code, message and remedy.
fn check_first(body: &str, expect: &str) {
    let found = told(&format!("holdfast_config: 1\n{body}"));
    let first = found.first().map_or_else(String::new, |found| {
        let remedy = found.remedy.as_deref().unwrap_or_default();
        format!("{} {} {remedy}", found.code, found.message)
    });
    assert!(first.starts_with(expect), "{body}: {first}");
}

#[test]
fn everything_wrong_with_a_configuration_is_told_at_once_and_rendered_at_its_place() {
    let text = r#"holdfast_config: 2
include: [more/*.yaml]
colour: green

repository:
  path: ~/backups
  password: correct horse battery staple
repositories:
  near: { path: "s3:bucket/backups", password: { env: 1A } }
  far: { path: "", pasword: {} }

targets:
  documents: { kind: files, root: "{{ home }}", exclude: ["[a", ./b, ""], one_file_system: yes }
  contoso: { kind: graph, tenant: contoso.onmicrosoft.com }
  folder: { kind: folder, root: . }
  file: { kind: file, root: . }
  nothing: { root: . }
  Web-Site: { kind: files, rot: $HOME/www }

channels:
  inbox: { kind: webhook, url: { env: OPS_WEBHOOK } }
  ops: { kind: slack, url: "https://hooks.example.org/T0/B0/secret", colour: red }
  pager: { kind: command, command: [/usr/bin/page], give_up_after: 5s }
notify:
  - { on: [success, failed], channel: opps, digest: 1s }
  - { channel: pager, quiet: { from: "22:00", to: "22:00", timezone: Berlin } }

retention: { last: 0, dayly: 5, within: 30 }

allow:
  commands:
    - psql
    - ./bin/tool
    - /usr/bin/
    - /usr/bin/rsync
    - { path: /usr/bin/rsync, writes: everything }
    - [/usr/bin/ls]
  exports: /srv/exports

limits: { runs: 0, attempts: many, attempts_for_a_target: 10001 }
service: { log: xml, drain_grace: 2h }
"#;
    let source = Source::new("holdfast.yaml", text);
    let found = configuration::read(&source).unwrap_err();
    let rendered: Vec<String> =
        found.iter().map(|found| found.render(&source, Colour::None)).collect();
    insta::assert_snapshot!("a_configuration_with_many_mistakes", rendered.join("\n\n"));
    let json: Vec<String> = found.iter().map(|found| found.to_json().to_string()).collect();
    insta::assert_snapshot!("a_configuration_with_many_mistakes_as_json", json.join("\n"));
}

#[test]
fn a_secret_that_was_written_into_a_file_is_not_shown() {
    let hidden = |source: &Source, found: Vec<Diagnostic>| {
        let [found] = found.as_slice() else { panic!("{found:#?}") };
        assert_eq!(found.code.number(), "HF0606");
        let rendered = found.render(source, Colour::None);
        assert!(rendered.contains("*****"), "{rendered}");
        for part in ["tröub4dor", "second"] {
            assert!(!rendered.contains(part) && !found.to_json().to_string().contains(part));
        }
    };
    for secret in ["tröub4dor", "\"tröub4dor\"", "|\n    tröub4dor\n    second"] {
        let source = Source::new(
            "holdfast.yaml",
            format!("holdfast_config: 1\nrepository:\n  path: a\n  password: {secret}\n"),
        );
        hidden(&source, configuration::read(&source).unwrap_err());
    }
    let beside =
        "holdfast_config: 1\nrepository: { path: ~/a, password: tröub4dor, colour: red }\n";
    let source = Source::new("holdfast.yaml", beside);
    let found = configuration::read(&source).unwrap_err();
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|found| !found.render(&source, Colour::None).contains("tröub")));
    let workflow = "holdfast: 1\nname: a\noperation: maintenance\nsecrets: { token: tröub4dor }\nsteps:\n  \
                    - id: wait\n    uses: sleep\n    with: { duration: 5s }\n";
    let source = Source::new("a.yaml", workflow);
    hidden(&source, check(&source, &actions()).unwrap_err());
}

#[test]
fn the_version_is_required_and_a_workflow_is_told_from_a_configuration() {
    let first = |text: &str| told(text).first().map(ToOwned::to_owned).unwrap();
    for text in ["limits: {}\n", "holdfast_config: 2\n", "holdfast_config: \"1\"\n", "{}\n"] {
        assert_eq!(first(text).code.number(), "HF0601", "{text}");
        assert_eq!(told(text).len(), 1);
    }
    let found = first("holdfast: 1\nname: a\nsteps: []\n");
    assert_eq!(found.message, "This is a workflow, and a configuration is wanted.");
    for text in ["", "- a\n", "a\n"] {
        assert_eq!(first(text).code.number(), "HF0003", "{text:?}");
    }
    assert_eq!(first("a: b: c").code.number(), "HF0002");
    assert_eq!(first(&"# x\n".repeat(300_000)).code.number(), "HF0001");
    check_places("limits: {}\nlimits: {}\n", &["HF0004 3:1"]);
    check_places("---\n{}\n", &["HF0003 2:1"]);
}

#[test]
fn repositories_have_a_path_a_password_and_a_default() {
    let two = |names: [&str; 2]| {
        let [a, b] = names.map(|name| format!("  {name}: {{ path: a, password: {{ env: A }} }}\n"));
        format!("repositories:\n{a}{b}")
    };
    check_places(&two(["default", "b"]), &[]);
    check_places(&two(["a", "b"]), &["HF0605 2:1"]);
    check_places(&two(["default", "B"]), &["HF0107 4:3"]);
    check_places("repositories: {}\n", &["HF0605 2:1"]);
    check_places("repository: {}\n", &["HF0103 2:13", "HF0103 2:13"]);
    check_places("repository: ./backups\n", &["HF0104 2:13"]);
    check_places(
        "repository: { path: a, password: { env: A } }\nrepositories: { default: { path: a, password: { env: A } } }\n",
        &["HF0111 3:1"],
    );
    let path = |path: &str| format!("repository: {{ path: {path}, password: {{ env: A }} }}\n");
    for elsewhere in ["sftp:a@b:/c", "\"https://a/b\"", "rclone:a", "s3:a"] {
        check_first(
            &path(elsewhere),
            "HF0106 This version of holdfast does not have repositories that are not a folder",
        );
    }
    check_first(&path("~root/a"), "HF0602 `~` is not expanded");
    check_first(&path("\"${HOME}/a\""), "HF0602 Variables are not expanded");
    check_first(&path("$HOME"), "HF0602 Variables");
    check_first(&path("\"a\\0b\""), "HF0602 A path has no byte 0.");
    for fine in ["./~a", "a~", "./$a", "a/$b", "a:b", "\"a b\""] {
        check_places(&path(fine), &[]);
    }
}

#[test]
fn passwords_are_references() {
    let password = |password: &str| format!("repository: {{ path: a, password: {password} }}\n");
    check_places(&password("{ env: A, file: b }"), &["HF0111 2:24"]);
    check_places(&password("{}"), &["HF0111 2:24"]);
    check_places(&password("{ fil: b }"), &["HF0101 2:36"]);
    check_places(&password("{ env: a-b }"), &["HF0107 2:41"]);
    check_places(&password("{ file: \"\" }"), &["HF0602 2:42"]);
    check_places(&password("{ file: 5 }"), &["HF0104 2:42"]);
    check_places(&password("{ command: [] }"), &["HF0109 2:24"]);
    check_places(&password("{ command: [pass, a] }"), &["HF0603 2:46"]);
    check_places(&password("{ command: [/usr/bin/pass, a] }"), &[]);
    check_places(&password("12345"), &["HF0606 2:34"]);
    check_places(&password("null"), &["HF0104 2:34"]);
    check_first(
        "repository: { path: a }\n",
        "HF0103 The key `password` of a repository is missing. Add `password:` with `{ env: NAME }`",
    );
}

#[test]
fn targets_are_told_apart_by_their_kind() {
    let kind = |kind: &str| format!("targets:\n  a: {{ kind: {kind}, root: . }}\n");
    check_places(&kind("files"), &[]);
    check_first(
        &kind("graph"),
        "HF0106 This version of holdfast does not have targets of the kind `graph` yet.",
    );
    check_first(&kind("postgres"), "HF0106");
    check_first(
        &kind("file"),
        "HF0105 There are no targets of the kind `file`. Did you mean `files`?",
    );
    check_first(
        &kind("directory"),
        "HF0105 There are no targets of the kind `directory`. Write `files`.",
    );
    check_first(
        &kind("mysql"),
        "HF0105 There are no targets of the kind `mysql`. Choose one of `files`",
    );
    check_first(&kind("[files]"), "HF0104");
    check_first(
        "targets:\n  a: { root: . }\n",
        "HF0103 The key `kind` of the target `a` is missing.",
    );
    check_places("targets:\n  a: ./documents\n", &["HF0104 3:6"]);
    check_places("targets: [a]\n", &["HF0104 2:10"]);
    check_first(
        "targets:\n  a: { kind: files, root: ., exlude: [] }\n",
        "HF0101 `exlude` is not a key of a target of the kind `files`. Did you mean `exclude`?",
    );
}

#[test]
fn patterns_that_are_none_or_match_nothing_are_refused() {
    let exclude = |pattern: &str| {
        format!("targets:\n  a: {{ kind: files, root: ., exclude: ['{pattern}'] }}\n")
    };
    for fine in ["**/*.tmp", "/build/", "a", "{{a,b},c}", "[!a]b", "\\[a", "a\\{b", "*", "**"] {
        check_places(&exclude(fine), &[]);
    }
    for (pattern, expect) in [
        ("[a", "`[a` is no pattern: unclosed character class"),
        ("{a", "`{a` is no pattern: unclosed alternate group"),
        ("[z-a]", "`[z-a]` is no pattern: invalid range"),
        ("", "The pattern is empty."),
        ("/", "The pattern is empty."),
        ("./a", "`./a` matches nothing"),
        ("a/../b", "`a/../b` matches nothing"),
        ("a//b", "`a//b` matches nothing"),
    ] {
        check_first(&exclude(pattern), &format!("HF0604 {expect}"));
    }
}

#[test]
fn commands_are_absolute_and_listed_once() {
    let commands = |list: &str| format!("allow: {{ commands: [{list}] }}\n");
    check_places(&commands("/usr/bin/psql"), &[]);
    check_first(
        &commands("psql"),
        "HF0603 `psql` is not the absolute path of a program. Write where it is, as `command -v psql` says it.",
    );
    check_first(
        &commands("../psql"),
        "HF0603 `../psql` is not the absolute path of a program. Write its",
    );
    check_first(&commands("{ path: psql }"), "HF0603");
    check_first(&commands("/usr/bin/"), "HF0603 `/usr/bin/` is the path of a folder.");
    check_places(&commands("/bin/a, { path: /bin/a, writes: local }"), &["HF0607 2:37"]);
    check_places(&commands("5"), &["HF0104 2:21"]);
    check_places(&commands("{ writes: local }"), &["HF0103 2:23"]);
    check_places(&commands("{ path: /bin/a, writes: none }"), &["HF0105 2:45"]);
    check_places("allow: { commands: /bin/a }\n", &["HF0104 2:20"]);
    check_places("allow: { exports: [~/out] }\n", &["HF0602 2:20"]);
}

#[test]
fn numbers_are_positive_and_whole() {
    for key in ["runs", "attempts", "attempts_for_a_target"] {
        for (value, expect) in [
            ("1", ""),
            ("10000", ""),
            ("0", "HF0109"),
            ("10001", "HF0109"),
            ("-1", "HF0109"),
            ("1.5", "HF0104"),
        ] {
            check_first(&format!("limits: {{ {key}: {value} }}\n"), expect);
        }
    }
    check_first("limits: { reserve_mib: 0 }\n", "");
    check_first("limits: { reserve_mib: 1073741825 }\n", "HF0109");
    for (rules, expect) in [
        ("last: 7", "none"),
        ("last: 0", "HF0109"),
        ("within: 30d", "none"),
        ("within: 0s", "HF0109"),
        ("within: 30", "HF0108"),
        ("dayly: 4", "HF0101 `dayly` is not a key of `retention`. Did you mean `daily`?"),
        ("", "HF0608"),
    ] {
        let found = told(&format!("holdfast_config: 1\nretention: {{ {rules} }}\n"));
        let expect_code = expect.split(' ').next().unwrap();
        let is_told = if expect == "none" {
            found.is_empty()
        } else {
            found.iter().any(|found| found.code.number() == expect_code)
        };
        assert!(is_told, "{rules}: {found:#?}");
    }
}

#[test]
fn what_is_not_built_yet_is_refused_by_name_in_a_configuration() {
    check_places("include: [a]\n", &["HF0106 2:1"]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn no_text_makes_the_reading_of_a_configuration_panic(
        noise in prop::collection::vec((any::<prop::sample::Index>(), "[-{}\\[\\]:&*!|>'\"%@#\\t\\n a{}$é~.,0]{0,4}"), 1..6)
    ) {
        let page = include_str!("../../../../docs/configuration.md");
        let mut text = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap().to_owned();
        for (index, piece) in noise {
            let mut at = index.index(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            text.insert_str(at, &piece);
        }
        let source = Source::new("noise.yaml", text);
        if let Err(found) = configuration::read(&source) {
            for found in found {
                prop_assert!(!found.render(&source, Colour::None).is_empty());
            }
        }
    }
}
