//! State directories of the first version: opened by this one, whatever interrupts that, and nothing of them is lost.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use holdfast_journal::database::Check;
use holdfast_journal::disk::Disk as _;
use holdfast_journal::query::{Filter, Page};
use holdfast_journal::resume::{Opened, open};

use crate::memory::{Fault, Left, Memory};

/// Unpacks a state directory that the first version wrote.
#[expect(clippy::disallowed_methods, reason = "a test unpacks with what every machine has")]
fn unpacked(name: &str, test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("former-{name}-{test}"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    let journals = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/journals");
    let archive = journals.join(format!("first-{name}.tar.gz"));
    let tar = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&folder).status();
    assert!(tar.unwrap().success(), "{}", archive.display());
    folder
}

/// A disk with the files of a folder, all durable.
fn disk_of(folder: &Path) -> Memory {
    let disk = Memory::new(Fault::None);
    let mut open = vec![folder.to_owned()];
    while let Some(here) = open.pop() {
        for entry in std::fs::read_dir(&here).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap();
            if path.is_dir() {
                disk.files().create_folder(name).unwrap();
                open.push(path);
                continue;
            }
            disk.files().append(name, &std::fs::read(&path).unwrap()).unwrap();
            disk.files().sync(name).unwrap();
        }
        disk.files().sync_folder(here.strip_prefix(folder).unwrap()).unwrap();
    }
    disk.files().sync_folder(Path::new("")).unwrap();
    disk.after_kill()
}

/// Every run with its status, and how many are active.
fn seen(opened: &Opened) -> (Vec<(String, &'static str)>, usize) {
    let page = Page { after: None, limit: 100 };
    let runs = opened.reader.runs(&Filter::default(), page).unwrap().rows;
    let runs = runs.iter().map(|run| (run.run.to_string(), run.status.word())).collect();
    (runs, opened.recovered.active.len())
}

fn opened(disk: &Memory, what: &str) -> Opened {
    let opened = open(Arc::new(disk.clone()), "another", Check::Full);
    opened.unwrap_or_else(|error| panic!("{what}: {error}"))
}

#[test]
fn a_journal_of_the_first_version_is_taken_over_whatever_interrupts_it() {
    let folder = unpacked("running", "taken");
    let whole = disk_of(&folder);
    let expect = seen(&opened(&whole, "undisturbed"));
    let statuses: Vec<&str> = expect.0.iter().map(|(_, status)| *status).collect();
    assert_eq!(statuses, ["running", "running", "failed", "partial", "succeeded"]);
    assert_eq!(expect.1, 2);
    assert!(!whole.has("journal.redb") && whole.has("journal.ring"));

    for operation in 0..whole.operations() {
        let disk = disk_of(&folder);
        disk.set_fault(Fault::DeadFrom(operation));
        drop(open(Arc::new(disk.clone()), "another", Check::Full));
        disk.set_fault(Fault::None);
        for (what, left) in [
            ("killed", disk.after_kill()),
            ("powered off", disk.after_power_loss(Left::Nothing)),
            ("powered off", disk.after_power_loss(Left::Some(operation))),
        ] {
            let what = format!("{what} at {operation}");
            assert_eq!(seen(&opened(&left, &what)), expect, "{what}");
            assert!(!left.has("journal.redb"), "{what}");
        }
    }
}

#[test]
fn a_state_of_the_first_version_whose_runs_have_ended_is_read() {
    let disk = disk_of(&unpacked("ended", "read"));
    let (runs, active) = seen(&opened(&disk, "ended"));
    let statuses: Vec<&str> = runs.iter().map(|(_, status)| *status).collect();
    assert_eq!(statuses, ["failed", "partial", "succeeded"]);
    assert_eq!(active, 0);
}

#[test]
fn a_former_journal_that_is_damaged_or_of_another_state_is_refused_and_stays() {
    let (ended, running) = (unpacked("ended", "refused"), unpacked("running", "refused"));
    let disk = disk_of(&running);
    let other = std::fs::read(ended.join("journal.redb")).unwrap();
    disk.files().truncate(Path::new("journal.redb"), 0).unwrap();
    disk.files().append(Path::new("journal.redb"), &other).unwrap();
    // It is of the same state, and lacks what was acknowledged since.
    let refused = open(Arc::new(disk.clone()), "another", Check::Full).unwrap_err().to_string();
    assert!(refused.contains("lacks record"), "{refused}");
    assert!(disk.has("journal.redb"), "nothing goes before all of it was taken over");
    let half = &other[..other.len() / 2];
    let disk = disk_of(&running);
    disk.files().truncate(Path::new("journal.redb"), 0).unwrap();
    disk.files().append(Path::new("journal.redb"), half).unwrap();
    assert!(open(Arc::new(disk.clone()), "another", Check::Full).is_err());
    assert!(disk.has("journal.redb"));
}
