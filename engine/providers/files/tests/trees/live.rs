//! The live digest of a path: what changes it, and what must not.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use holdfast_files::live::digest_of;
use holdfast_kernel::id::Digest;

use crate::kit::{Scene, age, everything};

fn live(scene: &Scene, path: &[u8]) -> Option<Digest> {
    let looked = scene.target().live(path, None, &|| true).unwrap();
    looked.map(|looked| looked.digest)
}

#[test]
fn a_live_entry_has_the_digest_of_the_kept_one() {
    let scene = Scene::new();
    everything(&scene);
    let target = scene.target();
    let (sealed, _) = scene.back_up(&target, 1, 100, None);
    let open = scene.repository.open_set(&sealed.set.id).unwrap();
    let mut count = 0;
    for entry in open.walk(b"files").unwrap() {
        let entry = entry.unwrap();
        let mut bytes = Vec::new();
        let is_file = matches!(entry.kind, holdfast_contract::entry::EntryKind::File { .. });
        if is_file {
            open.read(&entry.path, |part| {
                bytes.extend_from_slice(part);
                Ok(())
            })
            .unwrap();
        }
        let content = is_file.then(|| Digest::of_bytes(&bytes));
        let kept = digest_of(&entry.kind, &entry.metadata, content);
        let path = entry.path.strip_prefix(b"files").unwrap();
        let path = path.strip_prefix(b"/").unwrap_or(path);
        assert_eq!(live(&scene, path), Some(kept), "{}", path.escape_ascii());
        count += 1;
    }
    assert!(count > 25, "{count}");
}

fn check(change: impl Fn(&Scene), path: &[u8], changes: bool) {
    let scene = Scene::new();
    let file = scene.write("d/a", b"content");
    age(&file);
    symlink("a", scene.root.join("d/l")).unwrap();
    let before = live(&scene, path);
    change(&scene);
    assert_eq!(live(&scene, path) != before, changes, "{}", path.escape_ascii());
}

#[test]
fn a_digest_changes_with_what_a_restore_would_set_and_with_nothing_else() {
    let a = |scene: &Scene| scene.root.join("d/a");
    check(|_| (), b"d/a", false);
    check(|scene| fs::write(a(scene), "CONTENT").unwrap(), b"d/a", true);
    check(
        |scene| {
            fs::write(a(scene), "CONTENT").unwrap();
            age(&a(scene));
        },
        b"d/a",
        true,
    );
    let mode = |scene: &Scene| fs::set_permissions(a(scene), fs::Permissions::from_mode(0o600));
    check(|scene| mode(scene).unwrap(), b"d/a", true);
    check(
        |scene| {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(a(scene), "user.x", b"1", flags).unwrap();
        },
        b"d/a",
        true,
    );
    check(|scene| fs::remove_file(a(scene)).unwrap(), b"d/a", true);
    // A second name changes the number of links and the time of change; a copy has another inode.
    check(|scene| fs::hard_link(a(scene), scene.root.join("b")).unwrap(), b"d/a", false);
    check(
        |scene| {
            fs::copy(a(scene), scene.root.join("copy")).unwrap();
            fs::rename(scene.root.join("copy"), a(scene)).unwrap();
            age(&a(scene));
        },
        b"d/a",
        false,
    );
    // What happens in a folder is not the folder.
    check(|scene| drop(File::create(scene.root.join("d/new")).unwrap()), b"d", false);
    check(|scene| fs::remove_file(scene.root.join("d/l")).unwrap(), b"d/l", true);
    let relink = |scene: &Scene| {
        fs::remove_file(scene.root.join("d/l")).unwrap();
        symlink("b", scene.root.join("d/l")).unwrap();
    };
    check(relink, b"d/l", true);
}

#[test]
fn nothing_is_read_through_a_link_or_out_of_the_root() {
    let scene = Scene::new();
    scene.write("d/a", b"x");
    symlink("d", scene.root.join("l")).unwrap();
    assert_eq!(live(&scene, b"missing"), None);
    assert_eq!(live(&scene, b"l/a"), None);
    assert_eq!(live(&scene, b"d/a/b"), None);
    let outside = scene.target().live(b"../key", None, &|| true);
    assert!(outside.is_err());
}
