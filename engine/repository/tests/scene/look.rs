//! Looking at a repository: what differs between sets, what it holds.

use holdfast_repository::diff::Change::{self, Created, Deleted, Updated};

use crate::kit::{Scene, always, at, capture, run, seal, unit};
use crate::sources::{Made, Tree, file, folder};

fn check(before: Vec<Made>, after: Vec<Made>, expect: &[(Change, &str)]) {
    let scene = Scene::new();
    let sets = [(1, before), (2, after)].map(|(number, entries)| {
        capture(&scene.repository, Tree::of(entries), run(number), "one").unwrap();
        seal(&scene.repository, run(number), &["one"]).unwrap().set.id
    });
    let [before, after] = sets.map(|id| scene.repository.open_set(&id).unwrap());
    let found = before.diff(&after).unwrap();
    let changes: Vec<_> = found
        .changes
        .iter()
        .map(|one| (one.change, std::str::from_utf8(&one.path).unwrap()))
        .collect();
    assert_eq!(changes, expect);
}

#[test]
fn a_diff_lists_every_path_and_only_what_people_see() {
    let same = || vec![folder("d"), file("d/a", "one"), file("d/b", "two")];
    check(same(), same(), &[]);
    let mut looked_at_later = same();
    for made in &mut looked_at_later {
        made.metadata.changed.seconds += 100;
        made.metadata.inode += 1;
    }
    check(same(), looked_at_later, &[]);
    let mut mode = same();
    mode[1].metadata.mode = 0o600;
    check(same(), mode, &[(Updated, "files/d/a")]);
    let mut content = same();
    content[2] = file("d/b", "TWO");
    check(same(), content, &[(Updated, "files/d/b")]);
    let mut busy_folder = same();
    busy_folder[0].metadata.modified.seconds += 1;
    busy_folder.push(file("d/c", "new"));
    check(same(), busy_folder, &[(Created, "files/d/c")]);
    let replaced = vec![file("d", "now a file")];
    let gone = [(Updated, "files/d"), (Deleted, "files/d/a"), (Deleted, "files/d/b")];
    check(same(), replaced, &gone);
}

#[test]
fn a_long_diff_has_a_short_summary() {
    let scene = Scene::new();
    let names: Vec<&'static str> =
        (0..500).map(|number| &*format!("file-number-{number:04}").leak()).collect();
    capture(&scene.repository, Tree::of([file("a", "x")]), run(1), "one").unwrap();
    let first = seal(&scene.repository, run(1), &["one"]).unwrap();
    let many = names.iter().map(|name| file(name, *name)).chain([file("a", "x")]);
    capture(&scene.repository, Tree::of(many), run(2), "one").unwrap();
    let second = seal(&scene.repository, run(2), &["one"]).unwrap();
    let open = |id| scene.repository.open_set(id).unwrap();
    let found = open(&first.set.id).diff(&open(&second.set.id)).unwrap();
    assert_eq!((found.count(Created), found.changes.len()), (500, 500));
    let summary = found.summary();
    assert!(summary.len() <= 4096 && summary.starts_with("created file-number-0000\n"));
    let listed = summary.lines().count() - 1;
    assert!(summary.ends_with(&format!("and {} more\n", 500 - listed)), "{summary}");
}

#[test]
fn the_status_counts_what_is_ours_and_what_is_not() {
    let scene = Scene::new();
    capture(&scene.repository, Tree::of([file("a", "x")]), run(1), "one").unwrap();
    seal(&scene.repository, run(1), &["one"]).unwrap();
    scene
        .repository
        .capture_unit(&unit(Tree::of([file("b", "y")]), run(2), "one"), &always())
        .unwrap();
    let key = scene.home.path().join("key");
    scene.restic_ok(&["backup", "--tag", "mine", key.to_str().unwrap()]);
    let status = scene.repository.status(at(0)).unwrap();
    assert_eq!((status.sets, status.units, status.foreign_snapshots), (1, 1, 1));
    assert!(status.packs > 0 && status.pack_bytes > 0);
    assert_eq!(scene.repository.sets().unwrap().len(), 1, "a foreign snapshot is no set");
    let key_again = scene.restic_ok(&["dump", "--tag", "mine", "latest", key.to_str().unwrap()]);
    assert_eq!(key_again, crate::kit::PASSWORD, "and stays readable");
}
