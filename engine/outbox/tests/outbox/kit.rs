//! What every test needs: notifications, rules as they are written in a configuration, and instants.

use holdfast_calendar::cron::Cron;
use holdfast_calendar::ticks::Calendar;
use holdfast_calendar::zone::Zone;
use holdfast_journal::record::{Kind, Notification};
use holdfast_kernel::definition::Operation;
use holdfast_kernel::id::{Instant, RunId};
use holdfast_kernel::status::RunStatus;
use holdfast_kernel::tick::ScheduleName;
use holdfast_language::Source;
use holdfast_language::configuration::read;
use holdfast_outbox::Rules;

/// 2026-01-01T00:00:00Z
const NEW_YEAR: Instant = Instant(1_767_225_600_000_000);

/// A minute of 2026 in UTC, as `10-25 00:30`.
pub(crate) fn at(text: &str) -> Instant {
    let numbers: Vec<u8> = text.split(['-', ' ', ':']).map(|part| part.parse().unwrap()).collect();
    let [month, day, hour, minute] = numbers[..] else { panic!("{text}") };
    let cron = Cron::parse(&format!("{minute} {hour} {day} {month} *")).unwrap();
    Calendar { cron, zone: Zone::utc() }.next_after(NEW_YEAR).unwrap()
}

/// Rules for the channels `ops` and `night`, as a configuration has them.
pub(crate) fn rules(notify: &str) -> Rules {
    let text = format!(
        "holdfast_config: 1\nchannels:\n  ops: {{ kind: slack, url: {{ env: OPS }} }}\n  \
         night: {{ kind: slack, url: {{ env: NIGHT }} }}\nnotify:\n{notify}\n"
    );
    let configuration = read(&Source::new("holdfast.yaml", text));
    Rules::new(&configuration.unwrap_or_else(|found| panic!("{found:#?}")).notify).unwrap()
}

/// The run that notifications are about.
pub(crate) fn run() -> RunId {
    RunId::from_bytes([7; 16])
}

/// A schedule.
pub(crate) fn schedule() -> ScheduleName {
    ScheduleName { workflow: "files/nightly".to_owned(), id: "at_two".to_owned() }
}

/// A notification of 2026-05-20T12:00:00Z about nothing but itself.
pub(crate) fn note(kind: Kind) -> Notification {
    let plain = r#"{"id":17,"text":"It happened.","at":1779278400000000}"#;
    Notification { kind, ..serde_json::from_str(plain).unwrap() }
}

/// A notification about a run of a backup.
pub(crate) fn of_run(kind: Kind) -> Notification {
    Notification {
        run: Some(run()),
        workflow: Some("files/nightly".to_owned()),
        operation: Some(Operation::Backup),
        target: Some("payroll".to_owned()),
        ..note(kind)
    }
}

/// A notification that a run of a backup has come to a status.
pub(crate) fn came_to(status: RunStatus) -> Notification {
    Notification { status: Some(status), ..of_run(Kind::Status) }
}

/// A notification about a schedule.
pub(crate) fn of_schedule(kind: Kind, text: &str) -> Notification {
    Notification {
        workflow: Some(schedule().workflow),
        schedule: Some(schedule()),
        text: text.to_owned(),
        ..note(kind)
    }
}
