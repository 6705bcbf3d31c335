//! The real disk: the same history in a folder of this machine.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_journal::database::Check;
use holdfast_journal::disk::Disk as _;
use holdfast_journal::disk::local::Local;
use holdfast_journal::fault::FileFault;
use holdfast_journal::migrate::FORMAT;
use holdfast_journal::resume::{OpenError, open};
use holdfast_kernel::id::Digest;

use crate::host::{Host, Ledger, everything, run_id, verify};

/// A folder that is empty when the test starts.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    folder
}

#[test]
fn a_history_in_a_folder_is_there_when_it_is_opened_again() {
    let disk: Arc<Local> = Arc::new(Local::new(folder("history")).unwrap());
    let mut ledger = Ledger::default();
    let mut host = Host::open(Arc::<Local>::clone(&disk), 5).unwrap();
    host.submit(run_id(0), &mut ledger).unwrap();
    host.finish(&mut ledger).unwrap();
    let before = everything(&host.opened);
    let second = open(Arc::<Local>::clone(&disk), "instance-1", Check::Quick);
    let in_use = |error: &OpenError| matches!(error, OpenError::File(FileFault::InUse { .. }));
    assert!(second.as_ref().is_err_and(in_use), "{second:?}");
    drop((second, host));
    let host = Host::open(disk, 5).unwrap();
    assert_eq!(everything(&host.opened), before);
    verify(&host.opened, &ledger).unwrap();
}

#[test]
fn files_do_what_they_promise() {
    let disk = Local::new(folder("files")).unwrap();
    let (files, path) = (disk.files(), Path::new("a"));
    assert_eq!(files.length(path).unwrap(), None);
    assert!(files.read(path, 0, &mut [0]).is_err());
    files.append(path, b"one").unwrap();
    files.append(path, b"two").unwrap();
    files.sync(path).unwrap();
    let mut read = [0; 8];
    assert_eq!(files.read(path, 2, &mut read).unwrap(), 4);
    assert_eq!(&read[..4], b"etwo");
    files.truncate(path, 3).unwrap();
    assert_eq!(files.length(path).unwrap(), Some(3));
    files.create_folder(Path::new("f/g")).unwrap();
    files.rename(path, Path::new("f/g/b")).unwrap();
    files.sync_folder(Path::new("f/g")).unwrap();
    assert_eq!(files.list(Path::new("f/g")).unwrap(), [PathBuf::from("b")]);
    assert!(files.list(Path::new("none")).unwrap().is_empty());
    files.drop_cached(Path::new("f/g/b")).unwrap();
    files.remove(Path::new("f/g/b")).unwrap();
    assert!(files.remove(Path::new("f/g/b")).is_err());
    assert!(files.free_space().unwrap() > 0);
}

/// The row of a version: its number and its checksum.
fn version_row(version: u32) -> Vec<u8> {
    let number = version.to_be_bytes();
    let sum = Digest::of_parts(&[b"format", &number]).leading().to_be_bytes();
    [&number[..], &sum].concat()
}

/// Gives the store the format of a later version.
fn make_store_newer(path: &Path) {
    const META: redb::TableDefinition<'static, &'static [u8], &'static [u8]> =
        redb::TableDefinition::new("meta");
    let database = redb::Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    let row = version_row(FORMAT + 1);
    transaction.open_table(META).unwrap().insert(&b"format"[..], &row[..]).unwrap();
    transaction.commit().unwrap();
}

/// Gives the journal the format of a later version: the row stands behind the first sixteen bytes.
fn make_journal_newer(path: &Path) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut row = [0; 12];
    file.read_exact_at(&mut row, 16).unwrap();
    assert_eq!(row[..], version_row(FORMAT));
    file.write_all_at(&version_row(FORMAT + 1), 16).unwrap();
}

#[test]
fn inv_17_a_newer_file_is_refused_with_what_to_do() {
    for name in ["journal.ring", "store.redb"] {
        let home = folder(&format!("newer-{name}"));
        let local = || Arc::new(Local::new(&home).unwrap());
        drop(open(local(), "instance-1", Check::Quick).unwrap());
        let path = home.join(name);
        if name == "store.redb" {
            make_store_newer(&path);
        } else {
            make_journal_newer(&path);
        }
        let error = open(local(), "instance-1", Check::Quick).err().unwrap();
        assert!(matches!(error, OpenError::Newer(_)), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
        assert!(error.remedy().contains("at least as new"), "{}", error.remedy());
    }
}
