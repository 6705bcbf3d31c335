//! Every metric: its name, what it says, and its numbers.
//!
//! `docs/cli.md` has the same table for people. No label has the id of a run: each value of one is kept for ever.

use holdfast_journal::outbox::ChannelRecord;
use holdfast_journal::schedule::Paused;
use holdfast_kernel::id::{Instant, Millis};

use super::exposition::{Family, Kind, Sample, encode};
use super::snapshot::{Schedule, Snapshot};

/// A metric.
struct Metric {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    samples: fn(&Snapshot) -> Vec<Sample>,
}

const fn counter(
    name: &'static str,
    help: &'static str,
    samples: fn(&Snapshot) -> Vec<Sample>,
) -> Metric {
    Metric { name, kind: Kind::Counter, help, samples }
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    samples: fn(&Snapshot) -> Vec<Sample>,
) -> Metric {
    Metric { name, kind: Kind::Gauge, help, samples }
}

/// Every metric, in the order of the text.
static METRICS: [Metric; 27] = [
    gauge("holdfast_build_info", "The version of the program.", |_| {
        vec![Sample::new([("version", env!("CARGO_PKG_VERSION"))], 1)]
    }),
    gauge("holdfast_up", "Whether a process drives the runs of the state.", |of| {
        one(of.is_driven.into())
    }),
    gauge("holdfast_paused", "Whether everything is paused.", |of| one(of.is_paused.into())),
    gauge("holdfast_runs_active", "Runs that have not ended, by their status.", |of| {
        by_status([("queued", of.active.queued), ("running", of.active.running)])
    }),
    gauge("holdfast_runs_waiting", "Runs that do nothing until a person says something.", |of| {
        one(of.active.waiting)
    }),
    counter("holdfast_runs_queued_total", "Runs that were queued, retries too.", |of| {
        one(of.totals.queued)
    }),
    counter("holdfast_runs_started_total", "Runs that started, retries too.", |of| {
        one(of.totals.started)
    }),
    counter("holdfast_runs_ended_total", "Runs that ended, by how.", |of| {
        by_status([
            ("succeeded", of.totals.succeeded),
            ("partial", of.totals.partial),
            ("failed", of.totals.failed),
        ])
    }),
    gauge(
        "holdfast_oldest_queued_seconds",
        "For how long the first of the queued runs has been queued; 0 if none is.",
        |of| {
            let Millis(length) = of.active.queued_since.map_or(Millis::ZERO, |at| of.at.since(at));
            one(length / 1_000)
        },
    ),
    gauge(
        "holdfast_effects_in_doubt",
        "Items of active runs of which nobody knows whether their effect happened.",
        |of| one(of.active.in_doubt),
    ),
    counter("holdfast_journal_records_total", "Records that the journal took.", |of| {
        one(of.totals.records)
    }),
    counter("holdfast_notifications_total", "Notifications that were stored.", |of| {
        one(of.totals.notifications)
    }),
    gauge("holdfast_notifications_unread", "Notifications that nobody has acknowledged.", |of| {
        one(of.totals.unread)
    }),
    gauge("holdfast_channel_waiting", "Messages that wait for the channel.", |of| {
        channels(of, |channel| Some(channel.waiting))
    }),
    gauge("holdfast_channel_failing", "Whether nothing goes through the channel.", |of| {
        channels(of, |channel| Some(channel.failing.is_some().into()))
    }),
    gauge(
        "holdfast_channel_failing_since_timestamp_seconds",
        "Since when nothing goes through the channel; only while that is so.",
        |of| channels(of, |channel| Some(seconds(channel.failing.as_ref()?.since))),
    ),
    gauge(
        "holdfast_channel_given_up",
        "Messages that were given up since the channel last delivered one.",
        |of| channels(of, |channel| Some(channel.given_up)),
    ),
    gauge(
        "holdfast_channel_delivered_timestamp_seconds",
        "When the channel last delivered something; 0 if it never has.",
        |of| channels(of, |channel| Some(channel.delivered.map_or(0, seconds))),
    ),
    gauge(
        "holdfast_schedule_next_tick_timestamp_seconds",
        "When the next tick of the schedule is; only if there is one.",
        |of| schedules(of, |schedule| schedule.next.map(seconds)),
    ),
    gauge(
        "holdfast_schedule_last_success_timestamp_seconds",
        "When a run of the schedule was last a success; 0 if none has been.",
        |of| schedules(of, |schedule| Some(schedule.record.last_success.map_or(0, seconds))),
    ),
    gauge(
        "holdfast_schedule_late",
        "Whether the schedule is without a success for longer than it may be.",
        |of| schedules(of, |schedule| Some(schedule.record.late_since.is_some().into())),
    ),
    gauge(
        "holdfast_schedule_trouble",
        "Whether the schedule starts nothing: its file is gone or cannot be used.",
        |of| schedules(of, |schedule| Some(schedule.record.trouble.is_some().into())),
    ),
    gauge("holdfast_schedule_paused", "Whether the schedule itself is paused.", |of| {
        schedules(of, |schedule| {
            let paused = schedule.record.paused.as_ref();
            Some(paused.is_some_and(Paused::lasts).into())
        })
    }),
    gauge(
        "holdfast_target_last_set_timestamp_seconds",
        "When the last complete backup set of the target was sealed; 0 if there is none.",
        |of| {
            let targets = of.sets.targets.iter();
            targets
                .map(|(name, at)| Sample::new([("target", name.as_str())], seconds(*at)))
                .collect()
        },
    ),
    gauge("holdfast_repository_readable", "Whether the backup sets can be listed.", |of| {
        let repositories = of.sets.repositories.iter();
        let sample = |(name, is_readable): (&String, &bool)| {
            Sample::new([("name", name.as_str())], u64::from(*is_readable))
        };
        repositories.map(sample).collect()
    }),
    gauge("holdfast_disk_free_bytes", "What is free on the disk.", |of| {
        let state = of.free.map(|free| Sample::new([("of", "state")], free));
        let repositories = of.disks.iter().map(|disk| {
            let labels = [("of", "repository"), ("name", disk.repository.as_str())];
            Sample::new(labels, disk.free_bytes)
        });
        state.into_iter().chain(repositories).collect()
    }),
    gauge("holdfast_metrics_timestamp_seconds", "When these numbers were gathered.", |of| {
        one(seconds(of.at))
    }),
];

/// The metrics with their numbers.
pub(super) fn families(of: &Snapshot) -> Vec<Family> {
    let family = |metric: &Metric| Family {
        name: metric.name,
        kind: metric.kind,
        help: metric.help,
        samples: (metric.samples)(of),
    };
    METRICS.iter().map(family).collect()
}

/// The metrics as Prometheus reads them.
pub(crate) fn text(of: &Snapshot) -> String {
    encode(&families(of))
}

fn one(value: u64) -> Vec<Sample> {
    vec![Sample::new([], value)]
}

fn by_status<const MANY: usize>(counts: [(&str, u64); MANY]) -> Vec<Sample> {
    let sample = |(status, count)| Sample::new([("status", status)], count);
    counts.into_iter().map(sample).collect()
}

fn channels(of: &Snapshot, value: impl Fn(&ChannelRecord) -> Option<u64>) -> Vec<Sample> {
    let sample = |channel: &ChannelRecord| {
        Some(Sample::new([("channel", channel.name.as_str())], value(channel)?))
    };
    of.channels.iter().filter_map(sample).collect()
}

fn schedules(of: &Snapshot, value: impl Fn(&Schedule) -> Option<u64>) -> Vec<Sample> {
    let sample = |schedule: &Schedule| {
        let name = schedule.record.spec.name.to_string();
        Some(Sample::new([("schedule", name.as_str())], value(schedule)?))
    };
    of.schedules.iter().filter_map(sample).collect()
}

/// Whole seconds since 1970.
fn seconds(at: Instant) -> u64 {
    u64::try_from(at.0).unwrap_or(0) / 1_000_000
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use holdfast_journal::outbox::Failing;
    use holdfast_journal::schedule::{ScheduleRecord, ScheduleSpec};
    use holdfast_journal::totals::Totals;
    use holdfast_kernel::tick::{Policy, ScheduleName};

    use super::*;
    use crate::commands::metrics::last_sets::Found;
    use crate::commands::metrics::snapshot::Active;

    /// At second 1,000, with one of everything.
    fn snapshot() -> Snapshot {
        let at = |seconds: i64| Instant(seconds * 1_000_000 + 999_999);
        let failing =
            Failing { since: at(300), attempts: 2, error: "no route".to_owned(), again: at(1_100) };
        let channel = ChannelRecord {
            name: "ops".to_owned(),
            waiting: 4,
            given_up: 1,
            failing: Some(failing),
            delivered: Some(at(200)),
        };
        let name = ScheduleName { workflow: "a \"b\"\n".to_owned(), id: "c\\".to_owned() };
        let spec = ScheduleSpec {
            name,
            cron: "0 * * * *".to_owned(),
            timezone: "UTC".to_owned(),
            policy: Policy::default(),
            jitter: Millis::ZERO,
            expect_success_within: None,
            accept_partial: false,
        };
        let record = ScheduleRecord {
            spec,
            first_seen: at(0),
            decided: at(0),
            paused: Some(Paused { by: "ops".to_owned(), from: at(1), until: None }),
            trouble: None,
            last_run: None,
            last_end: None,
            last_success: Some(at(600)),
            late_since: None,
        };
        let sets = Found {
            targets: BTreeMap::from([("documents".to_owned(), at(500))]),
            repositories: BTreeMap::from([("default".to_owned(), true)]),
            unreadable: Vec::new(),
        };
        Snapshot {
            at: at(1_000),
            is_driven: true,
            is_paused: false,
            totals: Totals { started: 7, failed: 2, ..Totals::default() },
            active: Active { queued: 1, queued_since: Some(at(940)), ..Active::default() },
            channels: vec![channel],
            schedules: vec![Schedule { record, next: Some(at(3_600)) }],
            sets,
            disks: Vec::new(),
            free: Some(4_096),
        }
    }

    #[test]
    fn numbers_stand_where_their_names_say() {
        let text = text(&snapshot());
        let lines: Vec<&str> = text.lines().collect();
        for line in [
            "holdfast_up 1",
            "holdfast_paused 0",
            "holdfast_runs_active{status=\"queued\"} 1",
            "holdfast_runs_active{status=\"running\"} 0",
            "holdfast_runs_started_total 7",
            "holdfast_runs_ended_total{status=\"failed\"} 2",
            "holdfast_oldest_queued_seconds 60",
            "holdfast_channel_waiting{channel=\"ops\"} 4",
            "holdfast_channel_failing{channel=\"ops\"} 1",
            "holdfast_channel_failing_since_timestamp_seconds{channel=\"ops\"} 300",
            "holdfast_channel_given_up{channel=\"ops\"} 1",
            "holdfast_channel_delivered_timestamp_seconds{channel=\"ops\"} 200",
            r#"holdfast_schedule_next_tick_timestamp_seconds{schedule="a \"b\"\n:c\\"} 3600"#,
            r#"holdfast_schedule_last_success_timestamp_seconds{schedule="a \"b\"\n:c\\"} 600"#,
            r#"holdfast_schedule_late{schedule="a \"b\"\n:c\\"} 0"#,
            r#"holdfast_schedule_paused{schedule="a \"b\"\n:c\\"} 1"#,
            "holdfast_target_last_set_timestamp_seconds{target=\"documents\"} 500",
            "holdfast_repository_readable{name=\"default\"} 1",
            "holdfast_disk_free_bytes{of=\"state\"} 4096",
            "holdfast_metrics_timestamp_seconds 1000",
        ] {
            assert!(lines.contains(&line), "{line} is not in:\n{text}");
        }
    }

    #[test]
    fn the_page_has_the_metrics_that_the_text_has() {
        let page = include_str!("../../../../docs/cli.md");
        let told = page.lines().filter_map(|line| line.strip_prefix("| `holdfast_"));
        let told = told.filter_map(|rest| {
            let (name, rest) = rest.split_once(['{', '`'])?;
            Some((format!("holdfast_{name}"), rest.split(" | ").nth(1)?.to_owned()))
        });
        let text = text(&snapshot());
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let types = types.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
        assert_eq!(told.collect::<Vec<_>>(), types.collect::<Vec<_>>());
    }

    #[test]
    fn every_name_and_help_is_one_that_can_stand_in_the_text() {
        for (place, metric) in METRICS.iter().enumerate() {
            let Metric { name, kind, help, .. } = metric;
            let fits = |letter: char| letter.is_ascii_lowercase() || letter == '_';
            assert!(name.starts_with("holdfast_") && name.chars().all(fits), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(help.ends_with('.') && !help.contains(['\\', '\n']), "{name}: {help}");
            let mut before = METRICS.iter().take(place);
            assert!(before.all(|other| other.name != *name), "{name} is there twice");
        }
    }
}
