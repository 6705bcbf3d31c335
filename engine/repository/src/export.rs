//! Exporting a set, or one path of it, as plain files: our own restore, item by item.
//!
//! Memory holds one blob and the folders on the way, whatever the size of the set. What the system does
//! not let us set is listed with its path; a damaged file is listed and the rest goes on.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read as _, Write};
use std::path::Path;

use holdfast_contract::entry::{EntryKind, LeftOut, TreePath, shown, unshown};
use rustic_core::repofile::Node;

use crate::backup_set::{Completeness, SetId};
use crate::check::Counts;
use crate::gate::Permit;
use crate::lock::Lock;
use crate::manifest::MANIFEST;
use crate::node::{kind_of, metadata_of};
use crate::open::Repository;
use crate::place::Placer;
use crate::read::{OpenSet, Walk, read_blobs};
use crate::refused::Refused;

/// What an export wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// What was written whole.
    pub counts: Counts,
    /// What could not be written as it was, or at all.
    pub left_out: Vec<LeftOut>,
    /// How many entries were written that were not there as they should be.
    pub changed: u64,
    /// How many entries were removed that the set does not have.
    pub deleted: u64,
}

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Plain files in a folder.
    Files,
    /// One tar archive.
    Tar,
    /// One JSON document, of a set with objects.
    Json,
}

/// What becomes of entries of the folder that the set does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extras {
    /// They stay.
    Keep,
    /// They are removed.
    Remove,
}

impl OpenSet {
    /// Writes the entries at and beneath `only` (empty: all) into the folder `to`, at their paths in the
    /// set. Files that are there are replaced; folders are kept; nothing is written outside of `to`,
    /// whatever links are in it.
    ///
    /// # Errors
    /// There is no such path, `to` cannot be written or its disk is full, or the permit was withdrawn.
    pub fn export(&self, to: &Path, only: &[u8], permit: &Permit) -> Result<Exported, Refused> {
        let mut exported = Exported::default();
        let mut placer = Placer::new(to)?;
        for found in Walk::new(&self.index, self.root, only)? {
            match found {
                Ok((path, node)) => {
                    self.export_one(&mut placer, &mut exported, path, &node, permit)?;
                }
                Err(Refused::Damaged { what, reason }) => {
                    let path = unshown(&what).unwrap_or_else(|| what.clone().into_bytes());
                    exported.left_out.push(LeftOut { path, reason });
                }
                Err(other) => return Err(other),
            }
        }
        exported.left_out.extend(placer.finish()?);
        Ok(exported)
    }

    fn export_one(
        &self,
        placer: &mut Placer,
        exported: &mut Exported,
        path: TreePath,
        node: &Node,
        permit: &Permit,
    ) -> Result<(), Refused> {
        let (kind, metadata) = (kind_of(node), metadata_of(node));
        let permitted = || if permit() { Ok(()) } else { Err(Refused::Cancelled) };
        permitted()?;
        if let EntryKind::File { size } = kind
            && let Some(file) = placer.there(&path, size, &metadata)?
            && self.has_content(file, &path, node, &permitted)?
        {
            exported.counts.add(&kind);
            return Ok(());
        }
        let written = placer.put(&path, &kind, &metadata, |sink| {
            let sink = |bytes: &[u8]| permitted().and_then(|()| sink(bytes));
            read_blobs(&self.index, &path, node, sink)
        });
        let reason = match written {
            Ok(()) => {
                exported.counts.add(&kind);
                exported.changed += u64::from(kind != EntryKind::Folder);
                return Ok(());
            }
            Err(Refused::Damaged { reason, .. }) => reason,
            Err(Refused::Io { doing, source }) => format!("{doing}: {source}"),
            Err(other) => return Err(other),
        };
        exported.left_out.push(LeftOut { path, reason });
        Ok(())
    }

    /// Whether a file that is there has the content that the set has.
    fn has_content(
        &self,
        file: File,
        path: &[u8],
        node: &Node,
        permitted: &dyn Fn() -> Result<(), Refused>,
    ) -> Result<bool, Refused> {
        let mut file = BufReader::new(file);
        let mut there = Vec::new();
        let mut differs = false;
        let compared = read_blobs(&self.index, path, node, |bytes| {
            permitted()?;
            there.resize(bytes.len(), 0);
            differs = file.read_exact(&mut there).is_err() || there != bytes;
            // The rest is not worth reading.
            if differs { Err(Refused::Cancelled) } else { Ok(()) }
        });
        match compared {
            _ if differs => Ok(false),
            Ok(()) => Ok(true),
            // Writing it will say so.
            Err(Refused::Damaged { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }
}

impl Repository {
    /// Writes a set, or one path of it, into a folder: [`OpenSet::export`] under the shared lock.
    ///
    /// # Errors
    /// As there, and the repository is locked or has no such set.
    pub fn export(
        &self,
        id: &SetId,
        to: &Path,
        only: &[u8],
        permit: &Permit,
    ) -> Result<Exported, Refused> {
        let _lock = Lock::shared(self.path())?;
        self.open_set(id)?.export(to, only, permit)
    }

    /// Writes a set, or some paths of it, into a folder or a file, under the shared lock. An archive has the first
    /// of the paths.
    ///
    /// # Errors
    /// As [`OpenSet::export`], and the repository is locked or has no such set.
    pub fn export_as(
        &self,
        id: &SetId,
        to: &Path,
        (format, extras): (Format, Extras),
        paths: &[TreePath],
        permit: &Permit,
    ) -> Result<Exported, Refused> {
        let _lock = Lock::shared(self.path())?;
        let open = self.open_set(id)?;
        let only = paths.first().map_or(&[][..], Vec::as_slice);
        let mut deleted = 0;
        if extras == Extras::Remove {
            may_mirror(&open, to)?;
            // First, so that nothing is in the way, and folders get their times after it.
            deleted = open.remove_extras(to, permit)?;
        }
        let exported = match format {
            Format::Files => open.export_paths(to, paths, permit)?,
            Format::Tar => into_file(to, |out| open.export_tar(out, only, permit))?,
            Format::Json => into_file(to, |out| open.export_json(out, permit))?,
        };
        Ok(Exported { deleted, ..exported })
    }
}

/// Whether a folder may lose what a set does not have: it is an export of ours, or new, and the set lacks nothing.
fn may_mirror(set: &OpenSet, to: &Path) -> Result<(), Refused> {
    let id = &set.set().id;
    if set.set().completeness == Completeness::Partial {
        return Err(Refused::Invalid(format!(
            "{id} is partial: what it lacks may only not have been readable, so nothing is removed by it"
        )));
    }
    fs::create_dir_all(to).map_err(Refused::doing("making the folder of the export"))?;
    let mut entries =
        fs::read_dir(to).map_err(Refused::doing("listing the folder of the export"))?;
    if entries.next().is_some() && !to.join(MANIFEST).is_file() {
        return Err(Refused::Invalid(format!(
            "{} is no export of a backup set, so nothing is removed from it: name a folder that is empty or not there",
            to.display()
        )));
    }
    Ok(())
}

impl OpenSet {
    fn export_paths(
        &self,
        to: &Path,
        paths: &[TreePath],
        permit: &Permit,
    ) -> Result<Exported, Refused> {
        let mut all = Exported::default();
        for path in paths {
            let one = self.export(to, path, permit)?;
            all.counts = all.counts.plus(one.counts);
            all.left_out.extend(one.left_out);
            all.changed += one.changed;
        }
        Ok(all)
    }
}

/// Writes beside a file, and puts it in its place when it is whole.
///
/// # Errors
/// It cannot be written, or `write` fails.
pub fn into_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<Exported, Refused>,
) -> Result<Exported, Refused> {
    let failed = || Refused::doing("writing the file of the export");
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(failed())?;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // Its own name, for its owner alone, removed when it is not whole.
    let beside = tempfile::Builder::new()
        .prefix(".holdfast-")
        .suffix(".part")
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(failed())?;
    let mut out = BufWriter::new(beside.as_file());
    let mut exported = write(&mut out)?;
    out.flush().map_err(failed())?;
    drop(out);
    beside.as_file().sync_all().map_err(failed())?;
    beside.persist(path).map_err(|error| failed()(error.error))?;
    exported.changed = exported.counts.files + exported.counts.others;
    Ok(exported)
}

/// One line for each thing that was left out, for people.
pub fn lines(left_out: &[LeftOut]) -> Vec<String> {
    left_out.iter().map(|one| format!("{}: {}", shown(&one.path), one.reason)).collect()
}
