//! A full disk, a withdrawn permit, a process that dies between two writes: nothing half-made is seen.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use holdfast_repository::{Fault, Permit, Refused, Repository, Writing};

use crate::kit::{PASSWORD, Scene, always, at, capture, noise, run, seal, unit};
use crate::sources::{Tree, file};

/// Fails the writes into a folder from the n-th write on.
fn full_disk(folder: &'static str, from: usize) -> Fault {
    Arc::new(move |writing: Writing| {
        let fails = writing.folder == folder && writing.before >= from;
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
fn a_full_disk_in_the_middle_of_a_capture_leaves_no_unit_and_it_goes_on_later() {
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
fn a_full_disk_in_the_middle_of_a_seal_leaves_no_set_and_the_units_stay() {
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
fn every_write_makes_its_name_durable_before_the_next_one() {
    // The folder is removed under the gate: only the sync after the write can notice.
    let scene = Scene::new();
    let folder = scene.path().join("index");
    let moved = scene.path().join("moved");
    let fault: Fault = Arc::new(move |writing: Writing| {
        if writing.folder == "index" && folder.is_dir() {
            std::fs::rename(&folder, &moved).unwrap();
            std::fs::write(&folder, "in the way").unwrap();
        }
        None
    });
    let refused = capture(&scene.faulty(fault), Tree::of([file("a", "x")]), run(1), "one");
    assert!(refused.is_err());
    assert_eq!(scene.snapshot_count(), 0);
}
