//! Schedules that are without a success for too long, in the real program.

use crate::clocked::{Clocked, HOUR, MINUTE, end};

#[test]
fn a_partial_run_is_a_success_only_where_the_schedule_says_so() {
    let mut clocked = Clocked::new(&["id: any, cron: '0 * * * *'"]);
    let text = "holdfast: 1
name: w
operation: maintenance
steps:
  - id: a
    uses: command
    continue_on_error: true
    with: { argv: [/bin/sh, -c, 'exit 1'] }
on:
  schedule:
    - { id: any, cron: '0 * * * *', overlap: allow, expect_success_within: 90m, accept_partial: true }
    - { id: whole, cron: '0 * * * *', overlap: allow, expect_success_within: 90m }
";
    clocked.home.write("workflows/w.yaml", text);
    clocked.pass_to_the_hour(30 * MINUTE);
    let mut serving = clocked.serve();
    let ran: [&[&str]; 4] =
        [&["w:any ", "fired"], &["w:whole ", "fired"], &[" partial"], &[" partial"]];
    let late: &[&str] = &["w:whole is without a success for too long"];
    clocked.pass(HOUR);
    serving.wait_for_lines(&ran);
    clocked.pass(HOUR);
    serving.wait_for_lines(&[&ran[..], &[late]].concat());
    clocked.pass(HOUR);
    serving.wait_for_lines(&ran);
    let shown = clocked.holdfast(&["schedules", "--output", "json"]).with_code(0).json();
    let of = |place: usize, key: &str| shown[place][key].clone();
    assert_eq!((of(0, "schedule"), of(1, "schedule")), ("w:any".into(), "w:whole".into()));
    for place in 0..2 {
        assert_eq!(of(place, "last_status"), "partial", "{shown}");
    }
    assert!(of(0, "last_success").is_string() && of(0, "late_since").is_null(), "{shown}");
    assert!(of(1, "last_success").is_null() && of(1, "late_since").is_string(), "{shown}");
    end(serving);
    let told = clocked.notifications("late");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("w:whole"), "{told:?}");
}
