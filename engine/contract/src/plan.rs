//! Plans: what a preview stored and a restore applies, object by object.
//!
//! A plan is named by its digest: the target, the set, the way it was compared, and every change with the
//! digests of what is there and what is wanted. Nothing here compares or applies anything.

use std::fmt;
use std::str::FromStr;

use holdfast_kernel::event::TargetReference;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{Digest, Instant, InvalidId, RunId};
use holdfast_kernel::value::Value;
use serde::{Deserialize, Serialize};

use crate::entry::{TreePath, unshown};
use crate::list::StoredList;

/// A plan's id: `plan_` and the first 32 hexadecimal digits of its digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanId(String);

/// How many digits of the digest stand in an id: 128 bits, which two plans do not share by accident or design.
const DIGITS: usize = 32;

impl PlanId {
    /// The id of the plan with this digest.
    pub fn of(digest: Digest) -> Self {
        Self(format!("plan_{}", digest.to_string().chars().take(DIGITS).collect::<String>()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PlanId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digits = text.strip_prefix("plan_").unwrap_or_default();
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if digits.len() == DIGITS && digits.bytes().all(is_hex) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidId { expected: "a plan: `plan_` and 32 hexadecimal digits" })
    }
}

/// What is kept of a plan beside its changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Its id.
    pub id: PlanId,
    /// Its digest, over everything that is applied.
    pub digest: Digest,
    /// The run that made it, whose file of bodies has its changes.
    pub run: RunId,
    /// The changes, in the order in which they are applied.
    pub changes: StoredList,
    /// The target it was made for.
    pub target: TargetReference,
    /// The backup set it restores.
    pub backup_set: String,
    /// The repository that has the set; none: the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// When it was made.
    pub made_at: Instant,
    /// When it may not be applied any more.
    pub expires_at: Instant,
    /// How many changes of each sort it has.
    pub counts: PlanCounts,
}

/// How many changes of each sort a plan has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanCounts {
    /// Objects that will be made.
    pub create: u64,
    /// Objects that will be changed.
    pub update: u64,
    /// Objects that will be removed.
    pub delete: u64,
    /// Objects that differ and will not be touched.
    pub blocked: u64,
    /// Objects that are as they should be; no part of the plan.
    pub unchanged: u64,
    /// Changes of high risk.
    pub high_risk: u64,
    /// Bytes of content that will be written.
    pub bytes: u64,
}

impl PlanCounts {
    /// How many objects would change.
    pub const fn changes(&self) -> u64 {
        self.create + self.update + self.delete
    }

    /// Counts one change more.
    pub fn add(&mut self, change: &Change) {
        match change.sort {
            Sort::Create => self.create += 1,
            Sort::Update => self.update += 1,
            Sort::Delete => self.delete += 1,
            Sort::Blocked => self.blocked += 1,
            Sort::None => self.unchanged += 1,
        }
        if change.risk == Risk::High {
            self.high_risk += 1;
        }
        if matches!(change.sort, Sort::Create | Sort::Update) {
            self.bytes += change.new_bytes.unwrap_or(0);
        }
    }
}

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Makes an object that is not there.
    Create,
    /// Changes one that is.
    Update,
    /// Removes one.
    Delete,
    /// Nothing: it is as it should be.
    None,
    /// It differs, and is not touched; the reason says why.
    Blocked,
}

impl Sort {
    /// The word used everywhere.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::None => "none",
            Self::Blocked => "blocked",
        }
    }
}

/// How much a change may hurt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// What is lost can be got back from the set, or nothing is lost.
    #[default]
    Low,
    /// Something goes that is in no set, or becomes something else.
    High,
}

impl Risk {
    /// The word used everywhere.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::High => "high",
        }
    }
}

/// One change of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The key of the object, unique in the plan.
    pub key: String,
    /// What kind of object it is.
    pub kind: String,
    /// Its name for people.
    pub name: String,
    /// What happens to it.
    #[serde(rename = "change")]
    pub sort: Sort,
    /// How much that may hurt.
    #[serde(default)]
    pub risk: Risk,
    /// Why it is blocked or of high risk; empty if there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What must come first has the lower number.
    pub stage: i64,
    /// The digest of what was there; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Digest>,
    /// The digest of what is wanted; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Digest>,
    /// How many bytes of content were there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_bytes: Option<u64>,
    /// How many are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_bytes: Option<u64>,
    /// Its path in a tree, escaped as for people; none if it is no part of a tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Of a file with several hard links: which file of the set it is, its device and number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked: Option<(u64, u64)>,
    /// The other names of the same file, each with what was there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<OtherName>,
    /// What differs, for people; empty if there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub diff: String,
}

/// Another name of a file with several hard links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherName {
    /// Its path, escaped as for people.
    pub path: String,
    /// The digest of what was there; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Digest>,
}

impl Change {
    /// Its path in a tree.
    ///
    /// # Errors
    /// Class `invalid`: it has none.
    pub fn tree_path(&self) -> Result<TreePath, Failure> {
        let path = self.path.as_deref().and_then(unshown);
        path.ok_or_else(|| {
            let message = format!("`{}` is no part of a tree", self.key);
            Failure::without_effect(Class::Invalid, message)
        })
    }

    /// As it is stored.
    ///
    /// # Errors
    /// Class `internal`: it has no JSON.
    pub fn to_value(&self) -> Result<Value, Failure> {
        convert(self)
    }

    /// A change that was stored.
    ///
    /// # Errors
    /// Class `internal`: it is none.
    pub fn from_value(value: &Value) -> Result<Self, Failure> {
        convert(value)
    }

    /// What `plan.open` lists of it. `place` is where it stands in the plan.
    pub fn item(&self, place: u32) -> Value {
        Value::from([
            ("key", Value::from(self.key.as_str())),
            ("kind", Value::from(self.kind.as_str())),
            ("name", Value::from(self.name.as_str())),
            ("change", Value::from(self.sort.word())),
            ("risk", Value::from(self.risk.word())),
            ("stage", Value::Integer(self.stage.into())),
            ("place", Value::from(u64::from(place))),
        ])
    }
}

/// From one form to another that has the same JSON.
fn convert<A: Serialize, B: serde::de::DeserializeOwned>(from: &A) -> Result<B, Failure> {
    let text = serde_json::to_vec(from);
    text.and_then(|text| serde_json::from_slice(&text)).map_err(|error| {
        Failure::without_effect(
            Class::Internal,
            format!("a change of a plan is unreadable: {error}"),
        )
    })
}

/// The digest of a plan, made from its parts one after the other.
#[derive(Clone, Copy, Debug)]
pub struct PlanDigest(Digest);

impl PlanDigest {
    /// Of a plan without changes for this target and set.
    pub fn new(identity: &str, backup_set: &str) -> Self {
        let parts = [&b"holdfast plan 1"[..], identity.as_bytes(), backup_set.as_bytes()];
        Self(Digest::of_parts(&parts))
    }

    /// Takes the next change, in its stored form.
    pub fn add(&mut self, change: &Value) {
        self.0 = Digest::of_parts(&[self.0.bytes(), change.canonical().as_bytes()]);
    }

    /// The digest of all that was taken.
    pub const fn end(self) -> Digest {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str) -> Change {
        Change {
            key: key.to_owned(),
            kind: "file".to_owned(),
            name: key.to_owned(),
            sort: Sort::Create,
            risk: Risk::Low,
            reason: String::new(),
            stage: 3,
            live: None,
            wanted: Some(Digest::of_bytes(b"x")),
            old_bytes: None,
            new_bytes: Some(1),
            path: Some(key.to_owned()),
            linked: Some((1, 2)),
            names: vec![OtherName { path: "other".to_owned(), live: None }],
            diff: String::new(),
        }
    }

    #[test]
    fn a_change_reads_back_as_it_was_stored() {
        let change = change("a/b");
        assert_eq!(Change::from_value(&change.to_value().unwrap()).unwrap(), change);
        assert!(Change::from_value(&Value::from("x")).is_err());
    }

    #[test]
    fn the_digest_of_a_plan_has_every_change_in_its_order() {
        let digest = |keys: &[&str]| {
            let mut digest = PlanDigest::new("files:/a", "set_1");
            for key in keys {
                digest.add(&change(key).to_value().unwrap());
            }
            digest.end()
        };
        assert_ne!(digest(&["a", "b"]), digest(&["b", "a"]));
        assert_ne!(digest(&["a"]), digest(&["a", "a"]));
        let id = PlanId::of(digest(&[]));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("plan_0123".parse::<PlanId>().is_err());
    }
}
