//! A restore applies exactly what was compared: whole, in conflict, killed at every point, attacked.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use holdfast_actions::repositories::KeptSet;
use holdfast_contract::plan::{Change, OtherName, Sort};
use holdfast_contract::provider::{
    Applied, Applying, Begun, Comparing, Extra, Found, Kept, Made, Provider as _,
};
use holdfast_contract::unit::{Range, Unit};
use holdfast_files::{Fate, Fault, FilesTarget, Settings};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{Digest, EffectKey};
use holdfast_repository::backup_set::SetId;

use crate::attempts::{InMemory, Said, at_once, attempt};
use crate::compare::same;
use crate::kit::{Scene, everything};

/// The set of a tree, and a copy of the tree as it was.
struct Kit {
    scene: Scene,
    set: SetId,
    before: PathBuf,
}

impl Kit {
    fn new(tree: impl FnOnce(&Scene)) -> Self {
        let scene = Scene::new();
        tree(&scene);
        let (sealed, _) = scene.back_up(&scene.target(), 1, 7, None);
        let before = scene.home.path().join("before");
        copy(&scene.root, &before);
        Self { scene, set: sealed.set.id, before }
    }

    fn kept(&self) -> Arc<dyn Kept> {
        Arc::new(KeptSet { open: self.scene.repository.open_set(&self.set).unwrap() })
    }

    /// The root as it was before the test did anything to it.
    fn reset(&self, to: &Path) {
        fs::remove_dir_all(&self.scene.root).unwrap();
        copy(to, &self.scene.root);
    }
}

/// A faithful copy by the system's own tool.
fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success());
}

/// Every change of a comparison in its order, the names of one file together.
fn compare(target: &FilesTarget, kept: &Arc<dyn Kept>, how: &Comparing) -> Vec<Change> {
    let said = Arc::default();
    let list = InMemory::default();
    let whole = Unit { range: Range::default(), entries: 0, bytes: 0 }.item();
    let out = Box::new(list.clone());
    at_once(target.compare(&attempt(&said), &whole, Arc::clone(kept), how, out)).unwrap();
    let mut changes: Vec<Change> = Vec::new();
    let mut files: BTreeMap<(u64, u64), Vec<Change>> = BTreeMap::new();
    for value in list.0.lock().unwrap().iter() {
        let change = Change::from_value(value).unwrap();
        match change.linked {
            Some(file) => files.entry(file).or_default().push(change),
            None => changes.push(change),
        }
    }
    for names in files.into_values() {
        if names.iter().all(|name| name.sort == Sort::None) {
            continue;
        }
        let mut names = names.into_iter();
        let mut whole = names.next().unwrap();
        whole.sort = Sort::Update;
        whole.names =
            names.map(|name| OtherName { path: name.path.unwrap(), live: name.live }).collect();
        changes.push(whole);
    }
    changes.sort_by_key(|change| change.stage);
    changes
}

fn everything_and(extra: Extra) -> Comparing {
    Comparing { names: Vec::new(), extra }
}

fn applying(change: &Change, begun: Begun) -> Applying {
    let effect = EffectKey::of_plan(Digest::of_bytes(b"plan"), &change.key);
    Applying { change: change.clone(), effect, begun }
}

/// Applies changes stage by stage.
fn apply(
    target: &FilesTarget,
    kept: &Arc<dyn Kept>,
    changes: &[Change],
    begun: Begun,
) -> (Vec<Result<Applied, Failure>>, Vec<String>) {
    let said = Arc::<Said>::default();
    let ends = changes.chunk_by(|a, b| a.stage == b.stage).flat_map(|stage| {
        let stage = stage.iter().map(|change| applying(change, begun)).collect();
        at_once(target.apply(&attempt(&said), stage, Arc::clone(kept)))
    });
    let ends = ends.collect();
    let said = said.0.lock().unwrap().clone();
    (ends, said)
}

fn made(ends: &[Result<Applied, Failure>], expect: Made) {
    for end in ends {
        assert_eq!(end.as_ref().unwrap().made, expect, "{ends:#?}");
    }
}

/// Damage of every sort.
fn damage(root: &Path) {
    fs::write(root.join("plain.txt"), "overwritten").unwrap();
    fs::remove_dir_all(root.join("deep")).unwrap();
    fs::remove_file(root.join("d.txt")).unwrap();
    fs::create_dir_all(root.join("d.txt/now/a/folder")).unwrap();
    fs::remove_file(root.join("sparse")).unwrap();
    symlink("/etc/passwd", root.join("sparse")).unwrap();
    fs::remove_dir_all(root.join("empty")).unwrap();
    fs::write(root.join("empty"), "a file where a folder was").unwrap();
    fs::remove_file(root.join("link")).unwrap();
    fs::remove_file(root.join("d/second name")).unwrap();
    fs::remove_file(root.join("pipe")).unwrap();
    fs::set_permissions(root.join("special"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(root.join("d"), fs::Permissions::from_mode(0o711)).unwrap();
    fs::write(root.join("extra"), "not in the set").unwrap();
    fs::create_dir_all(root.join("extra folder/in it")).unwrap();
    fs::write(root.join("extra folder/in it/file"), "nor this").unwrap();
}

#[test]
fn inv_08_a_restore_makes_of_any_damage_exactly_what_was_kept() {
    let kit = Kit::new(everything);
    let (target, kept) = (kit.scene.target(), kit.kept());
    damage(&kit.scene.root);
    let changes = compare(&target, &kept, &everything_and(Extra::Delete));
    let (ends, _) = apply(&target, &kept, &changes, Begun::No);
    made(&ends, Made::Changed);
    same(&kit.before, &kit.scene.root);
    let (ends, _) = apply(&target, &kept, &changes, Begun::No);
    made(&ends, Made::Unchanged);
    assert_eq!(compare(&target, &kept, &everything_and(Extra::Delete)), []);
}

#[test]
fn what_the_set_does_not_have_stays_unless_its_removal_is_asked_for() {
    let kit = Kit::new(everything);
    let (target, kept) = (kit.scene.target(), kit.kept());
    damage(&kit.scene.root);
    let changes = compare(&target, &kept, &everything_and(Extra::Keep));
    assert!(changes.iter().all(|change| change.sort != Sort::Delete));
    let blocked: Vec<_> = changes.iter().filter(|change| change.sort == Sort::Blocked).collect();
    assert_eq!(blocked.iter().map(|change| change.key.as_str()).collect::<Vec<_>>(), ["d.txt"]);
    let (ends, _) = apply(&target, &kept, &changes, Begun::No);
    let failed: Vec<_> = ends.iter().filter_map(|end| end.as_ref().err()).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(kit.scene.root.join("extra folder/in it/file").exists());
    assert!(kit.scene.root.join("d.txt/now/a/folder").is_dir());
    assert_eq!(fs::read(kit.scene.root.join("plain.txt")).unwrap(), b"hello");
}

#[test]
fn only_the_names_that_were_asked_for_are_compared_with_the_folders_that_lead_to_them() {
    let kit = Kit::new(everything);
    let (target, kept) = (kit.scene.target(), kit.kept());
    damage(&kit.scene.root);
    let keys = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let how = Comparing { names, extra: Extra::Delete };
        let mut keys: Vec<_> =
            compare(&target, &kept, &how).into_iter().map(|change| change.key).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&["special"]), ["special"]);
    assert_eq!(
        keys(&["deep/er/and/deeper"]),
        ["deep", "deep/er", "deep/er/and", "deep/er/and/deeper", "deep/er/and/deeper/file"]
    );
    assert_eq!(
        keys(&["extra*"]),
        ["extra", "extra folder", "extra folder/in it", "extra folder/in it/file"]
    );
    assert_eq!(keys(&["missing"]), Vec::<String>::new());
}

#[test]
fn inv_08_what_was_changed_since_is_left_as_it_is_and_listed() {
    let kit = Kit::new(everything);
    let (target, kept) = (kit.scene.target(), kit.kept());
    let root = &kit.scene.root;
    damage(root);
    let changes = compare(&target, &kept, &everything_and(Extra::Delete));
    fs::write(root.join("plain.txt"), "changed after the preview").unwrap();
    fs::write(root.join("link"), "made after the preview").unwrap();
    fs::write(root.join("extra"), "changed after the preview").unwrap();
    fs::write(root.join("extra folder/late"), "made after the preview").unwrap();
    let folder_time = fs::metadata(root.join("extra folder")).unwrap().mtime_nsec();
    let (ends, _) = apply(&target, &kept, &changes, Begun::No);
    let mut conflicts = Vec::new();
    for (change, end) in changes.iter().zip(&ends) {
        if let Err(failure) = end {
            assert_eq!(failure.class, Class::Conflict, "{}: {failure}", change.key);
            conflicts.push(change.key.as_str());
        }
    }
    conflicts.sort_unstable();
    // The names of one file are one change: none of them is touched.
    assert_eq!(conflicts, ["d/second name", "extra", "extra folder", "link"]);
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    assert_eq!(read("plain.txt"), "changed after the preview");
    assert_eq!(read("link"), "made after the preview");
    assert_eq!(read("extra"), "changed after the preview");
    assert_eq!(read("extra folder/late"), "made after the preview");
    assert!(!root.join("d/second name").exists());
    assert_ne!(folder_time, -1);
    assert_eq!(read("deep/er/and/deeper/file"), "down here");
    nothing_beside(root);
}

#[test]
fn inv_09_a_comparison_writes_nothing() {
    let kit = Kit::new(everything);
    damage(&kit.scene.root);
    let state = |root: &Path| {
        crate::compare::read(root)
            .keys()
            .map(|path| {
                let metadata = root.join(path).symlink_metadata().unwrap();
                (path.clone(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
            })
            .collect::<Vec<_>>()
    };
    let before = state(&kit.scene.root);
    compare(&kit.scene.target(), &kit.kept(), &everything_and(Extra::Delete));
    assert_eq!(state(&kit.scene.root), before);
}

#[test]
fn where_names_cannot_be_exchanged_the_restore_is_the_same_and_says_so() {
    let kit = Kit::new(everything);
    damage(&kit.scene.root);
    let fault = Some(Fault(Arc::new(|| Fate::PlainRenames)));
    let target = FilesTarget::open(&Settings { fault, ..kit.scene.settings() }).unwrap();
    let kept = kit.kept();
    let changes = compare(&target, &kept, &everything_and(Extra::Delete));
    let (ends, said) = apply(&target, &kept, &changes, Begun::No);
    made(&ends, Made::Changed);
    assert!(said.iter().any(|line| line.contains("are not one step")), "{said:?}");
    same(&kit.before, &kit.scene.root);
}

#[test]
fn nothing_is_written_through_a_link_that_appeared_after_the_preview() {
    let kit = Kit::new(everything);
    let (target, kept) = (kit.scene.target(), kit.kept());
    let root = &kit.scene.root;
    fs::remove_file(root.join("d/x")).unwrap();
    let changes = compare(&target, &kept, &everything_and(Extra::Keep));
    let outside = kit.scene.home.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::rename(root.join("d"), root.join("moved")).unwrap();
    symlink("../outside", root.join("d")).unwrap();
    let (ends, _) = apply(&target, &kept, &changes, Begun::No);
    assert!(ends.iter().all(Result::is_err), "{ends:?}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn nothing_is_written_where_holdfast_keeps_its_own() {
    let kit = Kit::new(everything);
    let root = &kit.scene.root;
    fs::remove_file(root.join("d/x")).unwrap();
    let kept = kit.kept();
    let changes = compare(&kit.scene.target(), &kept, &everything_and(Extra::Keep));
    let never = vec![root.join("d")];
    let target = FilesTarget::open(&Settings { never, ..kit.scene.settings() }).unwrap();
    let (ends, _) = apply(&target, &kept, &changes, Begun::No);
    assert!(ends.iter().all(|end| end.as_ref().is_err_and(|f| f.class == Class::Invalid)));
    assert!(!root.join("d/x").exists());
    let blocked = compare(&target, &kept, &everything_and(Extra::Delete));
    assert!(blocked.iter().all(|change| change.sort == Sort::Blocked), "{blocked:#?}");
}

/// Dies at the `nth` call that changes something, and says whether it came that far.
fn dying_at(nth: usize) -> (Fault, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let fault = Fault(Arc::new(move || {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        if call < nth { Fate::Alive } else { Fate::Dead }
    }));
    (fault, calls)
}

/// Somebody writes a file before the call `write_at`, if they can, and holdfast dies at the call `die_at`: the fault, and
/// whether they could.
fn written_around(
    (write_at, die_at): (usize, usize),
    path: PathBuf,
    text: &'static str,
) -> (Fault, Arc<AtomicBool>) {
    let (calls, wrote) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
    let told = Arc::clone(&wrote);
    let fault = Fault(Arc::new(move || {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        if call == write_at {
            told.store(fs::write(&path, text).is_ok(), Ordering::SeqCst);
        }
        if call < die_at { Fate::Alive } else { Fate::Dead }
    }));
    (fault, wrote)
}

/// After a death: asks about every change, and applies those that are not made.
fn recover(target: &FilesTarget, kept: &Arc<dyn Kept>, changes: &[Change]) {
    let said = Arc::<Said>::default();
    let absent: Vec<Change> = changes
        .iter()
        .filter(|change| {
            let begun = applying(change, Begun::Yes);
            let found = at_once(target.probe(&attempt(&said), begun, Arc::clone(kept)));
            found.unwrap() == Found::Absent
        })
        .cloned()
        .collect();
    apply(target, kept, &absent, Begun::Yes);
}

fn nothing_beside(root: &Path) {
    let left = crate::compare::read(root).into_keys();
    let left: Vec<_> = left.filter(|path| path.to_string_lossy().contains(".holdfast-")).collect();
    assert_eq!(left, Vec::<PathBuf>::new());
}

/// Kills a restore before every call that changes something, lets `meanwhile` happen, recovers, and checks.
fn killed_everywhere(kit: &Kit, meanwhile: impl Fn(&Path), check: impl Fn(usize, &Path)) -> usize {
    let root = &kit.scene.root;
    let damaged = kit.scene.home.path().join("damaged");
    copy(root, &damaged);
    let kept = kit.kept();
    let changes = compare(&kit.scene.target(), &kept, &everything_and(Extra::Delete));
    for nth in 0.. {
        kit.reset(&damaged);
        let (fault, calls) = dying_at(nth);
        let dying = Settings { fault: Some(fault), ..kit.scene.settings() };
        let dying = FilesTarget::open(&dying).unwrap();
        apply(&dying, &kept, &changes, Begun::No);
        meanwhile(root);
        recover(&kit.scene.target(), &kept, &changes);
        check(nth, root);
        nothing_beside(root);
        if calls.load(Ordering::SeqCst) <= nth {
            return nth;
        }
    }
    0
}

/// How many paths are restored: more where the environment asks for it.
fn paths() -> usize {
    std::env::var("HOLDFAST_PATHS").ok().and_then(|text| text.parse().ok()).unwrap_or(12)
}

fn many_files(scene: &Scene) {
    for number in 0..paths() {
        scene.write(&format!("f{}/g{number}", number % 5), format!("file {number}").as_bytes());
    }
}

fn damage_many(root: &Path) {
    for number in 0..paths() {
        let path = root.join(format!("f{}/g{number}", number % 5));
        match number % 3 {
            0 => fs::remove_file(path).unwrap(),
            1 => fs::write(path, "overwritten").unwrap(),
            _ => fs::rename(&path, path.with_extension("moved")).unwrap(),
        }
    }
}

#[test]
fn inv_08_a_restore_that_is_killed_anywhere_ends_as_the_plan_says_and_leaves_nothing_beside() {
    let kit = Kit::new(|scene| {
        everything(scene);
        // Small, since it is copied for every point.
        fs::remove_file(scene.root.join("big")).unwrap();
        fs::OpenOptions::new()
            .write(true)
            .open(scene.root.join("sparse"))
            .unwrap()
            .set_len(65_536)
            .unwrap();
    });
    damage(&kit.scene.root);
    let points = killed_everywhere(&kit, |_| (), |_, root| same(&kit.before, root));
    assert!(points > 40, "{points}");
    let kit = Kit::new(many_files);
    damage_many(&kit.scene.root);
    let points = killed_everywhere(&kit, |_| (), |_, root| same(&kit.before, root));
    println!("{} paths, killed at {points} points", paths());
    assert!(points > paths(), "{points}");
}

#[test]
fn inv_08_what_somebody_writes_after_a_kill_is_never_lost() {
    let kit = Kit::new(many_files);
    damage_many(&kit.scene.root);
    let late = |root: &Path| fs::write(root.join("f1/g1"), "written after the kill").unwrap();
    killed_everywhere(&kit, late, |nth, root| {
        let text = fs::read_to_string(root.join("f1/g1")).unwrap();
        assert_eq!(text, "written after the kill", "killed at {nth}");
    });
}

#[test]
fn inv_15_a_disk_that_is_full_in_the_middle_of_a_restore_damages_nothing_and_it_goes_on_later() {
    let kit = Kit::new(many_files);
    damage_many(&kit.scene.root);
    let root = &kit.scene.root;
    let damaged = kit.scene.home.path().join("damaged");
    copy(root, &damaged);
    let kept = kit.kept();
    let changes = compare(&kit.scene.target(), &kept, &everything_and(Extra::Delete));
    for nth in 0..10 {
        kit.reset(&damaged);
        let calls = AtomicUsize::new(0);
        let fault = Fault(Arc::new(move || {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            if call < nth { Fate::Alive } else { Fate::DiskFull }
        }));
        let full = Settings { fault: Some(fault), ..kit.scene.settings() };
        let full = FilesTarget::open(&full).unwrap();
        let (ends, _) = apply(&full, &kept, &changes, Begun::No);
        let failures: Vec<_> = ends.iter().filter_map(|end| end.as_ref().err()).collect();
        assert!(!failures.is_empty());
        for failure in failures {
            assert_eq!(failure.class, Class::Dependency, "{failure}");
        }
        nothing_beside(root);
        recover(&kit.scene.target(), &kept, &changes);
        same(&kit.before, root);
    }
}

#[test]
fn inv_08_of_two_who_write_around_a_kill_neither_loses_anything() {
    let kit = Kit::new(many_files);
    let root = &kit.scene.root;
    fs::write(root.join("f1/g1"), "overwritten").unwrap();
    let damaged = kit.scene.home.path().join("damaged");
    copy(root, &damaged);
    let kept = kit.kept();
    let changes = compare(&kit.scene.target(), &kept, &everything_and(Extra::Keep));
    let mut kept_in_sight = 0;
    let cases = (0..6).flat_map(|write_at| (write_at + 1..8).map(move |die_at| (write_at, die_at)));
    for place in cases {
        kit.reset(&damaged);
        let (fault, wrote) = written_around(place, root.join("f1/g1"), "the first one");
        let dying = Settings { fault: Some(fault), ..kit.scene.settings() };
        apply(&FilesTarget::open(&dying).unwrap(), &kept, &changes, Begun::No);
        let found = fs::read_to_string(root.join("f1/g1")).unwrap();
        fs::write(root.join("f1/g1"), "the second one").unwrap();
        recover(&kit.scene.target(), &kept, &changes);
        nothing_beside(root);
        assert_eq!(fs::read_to_string(root.join("f1/g1")).unwrap(), "the second one", "{place:?}");
        if found == "file 1" && wrote.load(Ordering::SeqCst) {
            // The kill came while ours stood at the place: what had come out is in sight.
            let text = fs::read_to_string(root.join("f1/g1.kept-by-holdfast-0")).unwrap();
            assert_eq!(text, "the first one", "{place:?}");
            kept_in_sight += 1;
        }
    }
    assert!(kept_in_sight > 0);
}

#[test]
fn inv_08_a_folder_that_somebody_puts_something_into_does_not_give_way_to_a_file() {
    let kit = Kit::new(many_files);
    let root = &kit.scene.root;
    fs::remove_file(root.join("f1/g1")).unwrap();
    fs::create_dir(root.join("f1/g1")).unwrap();
    fs::create_dir(root.join("f2/extra")).unwrap();
    let late = |root: &Path| {
        for folder in ["f1/g1", "f2/extra"] {
            if root.join(folder).is_dir() {
                fs::write(root.join(folder).join("late"), "precious").unwrap();
            }
        }
    };
    let (target, kept) = (kit.scene.target(), kit.kept());
    let changes = compare(&target, &kept, &everything_and(Extra::Delete));
    late(root);
    let (ends, _) = apply(&target, &kept, &changes, Begun::No);
    for end in &ends {
        assert_eq!(end.as_ref().unwrap_err().class, Class::Conflict, "{ends:#?}");
    }
    assert_eq!(fs::read_to_string(root.join("f1/g1/late")).unwrap(), "precious");
    assert_eq!(fs::read_to_string(root.join("f2/extra/late")).unwrap(), "precious");
    nothing_beside(root);
}

#[test]
fn inv_08_what_somebody_puts_into_a_folder_while_it_gives_way_stays_also_around_a_kill() {
    let kit = Kit::new(many_files);
    let root = &kit.scene.root;
    fs::remove_file(root.join("f1/g1")).unwrap();
    fs::create_dir(root.join("f1/g1")).unwrap();
    fs::create_dir(root.join("f2/extra")).unwrap();
    let damaged = kit.scene.home.path().join("damaged");
    copy(root, &damaged);
    let kept = kit.kept();
    let changes = compare(&kit.scene.target(), &kept, &everything_and(Extra::Delete));
    let never = usize::MAX;
    let deaths = |write_at| (write_at + 1..12).chain([never]);
    let cases = (0..8).flat_map(|write_at| deaths(write_at).map(move |die_at| (write_at, die_at)));
    let cases = cases.flat_map(|place| ["f1/g1", "f2/extra"].map(|folder| (place, folder)));
    let mut written = 0;
    for (place, folder) in cases {
        kit.reset(&damaged);
        let late = root.join(folder).join("late");
        let (fault, wrote) = written_around(place, late.clone(), "precious");
        let dying = Settings { fault: Some(fault), ..kit.scene.settings() };
        let (ends, _) = apply(&FilesTarget::open(&dying).unwrap(), &kept, &changes, Begun::No);
        recover(&kit.scene.target(), &kept, &changes);
        nothing_beside(root);
        // Nobody writes into a folder that has given way already.
        if !wrote.load(Ordering::SeqCst) {
            continue;
        }
        let text = fs::read_to_string(late).unwrap_or_default();
        assert_eq!(text, "precious", "{folder}, {place:?}");
        if place.1 == never {
            let failures = ends.iter().filter_map(|end| end.as_ref().err());
            let classes: Vec<_> = failures.map(|failure| failure.class).collect();
            assert_eq!(classes, [Class::Conflict], "{folder}, {place:?}");
        }
        written += 1;
    }
    assert!(written > 0);
}

/// A default access control list that gives the user 1234 everything.
fn default_list() -> Vec<u8> {
    let entry = |tag: u16, permissions: u16, id: u32| {
        [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    let nobody = u32::MAX;
    let entries = [
        entry(1, 7, nobody),
        entry(2, 7, 1234),
        entry(4, 5, nobody),
        entry(16, 7, nobody),
        entry(32, 5, nobody),
    ];
    [&2_u32.to_le_bytes()[..], &entries.concat()].concat()
}

#[test]
fn a_restored_file_inherits_no_access_from_its_folder() {
    let kit = Kit::new(many_files);
    let root = &kit.scene.root;
    fs::remove_file(root.join("f1/g1")).unwrap();
    let (target, kept) = (kit.scene.target(), kit.kept());
    let changes = compare(&target, &kept, &everything_and(Extra::Keep));
    let flags = rustix::fs::XattrFlags::empty();
    let name = "system.posix_acl_default";
    if rustix::fs::setxattr(root.join("f1"), name, &default_list(), flags).is_err() {
        // A file system without access control lists has none to inherit.
        return;
    }
    let (ends, _) = apply(&target, &kept, &changes, Begun::No);
    made(&ends, Made::Changed);
    rustix::fs::removexattr(root.join("f1"), name).unwrap();
    same(&kit.before, root);
}

#[test]
fn lost_names_of_one_file_come_back_as_names_of_one_file() {
    let kit = Kit::new(|scene| {
        scene.write("unit/a", b"one state");
        fs::hard_link(scene.root.join("unit/a"), scene.root.join("unit/b")).unwrap();
    });
    fs::remove_dir_all(kit.scene.root.join("unit")).unwrap();
    let (target, kept) = (kit.scene.target(), kit.kept());
    let changes = compare(&target, &kept, &everything_and(Extra::Keep));
    let (ends, _) = apply(&target, &kept, &changes, Begun::No);
    made(&ends, Made::Changed);
    let ino = |path: &str| fs::metadata(kit.scene.root.join(path)).unwrap().ino();
    assert_eq!(ino("unit/a"), ino("unit/b"));
    same(&kit.before, &kit.scene.root);
}
