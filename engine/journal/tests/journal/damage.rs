//! Damaged, missing and foreign files: refused with path, what is wrong and what to do, or as before.

use std::sync::Arc;

use holdfast_journal::commit::Batch;
use holdfast_journal::database::Check;
use holdfast_journal::items::Show;
use holdfast_journal::query::Filter;
use holdfast_journal::resume::{OpenError, open};
use holdfast_kernel::id::Instant;

use crate::host::{FAN_OUT, Host, Ledger, everything, first_page, run_id, verify};
use crate::memory::{Fault, Memory, draw};

/// A state with two runs, one of them active, nothing of the last turns filed.
fn state() -> (Memory, Ledger) {
    let disk = Memory::new(Fault::None);
    let mut host = Host::open(Arc::new(disk.clone()), 3).unwrap();
    let mut ledger = Ledger::default();
    host.submit(run_id(0), &mut ledger).unwrap();
    host.finish(&mut ledger).unwrap();
    host.submit(run_id(1), &mut ledger).unwrap();
    for _ in 0..3 {
        host.turn(1, &mut ledger).unwrap();
    }
    let killed = disk.after_kill();
    (killed, ledger)
}

/// The state is refused with a sentence about `name`, or is as it was.
fn refused_or_same(disk: Memory, ledger: &Ledger, name: &str, what: &str) -> bool {
    match Host::open(Arc::new(disk), 3) {
        Ok(host) => {
            verify(&host.opened, ledger).unwrap_or_else(|reason| panic!("{what}: {reason}"));
            false
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(name), "{what}: {text}");
            assert!(!error.remedy().is_empty());
            true
        }
    }
}

#[test]
fn inv_14_a_flipped_bit_in_the_journal_is_refused_or_harmless() {
    let (disk, ledger) = state();
    let content = disk.content("journal.ring");
    let used: Vec<usize> = (0..content.len()).filter(|place| content[*place] != 0).collect();
    let mut refused = 0;
    let step = (used.len() / 3_000).max(1);
    for place in used.into_iter().step_by(step) {
        let bit = draw(1, place as u64) % 8;
        let mut damaged = content.clone();
        damaged[place] ^= 1 << bit;
        let disk = disk.after_kill();
        disk.set_content("journal.ring", damaged);
        let what = format!("bit {bit} of byte {place}");
        refused += usize::from(refused_or_same(disk, &ledger, "journal.ring", &what));
    }
    assert!(refused > 100, "only {refused} were refused");
}

#[test]
fn inv_14_a_shortened_journal_is_refused_or_harmless() {
    let (disk, ledger) = state();
    let content = disk.content("journal.ring");
    for length in (0..content.len()).step_by(509) {
        let disk = disk.after_kill();
        disk.set_content("journal.ring", content[..length].to_vec());
        refused_or_same(disk, &ledger, "journal.ring", &format!("{length} bytes"));
    }
}

#[test]
fn inv_14_a_missing_foreign_or_older_file_is_refused() {
    let (disk, _) = state();
    let check = |change: &dyn Fn(&Memory), name: &str, expect: fn(&OpenError) -> bool| {
        let disk = disk.after_kill();
        change(&disk);
        let error = Host::open(Arc::new(disk), 3).err().unwrap();
        assert!(expect(&error), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
    };
    let missing = |error: &OpenError| matches!(error, OpenError::Missing { .. });
    check(&|disk| disk.forget("journal.ring"), "journal.ring", missing);
    check(&|disk| disk.forget("store.redb"), "store.redb", missing);
    let payload = format!("payloads/{}", run_id(1));
    let damaged = |error: &OpenError| matches!(error, OpenError::Payload(_));
    check(&|disk| disk.forget(&payload), &payload, damaged);
    let cut = |disk: &Memory| {
        let content = disk.content(&payload);
        disk.set_content(&payload, content[..content.len() - 1].to_vec());
    };
    check(&cut, &payload, damaged);
    let flipped = |disk: &Memory| {
        let mut content = disk.content(&payload);
        *content.last_mut().unwrap() ^= 1;
        disk.set_content(&payload, content);
    };
    check(&flipped, &payload, damaged);
    let other = Memory::new(Fault::None);
    drop(open(Arc::new(other.clone()), "another", Check::Quick));
    let foreign = |disk: &Memory| disk.set_content("journal.ring", other.content("journal.ring"));
    check(&foreign, "journal.ring", |error| matches!(error, OpenError::Foreign { .. }));
    let new = Memory::new(Fault::None);
    drop(Host::open(Arc::new(new.clone()), 3));
    let older = |disk: &Memory| disk.set_content("journal.ring", new.content("journal.ring"));
    check(&older, "journal.ring", |error| matches!(error, OpenError::Gap { .. }));
}

#[test]
fn inv_14_a_record_of_another_state_is_no_record_and_one_that_is_there_twice_is_refused() {
    let (disk, ledger) = state();
    let ours = disk.content("journal.ring");
    let with = |more: &[u8]| {
        let disk = disk.after_kill();
        disk.set_content("journal.ring", [ours.as_slice(), more].concat());
        disk
    };
    let other = Memory::new(Fault::None);
    let mut opened = open(Arc::new(other.clone()), "another", Check::Quick).unwrap();
    let mut last = 0;
    while last <= ledger.acknowledged.values().map(Vec::len).sum::<usize>() {
        let next = opened.writer.next_sequence();
        opened.writer.commit(Batch::new(next, Instant(0))).unwrap();
        last += 1;
    }
    let theirs = &other.content("journal.ring")[4_096..];
    let host = Host::open(Arc::new(with(theirs)), 3).unwrap();
    verify(&host.opened, &ledger).unwrap();
    let text = Host::open(Arc::new(with(&ours[4_096..])), 3).err().unwrap().to_string();
    assert!(text.contains("journal.ring") && text.contains("there twice"), "{text}");
}

#[test]
fn what_no_record_names_is_cut_from_a_payload_file() {
    let (disk, ledger) = state();
    let payload = format!("payloads/{}", run_id(1));
    let sound = disk.content(&payload);
    disk.set_content(&payload, [sound.as_slice(), b"half a frame"].concat());
    let host = Host::open(Arc::new(disk.clone()), 3).unwrap();
    verify(&host.opened, &ledger).unwrap();
    assert!(disk.content(&payload).len() <= sound.len());
    everything(&host.opened);
}

#[test]
fn a_flipped_bit_in_the_store_is_found_by_a_full_check() {
    let (disk, ledger) = state();
    let content = disk.content("store.redb");
    let used: Vec<usize> = (0..content.len()).filter(|place| content[*place] != 0).collect();
    let step = (used.len() / 1_000).max(1);
    for place in used.into_iter().step_by(step) {
        let mut damaged = content.clone();
        damaged[place] ^= 1 << (draw(2, place as u64) % 8);
        let disk = disk.after_kill();
        disk.set_content("store.redb", damaged);
        let opened = open(Arc::new(disk), "instance-1", Check::Full);
        match opened {
            Ok(opened) => {
                verify(&opened, &ledger).unwrap_or_else(|reason| panic!("byte {place}: {reason}"));
            }
            Err(error) => assert!(error.to_string().contains("redb"), "byte {place}: {error}"),
        }
    }
}

#[test]
fn a_flipped_bit_in_the_store_is_no_panic_of_a_reader() {
    let (disk, _) = state();
    drop(Host::open(Arc::new(disk.clone()), 3));
    let content = disk.content("store.redb");
    let used: Vec<usize> = (0..content.len()).filter(|place| content[*place] != 0).collect();
    let step = (used.len() / 1_000).max(1);
    for place in used.into_iter().step_by(step) {
        let mut damaged = content.clone();
        damaged[place] ^= 1 << (draw(3, place as u64) % 8);
        let disk = disk.after_kill();
        disk.set_content("store.redb", damaged);
        let Ok(opened) = open(Arc::new(disk), "instance-1", Check::Quick) else {
            continue;
        };
        // Never closed: the library writes its own bookkeeping when it is, and where that is damaged it may
        // panic twice at once, which ends the process. Nothing that was acknowledged is lost by it.
        let opened = Box::leak(Box::new(opened));
        opened.reader.runs(&Filter::default(), first_page()).err();
        for number in 0..2 {
            opened.reader.events(run_id(number), first_page()).err();
            opened.reader.items(run_id(number), FAN_OUT, Show::All, first_page()).err();
        }
        opened.reader.notifications(first_page()).err();
    }
}
