//! What of a tree belongs to its target, in words that are the same as long as it is.
//!
//! The patterns of the configuration, what is kept for ourselves, and what is mounted inside: all that may keep a
//! path out of a set. It decides nothing; who would remove something by a set compares the words.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use holdfast_contract::entry::{TreePath, shown};
use holdfast_kernel::value::Value;

use crate::root::{Mounts, Settings};

/// Where the system lists what is mounted.
const MOUNTED: &str = "/proc/self/mountinfo";

/// What belongs to the target with this canonical root, of which `never` is never read.
pub(crate) fn bounds(settings: &Settings, root: &Path, never: &BTreeSet<TreePath>) -> String {
    let list =
        |texts: &mut dyn Iterator<Item = String>| Value::List(texts.map(Value::Text).collect());
    let mounted = match std::fs::read(MOUNTED) {
        Ok(table) => list(&mut inside(&table, root.as_os_str().as_bytes()).into_iter()),
        Err(_) => Value::from("unknown"),
    };
    Value::from([
        ("include", list(&mut settings.include.iter().cloned())),
        ("exclude", list(&mut settings.exclude.iter().cloned())),
        ("one_file_system", Value::Boolean(settings.mounts == Mounts::LeftOut)),
        ("kept_for_holdfast", list(&mut never.iter().map(|path| shown(path)))),
        ("mounted", mounted),
    ])
    .canonical()
}

/// The mount points beneath a root, as the system writes them, from the root on.
fn inside(table: &[u8], root: &[u8]) -> BTreeSet<String> {
    let root = escaped(root.strip_suffix(b"/").unwrap_or(root));
    let points = table.split(|byte| *byte == b'\n');
    let points = points.filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    let beneath = points.filter_map(|point| point.strip_prefix(&root[..])?.strip_prefix(b"/"));
    let named = beneath.filter(|point| !point.is_empty());
    named.map(|point| String::from_utf8_lossy(point).into_owned()).collect()
}

/// A path as the table of mounts has it.
fn escaped(path: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(path.len());
    for byte in path {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => escaped.extend(format!("\\{byte:03o}").into_bytes()),
            other => escaped.push(*other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_beneath_a_root_are_found_whatever_their_names() {
        let table = b"22 1 8:1 / / rw - ext4 /dev/a rw
23 22 8:2 / /srv/my\\040data rw - ext4 /dev/b rw
24 23 8:3 / /srv/my\\040data/old rw - ext4 /dev/c rw
25 22 8:4 / /srv/my\\040database rw - ext4 /dev/d rw
";
        let check = |root: &str, expect: &[&str]| {
            let found: Vec<String> = inside(table, root.as_bytes()).into_iter().collect();
            assert_eq!(found, expect, "{root}");
        };
        check("/srv/my data", &["old"]);
        check("/srv", &["my\\040data", "my\\040data/old", "my\\040database"]);
        check("/", &["srv/my\\040data", "srv/my\\040data/old", "srv/my\\040database"]);
        check("/srv/my", &[]);
    }

    #[test]
    fn whatever_may_keep_a_path_out_of_a_set_changes_the_words() {
        let root = Path::new("/nowhere");
        let plain = Settings::default();
        let words = |settings: &Settings, never: &[&str]| {
            let never = never.iter().map(|path| path.as_bytes().to_vec()).collect();
            bounds(settings, root, &never)
        };
        let all = [
            words(&plain, &[]),
            words(&Settings { include: vec!["a".into()], ..plain.clone() }, &[]),
            words(&Settings { exclude: vec!["a".into()], ..plain.clone() }, &[]),
            words(&Settings { mounts: Mounts::Included, ..plain.clone() }, &[]),
            words(&plain, &["backups"]),
        ];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:#?}");
        assert_eq!(words(&plain, &[]), all[0]);
    }
}
