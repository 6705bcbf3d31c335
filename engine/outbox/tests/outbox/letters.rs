//! In what words notifications go out: one by itself, and several as a digest.

use holdfast_channels::Outgoing;
use holdfast_contract::records::Level;
use holdfast_journal::record::{Asked, Asks, Kind, Notification, Sent};
use holdfast_kernel::event::Initiator;
use holdfast_kernel::id::ItemIndex;
use holdfast_kernel::status::{Reason, RunStatus};
use holdfast_outbox::Letters;

use crate::kit::{at, came_to, note, of_run, of_schedule, run, schedule};

fn letters() -> Letters {
    Letters { installation: "state_1".to_owned(), host: "vault".to_owned() }
}

fn letter(notification: &Notification) -> Outgoing {
    letters().letter(notification, None)
}

fn asks(what: Asked, item: Option<u32>) -> Notification {
    let (step, item) = ("ask_ann".to_owned(), item.map(ItemIndex));
    let asks = Asks { what, step, item, plan: Some("plan_1".to_owned()) };
    Notification { asks: Some(asks), status: Some(RunStatus::Running), ..of_run(Kind::Wait) }
}

fn says(level: Level, title: &str) -> Notification {
    let (id, channel, title) = ("1".to_owned(), "ops".to_owned(), title.to_owned());
    let message = Some(Sent { id, channel, level, title });
    Notification { message, status: Some(RunStatus::Running), ..of_run(Kind::Message) }
}

fn fact<'a>(outgoing: &'a Outgoing, name: &str) -> Option<&'a str> {
    let found = outgoing.facts.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

#[test]
fn a_letter_says_everything_that_is_known_of_a_run() {
    let by = [Initiator::User("ann".to_owned()), Initiator::User("bob".to_owned())];
    let notification = Notification {
        reason: Some(Reason::Timeout),
        schedule: Some(schedule()),
        asked_by: by.into(),
        text: "The workflow has failed: timeout.\nIt took too long.".to_owned(),
        ..came_to(RunStatus::Failed)
    };
    let run = run().to_string();
    let facts = [
        ("workflow", "files/nightly"),
        ("target", "payroll"),
        ("operation", "backup"),
        ("run", run.as_str()),
        ("status", "failed"),
        ("reason", "timeout"),
        ("schedule", "files/nightly:at_two"),
        ("asked by", "ann, bob"),
        ("host", "vault"),
    ];
    let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let expect = Outgoing {
        id: "state_1-17".to_owned(),
        at: at("05-20 12:00"),
        level: Level::Error,
        title: "files/nightly on payroll: failed (timeout)".to_owned(),
        text: notification.text.clone(),
        facts: facts.into(),
        command: Some(format!("holdfast show {run}")),
        entries: Vec::new(),
    };
    assert_eq!(letter(&notification), expect);
    let nowhere = Letters { host: String::new(), ..letters() }.letter(&notification, None);
    assert_eq!(fact(&nowhere, "host"), None);
}

#[test]
fn the_level_and_the_title_say_what_happened_to_what() {
    let check = |notification: &Notification, level: Level, title: &str| {
        let outgoing = letter(notification);
        assert_eq!((outgoing.level, outgoing.title.as_str()), (level, title));
    };
    let about = "files/nightly on payroll";
    check(&came_to(RunStatus::Queued), Level::Info, &format!("{about}: queued"));
    check(&came_to(RunStatus::Running), Level::Info, &format!("{about}: running"));
    check(&came_to(RunStatus::Succeeded), Level::Info, &format!("{about}: succeeded"));
    check(&came_to(RunStatus::Partial), Level::Warning, &format!("{about}: partial"));
    check(&came_to(RunStatus::Failed), Level::Error, &format!("{about}: failed"));
    let without = Notification { target: None, ..came_to(RunStatus::Failed) };
    check(&without, Level::Error, "files/nightly: failed");
    let approval = format!("{about}: waits for an approval at step ask_ann");
    check(&asks(Asked::Approval, None), Level::Warning, &approval);
    let doubt = format!("{about}: nobody knows what happened at step ask_ann");
    check(&asks(Asked::Effect, None), Level::Warning, &doubt);
    check(&says(Level::Error, "Look here"), Level::Error, "Look here");
    check(&says(Level::Info, " "), Level::Info, &format!("{about}: a message"));
    let late = of_schedule(Kind::Late, "No run of the schedule has succeeded.");
    check(&late, Level::Error, "schedule files/nightly:at_two: no success for too long");
    check(&note(Kind::Definition), Level::Warning, "holdfast: a file cannot be used");
    let channel = Notification { channel: Some("ops".to_owned()), ..note(Kind::Channel) };
    check(&channel, Level::Warning, "channel ops: gave up a message");
}

#[test]
fn the_command_shows_more_or_answers() {
    let check = |notification: &Notification, item: Option<&str>, expect: &str| {
        let outgoing = letters().letter(notification, item);
        assert_eq!(outgoing.command.as_deref(), Some(expect));
    };
    let run = run();
    check(&came_to(RunStatus::Running), None, &format!("holdfast show {run}"));
    check(&says(Level::Info, ""), None, &format!("holdfast show {run}"));
    let approval = |item| asks(Asked::Approval, item);
    check(&approval(None), None, &format!("holdfast approve {run} ask_ann"));
    check(&approval(Some(3)), Some("a/b"), &format!("holdfast approve {run} ask_ann a/b"));
    let hostile = format!("holdfast approve {run} ask_ann 'x; rm -rf '\\''~'\\'''");
    check(&approval(Some(3)), Some("x; rm -rf '~'"), &hostile);
    // Without the item it would answer for another one, or for none.
    check(&approval(Some(3)), None, &format!("holdfast show {run}"));
    // Nobody says what happened before they have looked.
    let doubt = |item| asks(Asked::Effect, item);
    check(&doubt(None), None, &format!("holdfast show {run} --step ask_ann"));
    let item = format!("holdfast show {run} --step ask_ann --item 'a b'");
    check(&doubt(Some(3)), Some("a b"), &item);
    let ticks = "holdfast ticks --schedule files/nightly:at_two";
    check(&of_schedule(Kind::Late, ""), None, ticks);
    check(&of_schedule(Kind::Schedule, ""), None, ticks);
    check(&note(Kind::Definition), None, "holdfast schedules");
    check(&note(Kind::Channel), None, "holdfast status");
    assert_eq!(letter(&note(Kind::Status)).command, None);
}

#[test]
fn what_is_asked_stands_among_the_facts() {
    let outgoing = letter(&asks(Asked::Approval, None));
    assert_eq!(fact(&outgoing, "step"), Some("ask_ann"));
    assert_eq!(fact(&outgoing, "plan"), Some("plan_1"));
    let channel = Notification { channel: Some("ops".to_owned()), ..note(Kind::Channel) };
    assert_eq!(fact(&letter(&channel), "channel"), Some("ops"));
    assert_eq!(letter(&note(Kind::Definition)).facts.len(), 1, "no more than the host");
}

#[test]
fn what_comes_from_outside_is_passed_on_as_it_is() {
    let hostile = "a\u{1b}[31m<!channel>\r\nBcc: evil@example.org";
    let notification = Notification {
        text: hostile.to_owned(),
        workflow: Some(hostile.to_owned()),
        ..says(Level::Info, hostile)
    };
    let outgoing = letter(&notification);
    assert_eq!((outgoing.title.as_str(), outgoing.text.as_str()), (hostile, hostile));
    assert_eq!(fact(&outgoing, "workflow"), Some(hostile));
}

#[test]
fn a_digest_counts_what_it_is_of_and_matters_as_much_as_the_worst() {
    let numbered = |id, notification| Notification { id, ..notification };
    let succeeded = || came_to(RunStatus::Succeeded);
    let some: Vec<Notification> = (1..=4).map(|id| numbered(id, succeeded())).collect();
    let failed = Notification { at: at("05-20 12:30"), ..came_to(RunStatus::Failed) };
    let all: Vec<Notification> = some.iter().cloned().chain([numbered(9, failed)]).collect();
    let outgoing = letters().digest(&all);
    assert_eq!(outgoing.title, "5 notifications: 1 failed, 4 succeeded");
    assert_eq!(outgoing.level, Level::Error);
    assert_eq!(outgoing.at, at("05-20 12:30"));
    assert_eq!(outgoing.text, "From 2026-05-20T12:00:00Z to 2026-05-20T12:30:00Z.");
    assert_eq!(outgoing.facts, [("host".to_owned(), "vault".to_owned())]);
    assert_eq!(outgoing.command.as_deref(), Some("holdfast notifications"));
    let last = outgoing.entries.last().unwrap();
    assert_eq!(outgoing.entries.len(), 5);
    assert_eq!((last.id.as_str(), last.level), ("state_1-9", Level::Error));
    assert_eq!(last.title, "files/nightly on payroll: failed");
    assert_eq!(letters().digest(&some).level, Level::Info);
    let mixed = [
        note(Kind::Definition),
        of_schedule(Kind::Schedule, ""),
        says(Level::Warning, ""),
        says(Level::Info, ""),
        asks(Asked::Approval, None),
        of_schedule(Kind::Late, ""),
        note(Kind::Channel),
    ];
    let title = letters().digest(&mixed).title;
    let expect =
        "7 notifications: 1 late, 1 waiting, 2 about schedules, 1 about channels, 2 messages";
    assert_eq!(title, expect);
}

#[test]
fn the_id_of_a_digest_is_that_of_its_set() {
    let of = |ids: &[u64]| {
        let note = |id: &u64| Notification { id: *id, ..came_to(RunStatus::Failed) };
        let notifications: Vec<Notification> = ids.iter().map(note).collect();
        letters().digest(&notifications).id
    };
    assert_eq!(of(&[3, 1, 2]), of(&[1, 2, 3]));
    assert_ne!(of(&[1, 2]), of(&[1, 2, 3]));
    assert_ne!(of(&[1, 2]), of(&[1, 3]));
    let id = of(&[1, 2]);
    let is_simple = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    assert!(id.starts_with("state_1-digest-") && id.len() <= 100, "{id}");
    assert!(id.bytes().all(is_simple), "{id}");
}
