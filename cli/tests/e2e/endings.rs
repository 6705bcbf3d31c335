//! How runs end before they would: cancelled and killed at different moments, and what `finally` does then.

use crate::home::{Home, Started, hold};

/// Two steps that write down what they do, and an end that does too. Each waits on a pipe of its name first.
fn home() -> Home {
    let home = Home::new();
    let step = |id: &str| {
        let (pipe, done) = (home.pipe(id), home.path("done"));
        format!(
            "  - id: {id}\n    uses: command\n    effect: idempotent\n    env: {{ WHY: \"{{{{ run.id }}}}\" }}\n    with: {{ argv: [/bin/sh, -c, \"read line < {}; echo {id} >> {}\"] }}\n",
            pipe.display(),
            done.display()
        )
    };
    let (one, two) = (step("one"), step("two"));
    let end = step("end").replace("echo end", "echo end $WHY").replace(
        "{{ run.id }}",
        "{{ run.status }} {{ run.reason | default('-') }} {{ steps.two.status }}",
    );
    home.write(
        "workflows/w.yaml",
        &format!(
            "holdfast: 1\nname: w\noperation: maintenance\nsteps:\n{one}{two}finally:\n{end}outputs:\n  one: \"{{{{ steps.one.output.exit_code }}}}\"\n"
        ),
    );
    home
}

fn run_of(home: &Home) -> String {
    let runs = home.holdfast(&["runs", "--output", "json"]).with_code(0).json();
    runs[0]["run"].as_str().expect("there is a run").to_owned()
}

/// Lets a step that waits go on.
fn pass(home: &Home, step: &str) {
    drop(hold(&home.path(step)));
}

/// Starts the workflow, and waits until a step of it waits.
fn started(home: &Home) -> (Started, String) {
    let started = home.start(&["run", "w"]);
    let held = hold(&home.path("one"));
    let run = run_of(home);
    drop(held);
    (started, run)
}

fn steps(home: &Home, run: &str) -> String {
    let shown = home.holdfast(&["show", run, "--output", "json"]).with_code(0).json();
    let steps = shown["steps"].as_array().expect("it has steps").iter();
    let words: Vec<_> = steps.map(|step| step["status"].as_str().unwrap_or_default()).collect();
    words.join(", ")
}

#[test]
fn the_end_runs_after_everything_and_sees_how_it_went() {
    let home = home();
    let (run, id) = started(&home);
    pass(&home, "two");
    pass(&home, "end");
    let said = run.end().with_code(0);
    assert!(said.out.contains("one          0"), "outputs: {said:#?}");
    assert_eq!(home.read("done"), "one\ntwo\nend succeeded - succeeded\n");
    assert_eq!(steps(&home, &id), "succeeded, succeeded, succeeded");
}

#[test]
fn a_queued_run_is_cancelled_at_once_and_its_end_does_not_run() {
    let home = home();
    let run = home.holdfast(&["submit", "w"]).with_code(0).first();
    let said = home.holdfast(&["cancel", &run]).with_code(0);
    assert!(said.talk.contains("has ended: failed"), "{said:#?}");
    assert_eq!(steps(&home, &run), "blocked (cancelled), blocked (cancelled), blocked (cancelled)");
    let again = home.holdfast(&["cancel", &run]).with_code(5);
    assert!(again.talk.contains("the run has ended"), "{again:#?}");
    home.holdfast(&["resume"]).with_code(0);
    assert_eq!(home.read("done"), "");
}

#[test]
fn a_cancel_stops_what_is_in_flight_and_runs_the_end() {
    let home = home();
    let (run, id) = started(&home);
    let held = hold(&home.path("two"));
    home.holdfast(&["cancel", &id]).with_code(0);
    pass(&home, "end");
    let said = run.end().with_code(4);
    assert!(said.talk.trim_end().ends_with("failed"), "{said:#?}");
    drop(held);
    assert_eq!(home.read("done"), "one\nend failed cancelled failed\n", "nothing after the end");
    assert_eq!(steps(&home, &id), "succeeded, failed, succeeded");
    let shown = home.holdfast(&["show", &id]).with_code(0);
    assert!(shown.out.contains("failed (cancelled)"), "{shown:#?}");
    // A retry does again what was cancelled, and ends anew.
    let dry = home.holdfast(&["retry", &id, "--dry"]).with_code(0);
    assert!(dry.out.contains("two") && dry.out.contains("end"), "{dry:#?}");
    assert!(!dry.out.contains("one "), "{dry:#?}");
    home.holdfast(&["retry", &id]).with_code(0);
    let resumed = home.start(&["resume"]);
    pass(&home, "two");
    pass(&home, "end");
    resumed.end().with_code(0);
    let done = home.read("done");
    assert!(done.ends_with("two\nend succeeded - succeeded\n"), "{done}");
}

#[test]
fn a_cancel_in_the_end_lets_it_finish_and_a_second_one_stops_it() {
    let home = home();
    let (run, id) = started(&home);
    pass(&home, "two");
    let held = hold(&home.path("end"));
    let said = home.holdfast(&["cancel", &id]).with_code(0);
    assert!(said.talk.contains("once more stops that too"), "{said:#?}");
    assert_eq!(steps(&home, &id), "succeeded, succeeded, running");
    home.holdfast(&["cancel", &id]).with_code(0);
    run.end().with_code(1);
    drop(held);
    assert_eq!(home.read("done"), "one\ntwo\n");
    assert_eq!(steps(&home, &id), "succeeded, succeeded, failed");
}

#[test]
fn a_kill_ends_at_once_without_the_end() {
    let home = home();
    let (run, id) = started(&home);
    let held = hold(&home.path("two"));
    home.holdfast(&["kill", &id]).with_code(0);
    run.end().with_code(4);
    drop(held);
    assert_eq!(home.read("done"), "one\n");
    assert_eq!(steps(&home, &id), "succeeded, failed, blocked (cancelled)");
}

#[test]
fn a_run_whose_time_has_passed_exits_with_one_and_runs_its_end() {
    let home = Home::new();
    let done = home.path("done");
    let text = format!(
        "holdfast: 1
name: w
operation: maintenance
timeout: 1s
steps:
  - id: wait
    uses: sleep
    with: {{ duration: 1h }}
finally:
  - id: end
    uses: command
    with: {{ argv: [/bin/sh, -c, \"echo end $0 >> {}\", \"{{{{ run.reason }}}}\"] }}
",
        done.display()
    );
    home.write("workflows/w.yaml", &text);
    home.holdfast(&["run", "w"]).with_code(1);
    assert_eq!(home.read("done"), "end timeout\n");
    let shown = home.holdfast(&["show", &run_of(&home)]).with_code(0);
    assert!(shown.out.contains("failed (timeout)"), "{shown:#?}");
}

#[test]
fn a_step_of_the_end_runs_whatever_became_of_the_ones_above_it() {
    let home = Home::new();
    let done = home.path("done");
    let step = |id: &str, then: &str| {
        format!(
            "  - id: {id}\n    uses: command\n    with: {{ argv: [/bin/sh, -c, \"echo {id} >> {}; {then}\"] }}\n",
            done.display()
        )
    };
    let text = format!(
        "holdfast: 1\nname: w\noperation: maintenance\nsteps:\n{}finally:\n{}{}",
        step("work", "true"),
        step("tidy", "exit 1"),
        step("tell", "true"),
    );
    home.write("workflows/w.yaml", &text);
    home.holdfast(&["run", "w"]).with_code(1);
    assert_eq!(home.read("done"), "work\ntidy\ntell\n");
}

#[test]
fn a_second_cancel_stops_the_end_of_a_run_that_the_first_one_stopped() {
    let home = home();
    let (run, id) = started(&home);
    let two = hold(&home.path("two"));
    home.holdfast(&["cancel", &id]).with_code(0);
    let end = hold(&home.path("end"));
    home.holdfast(&["cancel", &id]).with_code(0);
    run.end().with_code(4);
    drop((two, end));
    assert_eq!(home.read("done"), "one\n", "nothing after the end");
    assert_eq!(steps(&home, &id), "succeeded, failed, failed");
}

/// A workflow whose program starts another one that waits on a pipe.
fn with_a_grandchild(home: &Home, leader: &str) -> std::path::PathBuf {
    let pipe = home.pipe("pipe");
    let text = format!(
        "holdfast: 1\nname: w\noperation: maintenance\nsteps:\n  - id: s\n    uses: command\n    with: {{ argv: [/bin/sh, -c, \"(read line < {}; echo late >> late) & {leader}\"], cwd: {} }}\n",
        pipe.display(),
        home.path("").display()
    );
    home.write("workflows/w.yaml", &text);
    pipe
}

/// Waits until nobody reads the pipe any more.
fn until_nobody_reads(pipe: &std::path::Path) {
    use rustix::fs::{Mode, OFlags, open};
    let there = || open(pipe, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty()).is_ok();
    while there() {}
}

#[test]
fn nothing_that_a_program_started_outlives_its_run() {
    for (leader, how) in
        [("wait", "kill"), ("wait", "cancel"), ("exit 0", "kill"), ("exit 0", "cancel")]
    {
        let home = Home::new();
        let pipe = with_a_grandchild(&home, leader);
        let run = home.start(&["run", "w"]);
        let held = hold(&pipe);
        home.holdfast(&[how, &run_of(&home)]).with_code(0);
        run.end().with_code(4);
        until_nobody_reads(&pipe);
        drop(held);
        assert_eq!(home.read("late"), "", "{leader}, {how}");
    }
}

#[test]
fn what_let_go_of_its_output_and_does_not_want_to_end_is_made_to() {
    let home = Home::new();
    let pipe = home.pipe("pipe");
    let text = format!(
        "holdfast: 1\nname: w\noperation: maintenance\nsteps:\n  - id: s\n    uses: command\n    with: {{ argv: [/bin/sh, -c, \"(trap '' TERM; exec > /dev/null 2>&1; read line < {}; echo late >> late) & wait\"], cwd: {} }}\n",
        pipe.display(),
        home.path("").display()
    );
    home.write("workflows/w.yaml", &text);
    let run = home.start(&["run", "w"]);
    let held = hold(&pipe);
    home.holdfast(&["cancel", &run_of(&home)]).with_code(0);
    run.end().with_code(4);
    until_nobody_reads(&pipe);
    drop(held);
    assert_eq!(home.read("late"), "");
}

#[test]
fn a_run_that_waits_for_a_person_or_for_its_next_attempt_is_cancelled_at_once() {
    let home = Home::new();
    let head = |name: &str| format!("holdfast: 1\nname: {name}\noperation: maintenance\nsteps:\n");
    let ask = "  - id: s\n    uses: approval\n    with: { text: \"Really?\", allow_self: true }\n";
    home.write("workflows/asks.yaml", &format!("{}{ask}", head("asks")));
    let again = format!(
        "  - id: s\n    uses: command\n    retry: {{ attempts: 2, delay: 10h, max_delay: 10h, when: [permanent] }}\n    with: {{ argv: [/bin/sh, -c, \"echo x >> done; exit 1\"], cwd: {} }}\n",
        home.path("").display()
    );
    home.write("workflows/retries.yaml", &format!("{}{again}", head("retries")));
    for (workflow, word) in [("asks", "approval"), ("retries", "retry")] {
        let run = home.start(&["run", workflow]);
        let waits = || {
            let runs = home.holdfast(&["runs", "--workflow", workflow, "--output", "json"]);
            let runs = runs.with_code(0).json();
            let waits = runs[0]["waits_for"]["what"] == word;
            waits.then(|| runs[0]["run"].as_str().expect("an id").to_owned())
        };
        let id = loop {
            if let Some(id) = waits() {
                break id;
            }
        };
        home.holdfast(&["cancel", &id]).with_code(0);
        run.end().with_code(4);
        assert_eq!(steps(&home, &id), "failed");
        home.holdfast(&["approve", &id]).with_code(5);
    }
    assert_eq!(home.read("done"), "x\n");
}

#[test]
fn a_kill_of_a_parent_kills_its_child_and_a_second_cancel_stops_what_the_first_one_let_be() {
    let home = Home::new();
    let (pipe, end) = (home.pipe("pipe"), home.pipe("end"));
    let step = |id: &str, pipe: &std::path::Path| {
        format!(
            "  - id: {id}\n    uses: command\n    with: {{ argv: [/bin/sh, -c, \"read line < {}; echo {id} >> done\"], cwd: {} }}\n",
            pipe.display(),
            home.path("").display()
        )
    };
    let kid = format!(
        "holdfast: 1\nname: kid\noperation: maintenance\nsteps:\n{}finally:\n{}",
        step("work", &pipe),
        step("tidy", &end)
    );
    home.write("workflows/kid.yaml", &kid);
    home.write(
        "workflows/parent.yaml",
        "holdfast: 1\nname: parent\noperation: maintenance\nsteps:\n  - id: kid\n    workflow: kid\n",
    );
    let run_of = |workflow: &str| {
        let runs = home.holdfast(&["runs", "--workflow", workflow, "--output", "json"]);
        runs.with_code(0).json()[0]["run"].as_str().expect("a run").to_owned()
    };
    let run = home.start(&["run", "parent"]);
    let work = hold(&pipe);
    home.holdfast(&["kill", &run_of("parent")]).with_code(0);
    run.end().with_code(4);
    assert_eq!(steps(&home, &run_of("kid")), "failed, blocked (cancelled)");
    drop(work);

    let run = home.start(&["run", "parent"]);
    let work = hold(&pipe);
    let parent = run_of("parent");
    home.holdfast(&["cancel", &parent]).with_code(0);
    // The child was asked to end, and does what it does at its end.
    let tidy = hold(&end);
    home.holdfast(&["cancel", &parent]).with_code(0);
    run.end().with_code(4);
    assert_eq!(steps(&home, &run_of("kid")), "failed, failed");
    drop((work, tidy));
    assert_eq!(home.read("done"), "", "nothing after the end");
}
