//! What is caught up with after a pause, and what is said of runs that schedules started.

use crate::clocked::{Clocked, HOUR, MINUTE, end};
use crate::home::hold;

const HOURLY: &str = "id: s, cron: '0 * * * *'";

/// The run of the last tick that was decided.
fn last_run(clocked: &Clocked) -> String {
    let ticks = clocked.ticks("w:s");
    ticks.last().unwrap()["run"].as_str().unwrap().to_owned()
}

#[test]
fn a_tick_that_had_its_run_is_not_caught_up_with() {
    let mut clocked = Clocked::new(&[HOURLY]);
    clocked.pass_to_the_hour(30 * MINUTE);
    let mut serving = clocked.serve();
    clocked.pass(30 * MINUTE);
    serving.wait_for_talk("fired");
    clocked.holdfast(&["watch", &last_run(&clocked)]).with_code(0);
    clocked.holdfast(&["pause", "s"]).with_code(0);
    let said = clocked.holdfast(&["unpause", "s", "--catch-up"]).with_code(0);
    assert!(said.talk.contains("no run is started"), "{said:#?}");
    assert_eq!(clocked.decisions("w:s"), ["1 fired"]);
    clocked.holdfast(&["pause", "s"]).with_code(0);
    clocked.pass(HOUR);
    serving.wait_for_talk("skipped paused");
    let skipped = clocked.ticks("w:s").pop().unwrap();
    clocked.holdfast(&["unpause", "s", "--catch-up"]).with_code(0);
    clocked.holdfast(&["watch", &last_run(&clocked)]).with_code(0);
    let by_hand = clocked.ticks("w:s").pop().unwrap();
    assert_eq!(by_hand["decision"], "by_hand", "{by_hand}");
    assert_eq!(by_hand["first"], skipped["first"], "it is the one that was skipped");
    let said = clocked.holdfast(&["unpause", "s", "--catch-up", "--output", "json"]).with_code(0);
    assert_eq!(said.json().as_array().unwrap().len(), 0, "{said:#?}");
    assert_eq!(clocked.decisions("w:s"), ["1 fired", "1 skipped_paused", "1 by_hand"]);
    end(serving);
}

#[test]
fn a_schedule_says_where_its_last_run_is_and_not_how_another_one_ended() {
    let mut clocked = Clocked::new(&[HOURLY]);
    let (pipe, waits) = (clocked.home.pipe("pipe"), clocked.home.path("waits"));
    let script =
        format!("if [ -e {} ]; then read line < {}; fi; true", waits.display(), pipe.display());
    clocked.workflow(&[HOURLY], &script);
    clocked.pass_to_the_hour(30 * MINUTE);
    let mut serving = clocked.serve();
    clocked.pass(30 * MINUTE);
    serving.wait_for_talk("fired");
    clocked.holdfast(&["watch", &last_run(&clocked)]).with_code(0);
    let check = |clocked: &Clocked, status: &str| {
        let shown = clocked.holdfast(&["schedules", "--output", "json"]).with_code(0).json();
        assert_eq!(shown[0]["last_run"], last_run(clocked).as_str(), "{shown}");
        assert_eq!(shown[0]["last_status"], status, "{shown}");
        let text = clocked.holdfast(&["schedules"]).with_code(0).out;
        assert!(text.contains(&format!("last {status}: run_")), "{text}");
    };
    check(&clocked, "succeeded");
    clocked.home.write("waits", "");
    clocked.pass(HOUR);
    let held = hold(&pipe);
    check(&clocked, "running");
    drop(held);
    clocked.holdfast(&["watch", &last_run(&clocked)]).with_code(0);
    check(&clocked, "succeeded");
    end(serving);
}
