//! Commands that do not end: they are ended, with everything that they started.

use std::time::Duration;

use holdfast_channels::{Client, Undelivered};

use crate::home::{HANG, Home};
use crate::kit::{self, NOW, failed};

/// Delivers to a script that hangs, with ever more patience, until it came so far as to say that it is there.
/// Gives the verdict, and what was said until the last who held the pipe was gone.
async fn hung(script: &str) -> (Result<(), Undelivered>, String) {
    let mut limit = Duration::from_millis(200);
    loop {
        let home = Home::new();
        let (channel, outgoing) = (home.channel(script, ""), kit::outgoing());
        let client = Client::with_timeouts(limit, limit).unwrap();
        let verdict = kit::within(channel.deliver(&outgoing, &client, NOW)).await;
        let said = home.rest().await;
        if said.starts_with("up\n") {
            return (verdict, said);
        }
        limit *= 2;
    }
}

#[tokio::test]
async fn a_program_that_hangs_is_asked_to_end_with_what_it_started() {
    let script = format!("trap 'echo asked >&3; exit 0' TERM; {HANG}");
    let (verdict, said) = hung(&script).await;
    // Some shells have a word for a child that is ended.
    let reason = verdict.unwrap_err().to_string();
    assert!(reason.starts_with("/bin/sh does not end in time"), "{reason}");
    assert_eq!(said, "up\nasked\n");
}

#[tokio::test]
async fn a_program_that_hears_nothing_is_killed_with_what_it_started() {
    let (verdict, said) = hung(&format!("trap '' TERM; echo stuck >&2; {HANG}")).await;
    assert_eq!(verdict, failed("/bin/sh does not end in time: stuck"));
    assert_eq!(said, "up\n");
}

#[tokio::test]
async fn a_program_that_closed_its_output_has_as_long_to_end() {
    let script = format!("trap 'echo asked >&3; exit 0' TERM; exec 2>/dev/null; {HANG}");
    let (verdict, said) = hung(&script).await;
    assert_eq!(verdict, failed("/bin/sh does not end in time"));
    assert_eq!(said, "up\nasked\n");
}

#[tokio::test]
async fn a_program_that_talks_for_ever_is_given_up() {
    let home = Home::new();
    let channel = home.channel("exec cat /dev/zero >&2", "");
    let (client, outgoing) = (kit::impatient(), kit::outgoing());
    let verdict = kit::within(channel.deliver(&outgoing, &client, NOW)).await;
    let reason = verdict.unwrap_err().to_string();
    assert!(reason.starts_with("/bin/sh does not end in time"), "{reason}");
}

#[tokio::test]
async fn a_delivery_that_is_dropped_leaves_nothing_behind() {
    let mut home = Home::new();
    let channel = home.channel(&format!("trap '' TERM; {HANG}"), "");
    let (client, outgoing) = (kit::client(), kit::outgoing());
    let started = async {
        tokio::select! {
            verdict = channel.deliver(&outgoing, &client, NOW) => panic!("{verdict:?}"),
            () = home.up() => {}
        }
    };
    kit::within(started).await;
    assert_eq!(home.rest().await, "");
}
