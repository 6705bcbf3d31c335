//! Faults of the disk at every operation of a small history.

use std::sync::Arc;

use holdfast_journal::commit::{Batch, CommitError};
use holdfast_journal::database::Check;
use holdfast_journal::record::AuditEntry;
use holdfast_journal::resume::open;
use holdfast_kernel::id::Instant;

use crate::host::{Broken, Host, Ledger, run_id, verify};
use crate::memory::{Fault, Left, Memory};

/// Opens the state, submits two runs and drives them, filing on the way.
fn history(disk: &Memory, ledger: &mut Ledger) -> Result<(), Broken> {
    let mut host = Host::open(Arc::new(disk.clone()), 3)?;
    for number in 0..2 {
        host.submit(run_id(number), ledger)?;
    }
    host.finish(ledger)
}

/// Opens what is left, compares it with the ledger, and drives everything to its end.
fn go_on(disk: Memory, ledger: &Ledger, what: &str) {
    let mut ledger = ledger.clone();
    let opened = Host::open(Arc::new(disk.clone()), 3);
    let mut host = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
    verify(&host.opened, &ledger).unwrap_or_else(|reason| panic!("{what}: {reason}"));
    let arrived = std::mem::take(&mut ledger.on_its_way);
    for (run, events) in arrived {
        let there = host.opened.reader.run(run).unwrap().is_some()
            && crate::host::events_of(&host.opened.reader, run).len()
                > ledger.acknowledged.get(&run).map_or(0, Vec::len);
        if there {
            ledger.acknowledged.entry(run).or_default().extend(events);
        }
    }
    host.resume(&mut ledger).unwrap_or_else(|error| panic!("{what}: {error}"));
    host.finish(&mut ledger).unwrap_or_else(|error| panic!("{what}: {error}"));
    verify(&host.opened, &ledger).unwrap_or_else(|reason| panic!("{what}: {reason}"));
    assert!(host.runs.values().all(holdfast_kernel::state::RunState::is_finished), "{what}");
    drop(host);
    let host = Host::open(Arc::new(disk.after_power_loss(Left::Nothing)), 3).unwrap();
    verify(&host.opened, &ledger).unwrap_or_else(|reason| panic!("{what}, once more: {reason}"));
}

fn length_of_history() -> u64 {
    let disk = Memory::new(Fault::None);
    history(&disk, &mut Ledger::default()).unwrap();
    disk.operations()
}

#[test]
fn inv_01_after_a_power_loss_at_any_operation_everything_acknowledged_is_there() {
    for operation in 0..length_of_history() {
        let disk = Memory::new(Fault::DeadFrom(operation));
        let mut ledger = Ledger::default();
        assert!(history(&disk, &mut ledger).is_err() || operation + 40 > length_of_history());
        for left in [Left::Nothing, Left::Everything, Left::Some(operation)] {
            let what = format!("power loss at {operation}, {left:?} left");
            go_on(disk.after_power_loss(left), &ledger, &what);
        }
    }
}

#[test]
fn inv_01_after_a_kill_at_any_operation_everything_acknowledged_is_there() {
    for operation in 0..length_of_history() {
        let disk = Memory::new(Fault::DeadFrom(operation));
        let mut ledger = Ledger::default();
        history(&disk, &mut ledger).err();
        go_on(disk.after_kill(), &ledger, &format!("kill at {operation}"));
    }
}

#[test]
fn inv_01_what_is_acknowledged_after_a_kill_survives_a_power_loss_right_then() {
    for operation in 0..length_of_history() {
        let disk = Memory::new(Fault::DeadFrom(operation));
        let mut ledger = Ledger::default();
        history(&disk, &mut ledger).err();
        let what = format!("kill at {operation}");
        let disk = disk.after_kill();
        let mut host = Host::open(Arc::new(disk.clone()), 3).unwrap();
        let known = run_id(9);
        host.submit(known, &mut ledger).unwrap_or_else(|error| panic!("{what}: {error}"));
        let disk = disk.after_power_loss(Left::Nothing);
        let host = Host::open(Arc::new(disk), 3).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(host.opened.reader.run(known).unwrap().is_some(), "{what}: it is gone");
    }
}

#[test]
fn inv_15_a_disk_that_is_full_at_any_operation_corrupts_nothing() {
    for operation in 0..length_of_history() {
        for fault in [Fault::FullFrom(operation), Fault::FullOnce(operation)] {
            let disk = Memory::new(fault);
            let mut ledger = Ledger::default();
            history(&disk, &mut ledger).err();
            disk.set_fault(Fault::None);
            go_on(disk, &ledger, &format!("{fault:?}"));
        }
    }
}

#[test]
fn inv_15_what_a_failed_sync_left_in_memory_alone_is_not_believed() {
    let mut noted = 0;
    for operation in 0..length_of_history() {
        let disk = Memory::new(Fault::SyncFailsFrom(operation));
        let mut ledger = Ledger::default();
        history(&disk, &mut ledger).err();
        disk.set_fault(Fault::None);
        let what = format!("syncs fail from {operation}");
        noted += u32::from(disk.has("disk.doubt"));
        let opened = Host::open(Arc::new(disk.clone()), 3);
        let mut host = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(!disk.has("disk.doubt"), "{what}: everything was read anew");
        go_on(disk.after_power_loss(Left::Nothing), &ledger, &what);
        // Enough to lie over everything of which the store says that it is filed.
        for number in 10..20 {
            host.submit(run_id(number), &mut ledger).unwrap();
        }
        go_on(disk.after_power_loss(Left::Nothing), &ledger, &what);
    }
    assert!(noted > 10, "{noted} were noted");
}

#[test]
fn a_failed_commit_says_when_it_failed_and_ends_the_writer() {
    let check = |fault: fn(u64) -> Fault, is_sync: bool, is_full: bool| {
        let disk = Memory::new(Fault::None);
        let mut ledger = Ledger::default();
        let mut host = Host::open(Arc::new(disk.clone()), 3).unwrap();
        host.submit(run_id(0), &mut ledger).unwrap();
        disk.set_fault(fault(disk.operations()));
        let error = host.submit(run_id(1), &mut ledger).unwrap_err();
        let error = error.downcast::<CommitError>().unwrap();
        assert_eq!((error.is_sync(), error.is_disk_full()), (is_sync, is_full), "{error}");
        disk.set_fault(Fault::None);
        let error = host.submit(run_id(2), &mut Ledger::default()).unwrap_err();
        assert!(matches!(*error.downcast::<CommitError>().unwrap(), CommitError::Poisoned));
    };
    check(Fault::FullFrom, false, true);
    check(Fault::SyncFailsFrom, true, false);
    check(Fault::DeadFrom, false, false);
}

#[test]
fn a_payload_that_did_not_fit_leaves_nothing_behind() {
    let disk = Memory::new(Fault::None);
    let host = Host::open(Arc::new(disk.clone()), 3).unwrap();
    let payloads = &host.opened.payloads;
    let first = payloads.append(run_id(1), b"first").unwrap();
    for operation in 0..4 {
        for fault in [Fault::FullOnce, Fault::FullFrom, Fault::DeadFrom] {
            disk.set_fault(fault(disk.operations() + operation));
            let attempt = payloads.append(run_id(1), b"does not fit");
            disk.set_fault(Fault::None);
            let next = payloads.append(run_id(1), b"next").unwrap();
            assert_eq!(payloads.read(run_id(1), &next).unwrap(), b"next");
            if let Ok(reference) = attempt {
                assert_eq!(payloads.read(run_id(1), &reference).unwrap(), b"does not fit");
            }
        }
    }
    assert_eq!(payloads.read(run_id(1), &first).unwrap(), b"first");
}

/// Commits records of two pages each and files every one, and says which was the last acknowledged.
fn large_records(disk: &Memory) -> u64 {
    let mut acknowledged = 0;
    let Ok(mut opened) = open(Arc::new(disk.clone()), "instance-1", Check::Quick) else {
        return acknowledged;
    };
    for _ in 0..6 {
        let next = opened.writer.next_sequence();
        let mut batch = Batch::new(next, Instant(0));
        batch.audit.push(AuditEntry {
            by: "test".into(),
            what: next.to_string().repeat(5_000),
            run: None,
        });
        if opened.writer.commit(batch).is_err() || opened.filer.file(usize::MAX).is_err() {
            break;
        }
        acknowledged = next;
    }
    acknowledged
}

#[test]
fn inv_14_a_record_that_is_torn_takes_none_along_that_was_filed_before_it() {
    let whole = Memory::new(Fault::None);
    assert_eq!(large_records(&whole), 6);
    assert!(whole.content("journal.ring").len() < 12 * 4_096, "they lie over each other");
    for operation in 0..whole.operations() {
        for left in (0..12).map(Left::Some) {
            let disk = Memory::new(Fault::DeadFrom(operation));
            let acknowledged = large_records(&disk);
            let disk = disk.after_power_loss(left);
            let what = format!("power loss at {operation}, {left:?} left");
            let opened = open(Arc::new(disk), "instance-1", Check::Quick);
            let opened = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
            let next = opened.recovered.next_sequence;
            assert!((acknowledged + 1..=acknowledged + 2).contains(&next), "{what}: {next}");
        }
    }
}

#[test]
fn a_journal_that_has_become_long_is_made_anew_at_any_opening_and_loses_nothing() {
    let long = Memory::new(Fault::None);
    let mut opened = open(Arc::new(long.clone()), "instance-1", Check::Quick).unwrap();
    for length in [5 << 20, 5_000] {
        let mut batch = Batch::new(opened.writer.next_sequence(), Instant(0));
        batch.audit.push(AuditEntry { by: "test".into(), what: "x".repeat(length), run: None });
        opened.writer.commit(batch).unwrap();
    }
    opened.filer.file(usize::MAX).unwrap();
    assert!(long.content("journal.ring").len() > 4 << 20);
    let opening = long.after_kill();
    let opened = open(Arc::new(opening.clone()), "instance-1", Check::Quick).unwrap();
    assert_eq!(opened.recovered.next_sequence, 3);
    assert!(opening.content("journal.ring").len() <= 4 * 4_096);
    let length = opening.operations();
    drop(opened);
    for operation in length - 20..length {
        let disk = long.after_kill();
        disk.set_fault(Fault::DeadFrom(operation));
        open(Arc::new(disk.clone()), "instance-1", Check::Quick).err();
        for disk in [disk.after_kill(), disk.after_power_loss(Left::Some(operation))] {
            let mut opened = open(Arc::new(disk.clone()), "instance-1", Check::Quick).unwrap();
            assert_eq!(opened.recovered.next_sequence, 3, "cut at {operation}");
            opened.writer.commit(Batch::new(3, Instant(0))).unwrap();
            let disk = disk.after_power_loss(Left::Nothing);
            let opened = open(Arc::new(disk), "instance-1", Check::Quick).unwrap();
            assert_eq!(opened.recovered.next_sequence, 4, "cut at {operation}");
        }
    }
    let mut stayed = 0;
    for fault in (length - 20..length).flat_map(|at| [Fault::FullFrom(at), Fault::FullOnce(at)]) {
        let full = long.after_kill();
        full.set_fault(fault);
        let opened = open(Arc::new(full.clone()), "instance-1", Check::Quick);
        full.set_fault(Fault::None);
        let next = if opened.is_ok() { 4 } else { 3 };
        if let Ok(mut opened) = opened {
            stayed += usize::from(full.content("journal.ring").len() > 4 << 20);
            assert!(!full.has("journal.ring.new"), "{fault:?}");
            opened.writer.commit(Batch::new(3, Instant(0))).unwrap();
        }
        let opened = open(Arc::new(full.after_kill()), "instance-1", Check::Quick).unwrap();
        assert_eq!(opened.recovered.next_sequence, next, "{fault:?}");
    }
    assert!(stayed > 3, "it stays as it is where nothing fits: {stayed}");
}
