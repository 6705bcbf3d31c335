//! What waits for a person is shown with the command that answers, and a restart changes nothing of it.

use rustix::process::Signal;
use serde_json::Value;

use crate::clocked::{Clocked, HOUR, end};
use crate::home::hold;

const ASKING: &str = "holdfast: 1
name: asking
operation: maintenance
steps:
  - id: ask
    uses: approval
    with: { text: Shall it go on, by: [tester], allow_self: true }
";

fn status(clocked: &Clocked) -> Value {
    clocked.holdfast(&["status", "--output", "json"]).with_code(0).json()
}

fn submit(clocked: &Clocked, workflow: &str) -> String {
    let said = clocked.holdfast(&["submit", workflow, "--output", "json"]).with_code(0);
    said.json()["run"].as_str().expect("it has an id").to_owned()
}

/// A home with a schedule that has had no success for too long, a run that goes on and one that asks.
fn three(clocked: &mut Clocked) -> (String, String) {
    let pipe = clocked.home.pipe("pipe");
    clocked.home.write("workflows/asking.yaml", ASKING);
    let long = format!(
        "holdfast: 1\nname: long\noperation: maintenance\nsteps:\n  - id: work\n    uses: command\n    effect: idempotent\n    with: {{ argv: [/bin/sh, -c, \"read line < {}\"] }}\n",
        pipe.display()
    );
    clocked.home.write("workflows/long.yaml", &long);
    clocked.pass_to("2031-03-01T12:00:30Z");
    (submit(clocked, "asking"), submit(clocked, "long"))
}

#[test]
fn status_shows_a_run_a_question_and_a_schedule_that_is_late_and_a_restart_changes_nothing() {
    let mut clocked = Clocked::new(&["id: nightly, cron: '30 2 * * *', expect_success_within: 2h"]);
    let (asking, long) = three(&mut clocked);
    let mut serving = clocked.serve();
    let held = hold(&clocked.home.path("pipe"));
    clocked.pass(3 * HOUR);
    serving.wait_for_talk("w:nightly is without a success for too long");
    let before = status(&clocked);
    let answer = before["needs"][0]["command"].as_str().expect("somebody is asked").to_owned();
    assert_eq!(answer, format!("holdfast approve {asking} ask"));
    let active: Vec<&str> =
        before["active"].as_array().unwrap().iter().filter_map(|run| run["run"].as_str()).collect();
    assert_eq!(active, [long.as_str(), asking.as_str()], "{before:#}");
    assert!(before["schedules"][0]["late_since"].is_string(), "{before:#}");
    let text = clocked.holdfast(&["status"]).with_code(0);
    for shown in [&*asking, &*long, &*answer, "w:nightly", "no success for too long"] {
        assert!(text.out.contains(shown), "{shown}: {text:#?}");
    }
    println!("$ holdfast status\n{}$ holdfast status --output json\n{before:#}", text.out);
    let told = |clocked: &Clocked| {
        (clocked.notifications("wait").len(), clocked.notifications("late").len())
    };
    assert_eq!(told(&clocked), (1, 1));
    drop(held);
    serving.signal(Signal::KILL);
    serving.end();
    let serving = clocked.serve();
    let held = hold(&clocked.home.path("pipe"));
    let after = status(&clocked);
    for key in ["needs", "active", "schedules"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    assert_eq!(told(&clocked), (1, 1), "nobody is told again");
    drop(held);
    let words: Vec<&str> = answer.split(' ').skip(1).collect();
    clocked.holdfast(&words).with_code(0);
    clocked.holdfast(&["watch", &asking]).with_code(0);
    assert!(status(&clocked)["needs"].as_array().unwrap().is_empty());
    end(serving);
}

#[test]
fn an_effect_in_doubt_is_in_the_inbox_with_the_command_that_answers() {
    let clocked = Clocked::new(&[]);
    clocked.home.write(
        "workflows/w.yaml",
        "holdfast: 1
name: w
operation: maintenance
steps:
  - id: each
    for_each: { items: [a, b, c] }
    uses: command
    with: { argv: [/bin/sh, -c, kill -9 $$] }
",
    );
    clocked.holdfast(&["run", "w"]).with_code(1);
    let notes = clocked.holdfast(&["notifications", "--output", "json"]).with_code(0).json();
    let waits: Vec<&Value> =
        notes.as_array().unwrap().iter().filter(|note| note["kind"] == "wait").collect();
    assert_eq!(waits.len(), 1, "of three items of one step one is told of: {notes:#}");
    let answer = waits[0]["answer"].as_str().expect("it says what to type");
    let run = waits[0]["run"].as_str().unwrap();
    assert!(answer.starts_with(&format!("holdfast resolve {run} each ")), "{answer}");
    let needs = status(&clocked);
    assert_eq!(needs["needs"].as_array().unwrap().len(), 3, "{needs:#}");
    let item = answer.split(' ').nth(4).unwrap();
    clocked.holdfast(&["resolve", run, "each", item, "done"]).with_code(0);
    assert_eq!(status(&clocked)["needs"].as_array().unwrap().len(), 2);
}
