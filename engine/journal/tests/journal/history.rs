//! An undisturbed history: what people read, pages, loading ended runs, filing in any portion.

use std::sync::Arc;

use holdfast_contract::records::{Approval, ApprovalVerdict, Keep};
use holdfast_journal::commit::{Batch, CommitError};
use holdfast_journal::items::Show;
use holdfast_journal::query::{Filter, Found, Page, Reader};
use holdfast_journal::record::{ItemStatus, StoredDefinition};
use holdfast_kernel::event::Event;
use holdfast_kernel::failure::Class;
use holdfast_kernel::id::{Digest, Instant, ItemIndex};
use holdfast_kernel::reopen;
use holdfast_kernel::status::RunStatus;

use crate::host::{
    FAN_OUT, Host, Ledger, everything, first_page, request, run_id, stored_definition, verify,
};
use crate::memory::{Fault, Memory};

fn finished(runs: u64) -> (Memory, Host, Ledger) {
    let disk = Memory::new(Fault::None);
    let mut host = Host::open(Arc::new(disk.clone()), 5).unwrap();
    let mut ledger = Ledger::default();
    for number in 0..runs {
        host.submit(run_id(number), &mut ledger).unwrap();
    }
    host.finish(&mut ledger).unwrap();
    (disk, host, ledger)
}

#[test]
fn a_run_is_read_back_with_its_counts_errors_and_items() {
    let (_, host, ledger) = finished(2);
    verify(&host.opened, &ledger).unwrap();
    let reader = &host.opened.reader;
    let record = reader.run(run_id(1)).unwrap().unwrap();
    assert_eq!(record.status, RunStatus::Partial);
    assert_eq!((record.counts.total, record.counts.succeeded, record.counts.failed), (7, 6, 1));
    let [error] = record.errors.as_slice() else { panic!("{record:?}") };
    assert_eq!((error.step.as_deref(), error.class), (Some("copy"), Class::Permanent));
    assert!(record.finished_at > record.started_at);
    let not_ok = reader.items(run_id(1), FAN_OUT, Show::NotOk, first_page()).unwrap().unwrap();
    let [item] = not_ok.rows.as_slice() else { panic!("{not_ok:?}") };
    assert_eq!((item.index, item.status), (ItemIndex(1), ItemStatus::Failed));
    assert_eq!(item.key.as_deref(), Some("key 1"));
    assert_eq!(item.row.attempts, 1);
    assert_eq!(item.row.failure.as_ref().map(|failure| failure.class), Some(Class::Permanent));
}

#[test]
fn what_is_not_filed_yet_is_seen_all_the_same() {
    let disk = Memory::new(Fault::None);
    let mut host = Host::open(Arc::new(disk.clone()), 5).unwrap();
    let mut ledger = Ledger::default();
    host.submit(run_id(0), &mut ledger).unwrap();
    while host.turn(1, &mut ledger).unwrap() {
        verify(&host.opened, &ledger).unwrap();
    }
    let unfiled = everything(&host.opened);
    assert!(host.opened.writer.unfiled() > 5);
    let filed = host.opened.filer.file(usize::MAX).unwrap();
    assert_eq!((filed.left, host.opened.writer.unfiled()), (0, 0));
    assert_eq!(everything(&host.opened), unfiled);
}

#[test]
fn filing_twice_or_in_other_portions_gives_the_same() {
    let disk = Memory::new(Fault::None);
    let mut host = Host::open(Arc::new(disk.clone()), 5).unwrap();
    let mut ledger = Ledger::default();
    host.submit(run_id(0), &mut ledger).unwrap();
    while host.turn(1, &mut ledger).unwrap() {}
    let unfiled = disk.after_kill();
    let before = everything(&host.opened);
    while host.opened.filer.file(1).unwrap().left > 0 {}
    assert_eq!(everything(&host.opened), before);
    for again in [unfiled.after_kill(), unfiled.after_kill(), disk.after_kill()] {
        let host = Host::open(Arc::new(again), 5).unwrap();
        assert_eq!(everything(&host.opened), before);
        verify(&host.opened, &ledger).unwrap();
    }
}

#[test]
fn the_journal_holds_only_what_is_not_filed() {
    let (disk, mut host, mut ledger) = finished(1);
    host.opened.filer.file(usize::MAX).unwrap();
    let length = disk.content("journal.ring").len();
    for number in 1..60 {
        host.submit(run_id(number), &mut ledger).unwrap();
        host.finish(&mut ledger).unwrap();
        host.opened.filer.file(usize::MAX).unwrap();
    }
    assert_eq!(disk.content("journal.ring").len(), length, "it does not grow with history");
    let operations = |disk: &Memory| {
        let again = disk.after_kill();
        drop(Host::open(Arc::new(again.clone()), 5).unwrap());
        again.operations()
    };
    let after_sixty = operations(&disk);
    for number in 60..240 {
        host.submit(run_id(number), &mut ledger).unwrap();
        host.finish(&mut ledger).unwrap();
        host.opened.filer.file(usize::MAX).unwrap();
    }
    let after_many = operations(&disk);
    assert!(after_many < after_sixty + after_sixty / 4, "{after_many} against {after_sixty}");
}

#[test]
fn a_batch_without_anything_is_filed_too() {
    let (_, mut host, _) = finished(1);
    let next = host.opened.writer.next_sequence();
    host.opened.writer.commit(Batch::new(next, Instant(1 << 40))).unwrap();
    assert_eq!(host.opened.filer.file(usize::MAX).unwrap().through, next);
    assert_eq!(host.opened.writer.unfiled(), 0);
}

#[test]
fn one_commit_is_one_sync() {
    let disk = Memory::new(Fault::None);
    let mut host = Host::open(Arc::new(disk.clone()), 5).unwrap();
    let mut ledger = Ledger::default();
    let mut syncs = 0;
    for number in 0..200 {
        let before = disk.syncs();
        host.submit(run_id(number), &mut ledger).unwrap();
        syncs += disk.syncs() - before;
        if number % 10 == 0 {
            host.opened.filer.file(usize::MAX).unwrap();
        }
    }
    assert_eq!(syncs, 200, "also where the file grows");
}

#[test]
fn lists_of_runs_come_in_pages_whatever_the_filter() {
    let (_, mut host, mut ledger) = finished(7);
    host.submit(run_id(7), &mut ledger).unwrap();
    let reader = &host.opened.reader;
    let check = |filter: Filter, limit: usize, expect: &[u64]| {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = reader.runs(&filter, Page { after, limit }).unwrap();
            assert!(page.rows.len() <= limit);
            found.extend(page.rows.into_iter().map(|record| record.run));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let expect: Vec<_> = expect.iter().copied().map(run_id).collect();
        assert_eq!(found, expect, "{filter:?}");
    };
    let all = [7, 6, 5, 4, 3, 2, 1, 0];
    let named = |name: &str| Some(name.to_owned());
    for limit in [1, 2, 3, 100] {
        check(Filter::default(), limit, &all);
        check(Filter { workflow: named("copy"), ..Filter::default() }, limit, &all);
        check(Filter { workflow: named("other"), ..Filter::default() }, limit, &[]);
        let target = Filter { target: named("disk"), ..Filter::default() };
        check(target.clone(), limit, &all);
        check(Filter { statuses: vec![RunStatus::Queued], ..target.clone() }, limit, &[7]);
        check(Filter { statuses: vec![RunStatus::Failed], ..target.clone() }, limit, &[]);
        check(Filter { statuses: vec![RunStatus::Partial], ..target }, limit, &all[1..]);
        let since = reader.run(run_id(5)).unwrap().unwrap().created_at;
        check(Filter { since: Some(since), ..Filter::default() }, limit, &all[..3]);
    }
}

#[test]
fn a_run_is_found_by_the_beginning_of_its_id() {
    let (_, host, _) = finished(2);
    let reader = &host.opened.reader;
    let check =
        |text: &str, expect: Found| assert_eq!(reader.find(text).unwrap(), expect, "{text}");
    check("run_00000000-0000-0001", Found::One(run_id(1)));
    check("0000000000000001", Found::One(run_id(1)));
    check("run_0", Found::Several(vec![run_id(0), run_id(1)]));
    check("run_1", Found::None);
    check("run_00000000-0000-0001-0707-0707070707070", Found::None);
    check("hello", Found::None);
}

#[test]
fn an_ended_run_is_loaded_and_goes_on() {
    let (disk, mut host, mut ledger) = finished(1);
    host.opened.filer.file(usize::MAX).unwrap();
    let loaded = host.opened.reader.load(run_id(0)).unwrap().unwrap();
    let redo = reopen::plan(&loaded.definition, &loaded.state, reopen::Selection::All).unwrap();
    let mut batch = Batch::new(host.opened.writer.next_sequence(), Instant(1 << 40));
    batch.entries.push((run_id(0), vec![Event::RunReopened { by: "bob".to_owned(), redo }]));
    host.commit(batch, &mut ledger).unwrap();
    let record = host.opened.reader.run(run_id(0)).unwrap().unwrap();
    assert_eq!((record.status, record.reopened, record.finished_at), (RunStatus::Queued, 1, None));
    let latest = host.opened.reader.notifications(Page { after: None, limit: 1 }).unwrap();
    assert_eq!(latest.rows[0].text, "The workflow copy on disk was reopened by bob and is queued.");
    for disk in [disk.after_kill(), disk.after_kill().after_kill()] {
        let mut host = Host::open(Arc::new(disk), 5).unwrap();
        let mut ledger = ledger.clone();
        assert_eq!(host.runs.len(), 1, "it is active again");
        host.resume(&mut ledger).unwrap();
        host.finish(&mut ledger).unwrap();
        let record = host.opened.reader.run(run_id(0)).unwrap().unwrap();
        assert_eq!(record.status, RunStatus::Partial);
        let item = host.opened.reader.item(run_id(0), FAN_OUT, ItemIndex(1)).unwrap().unwrap();
        assert_eq!((item.row.attempts, item.epoch), (2, 1));
    }
}

#[test]
fn a_batch_that_does_not_fit_is_refused_and_harms_nothing() {
    let (disk, host, mut ledger) = finished(1);
    drop(host);
    let mut host = Host::open(Arc::new(disk), 5).unwrap();
    let next = host.opened.writer.next_sequence();
    let refused = host.opened.writer.commit(Batch::new(next + 1, Instant(1 << 40)));
    assert!(matches!(refused, Err(CommitError::OutOfSequence { .. })));
    let refused = host.opened.writer.commit(Batch::new(next, Instant(0)));
    assert!(matches!(refused, Err(CommitError::BackInTime)));
    let mut batch = Batch::new(next, Instant(1 << 40));
    let mut pinned = request(run_id(8));
    pinned.definition = Digest::of_bytes(b"another");
    batch.entries.push((run_id(8), vec![Event::RunQueued(Box::new(pinned))]));
    let refused = host.opened.writer.commit(batch.clone());
    assert!(matches!(refused, Err(CommitError::UnknownDefinition(_))), "{refused:?}");
    let empty = stored_definition().lowered.replace("\"steps\":[", "\"steps\":[],\"rest\":[");
    for lowered in ["{}", "no JSON", &empty] {
        let lowered = lowered.to_owned();
        let digest = Digest::of_bytes(lowered.as_bytes());
        batch.definitions = vec![StoredDefinition { digest, text: String::new(), lowered }];
        let refused = host.opened.writer.commit(batch.clone());
        assert!(matches!(refused, Err(CommitError::WrongDefinition { .. })), "{refused:?}");
    }
    batch.definitions = vec![StoredDefinition { text: String::new(), ..stored_definition() }];
    batch.definitions[0].lowered.push(' ');
    let refused = host.opened.writer.commit(batch);
    assert!(matches!(refused, Err(CommitError::WrongDefinition { .. })), "{refused:?}");
    host.submit(run_id(1), &mut ledger).unwrap();
    verify(&host.opened, &ledger).unwrap();
}

#[test]
fn a_long_run_is_opened_from_its_snapshot() {
    let disk = Memory::new(Fault::None);
    let mut host = Host::open(Arc::new(disk.clone()), 900).unwrap();
    let mut ledger = Ledger::default();
    host.submit(run_id(0), &mut ledger).unwrap();
    let mut reads = Vec::new();
    for turn in 0..700 {
        assert!(host.turn(1, &mut ledger).unwrap(), "it is not over yet");
        if turn % 5 == 0 {
            host.opened.filer.file(usize::MAX).unwrap();
        }
        if turn % 100 == 99 {
            host.opened.filer.file(usize::MAX).unwrap();
            let again = disk.after_kill();
            let opened = Host::open(Arc::new(again.clone()), 900).unwrap();
            assert_eq!(opened.runs, host.runs);
            reads.push(again.operations());
        }
    }
    let ledger_events = ledger.acknowledged[&run_id(0)].len();
    assert!(ledger_events > 1_400, "{ledger_events} events");
    assert!(reads[6] < reads[3], "after the snapshot there is less to read: {reads:?}");
    while host.turn(50, &mut ledger).unwrap() {}
    verify(&host.opened, &ledger).unwrap();
    let loaded = host.opened.reader.load(run_id(0)).unwrap().unwrap();
    assert_eq!(loaded.state, host.runs[&run_id(0)]);
}

#[test]
fn each_part_can_have_a_thread_of_its_own() {
    const fn moves<T: Send + 'static>() {}
    const fn is_shared<T: Send + Sync + Clone + 'static>() {}
    moves::<holdfast_journal::commit::Writer>();
    moves::<holdfast_journal::filer::Filer>();
    is_shared::<Reader>();
    is_shared::<Arc<holdfast_journal::payloads::Payloads>>();
}

#[test]
fn readers_see_a_steady_picture_while_records_are_committed_and_filed() {
    let disk = Memory::new(Fault::None);
    let mut host = Host::open(Arc::new(disk), 20).unwrap();
    let mut ledger = Ledger::default();
    host.submit(run_id(0), &mut ledger).unwrap();
    let reader = host.opened.reader.clone();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut ended = 0;
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                let counts = reader.run(run_id(0)).unwrap().unwrap().counts;
                assert!(counts.ended() >= ended, "what ended stays so");
                ended = counts.ended();
            }
            ended
        });
        let mut turns = 0_u32;
        while host.turn(1, &mut ledger).unwrap() {
            turns += 1;
            if turns.is_multiple_of(3) {
                host.opened.filer.file(2).unwrap();
            }
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        assert!(watching.join().unwrap() <= 22);
    });
    verify(&host.opened, &ledger).unwrap();
}

#[test]
fn of_two_words_on_a_plan_in_one_record_none_is_lost() {
    let (_, mut host, _) = finished(1);
    let word = |by: &str, verdict| {
        Keep::Approval(Approval {
            plan: "plan_1".to_owned(),
            by: by.to_owned(),
            verdict,
            comment: String::new(),
            at: Instant(0),
            run: None,
        })
    };
    let sequence = host.opened.writer.next_sequence();
    let mut batch = Batch::new(sequence, Instant(i64::MAX / 2));
    batch.kept =
        vec![word("ann", ApprovalVerdict::Rejected), word("bob", ApprovalVerdict::Approved)];
    host.opened.writer.commit(batch).unwrap();
    let plan = "plan_1";
    let by = |reader: &Reader| -> Vec<String> {
        reader.approvals(plan).unwrap().into_iter().map(|word| word.by).collect()
    };
    assert_eq!(by(&host.opened.reader), ["ann", "bob"]);
    host.opened.filer.file(100).unwrap();
    assert_eq!(by(&host.opened.reader), ["ann", "bob"]);
}
