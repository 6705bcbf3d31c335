//! What a right file is lowered to.

use std::collections::BTreeMap;

use holdfast_kernel::definition::{
    Definition, EffectClass, OnFailure, Operation, RunWhen, Share, Step, Work, Writes,
};
use holdfast_kernel::failure::Class;
use holdfast_kernel::id::{Millis, StepIndex};
use holdfast_language::{Actions, Checked, Source, check};

use crate::specs::actions;

fn checked(text: &str, actions: &Actions) -> Checked {
    match check(&Source::new("example.yaml", text), actions) {
        Ok(checked) => checked,
        Err(found) => panic!("{found:#?}"),
    }
}

fn backup() -> Checked {
    checked(include_str!("../workflows/backup.yaml"), &actions())
}

fn step<'d>(definition: &'d Definition, id: &str) -> &'d Step {
    definition.step_named(id).unwrap().1
}

#[test]
fn a_workflow_is_lowered_with_every_default_filled_in() {
    let Checked { definition, declarations, warnings, schedules, children: _ } = backup();
    assert_eq!(warnings, []);
    assert_eq!(schedules.len(), 1);
    assert_eq!(definition.name, "tenant-backup");
    assert_eq!(definition.operation, Operation::Backup);
    assert_eq!(definition.timeout, Millis::seconds(7_200));
    assert_eq!(declarations.inputs.len(), 4);
    assert!(declarations.secrets.contains_key("token"));

    let list = step(&definition, "list");
    assert_eq!(list.timeout, Some(Millis::seconds(600)), "from `defaults`");
    assert_eq!(list.retry.attempts, 3);
    assert_eq!(list.needs, []);

    let capture = step(&definition, "capture");
    assert_eq!(capture.needs, [StepIndex(0)]);
    assert_eq!(capture.needed_by, [StepIndex(2)]);
    assert_eq!(capture.retry.attempts, 3, "from `defaults`");
    assert_eq!(capture.retry.delay, Millis::seconds(1));
    assert_eq!(capture.retry.backoff_thousandths, 1_500);
    assert_eq!(capture.retry.when, [Class::Transient, Class::Throttled]);
    let fan_out = capture.for_each.as_ref().unwrap();
    assert_eq!((fan_out.batch, fan_out.variable.as_str()), (10, "object"));
    assert_eq!(fan_out.max_failed, Some(Share::Percent(10)));
    assert!(fan_out.filter.is_some() && fan_out.stage.is_none());

    let seal = step(&definition, "seal");
    assert_eq!(seal.run_when, RunWhen::Done);
    assert_eq!((seal.timeout, seal.retry.attempts), (None, 1), "`defaults` do not reach it");

    assert!(matches!(step(&definition, "rest").work, Work::Pause { .. }));

    let tell = step(&definition, "tell");
    assert_eq!(tell.on_failure, OnFailure::Continue);
    let action = tell.action().unwrap();
    assert_eq!(action.effect, EffectClass::Idempotent);
    assert_eq!((action.writes, action.on_target), (Writes::Target, false));
    assert!(action.env.is_some());
}

#[test]
fn a_definition_survives_its_stored_form() {
    let definition = backup().definition;
    let stored = serde_json::to_string(&definition).unwrap();
    let read: Definition = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, definition);
}

#[test]
fn the_language_has_defaults_where_a_file_says_nothing() {
    let text = "holdfast: 1\nname: a\noperation: inventory\ntarget: here\nsteps:\n  - id: list\n    uses: inventory\n";
    let definition = checked(text, &actions()).definition;
    let list = step(&definition, "list");
    assert_eq!(definition.timeout, Millis::seconds(86_400));
    assert_eq!(list.timeout, Some(Millis::seconds(300)));
    assert_eq!(list.retry.attempts, 5);
    assert_eq!(list.retry.max_delay, Millis::seconds(60));
    assert_eq!(list.retry.when, [Class::Transient, Class::Throttled, Class::Timeout]);
}

#[test]
fn a_step_that_runs_after_a_failure_is_left_out_of_the_order_by_place() {
    let wait = |id: &str, more: &str| {
        format!("  - id: {id}\n    uses: sleep\n    with: {{ duration: 5s }}\n{more}")
    };
    let text = format!(
        "holdfast: 1\nname: a\noperation: maintenance\nsteps:\n{}{}{}{}",
        wait("first", ""),
        wait("clean_up", "    run_when: failed\n"),
        wait("second", ""),
        wait("third", "    needs: []\n"),
    );
    let definition = checked(&text, &actions()).definition;
    let needs: Vec<&[StepIndex]> =
        definition.steps.iter().map(|step| step.needs.as_slice()).collect();
    let first = [StepIndex(0)];
    assert_eq!(needs, [&[][..], &first, &first, &[]]);
}

#[test]
fn a_program_writes_what_the_allow_list_says() {
    let text = "holdfast: 1\nname: a\noperation: preview\nsteps:\n  - id: look\n    uses: command\n    with: { argv: [/usr/bin/df, -h] }\n";
    assert!(check(&Source::new("a.yaml", text), &actions()).is_err());
    let allowed = BTreeMap::from([("/usr/bin/df".to_owned(), Writes::Nothing)]);
    let definition = checked(text, &actions().with_programs(allowed)).definition;
    assert_eq!(step(&definition, "look").action().unwrap().writes, Writes::Nothing);
}

#[test]
fn needs_takes_the_place_of_the_order_and_is_not_added_to_it() {
    let wait = |id: &str, more: &str| {
        format!("  - id: {id}\n    uses: sleep\n    with: {{ duration: 5s }}\n{more}")
    };
    let text = format!(
        "holdfast: 1\nname: a\noperation: maintenance\nsteps:\n{}{}{}",
        wait("first", ""),
        wait("second", ""),
        wait("third", "    needs: [first]\n"),
    );
    let definition = checked(&text, &actions()).definition;
    assert_eq!(step(&definition, "third").needs, [StepIndex(0)]);
    assert_eq!(step(&definition, "first").needed_by, [StepIndex(1), StepIndex(2)]);
}

#[test]
fn an_id_is_small_letters_digits_and_underscores_a_letter_first() {
    let is_valid = |id: &str| {
        let text = format!(
            "holdfast: 1\nname: a\noperation: maintenance\nsteps:\n  - id: \"{id}\"\n    uses: sleep\n    with: {{ duration: 5s }}\n"
        );
        check(&Source::new("a.yaml", text), &actions()).is_ok()
    };
    for id in ["a", "a1", "a_b", "z9_"] {
        assert!(is_valid(id), "{id}");
    }
    for id in ["", "1a", "_a", "a-b", "aB", "A", "ä", "a b"] {
        assert!(!is_valid(id), "{id}");
    }
}

#[test]
fn the_end_of_a_run_has_ten_minutes_or_what_it_says() {
    let text = |finally: &str| {
        format!(
            "holdfast: 1\nname: a\noperation: maintenance\nsteps:\n  - id: work\n    uses: sleep\n    with: {{ duration: 5s }}\nfinally:\n{finally}"
        )
    };
    let step = "- id: end\n    uses: sleep\n    with: { duration: 5s }\n";
    let usual = text(&format!("  {step}"));
    let own = text(&format!("  timeout: 1m\n  steps:\n  {step}"));
    let time = |text: &str| checked(text, &actions()).definition.finally.unwrap().timeout;
    assert_eq!((time(&usual), time(&own)), (Millis::seconds(600), Millis::seconds(60)));
}

#[test]
fn an_inventory_may_not_write_a_target_either() {
    for operation in ["inventory", "preview"] {
        let text = format!(
            "holdfast: 1\nname: a\noperation: {operation}\nsteps:\n  - id: look\n    uses: command\n    with: {{ argv: [/usr/bin/df, -h] }}\n"
        );
        let found = check(&Source::new("a.yaml", text), &actions()).unwrap_err();
        let told: Vec<_> = found.iter().map(|found| found.message.as_str()).collect();
        assert!(told.iter().any(|told| told.contains(operation)), "{told:?}");
    }
}

#[test]
fn what_a_step_says_wins_over_the_defaults_and_they_over_the_language_key_by_key() {
    let text = "holdfast: 1
name: a
operation: backup
target: here
defaults: { timeout: 9m, retry: { attempts: 3, delay: 1s } }
steps:
  - id: list
    uses: inventory
    retry: { delay: 9s }
  - id: again
    uses: inventory
    timeout: 1m
";
    let definition = checked(text, &actions()).definition;
    let (list, again) = (step(&definition, "list"), step(&definition, "again"));
    assert_eq!(list.timeout, Some(Millis::seconds(540)), "from `defaults`");
    assert_eq!(list.retry.attempts, 3, "from `defaults`");
    assert_eq!(list.retry.delay, Millis::seconds(9), "its own");
    assert_eq!(list.retry.max_delay, Millis::seconds(60), "of the language");
    assert_eq!((again.timeout, again.retry.delay), (Some(Millis::seconds(60)), Millis::seconds(1)));
}
