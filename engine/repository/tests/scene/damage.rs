//! Damage, wrong passwords, files in the place of others: refused by name, never repaired by dropping.

use std::path::{Path, PathBuf};

use holdfast_kernel::failure::{Class, Failure};
use holdfast_repository::lock::Lock;
use holdfast_repository::verify::{ReadShare, Verification, lines};
use holdfast_repository::{Refused, Repository};

use crate::kit::{PASSWORD, Scene, always, at, capture, cat, noise, run, seal};
use crate::sources::{Tree, file};

/// Two sets of one file each, so that damage to one spares the other.
fn two_sets() -> (Scene, [holdfast_repository::seal::SealedSet; 2]) {
    let scene = Scene::new();
    let sets = [(1, "one"), (2, "two")].map(|(number, name)| {
        let tree =
            Tree::of([file("big", noise(u64::from(number), 3_000_000)), file("small", name)]);
        capture(&scene.repository, tree, run(number), "one").unwrap();
        seal(&scene.repository, run(number), &["one"]).unwrap()
    });
    (scene, sets)
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        // A file that is being written can go under our eyes.
        let Ok(entry) = entry else { continue };
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The largest pack: it holds the content of a big file.
fn largest_pack(scene: &Scene) -> PathBuf {
    let packs = files(&scene.path().join("data"));
    let size = |path: &PathBuf| path.metadata().unwrap().len();
    packs.into_iter().max_by_key(size).unwrap()
}

pub(crate) fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn verify_all(scene: &Scene) -> Vec<Verification> {
    let repository = Repository::open(scene.path(), PASSWORD).unwrap();
    let sets = repository.sets().unwrap();
    sets.iter().map(|set| repository.verify(&set.id, ReadShare::ALL, &always()).unwrap()).collect()
}

#[test]
fn inv_10_a_damaged_pack_is_found_by_verify_which_names_the_files() {
    for kind in ["flipped", "cut", "gone"] {
        let (scene, sets) = two_sets();
        let pack = largest_pack(&scene);
        match kind {
            "flipped" => change(&pack, |bytes| bytes[100] ^= 1),
            "cut" => change(&pack, |bytes| bytes.truncate(50)),
            _ => std::fs::remove_file(&pack).unwrap(),
        }
        let results = verify_all(&scene);
        let damaged: Vec<_> = results.iter().filter(|one| !one.damaged.is_empty()).collect();
        assert_eq!(damaged.len(), 1, "{kind}: {results:?}");
        let listed = lines(&damaged[0].damaged);
        assert!(listed[0].starts_with("files/"), "{kind}: {listed:?}");

        let hurt = results.iter().position(|one| !one.damaged.is_empty()).unwrap();
        let (hurt, spared) = (&sets[hurt].set.id, &sets[1 - hurt].set.id);
        assert!(cat(&scene.repository, spared, "files/big").is_ok());
        let to = scene.home.path().join("out");
        let exported = scene.repository.export(hurt, &to, b"files", &always()).unwrap();
        let listed_too = holdfast_repository::export::lines(&exported.left_out);
        assert!(listed_too[0].starts_with("files/"), "{kind}: {listed_too:?}");
        let whole = exported.counts.files + exported.left_out.len() as u64;
        assert_eq!(whole, 2, "{kind}: what could be read was written");
    }
}

#[test]
fn a_pack_in_the_place_of_another_is_found() {
    // One blob a pack, all of one length: each can be decrypted where another was.
    let scene = Scene::new();
    let sets = [1, 2].map(|number| {
        let tree = Tree::of([file("a", noise(u64::from(number), 400_000))]);
        capture(&scene.repository, tree, run(number), "one").unwrap();
        seal(&scene.repository, run(number), &["one"]).unwrap()
    });
    let mut packs = files(&scene.path().join("data"));
    packs.retain(|pack| pack.metadata().unwrap().len() > 400_000);
    let contents: Vec<_> = packs.iter().map(|pack| std::fs::read(pack).unwrap()).collect();
    assert_eq!((contents.len(), contents[0].len()), (2, contents[1].len()));
    change(&packs[0], |bytes| bytes.clone_from(&contents[1]));
    change(&packs[1], |bytes| bytes.clone_from(&contents[0]));
    for (sealed, result) in sets.iter().zip(verify_all(&scene)) {
        let listed = lines(&result.damaged);
        assert!(listed.len() == 1 && listed[0].starts_with("files/a: "), "{listed:?}");
        assert!(cat(&scene.repository, &sealed.set.id, "files/a").is_err());
    }
}

#[test]
fn a_sample_reads_a_share_and_rotates() {
    let (scene, sets) = two_sets();
    change(&largest_pack(&scene), |bytes| bytes[100] ^= 1);
    let found = (0..20).filter(|rotation| {
        sets.iter().any(|set| {
            let share = ReadShare { percent: 5, rotation: *rotation };
            let result = scene.repository.verify(&set.set.id, share, &always()).unwrap();
            !result.damaged.is_empty()
        })
    });
    assert!(found.count() >= 1, "one of twenty turns reads the damaged blob");
}

#[test]
fn inv_14_a_damaged_index_or_snapshot_is_refused_with_its_path() {
    for folder in ["index", "snapshots"] {
        for kind in ["flipped", "cut", "another"] {
            let (scene, sets) = two_sets();
            let found = files(&scene.path().join(folder));
            match kind {
                "flipped" => change(&found[0], |bytes| bytes[40] ^= 1),
                "cut" => change(&found[0], |bytes| bytes.truncate(30)),
                _ => {
                    std::fs::remove_file(&found[0]).unwrap();
                    std::fs::copy(&found[1], &found[0]).unwrap();
                }
            }
            let repository = Repository::open(scene.path(), PASSWORD).unwrap();
            let refused = repository
                .sets()
                .and_then(|_| repository.open_set(&sets[0].set.id).map(|_| ()))
                .and_then(|()| repository.open_set(&sets[1].set.id).map(|_| ()))
                .unwrap_err();
            assert!(matches!(refused, Refused::Damaged { .. }), "{folder} {kind}: {refused}");
            let message = refused.to_string();
            let name = found[0].file_name().unwrap().to_str().unwrap();
            assert!(message.contains(name), "{folder} {kind}: {message}");
        }
    }
}

#[test]
fn what_is_no_repository_is_refused_by_its_reason() {
    let home = tempfile::tempdir().unwrap();
    let class = |refused: Refused| Failure::from(refused).class;
    let nowhere = home.path().join("nowhere");
    assert_eq!(class(Repository::open(&nowhere, PASSWORD).unwrap_err()), Class::NotFound);
    assert_eq!(class(Repository::open(home.path(), PASSWORD).unwrap_err()), Class::NotFound);

    let scene = Scene::new();
    let wrong = Repository::open(scene.path(), "wrong").unwrap_err();
    assert!(!wrong.to_string().contains("wrong horse"));
    assert_eq!(class(wrong), Class::Auth);
    let again = Repository::create(scene.path(), PASSWORD).unwrap_err();
    assert!(matches!(again, Refused::Occupied { .. }));
    std::fs::write(home.path().join("letter"), "dear").unwrap();
    let occupied = Repository::create(home.path(), PASSWORD).unwrap_err();
    assert!(matches!(occupied, Refused::Occupied { .. }));

    capture(&scene.repository, Tree::of([file("a", "x")]), run(1), "one").unwrap();
    std::fs::remove_file(scene.path().join("config")).unwrap();
    let headless = Repository::open(scene.path(), PASSWORD).unwrap_err();
    assert!(matches!(headless, Refused::Damaged { .. }), "{headless}");
    assert!(Repository::create(scene.path(), PASSWORD).is_err(), "data is in it");
}

#[test]
fn an_interrupted_create_is_done_anew() {
    let scene = Scene::new();
    std::fs::remove_file(scene.path().join("config")).unwrap();
    let made = Repository::create(scene.path(), PASSWORD).unwrap();
    capture(&made, Tree::of([file("a", "x")]), run(1), "one").unwrap();
    Repository::open(scene.path(), PASSWORD).unwrap().sets().unwrap();
    scene.check();
}

#[test]
fn restic_at_work_refuses_what_takes_away_and_not_what_adds() {
    let scene = Scene::new();
    std::fs::write(scene.path().join("locks/0123"), "a lock").unwrap();
    let written = std::fs::metadata(scene.path().join("locks/0123")).unwrap();
    let since = written.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = holdfast_kernel::id::Instant(i64::try_from(since.as_micros()).unwrap());
    let refused = scene.repository.reclaim(now, &always()).unwrap_err();
    assert!(refused.to_string().contains("locks/0123"), "{refused}");
    assert_eq!(Failure::from(refused).class, Class::Transient);
    capture(&scene.repository, Tree::of([file("a", "x")]), run(1), "one").unwrap();
}

#[test]
fn nothing_is_added_while_somebody_has_the_repository_alone() {
    let scene = Scene::new();
    let _alone = Lock::exclusive(scene.path(), at(0)).unwrap();
    let refused = capture(&scene.repository, Tree::of([file("a", "x")]), run(1), "one");
    assert!(matches!(refused.unwrap_err(), Refused::Locked { .. }));
    assert_eq!(files(&scene.path().join("data")), Vec::<PathBuf>::new());
}
