//! Commands that drive nothing: they store, list and let go.

use std::collections::BTreeSet;

use crate::home::Home;

const NAP: &str = "holdfast: 1\nname: nap\noperation: maintenance\nsteps:\n  - id: nap\n    uses: sleep\n    with: { duration: 1ms }\n";

#[test]
fn a_submit_is_stored_and_says_what_runs_it() {
    let home = Home::new();
    home.write("workflows/nap.yaml", NAP);
    let first = home.holdfast(&["submit", "nap"]).with_code(0);
    assert!(first.talk.contains("holdfast resume"), "{first:#?}");
    let second = home.holdfast(&["submit", "nap", "--output", "json"]).with_code(0).json();
    assert_eq!(second["run"], first.first());
    assert_eq!(second["deduplicated"], true);
    let listed = home.holdfast(&["runs"]).with_code(0);
    assert!(listed.talk.contains("1 run is unfinished: `holdfast resume`"), "{listed:#?}");
    home.holdfast(&["resume"]).with_code(0);
    let listed = home.holdfast(&["runs", "--status", "succeeded"]).with_code(0);
    assert!(listed.out.contains(&first.first()), "{listed:#?}");
}

#[test]
fn inv_06_racing_submits_of_sixteen_processes_give_one_run() {
    let home = Home::new();
    home.write("workflows/nap.yaml", NAP);
    for round in 0..3 {
        let started: Vec<_> = (0..16).map(|_| home.start(&["submit", "nap"])).collect();
        let runs: BTreeSet<String> =
            started.into_iter().map(|started| started.end().with_code(0).first()).collect();
        assert_eq!(runs.len(), 1, "round {round}: {runs:?}");
        home.holdfast(&["resume"]).with_code(0);
    }
    let all = home.holdfast(&["runs", "--output", "json"]).with_code(0).json();
    assert_eq!(all.as_array().unwrap().len(), 3);
}
