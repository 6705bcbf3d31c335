//! People outside are told: through mail, webhooks and programs, once it is durable, whatever dies in between.

use rustix::process::Signal;
use serde_json::Value;

use crate::clocked::{Clocked, HOUR, MINUTE, end};
use crate::home::{Home, Started, hold};
use crate::receivers::{MailSink, Receiver, Request, Says, free_port};

/// A workflow of three items of which one fails: its run is partial.
const PARTIAL: &str = "holdfast: 1\nname: three\noperation: maintenance\nsteps:\n  - id: each\n    for_each: { items: [a, b, c], max_failed: 1 }\n    uses: assert\n    with: { that: \"{{ item != 'b' }}\", message: it is b }\n";

/// A workflow that succeeds.
const GOOD: &str = "holdfast: 1\nname: good\noperation: maintenance\nsteps:\n  - id: a\n    uses: assert\n    with: { that: true, message: never }\n";

const SECRET: &str = "canary-of-the-webhook";

/// A home with these lines in its configuration.
fn with(configuration: &str) -> Clocked {
    let clocked = Clocked::new(&[]);
    clocked.home.write("workflows/w.yaml", GOOD);
    configure(&clocked.home, configuration);
    clocked.home.write("workflows/three.yaml", PARTIAL);
    clocked
}

fn configure(home: &Home, configuration: &str) {
    home.write(
        "holdfast.yaml",
        &format!("holdfast_config: 1\nallow: {{ commands: [/bin/sh] }}\n{configuration}"),
    );
}

/// A channel to this receiver, and a rule for these occasions.
fn webhook(url: &str, on: &str, more: &str) -> String {
    format!(
        "channels:\n  ops: {{ kind: webhook, url: \"{url}\", secret: {{ file: ./ops.key }}{more} }}\nnotify:\n  - {{ on: [{on}], channel: ops }}\n"
    )
}

fn submit(clocked: &Clocked, workflow: &str) -> String {
    let said = clocked.holdfast(&["submit", workflow, "--output", "json"]).with_code(0);
    said.json()["run"].as_str().expect("it has an id").to_owned()
}

/// Runs it and waits for its end.
fn complete(clocked: &Clocked, workflow: &str) -> String {
    let run = submit(clocked, workflow);
    clocked.holdfast(&["watch", &run]);
    run
}

/// What `status` says of the channel.
fn channel(clocked: &Clocked) -> Value {
    let status = clocked.holdfast(&["status", "--output", "json"]).with_code(0).json();
    status["channels"].as_array().expect("it has channels")[0].clone()
}

/// Asks for the channel until it is as it should be; the moved clock goes on meanwhile.
fn wait_until(clocked: &mut Clocked, is_so: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        let channel = channel(clocked);
        if is_so(&channel) {
            return channel;
        }
        clocked.pass(1);
    }
    panic!("it does not become so: {}", channel(clocked));
}

fn is_signed(request: &Request) {
    let signature = request.header("holdfast-signature").expect("it is signed");
    let seconds = signature.strip_prefix("t=").and_then(|rest| rest.split_once(','));
    let seconds = seconds.and_then(|(seconds, _)| seconds.parse().ok()).expect("it has a time");
    let secret = holdfast_channels::Secret::new(SECRET);
    let own = holdfast_channels::signature(&secret, seconds, request.body.as_bytes());
    assert_eq!(signature, own);
}

#[test]
fn a_partial_run_is_told_in_the_inbox_by_mail_and_at_a_webhook_with_a_signature() {
    let (receiver, sink) = (Receiver::start(Says::Yes), MailSink::start());
    let clocked = with(&format!(
        "channels:\n  ops: {{ kind: webhook, url: \"{}\", secret: {{ file: ./ops.key }} }}\n  mail: {{ kind: mail, host: 127.0.0.1, port: {}, tls: none, from: holdfast@example.org, to: [ops@example.org] }}\nnotify:\n  - {{ channel: ops }}\n  - {{ channel: mail }}\n",
        receiver.url(),
        sink.port
    ));
    clocked.home.write("ops.key", SECRET);
    let serving = clocked.serve();
    let run = complete(&clocked, "three");
    let (request, mail) = (receiver.next(), sink.next());
    is_signed(&request);
    let told = request.json();
    assert_eq!(
        (told["facts"]["run"].as_str(), told["level"].as_str()),
        (Some(&*run), Some("warning"))
    );
    assert_eq!(told["facts"]["status"], "partial", "{told}");
    assert_eq!(told["command"].as_str(), Some(&*format!("holdfast show {run}")));
    assert!(mail.contains("Subject: ") && mail.contains(&run), "{mail}");
    let inbox = clocked.holdfast(&["notifications", "--output", "json"]).with_code(0).json();
    let partial: Vec<&Value> =
        inbox.as_array().unwrap().iter().filter(|note| note["status"] == "partial").collect();
    assert_eq!(partial.len(), 1);
    let id = told["id"].as_str().expect("it has an id");
    assert!(id.ends_with(&format!("-{}", partial[0]["id"])), "{id}");
    assert_eq!(request.header("holdfast-notification"), Some(id));
    end(serving);
    assert!(receiver.rest().is_empty(), "what goes well is not told");
}

#[test]
fn a_receiver_that_is_down_for_two_minutes_is_told_once_it_is_up() {
    let port = free_port();
    let mut clocked = with(&webhook(&format!("http://127.0.0.1:{port}/hook"), "partial", ""));
    clocked.home.write("ops.key", SECRET);
    let serving = clocked.serve();
    complete(&clocked, "three");
    let failing = wait_until(&mut clocked, |channel| channel["failing"].is_object());
    assert_eq!(failing["waiting"], 1);
    let error = failing["failing"]["error"].as_str().expect("it says why");
    assert!(error.contains(&port.to_string()), "{error}");
    let text = clocked.holdfast(&["status"]).with_code(0);
    assert!(text.out.contains("channel ops  1 message waits, fails since"), "{text:#?}");
    clocked.pass(2 * MINUTE);
    let receiver = Receiver::on(port, Says::Yes);
    let channel = wait_until(&mut clocked, |channel| channel["waiting"] == 0);
    assert!(channel["failing"].is_null() && channel["delivered"].is_string(), "{channel}");
    is_signed(&receiver.next());
    end(serving);
    assert!(receiver.rest().is_empty(), "it is told once");
}

#[test]
fn who_is_killed_before_the_answer_came_says_it_again_under_the_same_id() {
    let port = free_port();
    let silent = Receiver::on(port, Says::Nothing);
    let clocked = with(&webhook(&silent.url(), "failed, partial, succeeded", ""));
    clocked.home.write("ops.key", SECRET);
    let serving = clocked.serve();
    complete(&clocked, "three");
    let first = silent.next();
    serving.signal(Signal::KILL);
    serving.end();
    // The port is another: the first receiver still has its own.
    let receiver = Receiver::start(Says::Yes);
    configure(&clocked.home, &webhook(&receiver.url(), "failed, partial, succeeded", ""));
    let serving = clocked.serve();
    let again = receiver.next();
    assert_eq!(first.header("holdfast-notification"), again.header("holdfast-notification"));
    assert_eq!(first.json(), again.json());
    end(serving);
    assert!(receiver.rest().is_empty(), "it is told once more, not twice");
}

#[test]
fn a_dead_channel_delays_no_run_and_gives_up_with_a_notification() {
    let silent = Receiver::start(Says::Broken);
    let mut clocked = with(&webhook(&silent.url(), "partial", ", give_up_after: 1h"));
    clocked.home.write("ops.key", SECRET);
    let serving = clocked.serve();
    for _ in 0..3 {
        complete(&clocked, "three");
    }
    wait_until(&mut clocked, |channel| channel["failing"].is_object());
    assert!(clocked.notifications("channel").is_empty());
    // It is tried all the time: nobody gives up what was not tried for long.
    for _ in 0..3 {
        let before = channel(&clocked)["failing"]["attempts"].as_u64();
        clocked.pass(21 * MINUTE);
        wait_until(&mut clocked, |channel| channel["failing"]["attempts"].as_u64() > before);
    }
    let channel = wait_until(&mut clocked, |channel| channel["waiting"] == 0);
    assert_eq!(channel["given_up"], 3, "{channel}");
    let told = clocked.notifications("channel");
    assert_eq!(told.len(), 1, "it says so once: {told:#?}");
    assert!(told[0].contains("ops") && told[0].contains("500"), "{told:#?}");
    let said = end(serving);
    assert!(!said.talk.contains(SECRET), "{said:#?}");
}

#[test]
fn a_channel_that_hangs_delays_no_other() {
    let (hanging, receiver) = (Receiver::start(Says::Nothing), Receiver::start(Says::Yes));
    let clocked = with(&format!(
        "channels:\n  a: {{ kind: webhook, url: \"{}\" }}\n  b: {{ kind: webhook, url: \"{}\" }}\nnotify:\n  - {{ channel: a }}\n  - {{ channel: b }}\n",
        hanging.url(),
        receiver.url()
    ));
    let serving = clocked.serve();
    complete(&clocked, "three");
    hanging.next();
    complete(&clocked, "three");
    receiver.next();
    receiver.next();
    end(serving);
}

#[test]
fn what_comes_within_a_digest_goes_out_as_one_message() {
    let receiver = Receiver::start(Says::Yes);
    let mut clocked = with(&format!(
        "channels:\n  ops: {{ kind: webhook, url: \"{}\" }}\nnotify:\n  - {{ channel: ops, on: [succeeded, partial], digest: 1h }}\n",
        receiver.url()
    ));
    clocked.pass_to_the_hour(5 * MINUTE);
    let serving = clocked.serve();
    for workflow in ["three", "good", "good"] {
        complete(&clocked, workflow);
    }
    wait_until(&mut clocked, |channel| channel["waiting"] == 3);
    assert!(receiver.rest().is_empty(), "it waits");
    clocked.pass(HOUR);
    let told = receiver.next().json();
    let entries = told["entries"].as_array().expect("it has entries");
    assert_eq!(entries.len(), 3, "{told}");
    assert_eq!(told["level"], "warning", "the highest of them");
    wait_until(&mut clocked, |channel| channel["waiting"] == 0);
    end(serving);
    assert!(receiver.rest().is_empty());
}

#[test]
fn in_quiet_hours_only_what_failed_is_told() {
    let receiver = Receiver::start(Says::Yes);
    let mut clocked = with(&format!(
        "channels:\n  ops: {{ kind: webhook, url: \"{}\" }}\nnotify:\n  - {{ channel: ops, on: [partial, failed], quiet: {{ from: \"22:00\", to: \"07:00\" }} }}\n",
        receiver.url()
    ));
    clocked.home.write(
        "workflows/bad.yaml",
        &GOOD.replace("name: good", "name: bad").replace("that: true", "that: false"),
    );
    clocked.pass_to("2031-03-01T23:00:00Z");
    let serving = clocked.serve();
    complete(&clocked, "three");
    complete(&clocked, "bad");
    assert_eq!(receiver.next().json()["facts"]["status"], "failed");
    assert!(receiver.rest().is_empty());
    clocked.pass_to("2031-03-02T07:00:30Z");
    assert_eq!(receiver.next().json()["facts"]["status"], "partial");
    end(serving);
}

#[test]
fn a_step_says_something_through_a_channel_and_a_channel_that_is_none_is_refused() {
    let receiver = Receiver::start(Says::Yes);
    let clocked = with(&webhook(&receiver.url(), "failed", ""));
    clocked.home.write("ops.key", SECRET);
    let says = |channel: &str| {
        format!(
            "holdfast: 1\nname: says\noperation: maintenance\nsteps:\n  - id: say\n    uses: notify\n    with: {{ channel: {channel}, level: error, title: Look, text: here it is }}\n"
        )
    };
    clocked.home.write("workflows/says.yaml", &says("ops"));
    let serving = clocked.serve();
    complete(&clocked, "says");
    let told = receiver.next().json();
    assert_eq!((told["title"].as_str(), told["text"].as_str()), (Some("Look"), Some("here it is")));
    assert_eq!(told["level"], "error");
    end(serving);
    clocked.home.write("workflows/says.yaml", &says("opps"));
    let said = clocked.holdfast(&["validate", "workflows/says.yaml"]).with_code(2);
    assert!(said.talk.contains("HF0611") || said.out.contains("HF0611"), "{said:#?}");
}

#[test]
fn a_program_is_told_on_its_standard_input() {
    let clocked = with(
        "channels:\n  pager: { kind: command, command: [/bin/sh, -c, \"cat > told.new && mv told.new told\"] }\nnotify:\n  - { channel: pager }\n",
    );
    let folder = clocked.home.path("");
    let script = format!("cd {} && cat > told.new && cat told.new > pipe", folder.display());
    configure(
        &clocked.home,
        &format!(
            "channels:\n  pager: {{ kind: command, command: [/bin/sh, -c, \"{script}\"] }}\nnotify:\n  - {{ channel: pager }}\n"
        ),
    );
    let pipe = clocked.home.pipe("pipe");
    let serving = clocked.serve();
    let run = complete(&clocked, "three");
    let told = std::fs::read_to_string(pipe).expect("it is told");
    let told: Value = serde_json::from_str(&told).expect("it is JSON");
    assert_eq!(told["facts"]["run"].as_str(), Some(&*run));
    end(serving);
}

#[test]
fn a_run_in_the_foreground_tells_people_before_it_ends() {
    let receiver = Receiver::start(Says::Yes);
    let clocked = with(&webhook(&receiver.url(), "partial", ""));
    clocked.home.write("ops.key", SECRET);
    clocked.holdfast(&["run", "three"]).with_code(3);
    let told = receiver.rest();
    assert_eq!(told.len(), 1);
    assert_eq!(channel(&clocked)["waiting"], 0);
}

#[test]
fn a_rule_that_is_new_does_not_tell_what_was_before() {
    let receiver = Receiver::start(Says::Yes);
    let clocked = with("");
    clocked.holdfast(&["run", "three"]).with_code(3);
    configure(&clocked.home, &webhook(&receiver.url(), "partial", ""));
    clocked.home.write("ops.key", SECRET);
    clocked.holdfast(&["run", "good"]).with_code(0);
    assert!(receiver.rest().is_empty());
}

#[test]
fn inv_13_no_secret_of_a_channel_is_in_what_is_said_or_stored() {
    let receiver = Receiver::start(Says::Broken);
    let mut clocked = with(
        "channels:\n  ops: { kind: webhook, url: { file: ./url }, secret: { file: ./ops.key }, headers: { Authorization: { file: ./token } } }\nnotify:\n  - { channel: ops }\n",
    );
    clocked.home.write("ops.key", SECRET);
    clocked.home.write("token", "Bearer canary-of-the-token");
    clocked
        .home
        .write("url", &format!("{}/canary-of-the-path?key=canary-of-the-query", receiver.url()));
    let serving = clocked.serve();
    complete(&clocked, "three");
    assert_eq!(receiver.next().header("authorization"), Some("Bearer canary-of-the-token"));
    wait_until(&mut clocked, |channel| channel["failing"].is_object());
    let status = clocked.holdfast(&["status", "--output", "json"]).with_code(0);
    let said = end(serving);
    let stored = String::from_utf8_lossy(&clocked.home.state_bytes()).into_owned();
    for text in [&status.out, &status.talk, &said.out, &said.talk, &stored] {
        assert!(!text.contains("canary-of"), "{text}");
    }
}

#[test]
fn a_heartbeat_is_called_after_each_run_that_succeeds() {
    let receiver = Receiver::start(Says::Yes);
    let heartbeat = format!("id: s, cron: \"* * * * *\", heartbeat_url: \"{}\"", receiver.url());
    let mut clocked = Clocked::new(&[&heartbeat]);
    clocked.pass_to_the_hour(30);
    let serving = clocked.serve();
    clocked.pass(MINUTE);
    assert!(receiver.next().line.starts_with("GET /hook "));
    clocked.workflow(&[&heartbeat], "exit 1");
    serving.signal(Signal::HUP);
    clocked.pass(MINUTE);
    let mut serving = serving;
    serving.wait_for_lines(&[&["run_", "failed"]]);
    clocked.workflow(&[&heartbeat], "true");
    serving.signal(Signal::HUP);
    clocked.pass(MINUTE);
    assert!(receiver.next().line.starts_with("GET /hook "));
    end(serving);
    assert!(receiver.rest().is_empty(), "a run that failed calls nobody");
}

#[test]
fn a_heartbeat_is_called_by_whoever_ends_the_run_of_its_schedule() {
    let receiver = Receiver::start(Says::Yes);
    let heartbeat = format!("id: s, cron: '* * * * *', heartbeat_url: '{}'", receiver.url());
    let mut clocked = Clocked::new(&[]);
    let pipe = clocked.home.pipe("pipe");
    clocked.workflow(&[&heartbeat], &format!("read line < {} || true", pipe.display()));
    let text = clocked.home.read("workflows/w.yaml");
    let text = text.replace("    uses: command", "    effect: idempotent\n    uses: command");
    clocked.home.write("workflows/w.yaml", &text);
    clocked.pass_to_the_hour(30);
    let serving = clocked.serve();
    clocked.pass(MINUTE);
    let held = hold(&pipe);
    serving.signal(Signal::KILL);
    serving.end();
    drop(held);
    let resuming = clocked.clocked(clocked.home.command(&["resume"]));
    let resuming = Started::spawn(resuming);
    drop(hold(&pipe));
    resuming.end().with_code(0);
    assert_eq!(receiver.rest().len(), 1, "before it ends");
}

#[test]
fn what_was_acknowledged_is_not_unread_any_more() {
    let clocked = with("");
    clocked.holdfast(&["run", "three"]).with_code(3);
    let unread = |clocked: &Clocked| -> Vec<u64> {
        let said = clocked.holdfast(&["notifications", "--unread", "--output", "json"]);
        let rows = said.with_code(0).json();
        rows.as_array().unwrap().iter().filter_map(|note| note["id"].as_u64()).collect()
    };
    assert_eq!(unread(&clocked), [3, 2, 1]);
    let serving = clocked.serve();
    let said = clocked.holdfast(&["ack", "2", "--output", "json"]).with_code(0).json();
    assert_eq!(said["acknowledged"], 1);
    assert_eq!(unread(&clocked), [3, 1]);
    let text = clocked.holdfast(&["status"]).with_code(0);
    assert!(text.out.contains("2 notifications unread"), "{text:#?}");
    end(serving);
    let none = clocked.holdfast(&["ack", "99"]).with_code(2);
    assert!(none.talk.contains("There is no notification 99"), "{none:#?}");
    let run = submit(&clocked, "good");
    clocked.holdfast(&["run", "good"]).with_code(0);
    clocked.holdfast(&["ack", "--run", &run]).with_code(0);
    clocked.holdfast(&["ack", "--all"]).with_code(0);
    assert!(unread(&clocked).is_empty());
    let all = clocked.holdfast(&["notifications", "--output", "json"]).with_code(0).json();
    assert_eq!(all[0]["acknowledged_by"], "tester");
}
