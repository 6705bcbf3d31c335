//! What is kept is whole, or says what is missing: `inv_05` and `inv_10`, and the findings about sources.

use std::sync::atomic::Ordering;

use holdfast_contract::entry::{EntryKind, LeftOut};
use holdfast_repository::backup_set::Completeness;
use holdfast_repository::manifest::Missing;
use holdfast_repository::unit::{Origin, UnitSummary};
use holdfast_repository::verify::ReadShare;
use holdfast_repository::{Refused, Repository};

use crate::kit::{
    PASSWORD, Scene, always, at, capture, cat, effect, run, seal, seal_request, unit,
};
use crate::sources::{Behaviour, Made, Tree, file, folder};

fn reasons(summary: &UnitSummary) -> Vec<String> {
    holdfast_repository::export::lines(&summary.left_out)
}

#[test]
fn an_unreadable_file_is_listed_and_the_rest_is_kept() {
    let scene = Scene::new();
    let tree = Tree::of([
        file("a", "kept"),
        file("b", "secret").behaving(Behaviour::Closed, Behaviour::Closed),
        file("c", vec![7; 3_000_000]).behaving(Behaviour::Breaks, Behaviour::Breaks),
    ]);
    let summary = capture(&scene.repository, tree, run(1), "one").unwrap();
    assert_eq!(reasons(&summary), ["b: permission denied", "c: the disk gave up"]);
    assert_eq!((summary.counts.files, summary.counts.bytes), (1, 4));
    let sealed = seal(&scene.repository, run(1), &["one"]).unwrap();
    assert_eq!(sealed.set.completeness, Completeness::Partial);
    scene.check();
    let open = scene.repository.open_set(&sealed.set.id).unwrap();
    let missing =
        |what: &str, reason: &str| Missing { what: what.to_owned(), reason: reason.to_owned() };
    assert_eq!(
        open.manifest().left_out,
        [missing("b", "permission denied"), missing("c", "the disk gave up")]
    );
}

fn check_changed(first: Behaviour, second: Behaviour, kept: Option<&str>, listed: &[&str]) {
    let scene = Scene::new();
    let tree = Tree::of([
        folder("d"),
        file("d/a", "steady"),
        file("d/b", "moving").behaving(first.clone(), second.clone()),
    ]);
    let summary = capture(&scene.repository, tree, run(1), "one").unwrap();
    assert_eq!(reasons(&summary), listed, "{first:?} {second:?}");
    let sealed = seal(&scene.repository, run(1), &["one"]).unwrap();
    let found = cat(&scene.repository, &sealed.set.id, "files/d/b").ok();
    assert_eq!(found.as_deref(), kept.map(str::as_bytes), "{first:?} {second:?}");
    let steady = cat(&scene.repository, &sealed.set.id, "files/d/a").unwrap();
    assert_eq!(steady, b"steady");
    scene.check();
    let root = scene.restore(&sealed).join("files/d");
    assert_eq!(std::fs::read_to_string(root.join("b")).ok().as_deref(), kept);
}

#[test]
fn a_file_that_was_changed_is_read_again_and_never_kept_with_a_wrong_size() {
    use Behaviour::{Changed, Closed, Good, Short};
    let changed = &["d/b: it was changed while it was read"][..];
    let gone = &["d/b: it was changed while it was read and is not kept"][..];
    check_changed(Changed, Good, Some("moving"), &[]);
    check_changed(Short(2), Good, Some("moving"), &[]);
    check_changed(Changed, Changed, Some("moving"), changed);
    check_changed(Changed, Short(1), Some("moving"), changed);
    check_changed(Changed, Closed, Some("moving"), changed);
    check_changed(Short(2), Short(3), None, gone);
    check_changed(Short(2), Closed, None, &["d/b: permission denied"]);
}

#[test]
fn an_object_that_does_not_arrive_refuses_the_seal() {
    let scene = Scene::new();
    for behaviour in [Behaviour::Closed, Behaviour::Breaks, Behaviour::Short(1)] {
        let object = file("policies/one.json", vec![b'x'; 2_000_000]);
        let tree = Tree::of([object.behaving(behaviour.clone(), behaviour)]);
        let mut request = seal_request(run(1), &[]);
        request.objects = Some(std::sync::Arc::new(tree));
        let refused = scene.repository.seal(&request, &always()).unwrap_err();
        assert!(matches!(refused, Refused::Lost { count: 1, .. }), "{refused}");
    }
    assert_eq!((scene.snapshot_count(), scene.repository.sets().unwrap()), (0, vec![]));
}

#[test]
fn objects_stand_under_items_and_never_come_from_the_set_before() {
    let scene = Scene::new();
    for (number, content) in [(1, "{\"a\":1}"), (2, "{\"a\":2}")] {
        // Same path, size and times; only the content differs.
        let mut request = seal_request(run(number), &[]);
        let tree = Tree::of([file("policies/one.json", content)]);
        request.objects = Some(std::sync::Arc::new(tree));
        let sealed = scene.repository.seal(&request, &always()).unwrap();
        let found = cat(&scene.repository, &sealed.set.id, "items/policies/one.json");
        assert_eq!(found.unwrap(), content.as_bytes());
    }
    scene.check();
}

#[test]
fn objects_are_exported_as_one_json_document() {
    let scene = Scene::new();
    let mut request = seal_request(run(1), &[]);
    let tree = Tree::of([
        file("policies/a.json", "{\"b\": [1, 2]}"),
        file("scripts/c.sh", "echo \u{e4}\n"),
    ]);
    request.objects = Some(std::sync::Arc::new(tree));
    let sealed = scene.repository.seal(&request, &always()).unwrap();
    let open = scene.repository.open_set(&sealed.set.id).unwrap();
    let mut bytes = Vec::new();
    let exported = open.export_json(&mut bytes, &always()).unwrap();
    assert_eq!((exported.counts.files, exported.left_out), (2, vec![]));
    let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(document["manifest"]["set"], sealed.set.id.to_string());
    assert_eq!(document["items"][0]["path"], "items/policies/a.json");
    assert_eq!(document["items"][0]["body"]["b"][1], 2);
    assert_eq!(document["items"][1]["body"], "echo \u{e4}\n");

    capture(&scene.repository, Tree::of([file("a", "x")]), run(2), "one").unwrap();
    let files = seal(&scene.repository, run(2), &["one"]).unwrap();
    let open = scene.repository.open_set(&files.set.id).unwrap();
    let refused = open.export_json(&mut Vec::new(), &always()).unwrap_err();
    assert!(refused.to_string().ends_with("has no objects, only files"), "{refused}");
}

#[test]
fn a_unit_of_objects_never_comes_from_the_set_before() {
    let scene = Scene::new();
    let mut previous = None;
    for (number, content) in [(1, "{\"a\":1}"), (2, "{\"a\":2}")] {
        let mut request = unit(Tree::of([file("one.json", content)]), run(number), "one");
        request.area = holdfast_repository::unit::ITEMS;
        request.previous = previous;
        scene.repository.capture_unit(&request, &always()).unwrap();
        let sealed = seal(&scene.repository, run(number), &["one"]).unwrap();
        let found = cat(&scene.repository, &sealed.set.id, "items/one.json");
        assert_eq!(found.unwrap(), content.as_bytes());
        previous = Some(sealed.set.id);
    }
}

#[test]
fn an_entry_that_stands_elsewhere_in_the_tree_is_lost() {
    // The library drops empty names and dots from paths.
    for path in ["a//b", "a/./b"] {
        let scene = Scene::new();
        let tree = Tree::of([folder("a"), file(path, "x")]);
        let refused = capture(&scene.repository, tree, run(1), "one").unwrap_err();
        assert!(matches!(refused, Refused::Lost { .. }), "{path}: {refused}");
        assert_eq!(scene.snapshot_count(), 0);
    }
}

#[test]
fn unchanged_files_are_taken_from_the_set_before_and_another_inode_is_read() {
    let scene = Scene::new();
    // Several times: which of two states the library would find depends on their digests.
    for turn in 0..5_u8 {
        let [old, new] = ["old", "new"].map(|word| format!("{word}{turn}"));
        let before = Tree::of([file("a", "same"), file("b", old.as_str())]);
        let [earlier, later] = [2 * turn, 2 * turn + 1].map(run);
        capture(&scene.repository, before, earlier, "one").unwrap();
        let first = seal(&scene.repository, earlier, &["one"]).unwrap();

        // Size and all times agree: only the inode says that it is another file.
        let mut other = file("b", new.as_str());
        other.metadata.inode = 8;
        let after = Tree::of([file("a", "same"), other]);
        let opened = std::sync::Arc::clone(&after.opened);
        let mut request = unit(after, later, "one");
        request.previous = Some(first.set.id.clone());
        scene.repository.capture_unit(&request, &always()).unwrap();
        assert_eq!(opened.load(Ordering::SeqCst), 1);
        let second = seal(&scene.repository, later, &["one"]).unwrap();
        let content = |id| cat(&scene.repository, id, "files/b").unwrap();
        assert_eq!(content(&second.set.id), new.as_bytes());
        assert_eq!(content(&first.set.id), old.as_bytes());
    }
    scene.check();
}

#[test]
fn a_source_that_is_no_tree_is_refused() {
    let (a, b, inside) = (file("a", "one"), folder("b"), file("a/x", "two"));
    let late = vec![b.clone(), a.clone()];
    let twice = vec![a.clone(), a.clone()];
    let inside = vec![a, inside, b];
    for (entries, at) in [(late, "a"), (twice, "a"), (inside, "a/x")] {
        let scene = Scene::new();
        let tree = Tree { entries, ..Tree::default() };
        let refused = capture(&scene.repository, tree, run(1), "one").unwrap_err();
        assert_eq!(refused.to_string(), format!("the source gave {at} out of order"));
        assert_eq!(scene.snapshot_count(), 0);
    }
}

#[test]
fn doing_it_again_finds_it_done() {
    let scene = Scene::new();
    let tree =
        Tree::of([file("a", "x"), file("b", "y").behaving(Behaviour::Closed, Behaviour::Closed)]);
    let first = capture(&scene.repository, tree.clone(), run(1), "one").unwrap();
    let opened = tree.opened.load(Ordering::SeqCst);
    let again = Repository::open(scene.path(), PASSWORD).unwrap();
    let second = capture(&again, tree.clone(), run(1), "one").unwrap();
    assert_eq!(tree.opened.load(Ordering::SeqCst), opened, "nothing was read again");
    assert_eq!(second, UnitSummary { origin: Origin::Found, ..first });

    let sealed = seal(&scene.repository, run(1), &["one"]).unwrap();
    let found = seal(&again, run(1), &["one"]).unwrap();
    assert_eq!((found.set, found.origin), (sealed.set, Origin::Found));
    assert!(again.probe_seal(run(1), effect(run(1), "other")).unwrap().is_none());
}

#[test]
fn a_second_seal_supersedes_the_partial_one_and_only_then_the_units_go() {
    let scene = Scene::new();
    let bad = file("b", "y").behaving(Behaviour::Closed, Behaviour::Closed);
    capture(&scene.repository, Tree::of([file("a", "x")]), run(1), "one").unwrap();
    capture(&scene.repository, Tree::of([bad]), run(1), "two").unwrap();
    let partial = seal(&scene.repository, run(1), &["one", "two"]).unwrap();
    assert_eq!(partial.set.completeness, Completeness::Partial);
    assert_eq!(scene.snapshot_count(), 3, "the set and both units");

    capture(&scene.repository, Tree::of([file("b", "y")]), run(1), "two, again").unwrap();
    let mut request = seal_request(run(1), &["one", "two, again"]);
    request.effect = effect(run(1), "seal, again");
    let whole = scene.repository.seal(&request, &always()).unwrap();
    assert_eq!(whole.set.completeness, Completeness::Complete);
    let sets = scene.repository.sets().unwrap();
    assert_eq!(sets, std::slice::from_ref(&whole.set));
    assert_eq!(cat(&scene.repository, &whole.set.id, "files/a").unwrap(), b"x");
    let units = scene.repository.remove_units(run(1), &always());
    assert_eq!(units.unwrap(), 1, "the partial unit");
    assert_eq!(scene.snapshot_count(), 1);
    scene.check();
}

#[test]
fn a_partial_set_never_takes_the_place_of_another_that_may_have_more() {
    let scene = Scene::new();
    let bad = || file("b", "y").behaving(Behaviour::Closed, Behaviour::Closed);
    capture(&scene.repository, Tree::of([file("a", "x"), bad()]), run(1), "one").unwrap();
    let first = seal(&scene.repository, run(1), &["one"]).unwrap();
    let worse = file("a", "x").behaving(Behaviour::Closed, Behaviour::Closed);
    capture(&scene.repository, Tree::of([worse, bad()]), run(1), "one, again").unwrap();
    let mut request = seal_request(run(1), &["one, again"]);
    request.effect = effect(run(1), "seal, again");
    request.superseded = vec![effect(run(1), "one")];
    let second = scene.repository.seal(&request, &always()).unwrap();
    assert_eq!(second.set.completeness, Completeness::Partial);
    assert_eq!(scene.repository.sets().unwrap().len(), 2);
    assert_eq!(cat(&scene.repository, &first.set.id, "files/a").unwrap(), b"x");
}

#[test]
fn a_unit_that_was_never_captured_refuses_the_seal() {
    let scene = Scene::new();
    let refused = seal(&scene.repository, run(1), &["one"]).unwrap_err();
    assert!(matches!(refused, Refused::NoUnit { .. }));
}

#[test]
fn a_set_is_found_by_its_tags_with_all_that_a_new_machine_needs() {
    let scene = Scene::new();
    capture(&scene.repository, Tree::of([file("a", "x")]), run(3), "one").unwrap();
    let mut request = seal_request(run(3), &["one"]);
    request.object = Some("Pay, roll".to_owned());
    request.left_out =
        vec![Missing { what: "kind drives".to_owned(), reason: "no permission".to_owned() }];
    let sealed = scene.repository.seal(&request, &always()).unwrap();
    let other = Repository::open(scene.path(), PASSWORD).unwrap();
    let sets = other.sets().unwrap();
    assert_eq!(sets, std::slice::from_ref(&sealed.set));
    assert_eq!(
        (sets[0].target.as_str(), sets[0].object.as_deref()),
        ("documents", Some("Pay, roll"))
    );
    assert_eq!((sets[0].sealed_at, sets[0].left_out, sets[0].run), (at(60), 1, run(3)));
    assert_eq!(sets[0].completeness, Completeness::Partial, "something is listed as missing");
    let open = other.open_set(&sealed.set.id).unwrap();
    assert_eq!(open.manifest().target, crate::kit::target());
    let listed = scene.restic_ok(&["snapshots", "--json", "--tag", "holdfast"]);
    for tag in [sealed.set.id.to_string(), run(3).to_string(), "target_documents".to_owned()] {
        assert!(listed.contains(&tag), "{listed}");
    }
    let manifest = scene.restic_ok(&["dump", &sealed.set.snapshot, "/holdfast/manifest.json"]);
    assert!(manifest.contains("\"identity\": \"files:/srv/documents\""), "{manifest}");
}

#[test]
fn a_walk_gives_every_entry_in_order() {
    let scene = Scene::new();
    let link = Made { kind: EntryKind::Symlink { target: b"a".to_vec() }, ..file("l", "") };
    let tree = Tree::of([folder("d"), file("d/x", "1"), file("d.x", "2"), link]);
    capture(&scene.repository, tree, run(1), "one").unwrap();
    let sealed = seal(&scene.repository, run(1), &["one"]).unwrap();
    let open = scene.repository.open_set(&sealed.set.id).unwrap();
    let walk = |from: &str| -> Vec<String> {
        let entries = open.walk(from.as_bytes()).unwrap();
        entries.map(|entry| String::from_utf8(entry.unwrap().path).unwrap()).collect()
    };
    let all = [
        "files",
        "files/d",
        "files/d/x",
        "files/d.x",
        "files/l",
        "holdfast",
        "holdfast/manifest.json",
    ];
    assert_eq!(walk(""), all);
    assert_eq!(walk("files/d"), ["files/d", "files/d/x"]);
    let verified = scene.repository.verify(&sealed.set.id, ReadShare::ALL, &always()).unwrap();
    assert_eq!((verified.counts.files, verified.damaged), (sealed.set.counts.files, vec![]));
}

#[test]
fn what_a_source_leaves_out_makes_the_set_partial() {
    let scene = Scene::new();
    let tree = Tree {
        left_out: vec![LeftOut {
            path: b"locked".to_vec(),
            reason: "the folder cannot be read".to_owned(),
        }],
        ..Tree::of([file("a", "x")])
    };
    let summary = capture(&scene.repository, tree, run(1), "one").unwrap();
    assert_eq!(reasons(&summary), ["locked: the folder cannot be read"]);
    let sealed = seal(&scene.repository, run(1), &["one"]).unwrap();
    assert_eq!(sealed.set.completeness, Completeness::Partial);
}
