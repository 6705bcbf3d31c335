//! What every scene needs: a repository in a temporary folder, runs, and the real restic.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use holdfast_contract::entry::EntrySource;
use holdfast_kernel::id::{Digest, EffectKey, Instant, RunId};
use holdfast_repository::backup_set::{Completeness, SetId};
use holdfast_repository::manifest::Target;
use holdfast_repository::seal::{SealRequest, SealedSet};
use holdfast_repository::unit::{FILES, UnitRequest, UnitSummary};
use holdfast_repository::{Permit, Refused, Repository};

pub(crate) const PASSWORD: &str = "correct horse";

/// A repository with its key file beside it.
pub(crate) struct Scene {
    pub(crate) home: tempfile::TempDir,
    pub(crate) repository: Repository,
}

/// 2026-03-01T00:00:00Z and so many seconds.
pub(crate) fn at(seconds: i64) -> Instant {
    Instant((1_772_323_200 + seconds) * 1_000_000)
}

pub(crate) fn run(number: u8) -> RunId {
    RunId::from_bytes([number; 16])
}

pub(crate) fn effect(run: RunId, step: &str) -> EffectKey {
    EffectKey::of(run, step, None, 0)
}

pub(crate) fn always() -> Permit {
    Arc::new(|| true)
}

pub(crate) fn target() -> Target {
    Target {
        name: "documents".to_owned(),
        kind: "files".to_owned(),
        identity: "files:/srv/documents".to_owned(),
        bounds: "everything".to_owned(),
    }
}

impl Scene {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let repository = Repository::create(&home.path().join("r"), PASSWORD).unwrap();
        std::fs::write(home.path().join("key"), PASSWORD).unwrap();
        Self { home, repository }
    }

    pub(crate) fn path(&self) -> &Path {
        self.repository.path()
    }

    /// The same folder, opened anew with writes that fail as `fault` says.
    pub(crate) fn faulty(&self, fault: holdfast_repository::Fault) -> Repository {
        Repository::open(self.path(), PASSWORD).unwrap().with_fault(fault)
    }

    pub(crate) fn restic(&self, arguments: &[&str]) -> Output {
        Command::new("restic")
            .arg("--no-cache")
            .arg("-r")
            .arg(self.path())
            .arg("--password-file")
            .arg(self.home.path().join("key"))
            .args(arguments)
            .output()
            .unwrap()
    }

    /// What restic says, which must be happy.
    pub(crate) fn restic_ok(&self, arguments: &[&str]) -> String {
        let output = self.restic(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "restic {arguments:?}: {text}{errors}");
        text
    }

    pub(crate) fn check(&self) {
        let text = self.restic_ok(&["check", "--read-data"]);
        assert!(text.contains("no errors were found"), "{text}");
    }

    pub(crate) fn restore(&self, set: &SealedSet) -> PathBuf {
        let to = self.home.path().join(format!("restored-{}", set.set.id));
        self.restic_ok(&["restore", &set.set.snapshot, "--target", to.to_str().unwrap()]);
        to
    }

    pub(crate) fn snapshot_count(&self) -> usize {
        std::fs::read_dir(self.path().join("snapshots")).unwrap().count()
    }
}

/// A unit of run 1 with the step as its effect key.
pub(crate) fn unit(source: impl EntrySource + 'static, run: RunId, step: &str) -> UnitRequest {
    UnitRequest {
        run,
        effect: effect(run, step),
        at: at(0),
        area: FILES,
        source: Arc::new(source),
        bounds: "everything".to_owned(),
        previous: None,
    }
}

pub(crate) fn capture(
    repository: &Repository,
    source: impl EntrySource + 'static,
    run: RunId,
    step: &str,
) -> Result<UnitSummary, Refused> {
    repository.capture_unit(&unit(source, run, step), &always())
}

pub(crate) fn seal_request(run: RunId, units: &[&str]) -> SealRequest {
    SealRequest {
        run,
        effect: effect(run, "seal"),
        at: at(60),
        workflow: Digest::of_bytes(b"workflow"),
        written_by: "0.1.0".to_owned(),
        target: target(),
        object: None,
        units: units.iter().map(|step| effect(run, step)).collect(),
        superseded: Vec::new(),
        objects: None,
        items: Vec::new(),
        left_out: Vec::new(),
        completeness: Completeness::Complete,
        unless_same_as: None,
    }
}

pub(crate) fn seal(
    repository: &Repository,
    run: RunId,
    units: &[&str],
) -> Result<SealedSet, Refused> {
    repository.seal(&seal_request(run, units), &always())
}

pub(crate) fn cat(repository: &Repository, set: &SetId, path: &str) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::new();
    repository.open_set(set)?.read(path.as_bytes(), |part| {
        bytes.extend_from_slice(part);
        Ok(())
    })?;
    Ok(bytes)
}

/// Bytes that neither compress nor repeat.
pub(crate) fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}
