//! The manifest of a set, `/holdfast/manifest.json`: what people need to know of it without us.
//!
//! Of a tree, restic's own tree is the list of entries; objects stand here line by line.

use std::io::{self, Read};
use std::sync::Arc;

use holdfast_contract::entry::{
    Entry, EntryKind, EntrySource, FileTime, Found, LeftOut, Metadata, OpenContent, ReadContent,
    Settled, shown,
};
use holdfast_kernel::id::{Digest, Instant, RunId};
use holdfast_kernel::value::Value;
use serde::{Deserialize, Serialize};

use crate::backup_set::{Completeness, SetId};
use crate::check::Counts;

/// The first name of what is ours in a set.
pub(crate) const AREA: &str = "holdfast";
/// Where the manifest stands in a set.
pub const MANIFEST: &str = "holdfast/manifest.json";
/// The version of its form.
const VERSION: u32 = 1;

/// The target of a set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Its name in the configuration.
    pub name: String,
    /// The kind of target.
    pub kind: String,
    /// What tells it from others of its kind: a tenant, a canonical root.
    pub identity: String,
    /// What of it belonged to the target when it was captured, in the words of its kind; empty: it cannot be said.
    #[serde(default)]
    pub bounds: String,
}

/// One object of a set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its true key.
    pub key: String,
    /// Its kind.
    pub kind: String,
    /// Its name, for people.
    pub name: String,
    /// Where it stands in the set.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// The target's own version of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Which live object it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Value>,
}

/// Something that is not in the set, or not whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// What: a path as it is shown, a kind, a key.
    pub what: String,
    /// Why.
    pub reason: String,
}

impl From<&LeftOut> for Missing {
    fn from(left_out: &LeftOut) -> Self {
        Self { what: shown(&left_out.path), reason: left_out.reason.clone() }
    }
}

/// The manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of its form.
    #[serde(rename = "holdfast_manifest")]
    pub version: u32,
    /// The version of holdfast that wrote it.
    pub written_by: String,
    /// The set's id.
    pub set: String,
    /// The run that made it.
    pub run: RunId,
    /// The digest of the run's workflow.
    pub workflow: Digest,
    /// Its target.
    pub target: Target,
    /// The object that it is a set of, if its workflow has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// When it was sealed, in microseconds since 1970-01-01T00:00:00Z.
    pub sealed_at: Instant,
    /// Whether anything is missing.
    pub completeness: Completeness,
    /// What it holds, without the manifest.
    pub counts: Counts,
    /// What is not in it, and why.
    pub left_out: Vec<Missing>,
    /// Its objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
}

/// What a seal knows that its manifest says.
pub(crate) struct Facts<'a> {
    pub(crate) written_by: &'a str,
    pub(crate) set: &'a SetId,
    pub(crate) run: RunId,
    pub(crate) workflow: Digest,
    pub(crate) target: &'a Target,
    pub(crate) object: Option<&'a str>,
    pub(crate) sealed_at: Instant,
}

impl Facts<'_> {
    pub(crate) fn manifest(
        &self,
        completeness: Completeness,
        counts: Counts,
        left_out: Vec<Missing>,
        items: Vec<Item>,
    ) -> Manifest {
        Manifest {
            version: VERSION,
            written_by: self.written_by.to_owned(),
            set: self.set.to_string(),
            run: self.run,
            workflow: self.workflow,
            target: self.target.clone(),
            object: self.object.map(str::to_owned),
            sealed_at: self.sealed_at,
            completeness,
            counts,
            left_out,
            items,
        }
    }
}

/// A folder with the one file `manifest.json`, as a source.
pub(crate) struct ManifestSource {
    bytes: Arc<Vec<u8>>,
    at: FileTime,
}

impl ManifestSource {
    /// # Errors
    /// It could not be written as JSON.
    pub(crate) fn new(manifest: &Manifest) -> serde_json::Result<Self> {
        let mut bytes = serde_json::to_vec_pretty(manifest)?;
        bytes.push(b'\n');
        let micros = manifest.sealed_at.0;
        let nanoseconds = micros.rem_euclid(1_000_000) * 1000;
        Ok(Self {
            bytes: Arc::new(bytes),
            at: FileTime {
                seconds: micros.div_euclid(1_000_000),
                nanoseconds: u32::try_from(nanoseconds).unwrap_or(0),
            },
        })
    }

    fn metadata(&self, mode: u32) -> Metadata {
        Metadata { mode, modified: self.at, changed: self.at, links: 1, ..Metadata::default() }
    }
}

impl EntrySource for ManifestSource {
    fn entries(&self) -> Box<dyn Iterator<Item = Found> + Send> {
        let folder = Entry {
            path: Vec::new(),
            kind: EntryKind::Folder,
            metadata: self.metadata(0o755),
            content: None,
        };
        Box::new([Found::Entry(folder), self.again(b"manifest.json")].into_iter())
    }

    fn again(&self, path: &[u8]) -> Found {
        Found::Entry(Entry {
            path: path.to_vec(),
            kind: EntryKind::File { size: self.bytes.len() as u64 },
            metadata: self.metadata(0o644),
            content: Some(Box::new(InMemory { bytes: Arc::clone(&self.bytes), at: 0 })),
        })
    }
}

/// Content that is in memory.
pub struct InMemory {
    bytes: Arc<Vec<u8>>,
    at: usize,
}

impl InMemory {
    /// All of these bytes.
    pub const fn new(bytes: Arc<Vec<u8>>) -> Self {
        Self { bytes, at: 0 }
    }
}

impl OpenContent for InMemory {
    fn open(self: Box<Self>) -> io::Result<Box<dyn ReadContent>> {
        Ok(self)
    }
}

impl Read for InMemory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

impl ReadContent for InMemory {
    fn settle(&mut self) -> io::Result<Settled> {
        Ok(Settled::Unchanged)
    }
}
