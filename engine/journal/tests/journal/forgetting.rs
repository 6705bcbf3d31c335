//! What is forgotten is gone whole, what is needed stays, and a crash in between changes neither.

use std::sync::Arc;

use holdfast_contract::plan::{Plan, PlanCounts, PlanId};
use holdfast_contract::records::{Keep, Level, Message};
use holdfast_journal::commit::Batch;
use holdfast_journal::query::{Filter, Page};
use holdfast_journal::retain::Forgotten;
use holdfast_kernel::event::TargetReference;
use holdfast_kernel::id::{Digest, Instant, RunId};

use crate::host::{Host, Ledger, events_of, run_id};
use crate::memory::{Fault, Left, Memory};

const LATER: Instant = Instant(i64::MAX / 2);

/// Three runs that have ended, filed.
fn three(disk: &Memory) -> Host {
    let mut host = Host::open(Arc::new(disk.clone()), 3).unwrap();
    let mut ledger = Ledger::default();
    for number in 0..3 {
        host.submit(run_id(number), &mut ledger).unwrap();
        host.finish(&mut ledger).unwrap();
    }
    host.opened.filer.file(1_000).unwrap();
    host
}

fn forget(host: &mut Host, runs: &[RunId]) -> Result<(), Box<dyn std::error::Error>> {
    let mut batch = Batch::new(host.opened.writer.next_sequence(), LATER);
    let notifications_before = Some(LATER);
    batch.forgotten =
        Some(Forgotten { runs: runs.to_vec(), notifications_before, ticks_before: None });
    host.opened.writer.commit(batch)?;
    host.opened.filer.file(1_000)?;
    Ok(())
}

fn runs(host: &Host) -> Vec<RunId> {
    let page = Page { after: None, limit: 100 };
    let found = host.opened.reader.runs(&Filter::default(), page).unwrap().rows;
    found.iter().map(|record| record.run).collect()
}

fn file_of(run: RunId) -> String {
    format!("payloads/{run}")
}

#[test]
fn a_run_is_forgotten_with_everything_that_was_kept_of_it() {
    let disk = Memory::new(Fault::None);
    let mut host = three(&disk);
    let old = host.opened.reader.forgettable(LATER, LATER, 2).unwrap();
    let old: Vec<RunId> = old.iter().map(|record| record.run).collect();
    assert_eq!(old, [run_id(0), run_id(1)], "the oldest first");
    assert!(old.iter().all(|run| disk.has(&file_of(*run))));
    forget(&mut host, &old).unwrap();
    for host in [host, Host::open(Arc::new(disk.after_kill()), 3).unwrap()] {
        assert_eq!(runs(&host), [run_id(2)]);
        let reader = &host.opened.reader;
        assert_eq!(reader.run(run_id(0)).unwrap(), None);
        assert!(reader.load(run_id(0)).unwrap().is_none());
        assert!(events_of(reader, run_id(0)).is_empty());
        let by_target = Filter { target: Some("disk".to_owned()), ..Filter::default() };
        let page = Page { after: None, limit: 9 };
        assert_eq!(reader.runs(&by_target, page).unwrap().rows.len(), 1);
        let notes = reader.notifications(Page { after: None, limit: 9 }).unwrap().rows;
        assert!(notes.is_empty(), "{notes:#?}");
    }
    assert!(old.iter().all(|run| !disk.has(&file_of(*run))));
    assert!(disk.has(&file_of(run_id(2))));
}

#[test]
fn what_is_needed_stays_however_old_it_is() {
    let disk = Memory::new(Fault::None);
    let mut host = three(&disk);
    host.submit(run_id(7), &mut Ledger::default()).unwrap();
    let changes = holdfast_contract::list::StoredList {
        directory: holdfast_kernel::payload::Reference {
            offset: 0,
            length: 1,
            hash: Digest::of_bytes(b"x"),
        },
        count: 0,
    };
    let plan = Plan {
        id: PlanId::of(Digest::of_bytes(b"a")),
        digest: Digest::of_bytes(b"a"),
        run: run_id(1),
        changes,
        target: TargetReference { name: "disk".to_owned(), identity: "files /x".to_owned() },
        backup_set: "set_1".to_owned(),
        repository: None,
        made_at: Instant(0),
        expires_at: Instant(1_000_000_000),
        counts: PlanCounts::default(),
    };
    let mut batch = Batch::new(host.opened.writer.next_sequence(), Instant(999_000_000));
    batch.kept = vec![Keep::Plan(plan.clone())];
    host.opened.writer.commit(batch).unwrap();
    let old = |now: i64| -> Vec<RunId> {
        let found = host.opened.reader.forgettable(LATER, Instant(now), 9).unwrap();
        found.iter().map(|record| record.run).collect()
    };
    assert_eq!(old(1), [run_id(0), run_id(2)], "a plan can still be applied");
    assert_eq!(old(2_000_000_000), [run_id(0), run_id(1), run_id(2)]);
    assert!(host.opened.reader.forgettable(Instant(0), LATER, 9).unwrap().is_empty());
    forget(&mut host, &[run_id(1)]).unwrap();
    assert_eq!(host.opened.reader.plan(&plan.id).unwrap(), None, "its changes went with the run");

    // One that goes on is not forgotten, whoever says so, and its notifications stay.
    forget(&mut host, &[run_id(7)]).unwrap();
    assert!(runs(&host).contains(&run_id(7)));
    let notes = host.opened.reader.notifications(Page { after: None, limit: 9 }).unwrap().rows;
    assert!(
        !notes.is_empty() && notes.iter().all(|note| note.run == Some(run_id(7))),
        "{notes:#?}"
    );
}

/// Whether the first two runs are gone whole; otherwise they are there whole.
fn are_gone(left: &Memory, what: &str) -> bool {
    let host = Host::open(Arc::new(left.clone()), 3).unwrap();
    let both = [run_id(0), run_id(1)];
    let files = both.map(|run| left.has(&file_of(run)));
    let found = runs(&host);
    assert!(found.contains(&run_id(2)), "{what}: {found:?}");
    if found.len() == 1 {
        assert_eq!(files, [false, false], "{what}: files are left of what is gone");
        return true;
    }
    assert_eq!(found.len(), 3, "{what}");
    assert_eq!(files, [true, true], "{what}: a file is gone");
    assert!(both.iter().all(|run| !events_of(&host.opened.reader, *run).is_empty()), "{what}");
    false
}

#[test]
fn a_crash_while_runs_are_forgotten_leaves_them_whole_or_gone() {
    let disk = Memory::new(Fault::None);
    let mut host = three(&disk);
    let before = disk.operations();
    forget(&mut host, &[run_id(0), run_id(1)]).unwrap();
    let last = disk.operations();
    drop(host);
    let (mut whole, mut gone) = (0, 0);
    for operation in before..=last {
        let disk = Memory::new(Fault::None);
        let mut host = three(&disk);
        assert_eq!(disk.operations(), before, "it does the same each time");
        disk.set_fault(Fault::DeadFrom(operation));
        let done = forget(&mut host, &[run_id(0), run_id(1)]).is_ok();
        drop(host);
        for left in [
            disk.after_kill(),
            disk.after_power_loss(Left::Nothing),
            disk.after_power_loss(Left::Some(operation)),
        ] {
            let is_gone = are_gone(&left, &format!("at {operation}"));
            assert!(is_gone || !done, "at {operation}: it was acknowledged");
            gone += u32::from(is_gone);
            whole += u32::from(!is_gone);
        }
    }
    assert!(whole > 0 && gone > 0, "{whole} {gone}");
}

#[test]
fn a_message_that_is_kept_twice_is_one_notification() {
    let disk = Memory::new(Fault::None);
    let mut host = Host::open(Arc::new(disk.clone()), 3).unwrap();
    host.submit(run_id(0), &mut Ledger::default()).unwrap();
    let message = Message {
        id: "note_1".to_owned(),
        run: run_id(0),
        channel: "inbox".to_owned(),
        level: Level::Info,
        title: String::new(),
        text: "once".to_owned(),
    };
    for at in [1, 2] {
        let sequence = host.opened.writer.next_sequence();
        let mut batch = Batch::new(sequence, Instant(i64::MAX / 4 + at));
        batch.kept = vec![Keep::Message(message.clone())];
        host.opened.writer.commit(batch).unwrap();
        if at == 1 {
            host.opened.filer.file(100).unwrap();
        }
    }
    for host in [host, Host::open(Arc::new(disk.after_kill()), 3).unwrap()] {
        let notes = host.opened.reader.notifications(Page { after: None, limit: 9 }).unwrap();
        let said = notes.rows.iter().filter(|note| note.text == "once").count();
        assert_eq!(said, 1, "{notes:#?}");
    }
}
