//! What a workflow says of the times at which it is started by itself.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_kernel::definition::{SecretReference, Writes};
use holdfast_kernel::id::Millis;
use holdfast_kernel::tick::{CatchUp, Overlap, Policy};
use holdfast_kernel::value::Value;
use holdfast_language::render::Colour;
use holdfast_language::schedule::Heartbeat;
use holdfast_language::schema::of_workflow;
use holdfast_language::{Actions, Checked, Diagnostic, Schedule, Severity, Source, check};

use crate::specs::actions;

const HEAD: &str = "holdfast: 1\nname: example\noperation: maintenance\n";
const STEPS: &str = "steps:\n  - id: wait\n    uses: sleep\n    with: { duration: 5s }\n";
const PAGE: &str = include_str!("../../../../docs/language.md");

/// A file whose schedules have these keys; the first of them stands on line 10.
fn file(schedules: &[&str]) -> String {
    let list: Vec<String> = schedules.iter().map(|keys| format!("    - {{ {keys} }}\n")).collect();
    format!("{HEAD}{STEPS}on:\n  schedule:\n{}", list.concat())
}

/// A file with one schedule that has these keys besides its id and its pattern.
fn nightly(keys: &str) -> String {
    let comma = if keys.is_empty() { "" } else { ", " };
    file(&[&format!("id: nightly, cron: \"15 2 * * *\"{comma}{keys}")])
}

fn found(text: &str, actions: &Actions) -> Result<Checked, Vec<Diagnostic>> {
    check(&Source::new("example.yaml", text), actions)
}

/// The schedules of a file in which nothing is wrong.
fn schedules(text: &str) -> Vec<Schedule> {
    let checked = found(text, &actions()).unwrap_or_else(|found| panic!("{text}\n{found:#?}"));
    assert_eq!(checked.warnings, [], "{text}");
    checked.schedules
}

fn only(text: &str) -> Schedule {
    let [schedule] = <[Schedule; 1]>::try_from(schedules(text)).unwrap();
    schedule
}

fn told(text: &str) -> Vec<Diagnostic> {
    found(text, &actions()).map_or_else(|found| found, |checked| checked.warnings)
}

fn check_places(text: &str, expect: &[&str]) {
    let places = told(text).into_iter().map(|found| {
        let place = found.location.start;
        format!("{} {}:{}", found.code, place.line, place.column)
    });
    assert_eq!(places.collect::<Vec<_>>(), expect, "{text}");
}

/// The message and the remedy of the first thing that is wrong.
fn check_told(text: &str, expect: &str) {
    let first = told(text).into_iter().next().map_or_else(String::new, |found| {
        format!("{} {}", found.message, found.remedy.unwrap_or_default())
    });
    assert!(first.contains(expect), "{text}\n{first}");
}

#[test]
fn a_schedule_that_says_little_has_what_the_language_says() {
    let schedule = only(&nightly(""));
    assert_eq!((schedule.id.as_str(), schedule.cron.text()), ("nightly", "15 2 * * *"));
    assert_eq!(schedule.zone.name(), "UTC");
    assert_eq!(schedule.inputs, BTreeMap::new());
    let day = Millis::seconds(86_400);
    let usual = Policy { overlap: Overlap::Skip, catch_up: CatchUp::Latest, catch_up_window: day };
    assert_eq!(schedule.policy, usual);
    assert_eq!((schedule.jitter, schedule.expect_success_within), (Millis::ZERO, None));
    assert_eq!((schedule.accept_partial, schedule.heartbeat), (false, None));
    assert_eq!(schedules(&format!("{HEAD}{STEPS}")), []);
}

#[test]
fn a_schedule_keeps_what_it_says_and_the_order_of_the_file() {
    let keys = "timezone: Europe/Berlin, catch_up_window: 2h, jitter: 10m, \
                expect_success_within: 26h, accept_partial: true";
    let schedule = only(&nightly(keys));
    assert_eq!(schedule.zone.name(), "Europe/Berlin");
    assert_eq!(schedule.policy.catch_up_window, Millis::seconds(7_200));
    assert_eq!(schedule.jitter, Millis::seconds(600));
    assert_eq!(schedule.expect_success_within, Some(Millis::seconds(93_600)));
    assert!(schedule.accept_partial);
    for overlap in Overlap::ALL {
        let schedule = only(&nightly(&format!("overlap: {}", overlap.word())));
        assert_eq!(schedule.policy.overlap, overlap);
    }
    for catch_up in CatchUp::ALL {
        let schedule = only(&nightly(&format!("catch_up: {}", catch_up.word())));
        assert_eq!(schedule.policy.catch_up, catch_up);
    }
    let two = schedules(&file(&["id: b, cron: \"@weekly\"", "id: a, cron: \"@daily\""]));
    let ids: Vec<&str> = two.iter().map(|schedule| schedule.id.as_str()).collect();
    assert_eq!(ids, ["b", "a"]);
}

#[test]
fn a_cron_pattern_has_five_fields_and_matches_some_day() {
    let with = |cron: &str| file(&[&format!("id: nightly, cron: \"{cron}\"")]);
    for cron in ["15 2 * * *", "*/30 * * * *", "0 9 * jan-mar mon", "0 0 29 2 *", "@daily"] {
        assert_eq!(only(&with(cron)).cron.text(), cron);
    }
    for cron in
        ["", "* * * *", "0 0 2 * * *", "60 2 * * *", "0 0 * * mon#2", "@reboot", "every day"]
    {
        check_places(&with(cron), &["HF0701 10:28"]);
    }
    for cron in ["30 2 31 2 *", "0 0 31 4,6,9,11 *"] {
        check_places(&with(cron), &["HF0702 10:28"]);
    }
    check_places(&with("{{ inputs.cron }}"), &["HF0405 10:28"]);
    check_places(&file(&["id: nightly, cron: 15"]), &["HF0104 10:28"]);
    check_places(&file(&["id: nightly"]), &["HF0103 10:9"]);
    check_told(&with("0 0 2 * * *"), "minute, hour, day of the month, month, day of the week");
    check_told(&with("0 0 2 * * *"), "There are neither seconds nor years");
    check_told(&with("@reboot"), "The start of a machine is no tick.");
    check_told(&with("every day"), "`15 2 * * *`, or `@daily`");
}

#[test]
fn a_zone_has_its_iana_name() {
    let with = |zone: &str| nightly(&format!("timezone: \"{zone}\""));
    for zone in ["Europe/Berlin", "America/New_York", "UTC"] {
        assert_eq!(only(&with(zone)).zone.name(), zone);
    }
    let rule = "A zone has its IANA name, such as `Europe/Berlin`";
    for zone in ["Europe/Berlim", "europe/berlin", "Berlin", "Nowhere/At_All", "+01:00", ""] {
        check_places(&with(zone), &["HF0703 10:52"]);
        check_told(&with(zone), rule);
    }
    for (zone, meant) in [
        ("Europe/Berlim", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("utc", "UTC"),
    ] {
        check_told(&with(zone), &format!("Did you mean `{meant}`?"));
    }
    check_places(&with("{{ inputs.zone }}"), &["HF0405 10:52"]);
}

#[test]
fn two_schedules_of_one_id_are_refused() {
    let text =
        file(&["id: a, cron: \"@daily\"", "id: b, cron: \"@daily\"", "id: a, cron: \"@weekly\""]);
    check_places(&text, &["HF0704 12:13"]);
    let related = told(&text).into_iter().flat_map(|found| found.related);
    let lines: Vec<u32> = related.map(|related| related.location.start.line).collect();
    assert_eq!(lines, [10]);
    check_places(&file(&["id: A, cron: \"@daily\""]), &["HF0107 10:13"]);
}

const INPUTS: &str = "inputs:
  target: { type: target, required: true }
  size: { type: integer, min: 1, max: 10 }
  kinds: { type: list, items: string, default: [], unordered: true }
  pause: { type: duration, default: 5s }
  set: { type: backup_set }
";

#[test]
fn what_a_schedule_gives_fits_what_the_workflow_declares() {
    let with = |keys: &str| format!("{}{INPUTS}", nightly(keys));
    let keys = "inputs: { target: contoso, kinds: [b, a, b], pause: 90m, set: latest, size: null }";
    assert_eq!(
        Value::Map(only(&with(keys)).inputs).canonical(),
        r#"{"kinds":["a","b"],"pause":"1h30m","set":"latest","target":"contoso"}"#,
        "each in its one form, and what is none is not given"
    );
    check_places(&with("inputs: { target: c, size: 11 }"), &["HF0707 10:69"]);
    check_places(&with("inputs: { target: c, size: \"5\" }"), &["HF0707 10:69"]);
    check_places(&with("inputs: { target: c, set: {} }"), &["HF0707 10:68"]);
    check_places(&with("inputs: { target: 5 }"), &["HF0707 10:60"]);
    check_told(&with("inputs: { target: c, size: 11 }"), "does not fit: 11 is more than 10.");
    check_places(&with("inputs: { target: c, sice: 5 }"), &["HF0705 10:63"]);
    check_told(&with("inputs: { target: c, sice: 5 }"), "Did you mean `size`?");
    check_places(&with("inputs: { target: \"{{ run.id }}\" }"), &["HF0405 10:60"]);
    check_places(&with("inputs: { target: c, kinds: [\"{{ run.id }}\"] }"), &["HF0405 10:71"]);
    check_places(&with("inputs: [a]"), &["HF0104 10:50"]);
    // A declaration that is refused itself is not reported a second time.
    for (declared, code) in [("type: strng", "HF0105"), ("type: string, pattern: \"[a\"", "HF0503")]
    {
        let text = format!("{}inputs:\n  odd: {{ {declared} }}\n", nightly("inputs: { odd: x }"));
        let codes: Vec<_> = told(&text).iter().map(|found| found.code.number()).collect();
        assert_eq!(codes, [code]);
    }
}

#[test]
fn a_schedule_gives_every_input_that_is_required() {
    let with = |keys: &str| format!("{}{INPUTS}", nightly(keys));
    for keys in ["", "inputs: {}", "inputs: { target: null }", "inputs: { size: 5 }"] {
        check_places(&with(keys), &["HF0706 10:13"]);
    }
    check_told(&with(""), "This schedule does not give the input `target`.");
    check_places(&with("inputs: { taget: c }"), &["HF0706 10:13", "HF0705 10:52"]);
}

#[test]
fn the_times_of_a_schedule_have_their_bounds() {
    for (keys, place) in [
        ("catch_up_window: 59s", "HF0109 10:59"),
        ("catch_up_window: 31d1ms", "HF0109 10:59"),
        ("jitter: 24h1ms", "HF0109 10:50"),
        ("expect_success_within: 59s", "HF0109 10:65"),
        ("expect_success_within: 30", "HF0108 10:65"),
        ("jitter: soon", "HF0108 10:50"),
    ] {
        check_places(&nightly(keys), &[place]);
    }
    for keys in [
        "catch_up_window: 1m",
        "catch_up_window: 31d",
        "jitter: 0s",
        "jitter: 24h",
        "expect_success_within: 1m",
        "expect_success_within: 400d",
    ] {
        check_places(&nightly(keys), &[]);
    }
    check_told(&nightly("catch_up_window: 59s"), "`catch_up_window` is from 1m to 31d.");
}

#[test]
fn a_key_that_would_have_no_use_is_warned_of() {
    check_places(&nightly("accept_partial: true"), &["HF0709 10:42"]);
    check_places(&nightly("accept_partial: true, expect_success_within: 26h"), &[]);
    check_places(&nightly("accept_partial: true, heartbeat_url: { env: BEAT }"), &[]);
    check_places(&nightly("catch_up: none, catch_up_window: 1h"), &["HF0709 10:58"]);
    check_places(&nightly("catch_up: all, catch_up_window: 1h"), &[]);
    let checked = found(&nightly("accept_partial: true"), &actions()).unwrap();
    assert!(checked.warnings.iter().all(|found| found.severity == Severity::Warning));
    assert!(checked.schedules.iter().all(|schedule| schedule.accept_partial));
}

#[test]
fn a_heartbeat_is_an_address_or_where_one_is_found() {
    let with = |beat: &str| nightly(&format!("heartbeat_url: {beat}"));
    let secret = |reference| Some(Heartbeat::Secret(reference));
    let own = |text: &str| text.to_owned();
    for (beat, expect) in [
        ("https://beat.example.org/a@b", Some(Heartbeat::Url(own("https://beat.example.org/a@b")))),
        ("http://localhost:8080", Some(Heartbeat::Url(own("http://localhost:8080")))),
        ("{ env: BEAT }", secret(SecretReference::Env(own("BEAT")))),
        ("{ file: /run/beat }", secret(SecretReference::File(own("/run/beat")))),
        (
            "{ command: [pass, beat] }",
            secret(SecretReference::Command(vec![own("pass"), own("beat")])),
        ),
    ] {
        assert_eq!(only(&with(beat)).heartbeat, expect);
    }
    for (beat, code) in [
        ("ftp://example.org", "HF0708"),
        ("example.org/beat", "HF0708"),
        ("https://", "HF0708"),
        ("https:///beat", "HF0708"),
        ("https://:80/beat", "HF0708"),
        ("\"https://example.org/a b\"", "HF0708"),
        ("{ env: A, file: b }", "HF0111"),
        ("{ url: a }", "HF0101"),
        ("5", "HF0104"),
        ("[a]", "HF0104"),
        ("\"{{ inputs.beat }}\"", "HF0405"),
    ] {
        let codes: Vec<_> = told(&with(beat)).iter().map(|found| found.code.number()).collect();
        assert_eq!(codes, [code], "{beat}");
    }
}

#[test]
fn a_heartbeat_with_a_password_in_it_is_refused_and_not_shown() {
    for beat in ["https://name:hunter2@example.org/beat", "https://hunter2@example.org"] {
        let text = nightly(&format!("heartbeat_url: {beat}"));
        check_places(&text, &["HF0606 10:57"]);
        let source = Source::new("example.yaml", text.as_str());
        for found in told(&text) {
            let shown = found.render(&source, Colour::None);
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(!found.to_json().to_string().contains("hunter2"), "{found:?}");
        }
    }
}

#[test]
fn who_runs_a_program_or_writes_by_a_schedule_is_asked_to_say_what_becomes_of_missed_ticks() {
    let text = |operation: &str, step: &str, more: &str| {
        format!(
            "holdfast: 1\nname: example\noperation: {operation}\nsteps:\n  - {{ id: a, {step} }}\n\
             on: {{ schedule: [{{ id: nightly, cron: \"@daily\"{more} }}] }}\n"
        )
    };
    let sleep = "uses: sleep, with: { duration: 5s }";
    let program = "uses: command, with: { argv: [/usr/bin/df] }";
    let child = "workflow: writes";
    let still = "workflow: still";
    for (operation, step, asked) in [
        ("maintenance", sleep, false),
        ("maintenance", program, true),
        ("maintenance", still, false),
        ("maintenance", child, true),
        ("restore", sleep, true),
    ] {
        let expect: &[&str] = if asked { &["HF0710 6:24"] } else { &[] };
        check_places(&text(operation, step, ""), expect);
        for catch_up in CatchUp::ALL {
            let said = format!(", catch_up: {}", catch_up.word());
            check_places(&text(operation, step, &said), &[]);
        }
    }
    // Also a program that writes nothing: it was meant to run at that time.
    let harmless = BTreeMap::from([("/usr/bin/df".to_owned(), Writes::Nothing)]);
    let checked = found(&text("backup", program, ""), &actions().with_programs(harmless)).unwrap();
    let codes: Vec<_> = checked.warnings.iter().map(|found| found.code.number()).collect();
    assert_eq!((codes, checked.schedules.len()), (vec!["HF0710"], 1));
}

#[test]
fn a_step_that_writes_the_target_is_pointed_at() {
    let text = r#"holdfast: 1
name: example
operation: restore
inputs:
  plan: { type: plan, required: true }
target: "{{ inputs.plan.target }}"
object: "{{ inputs.plan.id }}"
on: { schedule: [{ id: nightly, cron: "@daily", inputs: { plan: abc } }] }
steps:
  - id: open
    uses: plan.open
    with: { plan: "{{ inputs.plan }}" }
  - id: apply
    for_each: "{{ steps.open.output.items }}"
    uses: plan.apply
    with: { plan: "{{ steps.open.output.plan }}" }
"#;
    check_places(text, &["HF0710 8:24"]);
    let related: Vec<_> = told(text).into_iter().flat_map(|found| found.related).collect();
    let [related] = related.as_slice() else { panic!("{related:?}") };
    assert_eq!(related.message, "this step may write the target");
    assert_eq!(related.location.start.line, 15);
}

#[test]
fn when_a_workflow_is_started_is_no_part_of_its_definition() {
    let lowered = |text: &str| {
        let checked = found(text, &actions()).unwrap();
        serde_json::to_string(&checked.definition).unwrap()
    };
    let without = lowered(&format!("{HEAD}{STEPS}"));
    assert_eq!(lowered(&file(&["id: a, cron: \"@daily\""])), without);
    assert_eq!(lowered(&file(&["id: a, cron: \"@weekly\", catch_up: none"])), without);
    assert_eq!(lowered(&file(&["id: a, cron: \"@daily\"", "id: b, cron: \"@weekly\""])), without);
}

#[test]
fn everything_wrong_with_schedules_is_told_at_once() {
    let text = format!(
        "{HEAD}{STEPS}on:
  push: {{}}
  schedule:
    - id: nightly
      cron: \"0 0 2 * * *\"
      timezone: Europe/Berlim
      overlap: forbid
      catch_up_window: 40d
      jitter: 2d
      heartbeat_url: example.org
      inputs: {{ taget: contoso }}
    - id: nightly
      cron: \"30 2 31 2 *\"
      accept_partial: true
      colour: green
      inputs: {{ size: eleven }}
{INPUTS}"
    );
    check_places(
        &text,
        &[
            "HF0101 9:3",
            "HF0706 11:11",
            "HF0701 12:13",
            "HF0703 13:17",
            "HF0105 14:16",
            "HF0109 15:24",
            "HF0109 16:15",
            "HF0708 17:22",
            "HF0705 18:17",
            "HF0704 19:11",
            "HF0706 19:11",
            "HF0702 20:13",
            "HF0709 21:7",
            "HF0101 22:7",
            "HF0707 23:23",
        ],
    );
}

#[test]
fn keys_and_words_of_other_tools_are_answered_with_those_of_a_schedule() {
    let on = |value: &str| format!("{HEAD}{STEPS}{value}\n");
    check_places(&on("on: {}"), &["HF0103 8:5"]);
    check_places(&on("on: { schedule: { id: a } }"), &["HF0104 8:17"]);
    check_places(&on("on: { schedule: [a] }"), &["HF0104 8:18"]);
    check_places(&on("on: { schedule: [] }"), &[]);
    check_places(&on("schedule: []"), &["HF0102 8:1"]);
    check_told(&on("schedule: []"), "Schedules are part of `on:`.");
    for (keys, expect) in [
        ("tz: UTC", "Write `timezone:`."),
        ("concurrencyPolicy: Forbid", "Write `overlap:`."),
        ("startingDeadlineSeconds: 200", "Write `catch_up_window:`."),
        ("with: { a: b }", "Write `inputs:`."),
        ("overlap: Forbid", "Write `skip`."),
        ("overlap: queue", "Write `queue_one`"),
        ("catch_up: lates", "Did you mean `latest`?"),
        ("expect_sucess_within: 1d", "Did you mean `expect_success_within`?"),
    ] {
        check_told(&nightly(keys), expect);
    }
}

#[test]
fn the_page_lists_every_key_of_a_schedule_and_no_other() {
    let section = PAGE.split("\n## Schedules\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let rows = section.unwrap_or_default().lines().filter(|line| line.starts_with("| `"));
    let listed: BTreeSet<&str> = rows.filter_map(|row| row.split('`').nth(1)).collect();
    let schema = of_workflow(&actions());
    let keys = schema["definitions"]["schedule"]["properties"].as_object().unwrap();
    assert_eq!(listed, keys.keys().map(String::as_str).collect());
}
