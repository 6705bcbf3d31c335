//! A real tree goes into the repository and comes back the same, through restic and through us.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, symlink};
use std::sync::Arc;

use holdfast_contract::entry::{EntrySource, Found};
use holdfast_contract::provider::Provider as _;
use holdfast_contract::unit::Range;
use holdfast_files::FilesTarget;
use holdfast_kernel::id::{EffectKey, Instant, RunId};
use holdfast_repository::backup_set::Completeness;
use holdfast_repository::unit::{FILES, Origin, UnitRequest};
use holdfast_repository::verify::ReadShare;

use crate::compare::same;
use crate::kit::{Scene, age, always, everything};

#[test]
fn inv_10_a_tree_with_everything_comes_back_the_same() {
    for entries in [3, 10_000] {
        let scene = Scene::new();
        everything(&scene);
        let target = scene.target();
        let (sealed, units) = scene.back_up(&target, 1, entries, None);
        for unit in &units {
            assert_eq!(unit.left_out, []);
        }
        assert_eq!(units.len() == 1, entries == 10_000);
        assert_eq!(sealed.set.completeness, Completeness::Complete);
        assert!(scene.restic(&["check", "--read-data"]).contains("no errors were found"));
        same(&scene.root, &scene.restore(&sealed));
        let exported = scene.export(&sealed);
        same(&scene.root, &exported);
        let stored = exported.join("sparse").metadata().unwrap().blocks() * 512;
        assert!(stored <= 8192, "{stored} bytes for a file of one block");
        let verified = scene.repository.verify(&sealed.set.id, ReadShare::ALL, &always());
        assert_eq!(verified.unwrap().damaged, []);
    }
}

#[test]
fn the_second_set_reads_what_changed_and_gives_every_change() {
    let scene = Scene::new();
    everything(&scene);
    let target = scene.target();
    let (first, _) = scene.back_up(&target, 1, 7, None);
    let before = scene.export(&first);

    scene.write("plain.txt", b"HELLO");
    fs::remove_file(scene.root.join("d.txt")).unwrap();
    fs::rename(scene.root.join("deep"), scene.root.join("moved")).unwrap();
    scene.write("new/file", b"new");
    fs::remove_file(scene.root.join("big")).unwrap();
    symlink("was a file", scene.root.join("big")).unwrap();
    let (second, units) = scene.back_up(&target, 2, 5, Some(&first.set.id));
    assert!(units.iter().all(|unit| unit.left_out.is_empty()));
    same(&scene.root, &scene.restore(&second));
    same(&scene.root, &scene.export(&second));
    same(&before, &scene.restore(&first));
    scene.restic(&["check", "--read-data"]);
}

#[test]
fn a_swapped_file_with_the_same_size_and_time_is_read() {
    let scene = Scene::new();
    let path = scene.write("a", b"one");
    age(&path);
    let target = scene.target();
    let (first, _) = scene.back_up(&target, 1, 10, None);
    fs::remove_file(&path).unwrap();
    scene.write("a", b"two");
    age(&path);
    let (second, _) = scene.back_up(&target, 2, 10, Some(&first.set.id));
    same(&scene.root, &scene.export(&second));
}

#[test]
fn units_that_are_captured_at_once_become_one_set() {
    let scene = Scene::new();
    everything(&scene);
    let target = scene.target();
    let units = target.inventory_cut(&|| true, 4, 1 << 30).unwrap().units;
    let run = RunId::from_bytes([1; 16]);
    std::thread::scope(|scope| {
        for unit in &units {
            let (scene, target) = (&scene, &target);
            scope.spawn(move || {
                let request = UnitRequest {
                    bounds: target.bounds(),
                    run,
                    effect: EffectKey::of(run, "capture", Some(&unit.key()), 0),
                    at: Instant(1_772_323_200_000_000),
                    area: FILES,
                    source: Arc::new(target.source(unit.range.clone())),
                    previous: None,
                };
                scene.repository.capture_unit(&request, &always()).unwrap();
            });
        }
    });
    let (sealed, found) = scene.back_up(&target, 1, 4, None);
    assert!(found.len() > 5 && found.iter().all(|unit| unit.origin == Origin::Found));
    same(&scene.root, &scene.restore(&sealed));
    scene.restic(&["check", "--read-data"]);
}

/// Changes a file while it is read, `times` times at most.
struct Growing {
    inner: holdfast_files::capture::UnitSource,
    path: std::path::PathBuf,
    times: Arc<std::sync::atomic::AtomicUsize>,
    by: Change,
}

#[derive(Clone, Copy)]
enum Change {
    Grow,
    Shrink,
    Remove,
}

impl Growing {
    fn change(&self) {
        use std::sync::atomic::Ordering;
        let left =
            self.times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if left.is_err() {
            return;
        }
        let Ok(file) = File::options().write(true).open(&self.path) else {
            return;
        };
        let size = file.metadata().unwrap().len();
        match self.by {
            Change::Grow => file.write_all_at(b"more", size).unwrap(),
            Change::Shrink => file.set_len(size - 1).unwrap(),
            Change::Remove => fs::remove_file(&self.path).unwrap(),
        }
    }
}

impl EntrySource for Growing {
    fn entries(&self) -> Box<dyn Iterator<Item = Found> + Send> {
        // All entries have been looked at before the change.
        let entries: Vec<_> = self.inner.entries().collect();
        self.change();
        Box::new(entries.into_iter())
    }

    fn again(&self, path: &[u8]) -> Found {
        let found = self.inner.again(path);
        self.change();
        found
    }
}

fn check_changing(by: Change, times: usize, listed: &[&str]) {
    let scene = Scene::new();
    scene.write("a", b"steady");
    let path = scene.write("b", b"moving about");
    let target = scene.target();
    let source = Growing {
        inner: target.source(Range::default()),
        path,
        times: Arc::new(std::sync::atomic::AtomicUsize::new(times)),
        by,
    };
    let run = RunId::from_bytes([9; 16]);
    let effect = EffectKey::of(run, "capture", None, 0);
    let request = UnitRequest {
        bounds: target.bounds(),
        run,
        effect,
        at: Instant(0),
        area: FILES,
        source: Arc::new(source),
        previous: None,
    };
    let summary = scene.repository.capture_unit(&request, &always()).unwrap();
    let lines = holdfast_repository::export::lines(&summary.left_out);
    assert_eq!(lines, listed, "{times} times");
    scene.restic(&["check", "--read-data"]);
    let to = scene.home.path().join("out");
    scene.restic(&["restore", &summary.snapshot, "--target", to.to_str().unwrap()]);
    assert_eq!(fs::read(to.join("files/a")).unwrap(), b"steady");
    let kept = fs::read(to.join("files/b")).ok();
    let whole =
        kept.is_none_or(|kept| b"moving aboutmoremore".starts_with(&kept) && !kept.is_empty());
    assert!(whole, "a state that never was");
}

#[test]
fn a_file_that_changes_under_the_reader_is_read_again_or_listed() {
    check_changing(Change::Grow, 1, &[]);
    check_changing(Change::Shrink, 1, &[]);
    check_changing(Change::Grow, 2, &["b: it was changed while it was read"]);
    let gone = ["b: it was changed while it was read and is not kept"];
    check_changing(Change::Shrink, 2, &gone);
    check_changing(Change::Remove, 1, &["b: No such file or directory (os error 2)"]);
}

#[test]
fn what_a_rule_keeps_out_is_listed_once_and_not_kept() {
    let scene = Scene::new();
    scene.write("kept/a", b"a");
    scene.write("state/journal", b"ours");
    scene.write("key", b"secret");
    scene.write("skipped/x.tmp", b"tmp");
    let mut settings = scene.settings();
    settings.never =
        vec![scene.root.join("state"), scene.root.join("key"), scene.root.join("later")];
    settings.exclude = vec!["**/*.tmp".to_owned()];
    let target = FilesTarget::open(&settings).unwrap();
    let inventory = target.inventory_of(&|| true).unwrap();
    let ruled = holdfast_repository::export::lines(&inventory.ruled);
    assert_eq!(ruled, ["key: holdfast keeps it for itself", "state: holdfast keeps it for itself"]);
    let (sealed, _) = scene.back_up(&target, 1, 1, None);
    assert_eq!(sealed.set.completeness, Completeness::Complete);
    let open = scene.repository.open_set(&sealed.set.id).unwrap();
    let paths: Vec<_> = open
        .walk(b"files")
        .unwrap()
        .map(|entry| String::from_utf8(entry.unwrap().path).unwrap())
        .collect();
    assert_eq!(paths, ["files", "files/kept", "files/kept/a", "files/skipped"]);
}
