//! What every test needs: a tree with everything in it, a repository beside it, the real restic.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use holdfast_contract::provider::Provider as _;
use holdfast_contract::unit::Unit;
use holdfast_files::{FilesTarget, Settings};
use holdfast_kernel::id::{Digest, EffectKey, Instant, RunId};
use holdfast_repository::backup_set::{Completeness, SetId};
use holdfast_repository::manifest::{Missing, Target};
use holdfast_repository::seal::{SealRequest, SealedSet};
use holdfast_repository::unit::{FILES, UnitRequest, UnitSummary};
use holdfast_repository::{Permit, Repository};

const PASSWORD: &str = "open sesame";

pub(crate) struct Scene {
    pub(crate) home: tempfile::TempDir,
    pub(crate) root: PathBuf,
    pub(crate) repository: Repository,
}

pub(crate) fn always() -> Permit {
    Arc::new(|| true)
}

impl Scene {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("root");
        fs::create_dir(&root).unwrap();
        let repository = Repository::create(&home.path().join("repository"), PASSWORD).unwrap();
        fs::write(home.path().join("key"), PASSWORD).unwrap();
        Self { home, root, repository }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings { root: self.root.clone(), ..Settings::default() }
    }

    pub(crate) fn target(&self) -> FilesTarget {
        FilesTarget::open(&self.settings()).unwrap()
    }

    pub(crate) fn write(&self, path: &str, content: &[u8]) -> PathBuf {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn restic(&self, arguments: &[&str]) -> String {
        let output = Command::new("restic")
            .args(["--no-cache", "-r"])
            .arg(self.repository.path())
            .arg("--password-file")
            .arg(self.home.path().join("key"))
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "restic {arguments:?}: {text}{errors}");
        text
    }

    /// Captures the whole tree in units of this many entries, and seals it.
    pub(crate) fn back_up(
        &self,
        target: &FilesTarget,
        run: u8,
        entries: u64,
        previous: Option<&SetId>,
    ) -> (SealedSet, Vec<UnitSummary>) {
        let run = RunId::from_bytes([run; 16]);
        let inventory = target.inventory_cut(&|| true, entries, 1 << 30).unwrap();
        let effect = |unit: &Unit| EffectKey::of(run, "capture", Some(&unit.key()), 0);
        let units = inventory.units.iter().map(|unit| {
            let range = Unit::range_of(&unit.item()).unwrap();
            let request = UnitRequest {
                bounds: target.bounds(),
                run,
                effect: effect(unit),
                at: Instant(1_772_323_200_000_000),
                area: FILES,
                source: Arc::new(target.source(range)),
                previous: previous.cloned(),
            };
            self.repository.capture_unit(&request, &always()).unwrap()
        });
        let units: Vec<_> = units.collect();
        let request = SealRequest {
            run,
            effect: EffectKey::of(run, "seal", None, 0),
            at: Instant(1_772_323_260_000_000),
            workflow: Digest::of_bytes(b"workflow"),
            written_by: "0.1.0".to_owned(),
            target: Target {
                name: "documents".to_owned(),
                kind: "files".to_owned(),
                identity: target.name(),
                bounds: target.bounds(),
            },
            object: None,
            units: inventory.units.iter().map(effect).collect(),
            superseded: Vec::new(),
            objects: None,
            items: Vec::new(),
            left_out: inventory.unreadable.iter().map(Missing::from).collect(),
            completeness: Completeness::Complete,
            unless_same_as: None,
        };
        let sealed = self.repository.seal(&request, &always()).unwrap();
        (sealed, units)
    }

    pub(crate) fn restore(&self, sealed: &SealedSet) -> PathBuf {
        let to = self.home.path().join(format!("by-restic-{}", sealed.set.id));
        self.restic(&["restore", &sealed.set.snapshot, "--target", to.to_str().unwrap()]);
        to.join("files")
    }

    pub(crate) fn export(&self, sealed: &SealedSet) -> PathBuf {
        let to = self.home.path().join(format!("by-us-{}", sealed.set.id));
        let exported = self.repository.export(&sealed.set.id, &to, b"files", &always()).unwrap();
        assert_eq!(exported.left_out, []);
        to.join("files")
    }
}

fn attribute(path: &Path, name: &str, value: &[u8]) {
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(path, name, value, flags).unwrap();
}

fn set_time(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = rustix::fs::Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, flags).unwrap();
}

/// Whether we may make devices and give files away.
fn am_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A tree with everything that a Linux file system can hold and we may make.
pub(crate) fn everything(scene: &Scene) {
    let root = &scene.root;
    scene.write("plain.txt", b"hello");
    scene.write("deep/er/and/deeper/file", b"down here");
    scene.write("d.txt", b"between d and d/x");
    scene.write("d/x", b"inside");
    fs::create_dir_all(root.join("empty/folder")).unwrap();
    let odd = [&b"not \xff utf8"[..], b"new\nline", b"back\\slash", b"\x01\x7f", b" lead"];
    for name in odd {
        fs::write(root.join(OsStr::from_bytes(name)), name).unwrap();
    }
    let folder = root.join(OsStr::from_bytes(b"folder \xfe"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("x"), "x").unwrap();

    symlink("../outside/\u{e4}", root.join("link")).unwrap();
    symlink("plain.txt", root.join("good link")).unwrap();
    fs::hard_link(root.join("plain.txt"), root.join("d/second name")).unwrap();
    fs::hard_link(root.join("plain.txt"), root.join("zz third name")).unwrap();

    let node = |name: &str, kind, device| {
        let mode = rustix::fs::Mode::from_raw_mode(0o640);
        rustix::fs::mknodat(rustix::fs::CWD, root.join(name), kind, mode, device).unwrap();
    };
    node("pipe", rustix::fs::FileType::Fifo, 0);
    if am_root() {
        node("null", rustix::fs::FileType::CharacterDevice, rustix::fs::makedev(1, 3));
        node("loop", rustix::fs::FileType::BlockDevice, rustix::fs::makedev(7, 300));
    }

    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.set_len(64 << 20).unwrap();
    sparse.write_all_at(b"in the middle", 10 << 20).unwrap();
    scene.write("big", &(0..3_000_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());

    let special = scene.write("special", b"bits");
    if am_root() {
        std::os::unix::fs::chown(&special, Some(1234), Some(4321)).unwrap();
        std::os::unix::fs::lchown(root.join("link"), Some(77), Some(88)).unwrap();
    }
    fs::set_permissions(&special, fs::Permissions::from_mode(0o6711)).unwrap();
    fs::set_permissions(root.join("empty"), fs::Permissions::from_mode(0o1500)).unwrap();
    attribute(&special, "user.note", b"\x00 value \xff");
    attribute(&special, "user.empty", b"");
    attribute(&root.join("d"), "user.folder", b"has one too");
    if am_root() {
        attribute(&root.join("d"), "trusted.secret", b"only root sees it");
    }

    set_time(&special, -1_000_000_000, 1);
    set_time(&root.join("link"), 1_000_000_000, 999_999_999);
    set_time(&root.join("pipe"), 1_234_567_890, 123_456_789);
    set_time(&root.join("d"), 1_111_111_111, 111_111_111);
    set_time(root, 1_222_222_222, 222_222_222);
}

/// Sets the time of a file to one in the past, so that a change is seen whatever the clock's grain.
pub(crate) fn age(path: &Path) {
    let time = UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}
