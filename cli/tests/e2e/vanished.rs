//! What is no longer there: a workflow file whose run goes on, and a process that left messages to others.

use std::fs;

use rustix::process::Signal;

use crate::clocked::{Clocked, MINUTE, end};
use crate::home::hold;
use crate::receivers::{Receiver, Says, free_port};

#[test]
fn a_workflow_file_that_is_deleted_while_its_run_goes_on_harms_no_run() {
    let schedule = ["id: s, cron: '* * * * *'"];
    let mut clocked = Clocked::new(&schedule);
    let pipe = clocked.home.pipe("pipe");
    clocked.workflow(&schedule, &format!("read line < {} || true", pipe.display()));
    clocked.pass_to_the_hour(30);
    let mut serving = clocked.serve();
    clocked.pass(MINUTE);
    let held = hold(&pipe);
    fs::remove_file(clocked.home.path("workflows/w.yaml")).expect("it is deleted");
    serving.signal(Signal::HUP);
    serving.wait_for_talk("w:s is lost");
    drop(held);
    serving.wait_for_talk(" succeeded");
    end(serving);
    assert_eq!(clocked.decisions("w:s"), ["1 fired"]);
    assert_eq!(clocked.notifications("schedule").len(), 1);
}

#[test]
fn resume_sends_what_another_process_left_also_without_a_run() {
    let port = free_port();
    let mut clocked = Clocked::new(&[]);
    clocked.home.write(
        "holdfast.yaml",
        &format!(
            "holdfast_config: 1\nallow: {{ commands: [/bin/sh] }}\nchannels:\n  ops: {{ kind: webhook, url: \"http://127.0.0.1:{port}/\" }}\nnotify:\n  - {{ channel: ops }}\n"
        ),
    );
    clocked.home.write(
        "workflows/w.yaml",
        "holdfast: 1\nname: w\noperation: maintenance\nsteps:\n  - id: a\n    uses: assert\n    with: { that: false, message: it is not }\n",
    );
    let said = clocked.holdfast(&["run", "w"]).with_code(1);
    assert!(said.talk.contains("1 message for people outside not delivered"), "{said:#?}");
    let receiver = Receiver::on(port, Says::Yes);
    clocked.pass(MINUTE);
    clocked.holdfast(&["resume"]).with_code(0);
    assert_eq!(receiver.rest().len(), 1);
}
