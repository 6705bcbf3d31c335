//! What the rules make of a notification: whom it concerns, and when it goes out.

use holdfast_calendar::zone::Zone;
use holdfast_contract::records::Level;
use holdfast_journal::outbox::{OutboxRow, Place};
use holdfast_journal::record::{Asked, Asks, Kind, Notification, Sent};
use holdfast_kernel::status::RunStatus;
use holdfast_kernel::tick::ScheduleName;
use holdfast_language::configuration::{NotifyRule, Occasion};
use holdfast_outbox::{Rules, heartbeat_channel, schedule_of_heartbeat};

use crate::kit::{at, came_to, note, of_run, of_schedule, rules, schedule};

const NOBODY: fn(&ScheduleName, RunStatus) -> bool = |_, _| false;

/// Where a notification goes that is looked at when it is made.
fn routed(rules: &Rules, notification: &Notification) -> Vec<OutboxRow> {
    rules.route(notification, NOBODY, notification.at)
}

fn channels(rules: &Rules, notification: &Notification) -> Vec<String> {
    routed(rules, notification).into_iter().map(|row| row.channel).collect()
}

/// The one row of a notification.
fn row(rules: &Rules, notification: &Notification) -> OutboxRow {
    let mut rows = routed(rules, notification);
    assert_eq!(rows.len(), 1, "{rows:#?}");
    rows.remove(0)
}

fn waits(what: Asked) -> Notification {
    let asks = Asks { what, step: "ask".to_owned(), item: None, plan: None };
    Notification { asks: Some(asks), status: Some(RunStatus::Running), ..of_run(Kind::Wait) }
}

fn says(channel: &str) -> Notification {
    let sent = Sent {
        id: "1".to_owned(),
        channel: channel.to_owned(),
        level: Level::Info,
        title: String::new(),
    };
    let status = Some(RunStatus::Running);
    Notification { message: Some(sent), status, ..of_run(Kind::Message) }
}

fn of_channel(channel: &str) -> Notification {
    Notification { channel: Some(channel.to_owned()), ..note(Kind::Channel) }
}

/// A notification for each occasion, and those that share one.
fn all() -> Vec<(Occasion, Notification)> {
    vec![
        (Occasion::Queued, came_to(RunStatus::Queued)),
        (Occasion::Running, came_to(RunStatus::Running)),
        (Occasion::Succeeded, came_to(RunStatus::Succeeded)),
        (Occasion::Partial, came_to(RunStatus::Partial)),
        (Occasion::Failed, came_to(RunStatus::Failed)),
        (Occasion::Waiting, waits(Asked::Approval)),
        (Occasion::Waiting, waits(Asked::Effect)),
        (Occasion::Late, of_schedule(Kind::Late, "It is late.")),
        (Occasion::Schedule, of_schedule(Kind::Schedule, "It is lost.")),
        (Occasion::Schedule, note(Kind::Definition)),
        (Occasion::Channel, of_channel("night")),
        (Occasion::Message, says("inbox")),
    ]
}

#[test]
fn each_notification_is_told_on_one_occasion() {
    for occasion in Occasion::ALL {
        let rules = rules(&format!("  - {{ on: [{}], channel: ops }}", occasion.word()));
        for (of, notification) in all() {
            let expect: &[&str] = if of == occasion { &["ops"] } else { &[] };
            assert_eq!(channels(&rules, &notification), expect, "{occasion:?} {of:?}");
        }
    }
    // A first version wrote no kind beside what shows it, and one that says no status is told nobody.
    let every = rules(
        "  - { on: [queued, running, succeeded, partial, failed, message, waiting], channel: ops }",
    );
    let old = Notification { kind: Kind::Status, ..waits(Asked::Approval) };
    assert_eq!(channels(&rules("  - { on: [waiting], channel: ops }"), &old), ["ops"]);
    assert_eq!(channels(&every, &note(Kind::Status)), [""; 0]);
}

#[test]
fn a_rule_is_narrower_by_operation_workflow_and_target() {
    let check = |keys: &str, notification: &Notification, expect: bool| {
        let every = "[failed, partial, late, schedule, channel, waiting]";
        let rules = rules(&format!("  - {{ on: {every}, channel: ops, {keys} }}"));
        let expect: &[&str] = if expect { &["ops"] } else { &[] };
        assert_eq!(channels(&rules, notification), expect, "{keys} {notification:?}");
    };
    let failed = came_to(RunStatus::Failed);
    check("operations: [backup]", &failed, true);
    check("operations: [restore, backup]", &failed, true);
    check("operations: [restore]", &failed, false);
    check("workflows: [files/nightly]", &failed, true);
    check("workflows: [files/*]", &failed, true);
    check("workflows: [\"**\"]", &failed, true);
    check("workflows: [\"*\"]", &failed, false);
    check("workflows: [tenants/**, files/n*]", &failed, true);
    check("workflows: [files/Nightly]", &failed, false);
    check("targets: [payroll]", &failed, true);
    check("targets: [\"office_*\", \"pay*\"]", &failed, true);
    check("targets: [\"office_*\"]", &failed, false);
    check("operations: [backup], workflows: [files/*], targets: [payroll]", &failed, true);
    check("operations: [backup], workflows: [files/*], targets: [office]", &failed, false);
    check("targets: [\"**\"]", &Notification { target: None, ..failed }, false);
    // What is about no run has a workflow at most.
    let late = of_schedule(Kind::Late, "It is late.");
    check("workflows: [files/*]", &late, true);
    check("workflows: [tenants/*]", &late, false);
    check("operations: [backup]", &late, false);
    check("targets: [\"**\"]", &late, false);
    check("workflows: [\"**\"]", &of_channel("night"), false);
    check("targets: [\"**\"]", &of_channel("night"), false);
}

#[test]
fn a_channel_never_tells_of_itself() {
    let rules = rules("  - { channel: ops }\n  - { channel: night }");
    assert_eq!(channels(&rules, &of_channel("ops")), ["night"]);
    assert_eq!(channels(&rules, &of_channel("night")), ["ops"]);
    assert_eq!(channels(&rules, &of_channel("gone")), ["night", "ops"]);
}

#[test]
fn a_step_sends_where_it_says_whatever_the_rules_say() {
    let none = Rules::default();
    assert_eq!(channels(&none, &says("inbox")), [""; 0]);
    let notification = says("ops");
    let row = row(&none, &notification);
    let place = Place { due: notification.at, gathered: false, notification: 17 };
    assert_eq!((row.channel.as_str(), row.place), ("ops", place));
    // A rule for the same channel makes no second one of it, and does not hold it up.
    let digested = rules("  - { on: [message], channel: ops, digest: 1h }");
    assert_eq!(routed(&digested, &notification), std::slice::from_ref(&row));
    assert!(self::row(&digested, &says("inbox")).place.gathered);
    let elsewhere = rules("  - { on: [message], channel: night }");
    assert_eq!(channels(&elsewhere, &notification), ["night", "ops"]);
}

#[test]
fn what_goes_out_at_once_is_due_when_it_was_made_or_now() {
    let rules = rules("  - { on: [failed], channel: ops }");
    let check = |made: &str, now: &str, due: &str, first_due: &str| {
        let notification = Notification { at: at(made), ..came_to(RunStatus::Failed) };
        let rows = rules.route(&notification, NOBODY, at(now));
        let place = Place { due: at(due), gathered: false, notification: 17 };
        let (channel, first_due, attempts) = ("ops".to_owned(), at(first_due), 0);
        assert_eq!(rows, [OutboxRow { channel, place, first_due, attempts }], "{made} {now}");
    };
    check("05-20 12:00", "05-20 12:00", "05-20 12:00", "05-20 12:00");
    // Nobody was there for two days: it has its whole time from now on.
    check("05-20 12:00", "05-22 12:00", "05-20 12:00", "05-22 12:00");
    // The clock was set back since.
    check("05-20 12:00", "05-20 09:00", "05-20 09:00", "05-20 09:00");
}

#[test]
fn a_digest_goes_out_at_whole_multiples_of_its_length() {
    let check = |length: &str, made: &str, due: &str| {
        let rules = rules(&format!("  - {{ on: [failed], channel: ops, digest: {length} }}"));
        let row = row(&rules, &Notification { at: at(made), ..came_to(RunStatus::Failed) });
        let place = Place { due: at(due), gathered: true, notification: 17 };
        assert_eq!((row.place, row.first_due), (place, at(due)), "{length} {made}");
    };
    check("10m", "05-20 12:01", "05-20 12:10");
    check("10m", "05-20 12:09", "05-20 12:10");
    check("10m", "05-20 12:10", "05-20 12:20");
    check("1h", "05-20 23:30", "05-21 00:00");
    check("24h", "05-20 00:01", "05-21 00:00");
    check("7m", "05-20 00:00", "05-20 00:05");
}

#[test]
fn what_a_digest_gathered_while_nobody_looked_has_its_whole_time() {
    let rules = rules("  - { on: [failed], channel: ops, digest: 10m }");
    let notification = Notification { at: at("05-20 12:01"), ..came_to(RunStatus::Failed) };
    let rows = rules.route(&notification, NOBODY, at("05-22 12:00"));
    assert_eq!(rows[0].place.due, at("05-20 12:10"));
    assert_eq!(rows[0].first_due, at("05-22 12:00"));
}

/// Until when something waits in quiet hours in Berlin; none: it goes out at once.
fn quiet(from: &str, to: &str, made: &str) -> Option<String> {
    let rules = rules(&format!(
        "  - {{ on: [partial], channel: ops, quiet: {{ from: \"{from}\", to: \"{to}\", timezone: Europe/Berlin }} }}"
    ));
    let notification = Notification { at: at(made), ..came_to(RunStatus::Partial) };
    let OutboxRow { place, .. } = row(&rules, &notification);
    assert_eq!(place.gathered, place.due != notification.at);
    let berlin = Zone::named("Europe/Berlin").unwrap();
    place.gathered.then(|| berlin.show(place.due))
}

#[test]
fn quiet_hours_last_until_they_end_by_the_clock_of_their_place() {
    let check = |(from, to): (&str, &str), made: &str, expect: Option<&str>| {
        assert_eq!(quiet(from, to, made).as_deref(), expect, "{from} {to} {made}");
    };
    // In May the clock of Berlin is two hours ahead.
    let night = ("22:00", "07:00");
    check(night, "05-20 19:59", None);
    check(night, "05-20 20:00", Some("2026-05-21 07:00 +02:00"));
    check(night, "05-20 22:30", Some("2026-05-21 07:00 +02:00"));
    check(night, "05-21 04:59", Some("2026-05-21 07:00 +02:00"));
    check(night, "05-21 05:00", None);
    let noon = ("12:00", "13:30");
    check(noon, "05-20 09:59", None);
    check(noon, "05-20 10:00", Some("2026-05-20 13:30 +02:00"));
    check(noon, "05-20 11:29", Some("2026-05-20 13:30 +02:00"));
    check(noon, "05-20 11:30", None);
}

#[test]
fn quiet_hours_end_once_when_clocks_are_changed() {
    let check = |(from, to): (&str, &str), made: &str, expect: Option<&str>| {
        assert_eq!(quiet(from, to, made).as_deref(), expect, "{from} {to} {made}");
    };
    // On 29 March the clock goes from 02:00 to 03:00, which is 01:00 in UTC.
    check(("22:00", "07:00"), "03-28 22:00", Some("2026-03-29 07:00 +02:00"));
    check(("22:00", "02:30"), "03-29 00:59", Some("2026-03-29 03:00 +02:00"));
    check(("22:00", "02:30"), "03-29 01:00", None);
    check(("02:30", "06:00"), "03-29 00:59", None);
    check(("02:30", "06:00"), "03-29 01:00", Some("2026-03-29 06:00 +02:00"));
    check(("02:10", "02:50"), "03-29 00:59", None);
    check(("02:10", "02:50"), "03-29 01:00", None);
    // On 25 October it goes from 03:00 to 02:00, which is 01:00 in UTC.
    check(("22:00", "07:00"), "10-24 22:00", Some("2026-10-25 07:00 +01:00"));
    check(("22:00", "02:30"), "10-25 00:15", Some("2026-10-25 02:30 +02:00"));
    check(("22:00", "02:30"), "10-25 00:45", None);
    // It shows 02:15 once more, and the hours are over.
    check(("22:00", "02:30"), "10-25 01:15", None);
    check(("02:30", "06:00"), "10-25 00:45", Some("2026-10-25 06:00 +01:00"));
    check(("02:30", "06:00"), "10-25 01:15", Some("2026-10-25 06:00 +01:00"));
}

#[test]
fn what_is_excepted_does_not_wait_for_the_end_of_quiet_hours() {
    let hours = "quiet: { from: \"22:00\", to: \"07:00\"";
    let check = |keys: &str, notification: Notification, due: &str| {
        let rules = rules(&format!("  - {{ channel: ops, {keys} }}"));
        let row = row(&rules, &Notification { at: at("05-20 23:05"), ..notification });
        assert_eq!(row.place.due, at(due), "{keys}");
        assert_eq!(row.place.gathered, due != "05-20 23:05", "{keys}");
    };
    let failed = || came_to(RunStatus::Failed);
    check(&format!("{hours} }}"), failed(), "05-20 23:05");
    check(&format!("{hours} }}"), came_to(RunStatus::Partial), "05-21 07:00");
    check(&format!("{hours}, except: [] }}"), failed(), "05-21 07:00");
    check(&format!("{hours}, except: [waiting] }}"), waits(Asked::Approval), "05-20 23:05");
    // It is part of its digest all the same.
    check(&format!("digest: 1h, {hours} }}"), failed(), "05-21 00:00");
    check(&format!("digest: 1h, {hours} }}"), came_to(RunStatus::Partial), "05-21 07:00");
    // A digest that ends in them goes out when they end.
    check(&format!("digest: 24h, {hours} }}"), came_to(RunStatus::Partial), "05-21 07:00");
}

#[test]
fn what_was_due_before_the_quiet_hours_and_is_found_in_them_waits_too() {
    let rules =
        rules("  - { on: [partial], channel: ops, quiet: { from: \"22:00\", to: \"07:00\" } }");
    let notification = Notification { at: at("05-20 21:00"), ..came_to(RunStatus::Partial) };
    let rows = rules.route(&notification, NOBODY, at("05-20 23:00"));
    assert_eq!(rows[0].place.due, at("05-21 07:00"));
    // And what was due in them and is found after them does not.
    let rows = rules.route(&notification, NOBODY, at("05-21 09:00"));
    assert_eq!(rows[0].place.due, at("05-20 21:00"));
}

#[test]
fn of_several_rules_for_one_channel_the_first_to_be_due_counts() {
    let check = |notify: &str, made: &str, due: &str, gathered: bool| {
        let rules = rules(notify);
        let row = row(&rules, &Notification { at: at(made), ..came_to(RunStatus::Failed) });
        assert_eq!((row.place.due, row.place.gathered), (at(due), gathered), "{notify}");
    };
    let (day, hour, now) = (
        "  - { on: [failed], channel: ops, digest: 24h }",
        "  - { on: [failed], channel: ops, digest: 1h }",
        "  - { on: [failed], channel: ops }",
    );
    check(&format!("{day}\n{hour}"), "05-20 12:05", "05-20 13:00", true);
    check(&format!("{hour}\n{day}"), "05-20 12:05", "05-20 13:00", true);
    check(&format!("{day}\n{now}\n{hour}"), "05-20 12:05", "05-20 12:05", false);
    let other = "  - { on: [failed], channel: ops, targets: [office] }";
    check(&format!("{other}\n{day}"), "05-20 12:05", "05-21 00:00", true);
}

#[test]
fn a_success_of_a_schedule_is_a_heartbeat_if_somebody_waits_for_it() {
    let of_tick = |status| Notification { schedule: Some(schedule()), ..came_to(status) };
    let check = |notification: Notification, wants: &dyn Fn(RunStatus) -> bool, expect: bool| {
        let wants = |name: &ScheduleName, status| *name == schedule() && wants(status);
        let rows = Rules::default().route(&notification, wants, notification.at);
        let expect =
            if expect { vec!["heartbeat files/nightly:at_two".to_owned()] } else { Vec::new() };
        let channels: Vec<_> = rows.iter().map(|row| row.channel.clone()).collect();
        assert_eq!(channels, expect, "{notification:?}");
        assert!(rows.iter().all(|row| !row.place.gathered));
    };
    check(of_tick(RunStatus::Succeeded), &|_| true, true);
    check(of_tick(RunStatus::Succeeded), &|_| false, false);
    check(of_tick(RunStatus::Partial), &|status| status == RunStatus::Succeeded, false);
    check(of_tick(RunStatus::Partial), &|_| true, true);
    for status in [RunStatus::Queued, RunStatus::Running, RunStatus::Failed] {
        check(of_tick(status), &|_| true, false);
    }
    check(came_to(RunStatus::Succeeded), &|_| true, false);
    // What a run says, or asks, after which it may fail, is none.
    let status = Some(RunStatus::Succeeded);
    check(Notification { status, ..of_schedule(Kind::Schedule, "") }, &|_| true, false);
    let message = Notification { status, schedule: Some(schedule()), ..says("inbox") };
    check(message, &|_| true, false);
}

#[test]
fn the_name_of_a_heartbeat_leads_back_to_its_schedule() {
    assert_eq!(heartbeat_channel(&schedule()), "heartbeat files/nightly:at_two");
    assert_eq!(schedule_of_heartbeat(&heartbeat_channel(&schedule())), Some(schedule()));
    for other in ["ops", "heartbeat", "heartbeat ", "heartbeat nightly", "files/nightly:at_two"] {
        assert_eq!(schedule_of_heartbeat(other), None, "{other}");
    }
}

#[test]
fn a_rule_that_cannot_be_used_is_refused() {
    let plain = NotifyRule {
        on: [Occasion::Failed].into(),
        channel: "ops".to_owned(),
        operations: Vec::new(),
        workflows: Vec::new(),
        targets: Vec::new(),
        quiet: None,
        digest: None,
    };
    assert!(Rules::new(std::slice::from_ref(&plain)).is_ok());
    let broken = NotifyRule { targets: vec!["a[".to_owned()], ..plain };
    let unfit = Rules::new(&[broken]).unwrap_err().to_string();
    assert!(unfit.starts_with("`a[` is no pattern: "), "{unfit}");
}
