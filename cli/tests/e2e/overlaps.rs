//! What becomes of a tick in the real program while an earlier run of its schedule, or its group, is in the way.

use rustix::process::Signal;

use crate::clocked::{Clocked, HOUR, MINUTE, end};
use crate::home::{Started, hold};

/// How many runs are in this status.
fn many(clocked: &Clocked, status: &str) -> usize {
    let arguments = ["runs", "--status", status, "--limit", "1000", "--output", "json"];
    clocked.holdfast(&arguments).with_code(0).json().as_array().unwrap().len()
}

/// Ends a service whose runs wait for ever.
fn stop(mut serving: Started) {
    serving.signal(Signal::TERM);
    serving.wait_for_talk("once more stops at once");
    serving.signal(Signal::TERM);
    serving.end().with_code(130);
}

#[test]
fn runs_of_a_schedule_go_on_beside_each_other_with_allow_and_in_turn_with_queue_all() {
    let schedules = [
        "id: beside, cron: '0 * * * *', overlap: allow",
        "id: all, cron: '0 * * * *', overlap: queue_all",
    ];
    let mut clocked = Clocked::new(&schedules);
    let pipe = clocked.home.pipe("pipe");
    clocked.workflow(&schedules, &format!("read line < {}", pipe.display()));
    clocked.pass_to_the_hour(30 * MINUTE);
    let mut serving = clocked.serve();
    let fired: [&[&str]; 2] = [&["w:beside ", "fired"], &["w:all ", "fired"]];
    let running: &[&str] = &[" running"];
    clocked.pass(HOUR);
    serving.wait_for_lines(&[&fired[..], &[running, running]].concat());
    for _ in 0..2 {
        clocked.pass(HOUR);
        serving.wait_for_lines(&[&fired[..], &[running]].concat());
    }
    assert_eq!((many(&clocked, "running"), many(&clocked, "queued")), (4, 2));
    stop(serving);
    let decisions = ["1 fired"; 3];
    assert_eq!(clocked.decisions("w:beside"), decisions);
    assert_eq!(clocked.decisions("w:all"), decisions);
}

#[test]
fn a_tick_that_finds_its_group_full_starts_nothing_where_the_workflow_rejects() {
    let mut clocked = Clocked::new(&["id: s, cron: '0 * * * *', overlap: allow"]);
    let pipe = clocked.home.pipe("pipe");
    let workflow = |name: &str, script: &str, rest: &str| {
        format!(
            "holdfast: 1\nname: {name}\noperation: maintenance\nconcurrency: {{ group: g, when_full: reject }}\nsteps:\n  \
             - id: a\n    uses: command\n    with: {{ argv: [/bin/sh, -c, \"{script}\"] }}\n{rest}"
        )
    };
    let schedule = "on: { schedule: [{ id: s, cron: '0 * * * *', overlap: allow }] }\n";
    clocked.home.write("workflows/w.yaml", &workflow("w", "true", schedule));
    let waits = format!("read line < {}; true", pipe.display());
    clocked.home.write("workflows/holds.yaml", &workflow("holds", &waits, ""));
    clocked.pass_to_the_hour(30 * MINUTE);
    let mut serving = clocked.serve();
    let holding = clocked.holdfast(&["submit", "holds"]).with_code(0).first();
    let held = hold(&pipe);
    clocked.pass(HOUR);
    serving.wait_for_talk("skipped overlap");
    let in_the_way = clocked.ticks("w:s");
    assert_eq!(in_the_way[0]["run"], holding, "{in_the_way:?}");
    drop(held);
    serving.wait_for_talk(&format!("{holding} succeeded"));
    clocked.pass(HOUR);
    serving.wait_for_talk("fired");
    end(serving);
    assert_eq!(clocked.decisions("w:s"), ["1 skipped_overlap", "1 fired"]);
}
