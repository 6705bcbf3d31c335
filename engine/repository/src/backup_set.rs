//! Backup sets: how they are named and found. The repository is the truth about them.
//!
//! A set is one restic snapshot with our tags. Its short facts stand in the snapshot, so that listing
//! reads no tree; its manifest stands in the tree. Snapshots of others are left alone.

use std::fmt;
use std::str::FromStr;

use holdfast_kernel::id::{EffectKey, Instant, InvalidId, RunId};
use rustic_core::repofile::SnapshotFile;
use serde::{Deserialize, Serialize};

use crate::check::Counts;
use crate::escape::{file_name, key_of};
use crate::open::{Repository, Session};
use crate::refused::Refused;

/// The tag of every set.
pub(crate) const SET_TAG: &str = "holdfast";
/// The tag of every unit.
pub(crate) const UNIT_TAG: &str = "holdfast_unit";

/// A set's id: `set_` and 16 hexadecimal digits of the effect key of its seal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SetId(String);

impl SetId {
    /// The id of the set that the seal with this effect key makes.
    pub fn of(effect: EffectKey) -> Self {
        Self(format!("set_{:016x}", effect.0.leading()))
    }
}

impl fmt::Display for SetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SetId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digits = text.strip_prefix("set_").unwrap_or_default();
        let fits = digits.len() == 16
            && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !fits {
            return Err(InvalidId { expected: "a backup set: `set_` and 16 hexadecimal digits" });
        }
        Ok(Self(text.to_owned()))
    }
}

/// Whether a set has everything that it was to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Completeness {
    /// Everything.
    Complete,
    /// Something is missing, and the manifest lists it.
    Partial,
}

impl Completeness {
    /// The word of the tag.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
        }
    }
}

/// A set as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSet {
    /// Its id.
    pub id: SetId,
    /// Its restic snapshot, 64 hexadecimal digits.
    pub snapshot: String,
    /// The run that made it.
    pub run: RunId,
    /// The name of its target.
    pub target: String,
    /// The object that it is a set of, if its workflow has one.
    pub object: Option<String>,
    /// When it was sealed.
    pub sealed_at: Instant,
    /// Whether anything is missing.
    pub completeness: Completeness,
    /// What it holds, without its manifest.
    pub counts: Counts,
    /// How much is listed as left out.
    pub left_out: u64,
}

/// What stands in the snapshot of a set, apart from its tags.
#[derive(Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) counts: Counts,
    pub(crate) left_out: u64,
}

/// What the tags of a set say.
pub(crate) struct Labels<'a> {
    pub(crate) id: &'a SetId,
    pub(crate) run: RunId,
    pub(crate) effect: EffectKey,
    pub(crate) target: &'a str,
    pub(crate) object: Option<&'a str>,
    pub(crate) completeness: Completeness,
}

impl Labels<'_> {
    /// The tags. Names are escaped: restic splits tags at commas.
    pub(crate) fn tags(&self) -> Vec<String> {
        let mut tags = vec![
            SET_TAG.to_owned(),
            self.id.to_string(),
            run_tag(self.run),
            effect_tag(self.effect),
            format!("target_{}", file_name(self.target.as_bytes())),
            self.completeness.word().to_owned(),
        ];
        if let Some(object) = self.object {
            tags.push(format!("object_{}", file_name(object.as_bytes())));
        }
        tags
    }
}

pub(crate) fn run_tag(run: RunId) -> String {
    run.to_string()
}

pub(crate) fn effect_tag(effect: EffectKey) -> String {
    format!("effect_{effect}")
}

impl Repository {
    /// All sets, oldest first.
    ///
    /// # Errors
    /// A snapshot file could not be read: it is named, and nothing is left out of the list silently.
    pub fn sets(&self) -> Result<Vec<BackupSet>, Refused> {
        let session = self.reading()?;
        let mut sets = Vec::new();
        for snapshot in self.snapshots(&session)? {
            if snapshot.tags.contains(SET_TAG) {
                sets.push(read_set(&snapshot)?);
            }
        }
        sets.sort_by(|a, b| (a.sealed_at, &a.id).cmp(&(b.sealed_at, &b.id)));
        Ok(sets)
    }

    /// The newest complete set of a target and object.
    ///
    /// # Errors
    /// As [`Repository::sets`].
    pub fn newest(&self, target: &str, object: Option<&str>) -> Result<Option<BackupSet>, Refused> {
        let sets = self.sets()?.into_iter().rev();
        Ok(sets.into_iter().find(|set| {
            let is_wanted = set.target == target && set.object.as_deref() == object;
            is_wanted && set.completeness == Completeness::Complete
        }))
    }

    /// The set with an id, if there is one.
    pub(crate) fn find_set(
        &self,
        session: &Session,
        id: &SetId,
    ) -> Result<Option<(SnapshotFile, BackupSet)>, Refused> {
        let tag = id.to_string();
        let found = self
            .snapshots(session)?
            .into_iter()
            .find(|snapshot| snapshot.tags.contains(SET_TAG) && snapshot.tags.contains(&tag));
        let Some(snapshot) = found else {
            return Ok(None);
        };
        let set = read_set(&snapshot)?;
        Ok(Some((snapshot, set)))
    }
}

/// Reads a set from its snapshot.
pub(crate) fn read_set(snapshot: &SnapshotFile) -> Result<BackupSet, Refused> {
    let id = snapshot.id.to_hex().to_string();
    let damaged = |reason: &str| Refused::Damaged {
        what: format!("the snapshot {id} of a backup set"),
        reason: reason.to_owned(),
    };
    let tags = || snapshot.tags.iter().map(String::as_str);
    let named = |prefix: &'static str| tags().find_map(move |tag| tag.strip_prefix(prefix));
    let text = snapshot.description.as_deref().unwrap_or_default();
    let facts: Facts =
        serde_json::from_str(text).map_err(|_error| damaged("its facts cannot be read"))?;
    let completeness = if snapshot.tags.contains(Completeness::Complete.word()) {
        Completeness::Complete
    } else {
        Completeness::Partial
    };
    let set = tags().find_map(|tag| tag.parse().ok());
    let run = tags().find_map(|tag| tag.parse().ok());
    let target = named("target_").and_then(text_of);
    Ok(BackupSet {
        id: set.ok_or_else(|| damaged("it has no id"))?,
        run: run.ok_or_else(|| damaged("it has no run"))?,
        target: target.ok_or_else(|| damaged("it has no target"))?,
        object: named("object_").and_then(text_of),
        sealed_at: Instant(snapshot.time.timestamp().as_microsecond()),
        completeness,
        counts: facts.counts,
        left_out: facts.left_out,
        snapshot: id.clone(),
    })
}

fn text_of(escaped: &str) -> Option<String> {
    String::from_utf8(key_of(escaped)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_kernel::id::Digest;

    #[test]
    fn the_id_of_a_set_is_fixed_before_it_is_written() {
        let effect = EffectKey(Digest::of_bytes(b"seal"));
        let id = SetId::of(effect);
        let digits: String = effect.to_string().chars().take(16).collect();
        assert_eq!(id.to_string(), format!("set_{digits}"));
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "set_", "set_0123456789ABCDEF", "set_0123456789abcdef0"] {
            assert!(wrong.parse::<SetId>().is_err(), "{wrong}");
        }
    }
}
