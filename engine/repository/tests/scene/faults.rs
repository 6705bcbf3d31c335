//! A full disk, a withdrawn permit, a process that dies between two writes: nothing half-made is seen.

use std::io;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use holdfast_repository::{Fault, Permit, Refused, Repository, Step, Writing};

use crate::kit::{PASSWORD, Scene, always, at, capture, noise, run, seal, unit};
use crate::sources::{Tree, file};

/// Fails the writes into a folder from the n-th write on.
fn full_disk(folder: &'static str, from: usize) -> Fault {
    Arc::new(move |writing: Writing| {
        let is_file = writing.step == Step::File;
        let fails = is_file && writing.folder == folder && writing.before >= from;
        fails.then(|| io::Error::from_raw_os_error(28))
    })
}

fn large() -> Tree {
    Tree::of([
        file("a", noise(1, 20_000_000)),
        file("b", noise(2, 20_000_000)),
        file("c", noise(3, 20_000_000)),
    ])
}

fn data_bytes(scene: &Scene) -> u64 {
    let folders = std::fs::read_dir(scene.path().join("data")).unwrap();
    folders
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum()
}

#[test]
fn inv_15_a_full_disk_in_the_middle_of_a_capture_leaves_no_unit_and_it_goes_on_later() {
    for (folder, from) in [("data", 0), ("data", 2), ("index", 0), ("snapshots", 0)] {
        let scene = Scene::new();
        let faulty = scene.faulty(full_disk(folder, from));
        let refused = capture(&faulty, large(), run(1), "one").unwrap_err();
        assert!(matches!(refused, Refused::DiskFull), "{folder} {from}: {refused}");
        assert_eq!(scene.snapshot_count(), 0, "{folder} {from}");
        scene.restic_ok(&["check", "--read-data"]);
        let summary = capture(&scene.repository, large(), run(1), "one").unwrap();
        assert_eq!(summary.counts.bytes, 60_000_000);
        let sealed = seal(&scene.repository, run(1), &["one"]).unwrap();
        let root = scene.restore(&sealed).join("files");
        assert_eq!(std::fs::read(root.join("c")).unwrap(), noise(3, 20_000_000));
    }
}

#[test]
fn inv_15_a_full_disk_in_the_middle_of_a_seal_leaves_no_set_and_the_units_stay() {
    for (folder, from) in [("data", 0), ("data", 1), ("index", 0), ("index", 2), ("snapshots", 0)] {
        let scene = Scene::new();
        capture(&scene.repository, Tree::of([file("a/x", "1")]), run(1), "one").unwrap();
        capture(&scene.repository, Tree::of([file("a/y", "2")]), run(1), "two").unwrap();
        let faulty = scene.faulty(full_disk(folder, from));
        let refused = seal(&faulty, run(1), &["one", "two"]).unwrap_err();
        assert!(matches!(refused, Refused::DiskFull), "{folder} {from}: {refused}");
        assert_eq!(scene.repository.sets().unwrap(), []);
        assert_eq!(scene.snapshot_count(), 2);
        seal(&scene.repository, run(1), &["one", "two"]).unwrap();
        scene.check();
    }
}

#[test]
fn a_withdrawn_permit_stops_a_capture_and_nothing_is_kept() {
    for allowed in [0, 1, 40, 400] {
        let scene = Scene::new();
        let asked = AtomicUsize::new(0);
        let permit: Permit = Arc::new(move || asked.fetch_add(1, Ordering::SeqCst) < allowed);
        let request = unit(large(), run(1), "one");
        let refused = scene.repository.capture_unit(&request, &permit).unwrap_err();
        assert!(matches!(refused, Refused::Cancelled), "{allowed}: {refused}");
        assert_eq!(scene.snapshot_count(), 0);
    }
}

#[test]
fn nothing_is_written_after_the_permit_was_withdrawn() {
    let scene = Scene::new();
    let (allowed, late) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (withdraw, seen) = (Arc::clone(&allowed), Arc::clone(&late));
    let fault: Fault = Arc::new(move |writing: Writing| {
        let was_allowed = withdraw.swap(false, Ordering::SeqCst);
        if writing.step == Step::File && !was_allowed {
            seen.fetch_add(1, Ordering::SeqCst);
        }
        None
    });
    let permit: Permit = Arc::new(move || allowed.load(Ordering::SeqCst));
    let request = unit(large(), run(1), "one");
    let refused = scene.faulty(fault).capture_unit(&request, &permit).unwrap_err();
    assert!(matches!(refused, Refused::Cancelled), "{refused}");
    assert_eq!(late.load(Ordering::SeqCst), 0);
}

#[test]
fn packs_of_a_dead_process_are_found_again_after_reclaiming() {
    let scene = Scene::new();
    let faulty = scene.faulty(full_disk("index", 0));
    capture(&faulty, large(), run(1), "one").unwrap_err();
    let orphaned = data_bytes(&scene);
    assert!(orphaned > 60_000_000, "{orphaned}");
    let half = scene.path().join("data/00/abc-tmp-");
    std::fs::write(&half, "half").unwrap();

    let other = Repository::open(scene.path(), PASSWORD).unwrap();
    other.reclaim(at(0), &always()).unwrap();
    assert!(!half.exists());
    capture(&other, large(), run(1), "one").unwrap();
    let grown = data_bytes(&scene) - orphaned;
    assert!(grown < 100_000, "{grown} bytes were written again");
    seal(&other, run(1), &["one"]).unwrap();
    scene.check();
}

#[test]
fn a_killed_capture_is_done_again_and_everything_is_whole() {
    const CHILD: &str = "HOLDFAST_TEST_REPOSITORY";
    if let Some(path) = std::env::var_os(CHILD) {
        let repository = Repository::open(path.as_ref(), PASSWORD).unwrap();
        capture(&repository, large(), run(1), "one").unwrap();
        return;
    }
    for packs in [1, 4] {
        let scene = Scene::new();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "faults::a_killed_capture_is_done_again_and_everything_is_whole"])
            .env(CHILD, scene.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let data = scene.path().join("data");
        while crate::damage::files(&data).len() < packs && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        let killed = !child.wait().unwrap().success();
        assert!(killed, "it was killed before it was done");
        assert_eq!(scene.snapshot_count(), 0);

        let repository = Repository::open(scene.path(), PASSWORD).unwrap();
        repository.reclaim(at(0), &always()).unwrap();
        capture(&repository, large(), run(1), "one").unwrap();
        let sealed = seal(&repository, run(1), &["one"]).unwrap();
        scene.check();
        let root = scene.restore(&sealed).join("files");
        assert_eq!(std::fs::read(root.join("a")).unwrap(), noise(1, 20_000_000));
    }
}

#[test]
fn every_write_makes_its_name_durable_before_the_next_one() {
    let scene = Scene::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let fault: Fault = Arc::new(move |writing: Writing| {
        log.lock().unwrap().push((writing.folder, writing.step));
        None
    });
    let repository = scene.faulty(fault);
    capture(&repository, Tree::of([file("a", "x")]), run(1), "one").unwrap();
    seal(&repository, run(1), &["one"]).unwrap();
    let seen = seen.lock().unwrap();
    for folder in ["data", "index", "snapshots"] {
        let count = |step| seen.iter().filter(|one| **one == (folder, step)).count();
        let written = count(Step::File);
        assert!(written > 0, "{folder}");
        // A removal is synced too.
        assert!(count(Step::Folder) >= written, "{folder}: {seen:?}");
    }
}

#[test]
fn a_folder_that_cannot_be_synced_refuses_the_capture() {
    for folder in ["data", "index", "snapshots"] {
        let scene = Scene::new();
        let fault: Fault = Arc::new(move |writing: Writing| {
            let fails = writing.folder == folder && writing.step == Step::Folder;
            fails.then(|| io::Error::from_raw_os_error(5))
        });
        let faulty = scene.faulty(fault);
        let refused = capture(&faulty, Tree::of([file("a", "x")]), run(1), "one").unwrap_err();
        assert!(matches!(refused, Refused::Io { .. }), "{refused}");
    }
}

#[test]
fn a_pack_that_does_not_hold_what_was_written_refuses_the_capture() {
    let scene = Scene::new();
    let data = scene.path().join("data");
    let done = AtomicBool::new(false);
    // Only the first pack, which has content: the trees stay readable.
    let fault: Fault = Arc::new(move |writing: Writing| {
        let is_pack = writing.folder == "data" && writing.step == Step::Folder;
        if is_pack && !done.swap(true, Ordering::SeqCst) {
            for pack in crate::damage::files(&data) {
                crate::damage::change(&pack, |bytes| bytes[20] ^= 1);
            }
        }
        None
    });
    let refused = capture(&scene.faulty(fault), large(), run(1), "one").unwrap_err();
    assert!(matches!(refused, Refused::Damaged { .. }), "{refused}");
    assert_eq!(scene.snapshot_count(), 0);
}

#[test]
fn an_open_repository_needs_neither_its_password_nor_its_key_file() {
    let scene = Scene::new();
    std::fs::remove_dir_all(scene.path().join("keys")).unwrap();
    capture(&scene.repository, Tree::of([file("a", "x")]), run(1), "one").unwrap();
    seal(&scene.repository, run(1), &["one"]).unwrap();
}

#[test]
fn a_derived_key_survives_a_change_of_password() {
    let scene = Scene::new();
    let before = scene.repository.derived_key("bodies");
    assert_ne!(before, scene.repository.derived_key("other"));
    std::fs::write(scene.home.path().join("new"), "new password").unwrap();
    let new = scene.home.path().join("new");
    scene.restic_ok(&["key", "passwd", "--new-password-file", new.to_str().unwrap()]);
    assert!(matches!(Repository::open(scene.path(), PASSWORD), Err(Refused::WrongPassword { .. })));
    let after = Repository::open(scene.path(), "new password").unwrap();
    assert_eq!(after.derived_key("bodies"), before);
}
