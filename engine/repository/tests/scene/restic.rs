//! Plain restic reads what we write, whatever kind of entry it is.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use holdfast_contract::entry::EntryKind;
use holdfast_repository::unit::Origin;

use crate::kit::{Scene, capture, noise, run, seal, seal_request};
use crate::sources::{Made, Tree, file, folder, metadata};

fn special(path: &'static str, kind: EntryKind) -> Made {
    Made { kind, ..file(path, "") }
}

fn everything() -> Tree {
    let mut linked = file("d/linked-1", "one file, two names");
    linked.metadata.links = 2;
    linked.metadata.inode = 99;
    linked.metadata.device = 5;
    let second = Made { path: "d/linked-2", ..linked.clone() };
    let mut odd = file("d/odd", "mode");
    odd.metadata.mode = 0o6750;
    odd.metadata.user = 1234;
    odd.metadata.group = 4321;
    odd.metadata.modified.seconds = -86_400;
    let attributes = [(b"user.one".to_vec(), b"\x00\xff".to_vec()), (b"user.two".to_vec(), vec![])];
    odd.metadata.attributes = BTreeMap::from(attributes);
    Tree::of([
        Made { path: "", ..folder("") },
        folder("d"),
        folder("d/empty"),
        file("d/back\\slash", "a"),
        file("d/new\nline", "b"),
        file("d/\"quoted\"", "c"),
        file("d/\u{7f}\u{1}", "d"),
        file("d/big", noise(1, 9_000_000)),
        file("d/nothing", ""),
        file("d.txt", "sorts between d and d/…"),
        linked,
        second,
        odd,
        special("l", EntryKind::Symlink { target: b"../not there".to_vec() }),
        special("p", EntryKind::Pipe),
        special("s", EntryKind::Socket),
        special("null", EntryKind::CharacterDevice { device: 0x103 }),
        special("loop", EntryKind::BlockDevice { device: 0x700 }),
    ])
}

/// Whether we may make devices and give files away.
fn am_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

fn is_device(made: &Made) -> bool {
    matches!(made.kind, EntryKind::BlockDevice { .. } | EntryKind::CharacterDevice { .. })
}

/// Who put the entries there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Us,
    /// It keeps sockets and does not restore them.
    Restic,
    /// It has no sockets.
    Tar,
}

fn compare(tree: &Tree, root: &Path, by: By) {
    for made in &tree.entries {
        if made.kind == EntryKind::Socket && by != By::Us {
            continue;
        }
        if is_device(made) && !am_root() {
            continue;
        }
        let path = root.join(made.path);
        let found = path.symlink_metadata().unwrap();
        let kind = found.file_type();
        match &made.kind {
            EntryKind::File { .. } => {
                assert_eq!(std::fs::read(&path).unwrap(), *made.content, "{}", made.path);
            }
            EntryKind::Folder => assert!(kind.is_dir()),
            EntryKind::Symlink { target } => {
                let link = std::fs::read_link(&path).unwrap();
                assert_eq!(link.as_os_str().as_encoded_bytes(), target);
            }
            EntryKind::Pipe => assert!(kind.is_fifo()),
            EntryKind::Socket => assert!(kind.is_socket()),
            EntryKind::BlockDevice { device } => {
                assert!(kind.is_block_device() && found.rdev() == *device);
            }
            EntryKind::CharacterDevice { device } => {
                assert!(kind.is_char_device() && found.rdev() == *device);
            }
        }
        let wanted = &made.metadata;
        let owner = (found.uid(), found.gid());
        let is_owner = owner == (wanted.user, wanted.group);
        assert!(is_owner || !am_root(), "{}: {owner:?}", made.path);
        let time = (found.mtime(), found.mtime_nsec());
        let nanoseconds = i64::from(wanted.modified.nanoseconds);
        assert_eq!(time, (wanted.modified.seconds, nanoseconds), "{}", made.path);
        if !kind.is_symlink() {
            assert_eq!(found.mode() & 0o7777, wanted.mode, "{}", made.path);
        }
        for (name, value) in &wanted.attributes {
            let mut buffer = [0; 100];
            let count = rustix::fs::lgetxattr(&path, &name[..], &mut buffer[..]).unwrap();
            assert_eq!(&buffer[..count], &value[..]);
        }
    }
    let linked = |name: &str| root.join(name).metadata().unwrap().ino();
    assert_eq!(linked("d/linked-1"), linked("d/linked-2"));
}

#[test]
fn every_kind_of_entry_comes_back_through_restic_and_through_us() {
    let scene = Scene::new();
    let tree = everything();
    let summary = capture(&scene.repository, tree.clone(), run(1), "one").unwrap();
    assert_eq!(summary.left_out, []);
    let sealed = seal(&scene.repository, run(1), &["one"]).unwrap();
    scene.check();
    compare(&tree, &scene.restore(&sealed).join("files"), By::Restic);

    let to = scene.home.path().join("exported");
    let permit = crate::kit::always();
    let exported = scene.repository.export(&sealed.set.id, &to, b"", &permit).unwrap();
    assert_eq!(exported.left_out.is_empty(), am_root());
    compare(&tree, &to.join("files"), By::Us);
    // Again, over what is there.
    let exported = scene.repository.export(&sealed.set.id, &to, b"", &permit).unwrap();
    assert_eq!(exported.left_out.is_empty(), am_root());
    compare(&tree, &to.join("files"), By::Us);
}

#[test]
fn without_rights_what_cannot_be_set_is_listed_and_the_rest_is_written() {
    if am_root() {
        let name = "restic::without_rights_what_cannot_be_set_is_listed_and_the_rest_is_written";
        let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        let output = std::process::Command::new("setpriv")
            .args(nobody)
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let scene = Scene::new();
    let tree = everything();
    capture(&scene.repository, tree.clone(), run(1), "one").unwrap();
    let sealed = seal(&scene.repository, run(1), &["one"]).unwrap();
    let to = scene.home.path().join("exported");
    let permit = crate::kit::always();
    let exported = scene.repository.export(&sealed.set.id, &to, b"", &permit).unwrap();
    let lines = holdfast_repository::export::lines(&exported.left_out);
    for line in [
        "files/null: making a special file: Operation not permitted (os error 1)",
        "files/d/odd: its owner 1234:4321 could not be set: Operation not permitted (os error 1)",
    ] {
        assert!(lines.iter().any(|one| one == line), "{lines:#?}");
    }
    assert_eq!(std::fs::read(to.join("files/d/odd")).unwrap(), b"mode");
}

#[test]
fn a_tar_archive_holds_the_same_for_tar() {
    let scene = Scene::new();
    let tree = everything();
    capture(&scene.repository, tree.clone(), run(1), "one").unwrap();
    let sealed = seal(&scene.repository, run(1), &["one"]).unwrap();
    let path = scene.home.path().join("set.tar");
    let mut file = std::fs::File::create(&path).unwrap();
    let open = scene.repository.open_set(&sealed.set.id).unwrap();
    let exported = open.export_tar(&mut file, b"files", &crate::kit::always()).unwrap();
    let lines = holdfast_repository::export::lines(&exported.left_out);
    assert_eq!(lines, ["files/s: a tar archive cannot hold a socket"]);
    let to = scene.home.path().join("untarred");
    std::fs::create_dir(&to).unwrap();
    let output = std::process::Command::new("tar")
        .args(["--xattrs", "--xattrs-include=*", "--same-permissions", "--numeric-owner", "-xf"])
        .arg(&path)
        .arg("-C")
        .arg(&to)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || !am_root(), "{errors}");
    compare(&tree, &to.join("files"), By::Tar);
}

#[test]
fn one_path_is_exported_alone() {
    let scene = Scene::new();
    capture(&scene.repository, everything(), run(1), "one").unwrap();
    let sealed = seal(&scene.repository, run(1), &["one"]).unwrap();
    let to = scene.home.path().join("exported");
    let permit = crate::kit::always();
    scene.repository.export(&sealed.set.id, &to, b"files/d/big", &permit).unwrap();
    let names: Vec<_> = std::fs::read_dir(to.join("files/d"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["big"]);
    let missing = scene.repository.export(&sealed.set.id, &to, b"files/x", &permit);
    assert_eq!(missing.unwrap_err().to_string(), "the backup set has no files/x");
}

#[test]
fn units_that_meet_in_one_folder_become_one_tree_whatever_the_names() {
    // Escaped, these names sort in another order than their bytes do.
    let names = ["a\nb", "a!", "a\"", "a\\b", "a\u{7f}", "a\u{e4}"];
    let scene = Scene::new();
    let mut steps = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let path: &'static str = format!("top/{name}/file").leak();
        let step: &'static str = format!("step-{at}").leak();
        let mut first = vec![file(path, *name)];
        if at == 0 {
            // The library's own merge would write the second folder twice: once for each unit that has it.
            first.push(file("top/a!/more", "more"));
            first.push(folder("top"));
        }
        capture(&scene.repository, Tree::of(first), run(1), step).unwrap();
        steps.push(step);
    }
    let sealed = seal(&scene.repository, run(1), &steps).unwrap();
    scene.check();
    let root = scene.restore(&sealed).join("files/top");
    let mode = root.metadata().unwrap().mode() & 0o7777;
    assert_eq!(mode, metadata(0o750).mode, "the folder's own metadata, not that of a way to it");
    for name in names {
        assert_eq!(std::fs::read(root.join(name).join("file")).unwrap(), name.as_bytes());
    }
    assert_eq!(std::fs::read(root.join("a!/more")).unwrap(), b"more");
    let listed = scene.restic_ok(&["ls", "latest"]);
    assert_eq!(listed.lines().filter(|line| line.ends_with("/a!")).count(), 1, "{listed}");
    assert_eq!(scene.snapshot_count(), 1, "the units are gone");
}

#[test]
fn however_a_tree_is_cut_into_units_it_is_the_same_tree() {
    let scene = Scene::new();
    let whole = || {
        let top = [folder("top"), file("top/a\"b", "one"), file("top/c", "two")];
        [&top[..], &[folder("z"), file("z/d", "three"), file("z/e", "four")]].concat()
    };
    // They meet at a name that is escaped, at one that is not, and nowhere.
    let cuts = [vec![2, 5], vec![4], vec![]];
    let mut first = None;
    for (number, cuts) in (1..).zip(cuts) {
        let entries = whole();
        let mut steps = Vec::new();
        let bounds = [&[0][..], &cuts, &[entries.len()]].concat();
        for pair in bounds.windows(2) {
            let step: &'static str = format!("from-{}", pair[0]).leak();
            let unit = Tree::of(entries[pair[0]..pair[1]].to_vec());
            capture(&scene.repository, unit, run(number), step).unwrap();
            steps.push(step);
        }
        let mut request = seal_request(run(number), &steps);
        request.unless_same_as = first.clone();
        let sealed = scene.repository.seal(&request, &crate::kit::always()).unwrap();
        match &first {
            None => assert_eq!(sealed.origin, Origin::Done),
            Some(id) => assert_eq!((sealed.origin, &sealed.set.id), (Origin::Same, id)),
        }
        first.get_or_insert(sealed.set.id);
    }
}

#[test]
fn a_file_is_cut_into_the_same_chunks_as_restic_cuts_it() {
    let scene = Scene::new();
    let content = noise(7, 30_000_000);
    let folder = scene.home.path().join("files");
    std::fs::create_dir(&folder).unwrap();
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(folder.join("big"))
        .and_then(|mut file| file.write_all(&content))
        .unwrap();
    scene.restic_ok(&["backup", folder.to_str().unwrap()]);
    let chunks = || {
        let listed = scene.restic_ok(&["list", "blobs"]);
        listed.lines().filter(|line| line.starts_with("data")).map(str::to_owned).collect()
    };
    let of_restic: BTreeSet<String> = chunks();
    assert!(of_restic.len() > 10, "{}", of_restic.len());
    capture(&scene.repository, Tree::of([file("big", content)]), run(1), "one").unwrap();
    assert_eq!(chunks(), of_restic, "nothing was stored twice");
    let content = noise(8, 20_000_000);
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(folder.join("other"))
        .and_then(|mut file| file.write_all(&content))
        .unwrap();
    capture(&scene.repository, Tree::of([file("other", content)]), run(2), "one").unwrap();
    let of_both = chunks();
    assert!(of_both.len() > of_restic.len() + 5, "{}", of_both.len());
    scene.restic_ok(&["backup", folder.to_str().unwrap()]);
    assert_eq!(chunks(), of_both, "and nothing the other way round");
}

#[test]
fn a_tree_as_deep_as_paths_can_be_is_sealed() {
    let scene = Scene::new();
    for (step, name) in [("one", "first"), ("two", "second")] {
        let mut entries = Vec::new();
        let mut path = String::from("d");
        for _ in 0..1_900 {
            if step == "one" {
                entries.push(folder(path.clone().leak()));
            }
            path.push_str("/d");
        }
        path.push('/');
        path.push_str(name);
        entries.push(file(path.leak(), name));
        capture(&scene.repository, Tree::of(entries), run(1), step).unwrap();
    }
    let sealed = seal(&scene.repository, run(1), &["one", "two"]).unwrap();
    assert_eq!((sealed.set.counts.files, sealed.set.counts.folders), (2, 1_900));
}

#[test]
fn a_set_says_what_belonged_to_its_target_unless_that_changed_while_it_was_made() {
    let scene = Scene::new();
    let sealed_with = |number, bounds: [&str; 2]| {
        for (step, bounds) in ["one", "two"].into_iter().zip(bounds) {
            let mut request = crate::kit::unit(Tree::of([file(step, step)]), run(number), step);
            bounds.clone_into(&mut request.bounds);
            scene.repository.capture_unit(&request, &crate::kit::always()).unwrap();
        }
        let sealed = seal(&scene.repository, run(number), &["one", "two"]).unwrap();
        let open = scene.repository.open_set(&sealed.set.id).unwrap();
        (sealed.set.id, open.manifest().target.bounds.clone())
    };
    let (first, bounds) = sealed_with(1, ["everything", "everything"]);
    assert_eq!(bounds, "everything");
    assert_eq!(sealed_with(2, ["less", "everything"]).1, "");
    let unless_same = |number| {
        let mut request = seal_request(run(number), &["one", "two"]);
        request.unless_same_as = Some(first.clone());
        scene.repository.seal(&request, &crate::kit::always()).unwrap().origin
    };
    for (number, bounds, expect) in [(3, "everything", Origin::Same), (4, "less", Origin::Done)] {
        for step in ["one", "two"] {
            let mut request = crate::kit::unit(Tree::of([file(step, step)]), run(number), step);
            bounds.clone_into(&mut request.bounds);
            scene.repository.capture_unit(&request, &crate::kit::always()).unwrap();
        }
        assert_eq!(
            unless_same(number),
            expect,
            "the same files, and another meaning of what is not there"
        );
    }
}
