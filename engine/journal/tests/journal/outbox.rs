//! Messages on their way: stored with how far was looked, counted truly, and given up audibly; what was seen is no
//! longer unread.

use std::sync::Arc;

use holdfast_journal::commit::Batch;
use holdfast_journal::outbox::{Acknowledging, OutboxChange, OutboxRow, Place};
use holdfast_journal::query::{Page, Reader};
use holdfast_journal::record::{Kind, Notification};
use holdfast_journal::retain::Forgotten;
use holdfast_kernel::id::Instant;

use crate::host::{Host, Ledger, run_id};
use crate::memory::{Fault, Memory};

const LATER: Instant = Instant(i64::MAX / 2);

/// A run that has ended: its notifications are the first three.
fn one(disk: &Memory) -> Host {
    let mut host = Host::open(Arc::new(disk.clone()), 3).unwrap();
    let mut ledger = Ledger::default();
    host.submit(run_id(0), &mut ledger).unwrap();
    host.finish(&mut ledger).unwrap();
    host
}

fn commit(host: &mut Host, fill: impl FnOnce(&mut Batch)) {
    let mut batch = Batch::new(host.opened.writer.next_sequence(), LATER);
    fill(&mut batch);
    host.opened.writer.commit(batch).unwrap();
}

fn change(host: &mut Host, change: OutboxChange) {
    commit(host, |batch| batch.outbox = vec![change]);
}

fn place(due: i64, notification: u64) -> Place {
    Place { due: Instant(due), gathered: false, notification }
}

fn row(channel: &str, place: Place) -> OutboxRow {
    OutboxRow { channel: channel.to_owned(), place, first_due: place.due, attempts: 0 }
}

fn routed(host: &mut Host, through: u64, rows: Vec<OutboxRow>) {
    change(host, OutboxChange::Routed { through, rows });
}

fn places(reader: &Reader, channel: &str) -> Vec<Place> {
    reader.outbox(channel, 100).unwrap().iter().map(|row| row.place).collect()
}

fn waiting(reader: &Reader) -> Vec<(String, u64)> {
    let channels = reader.channels().unwrap();
    channels.into_iter().map(|channel| (channel.name, channel.waiting)).collect()
}

fn unread(reader: &Reader) -> Vec<u64> {
    let rows = reader.unread(Page { after: None, limit: 100 }).unwrap().rows;
    rows.iter().map(|notification| notification.id).collect()
}

#[test]
fn what_is_to_be_sent_is_stored_with_how_far_was_looked_and_outlives_a_kill() {
    let disk = Memory::new(Fault::None);
    let mut host = one(&disk);
    assert_eq!(host.opened.reader.routed_through().unwrap(), 0);
    assert_eq!(host.opened.reader.last_notification().unwrap(), 3);
    let ids = |after: u64| -> Vec<u64> {
        let found = host.opened.reader.notifications_from(after, 2).unwrap();
        found.iter().map(|notification| notification.id).collect()
    };
    assert_eq!((ids(0), ids(2), ids(3)), (vec![1, 2], vec![3], vec![]));
    let (early, late) = (place(-5, 3), place(9, 2));
    routed(&mut host, 3, vec![row("ops", late), row("ops", early), row("op", place(1, 1))]);
    for is_filed in [false, true] {
        if is_filed {
            host.opened.filer.file(1_000).unwrap();
        }
        for reader in [
            host.opened.reader.clone(),
            Host::open(Arc::new(disk.after_kill()), 3).unwrap().opened.reader,
        ] {
            assert_eq!(reader.routed_through().unwrap(), 3);
            assert_eq!(places(&reader, "ops"), [early, late], "those that are due first");
            assert_eq!(places(&reader, "op"), [place(1, 1)], "one name begins like the other");
            assert_eq!(waiting(&reader), [("op".to_owned(), 1), ("ops".to_owned(), 2)]);
        }
    }
}

#[test]
fn who_dies_between_a_delivery_and_its_record_counts_nothing_twice() {
    let disk = Memory::new(Fault::None);
    let mut host = one(&disk);
    let (first, second) = (place(1, 1), place(2, 2));
    routed(&mut host, 3, vec![row("ops", first), row("ops", second)]);
    routed(&mut host, 3, vec![row("ops", first)]);
    assert_eq!(waiting(&host.opened.reader), [("ops".to_owned(), 2)]);
    let failed = |put_back| OutboxChange::Failed {
        channel: "ops".to_owned(),
        places: vec![first],
        error: "no route to host".to_owned(),
        again: LATER,
        put_back,
    };
    change(&mut host, failed(None));
    change(&mut host, failed(Some(Instant(7))));
    let moved = place(7, 1);
    assert_eq!(places(&host.opened.reader, "ops"), [second, moved]);
    let row = host.opened.reader.outbox("ops", 9).unwrap().remove(1);
    assert_eq!((row.first_due, row.attempts), (Instant(1), 2), "its age is not forgotten");
    let channel = host.opened.reader.channels().unwrap().remove(0);
    let failing = channel.failing.unwrap();
    assert_eq!((failing.attempts, failing.again), (2, LATER));
    let delivered =
        OutboxChange::Delivered { channel: "ops".to_owned(), places: vec![second, second, first] };
    change(&mut host, delivered.clone());
    change(&mut host, delivered);
    let channel = host.opened.reader.channels().unwrap().remove(0);
    assert_eq!((channel.waiting, channel.failing), (1, None));
    assert_eq!(channel.delivered, Some(LATER));
}

#[test]
fn a_channel_fails_anew_after_nobody_was_there_and_is_well_if_it_only_refuses() {
    let disk = Memory::new(Fault::None);
    let mut host = one(&disk);
    routed(&mut host, 3, vec![row("ops", place(1, 1)), row("ops", place(1, 2))]);
    let failed = |again| OutboxChange::Failed {
        channel: "ops".to_owned(),
        places: vec![place(1, 1)],
        error: "no route to host".to_owned(),
        again,
        put_back: None,
    };
    let attempts = |host: &Host| {
        let channel = host.opened.reader.channel("ops").unwrap().unwrap();
        channel.failing.map(|failing| failing.attempts)
    };
    // Long before the time of the records.
    change(&mut host, failed(Instant(0)));
    change(&mut host, failed(LATER));
    assert_eq!(attempts(&host), Some(1));
    change(&mut host, failed(LATER));
    assert_eq!(attempts(&host), Some(2));
    let (channel, error) = ("ops".to_owned(), "too large".to_owned());
    change(
        &mut host,
        OutboxChange::GivenUp { channel, places: vec![place(1, 1)], error, refused: true },
    );
    assert_eq!(attempts(&host), None);
}

#[test]
fn a_channel_that_gives_up_says_so_once_until_it_delivers_something() {
    let disk = Memory::new(Fault::None);
    let mut host = one(&disk);
    let all: Vec<Place> = (1..=3).map(|number| place(1, number)).collect();
    routed(&mut host, 3, all.iter().map(|place| row("ops", *place)).collect());
    let told = |host: &Host| -> Vec<Notification> {
        let rows = host.opened.reader.notifications_from(3, 100).unwrap();
        assert!(rows.iter().all(|row| row.kind() == Kind::Channel), "{rows:#?}");
        rows
    };
    let give_up = |host: &mut Host, place: Place| {
        let (channel, error) = ("ops".to_owned(), "it is gone".to_owned());
        change(host, OutboxChange::GivenUp { channel, places: vec![place], error, refused: false });
    };
    give_up(&mut host, all[0]);
    give_up(&mut host, all[1]);
    assert_eq!(told(&host).len(), 1, "once");
    assert_eq!(told(&host)[0].channel.as_deref(), Some("ops"));
    assert!(told(&host)[0].text.contains("it is gone"));
    assert_eq!(host.opened.reader.channels().unwrap()[0].given_up, 2);
    give_up(&mut host, all[1]);
    assert_eq!(host.opened.reader.channels().unwrap()[0].given_up, 2, "it was gone already");
    let (channel, places) = ("ops".to_owned(), vec![all[2]]);
    change(&mut host, OutboxChange::Delivered { channel, places });
    routed(&mut host, 3, vec![row("ops", place(9, 1))]);
    give_up(&mut host, place(9, 1));
    assert_eq!(told(&host).len(), 2, "another time");
}

#[test]
fn what_was_acknowledged_or_forgotten_is_no_longer_unread() {
    let disk = Memory::new(Fault::None);
    let mut host = one(&disk);
    assert_eq!(unread(&host.opened.reader), [3, 2, 1]);
    let seen = Acknowledging { notifications: vec![2, 2, 99], by: "ann".to_owned() };
    commit(&mut host, |batch| batch.acknowledged = vec![seen.clone()]);
    let again = Acknowledging { by: "ben".to_owned(), ..seen };
    commit(&mut host, |batch| batch.acknowledged = vec![again]);
    host.opened.filer.file(1_000).unwrap();
    for reader in [
        host.opened.reader.clone(),
        Host::open(Arc::new(disk.after_kill()), 3).unwrap().opened.reader,
    ] {
        assert_eq!(unread(&reader), [3, 1]);
        assert_eq!(reader.totals().unwrap().unread, 2);
        let by = reader.notification(2).unwrap().unwrap().acknowledged.unwrap().by;
        assert_eq!(by, "ann", "who was first");
        assert!(reader.notification(99).unwrap().is_none(), "none is made");
    }
    let page = host.opened.reader.unread(Page { after: Some(3), limit: 1 }).unwrap();
    assert_eq!((page.rows.len(), page.rows[0].id, page.next), (1, 1, Some(1)));
    let forgotten = Forgotten { notifications_before: Some(LATER), ..Forgotten::default() };
    commit(&mut host, |batch| batch.forgotten = Some(forgotten));
    assert!(unread(&host.opened.reader).is_empty());
    assert_eq!(host.opened.reader.totals().unwrap().unread, 0);
}

#[test]
fn the_totals_are_what_happened_and_outlive_a_kill() {
    let disk = Memory::new(Fault::None);
    let host = one(&disk);
    let totals = host.opened.reader.totals().unwrap();
    assert_eq!((totals.queued, totals.started, totals.notifications), (1, 1, 3));
    assert_eq!(totals.succeeded + totals.partial + totals.failed, 1);
    assert!(totals.records > 3, "{totals:?}");
    let opened = Host::open(Arc::new(disk.after_kill()), 3).unwrap().opened;
    assert_eq!(opened.reader.totals().unwrap(), totals);
}
