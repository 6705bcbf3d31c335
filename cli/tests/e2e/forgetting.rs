//! A service forgets what is old as fast as it gets old.

use crate::clocked::{Clocked, HOUR, end};

#[test]
fn more_old_runs_than_one_record_lets_go_of_are_forgotten_at_once() {
    let mut clocked = Clocked::new(&[]);
    clocked.home.write("holdfast.yaml", "holdfast_config: 1\nstate: { keep_runs: 1d }\n");
    clocked.home.write(
        "workflows/w.yaml",
        "holdfast: 1
name: w
operation: maintenance
steps:
  - id: a
    uses: assert
    with: { that: true, message: never }
on:
  schedule:
    - { id: s, cron: '* * * * *', catch_up: all, overlap: allow }
",
    );
    clocked.pass_to_the_hour(30);
    end(clocked.serve());
    // A run for each minute.
    clocked.pass(10 * HOUR);
    let mut serving = clocked.serve();
    let minute = clocked.minute();
    serving.wait_for_lines(&[&[minute.as_str(), "fired"]]);
    end(serving);
    clocked.holdfast(&["resume"]).with_code(0);
    std::fs::remove_file(clocked.home.path("workflows/w.yaml")).unwrap();
    clocked.pass(72 * HOUR);
    let mut serving = clocked.start(&[("HOLDFAST_LOG", "debug")]);
    serving.wait_for_lines(&[&["forgot 500 runs"], &["forgot 10"]]);
    let left = clocked.holdfast(&["runs", "--limit", "1000", "--output", "json"]).with_code(0);
    assert_eq!(left.json().as_array().unwrap().len(), 0);
    end(serving);
}
