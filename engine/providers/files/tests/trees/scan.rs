//! The scan and its cuts: every path falls into exactly one unit, whatever the patterns say.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use holdfast_contract::entry::{EntrySource as _, Found};
use holdfast_contract::unit::{Range, Unit};
use holdfast_files::{FilesTarget, Refused, Settings};

use crate::kit::{Scene, everything};

fn paths(target: &FilesTarget, range: Range) -> Vec<String> {
    let entries = target.source(range).entries();
    entries
        .map(|found| match found {
            Found::Entry(entry) => String::from_utf8_lossy(&entry.path).into_owned(),
            Found::LeftOut(left_out) => {
                format!("{}: {}", String::from_utf8_lossy(&left_out.path), left_out.reason)
            }
        })
        .collect()
}

#[test]
fn units_of_any_size_give_every_entry_once_and_in_order() {
    let scene = Scene::new();
    everything(&scene);
    let target = scene.target();
    let all = paths(&target, Range::default());
    for entries in [1, 2, 3, 5, 8, 13, 100] {
        let inventory = target.inventory_cut(&|| true, entries, 1 << 30).unwrap();
        let cut: Vec<_> =
            inventory.units.iter().flat_map(|unit| paths(&target, unit.range.clone())).collect();
        assert_eq!(cut, all, "{entries}");
        let keys: BTreeMap<_, _> = inventory.units.iter().map(|unit| (unit.key(), unit)).collect();
        assert_eq!(keys.len(), inventory.units.len());
        assert!(inventory.units.iter().all(|unit| unit.entries <= entries));
        // Nothing lies between two ranges, before the first or after the last.
        let starts = inventory.units.iter().map(|unit| unit.range.start.clone());
        let ends = inventory.units.iter().map(|unit| unit.range.end.clone());
        let starts: Vec<_> = starts.map(Some).skip(1).chain([None]).collect();
        assert_eq!(ends.collect::<Vec<_>>(), starts);
        assert_eq!(inventory.units[0].range.start, b"");
    }
}

#[test]
fn a_unit_ends_before_it_has_too_many_bytes() {
    let scene = Scene::new();
    for name in ["a", "b", "c", "d"] {
        scene.write(name, &[1; 600]);
    }
    scene.write("e", &[1; 5000]);
    let inventory = scene.target().inventory_cut(&|| true, 100, 1200).unwrap();
    let bytes: Vec<_> = inventory.units.iter().map(|unit| unit.bytes).collect();
    assert_eq!(bytes, [1200, 1200, 5000]);
}

#[test]
fn what_appears_after_the_inventory_falls_into_a_unit() {
    let scene = Scene::new();
    scene.write("b/x", b"1");
    scene.write("c", b"2");
    let target = scene.target();
    let units = target.inventory_cut(&|| true, 1, 1 << 30).unwrap().units;
    for path in ["a", "b/a", "b/z", "b0", "zz"] {
        scene.write(path, b"late");
    }
    let found: Vec<_> =
        units.iter().flat_map(|unit: &Unit| paths(&target, unit.range.clone())).collect();
    assert_eq!(found, ["", "a", "b", "b/a", "b/x", "b/z", "b0", "c", "zz"]);
}

#[test]
fn include_patterns_give_the_folders_on_the_way_with_their_own_metadata() {
    let scene = Scene::new();
    scene.write("docs/deep/a.txt", b"1");
    scene.write("docs/deep/b.bin", b"2");
    scene.write("other/c.bin", b"3");
    let mut settings = scene.settings();
    settings.include = vec!["**/*.txt".to_owned()];
    let target = FilesTarget::open(&settings).unwrap();
    assert_eq!(paths(&target, Range::default()), ["", "docs", "docs/deep", "docs/deep/a.txt"]);
}

#[test]
fn an_empty_root_has_no_units() {
    let scene = Scene::new();
    assert_eq!(scene.target().inventory_of(&|| true).unwrap().units, []);
    scene.write("x.tmp", b"1");
    let mut settings = scene.settings();
    settings.include = vec!["*.txt".to_owned()];
    let target = FilesTarget::open(&settings).unwrap();
    assert_eq!(target.inventory_of(&|| true).unwrap().units, []);
}

#[test]
fn a_cancelled_inventory_stops() {
    let scene = Scene::new();
    scene.write("a", b"1");
    let refused = scene.target().inventory_of(&|| false).unwrap_err();
    assert!(matches!(refused, Refused::Cancelled));
}

#[test]
fn a_link_to_a_folder_is_kept_as_a_link_and_never_entered() {
    let scene = Scene::new();
    scene.write("real/a", b"1");
    symlink("real", scene.root.join("link")).unwrap();
    symlink("/etc", scene.root.join("out")).unwrap();
    assert_eq!(paths(&scene.target(), Range::default()), ["", "link", "out", "real", "real/a"]);
}

#[test]
fn a_folder_that_may_not_be_read_is_listed_with_its_path() {
    // Root may read everything, so this looks at what a user without rights would get.
    let scene = Scene::new();
    scene.write("a", b"1");
    fs::create_dir(scene.root.join("locked")).unwrap();
    fs::set_permissions(scene.root.join("locked"), fs::Permissions::from_mode(0o000)).unwrap();
    let found = paths(&scene.target(), Range::default());
    let as_root = ["", "a", "locked"];
    let as_user = ["", "a", "locked", "locked: Permission denied (os error 13)"];
    assert!(found == as_root || found == as_user, "{found:?}");
}

#[test]
fn another_file_system_is_not_entered_and_is_listed_as_a_rule() {
    // /proc stands on another file system than /, wherever this runs.
    let others = fs::read_dir("/").unwrap().map(|entry| entry.unwrap().file_name());
    let others = others.filter(|name| name != "proc");
    let exclude: Vec<_> = others.map(|name| name.into_string().unwrap()).collect();
    let settings = Settings { root: "/".into(), exclude, ..Settings::default() };
    let target = FilesTarget::open(&settings).unwrap();
    assert_eq!(paths(&target, Range::default()), ["", "proc"]);
    let inventory = target.inventory_of(&|| true).unwrap();
    assert_eq!(inventory.ruled.len(), 1, "{:?}", inventory.ruled);
    // The way to something included has no folder that was only looked at.
    let include = vec!["proc/none".to_owned()];
    let target = FilesTarget::open(&Settings { include, ..settings }).unwrap();
    assert_eq!(paths(&target, Range::default()), Vec::<String>::new());
}
