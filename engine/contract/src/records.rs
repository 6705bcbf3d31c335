//! What an attempt may read and write of what its run stores: lists, plans, and how earlier steps ended.
//!
//! Actions never see the journal; this is all of it that they see.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{Digest, EffectKey, Instant, RunId};
use holdfast_kernel::value::Value;
use serde::{Deserialize, Serialize};

use crate::attempt::Boxed;
use crate::list::{ListIn, ListOut, StoredList};
use crate::plan::{Plan, PlanId};

/// The executor's side of what a run stores.
pub trait Records: Send + Sync {
    /// A new list of the run, in clear and masked. What [`ListOut::finish`] gives may stand in an output.
    fn list(&self) -> Box<dyn ListOut>;

    /// A new list in the run's encrypted file: for bodies and plans.
    fn bodies(&self) -> Box<dyn ListOut>;

    /// A list in the encrypted file of a run. It blocks.
    ///
    /// # Errors
    /// Class `auth`: the key is not there. Class `internal`: the list is not what was written.
    fn read_bodies(&self, run: RunId, list: &StoredList) -> Result<Box<dyn ListIn>, Failure>;

    /// The steps before this one that use one of `actions`; if `named` is given, only those of them. It blocks.
    ///
    /// # Errors
    /// Class `internal`: what is stored cannot be read.
    fn earlier(
        &self,
        named: Option<&[String]>,
        actions: &[&str],
    ) -> Result<Vec<EarlierStep>, Failure>;

    /// Whether every step that this one depends on has ended well.
    fn upstream(&self) -> Upstream;

    /// The items of an earlier step in their order, read as they are asked for. It blocks.
    fn items(&self, step: &str) -> Box<dyn Iterator<Item = Result<EarlierItem, Failure>> + Send>;

    /// Stores a plan or what a verification found; resolves when it is durable. Storing the same plan again
    /// changes its expiry.
    fn keep(&self, kept: Keep) -> Boxed<'_, Result<(), Failure>>;

    /// What verifications of a set have found on this machine, the oldest first. It blocks.
    ///
    /// # Errors
    /// Class `internal`: what is stored cannot be read.
    fn verifications(&self, backup_set: &str) -> Result<Vec<Verification>, Failure>;

    /// The plan with this id; none if there is none. It blocks.
    ///
    /// # Errors
    /// Class `internal`: what is stored cannot be read.
    fn plan(&self, id: &PlanId) -> Result<Option<Plan>, Failure>;

    /// What people said about a plan, the oldest first. It blocks.
    ///
    /// # Errors
    /// Class `internal`: what is stored cannot be read.
    fn approvals(&self, plan: &PlanId) -> Result<Vec<Approval>, Failure>;

    /// The runs that have not ended, and the sets that something refers to, each with what that is: runs that have
    /// not ended, plans that have not expired at `now`, items in doubt. It blocks.
    ///
    /// # Errors
    /// Class `internal`: what is stored cannot be read.
    fn references(&self, now: Instant) -> Result<References, Failure>;

    /// How the run goes, in a few lines for a message to people.
    ///
    /// # Errors
    /// Class `internal`: the action does not say that it reads earlier steps.
    fn summary(&self) -> Result<String, Failure>;

    /// The name of who asked for the run; of a child run, of its parent's first ancestor.
    fn initiator(&self) -> String;

    /// The digest of the run's definition.
    fn definition(&self) -> Digest;

    /// What of its target the run is about; empty: all.
    fn object(&self) -> Vec<String>;
}

/// Something that is stored beside the events of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// A plan.
    Plan(Plan),
    /// What a verification found.
    Verification(Verification),
    /// What a person said about a plan.
    Approval(Approval),
    /// What was found out about a set by using it.
    Attestation(Attestation),
    /// A message of a run to people.
    Message(Message),
}

/// What was found out about a backup set by using it: that it was restored and compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// Its id, made from the effect key of who says it.
    pub id: String,
    /// The set.
    pub backup_set: String,
    /// The run that says so.
    pub run: RunId,
    /// When.
    pub at: Instant,
    /// As what it was used: `restore_drill`.
    #[serde(rename = "as")]
    pub used_as: String,
    /// What else is to be said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// A message of a run to people: it becomes one notification, however often it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its id, made from the effect key of who sends it.
    pub id: String,
    /// The run.
    pub run: RunId,
    /// Where it goes.
    pub channel: String,
    /// How much it matters.
    pub level: Level,
    /// Its title; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What it says.
    pub text: String,
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    Info,
    /// Somebody should have a look.
    Warning,
    /// Something went wrong.
    Error,
}

impl Level {
    /// Every level, the mildest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Error];

    /// The word of it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What a person said about a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The plan.
    pub plan: String,
    /// Who.
    pub by: String,
    /// What they said.
    pub verdict: ApprovalVerdict,
    /// In their words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// When.
    pub at: Instant,
    /// The run that asked, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
}

/// What a person says of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalVerdict {
    /// It may be applied.
    Approved,
    /// It may not.
    Rejected,
}

/// What must stay because something refers to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// The runs that have not ended.
    pub active: BTreeSet<RunId>,
    /// The ids of sets, each with what refers to it, a fragment.
    pub sets: BTreeMap<String, String>,
}

/// What a verification of a backup set found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The set.
    pub backup_set: String,
    /// The run that verified it.
    pub run: RunId,
    /// When.
    pub at: Instant,
    /// How much of its content was read, in percent.
    pub percent: u8,
    /// How many bytes that were.
    pub bytes: u64,
    /// How many entries are damaged.
    pub damaged: u64,
}

/// Whether the steps that a step depends on have ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// All are succeeded or skipped.
    Whole,
    /// One is partial, failed or blocked.
    Lacking,
}

/// A step before this one.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlierStep {
    /// Its id.
    pub id: String,
    /// The action it uses.
    pub action: String,
    /// What it returned; an empty map if it is a fan-out or has not succeeded.
    pub output: Value,
    /// How it failed, if it did.
    pub failure: Option<Failure>,
}

/// How an item of an earlier step ended.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlierItem {
    /// Its key; none for a step without a fan-out.
    pub key: Option<String>,
    /// The idempotency key of its effect.
    pub effect: EffectKey,
    /// The keys it had before retries let it act anew, the oldest first.
    pub earlier_effects: Vec<EffectKey>,
    /// How it ended.
    pub end: EarlierEnd,
    /// What it returned; an empty map if it has not succeeded.
    pub output: Value,
    /// How its last attempt failed, if it did.
    pub failure: Option<Failure>,
}

/// How an item ended, as far as later steps ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlierEnd {
    /// All of it.
    Whole,
    /// Part of it.
    Partial,
    /// `where` left it out.
    Skipped,
    /// It failed, is in doubt, or was never tried.
    Lacking,
}

/// Records of an attempt that has none: for tests of actions that ask for nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoRecords;

impl NoRecords {
    fn refused<T>() -> Result<T, Failure> {
        Err(Failure::without_effect(Class::Internal, "this attempt has no records"))
    }
}

struct Nowhere;

impl ListOut for Nowhere {
    fn push(&mut self, _element: Value) -> Result<(), Failure> {
        NoRecords::refused()
    }

    fn count(&self) -> u32 {
        0
    }

    fn finish(self: Box<Self>) -> Result<StoredList, Failure> {
        NoRecords::refused()
    }
}

impl Records for NoRecords {
    fn list(&self) -> Box<dyn ListOut> {
        Box::new(Nowhere)
    }

    fn bodies(&self) -> Box<dyn ListOut> {
        Box::new(Nowhere)
    }

    fn read_bodies(&self, _run: RunId, _list: &StoredList) -> Result<Box<dyn ListIn>, Failure> {
        Self::refused()
    }

    fn earlier(
        &self,
        _named: Option<&[String]>,
        _actions: &[&str],
    ) -> Result<Vec<EarlierStep>, Failure> {
        Self::refused()
    }

    fn upstream(&self) -> Upstream {
        Upstream::Lacking
    }

    fn items(&self, _step: &str) -> Box<dyn Iterator<Item = Result<EarlierItem, Failure>> + Send> {
        Box::new(std::iter::once(Self::refused()))
    }

    fn keep(&self, _kept: Keep) -> Boxed<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Self::refused()))
    }

    fn verifications(&self, _backup_set: &str) -> Result<Vec<Verification>, Failure> {
        Self::refused()
    }

    fn plan(&self, _id: &PlanId) -> Result<Option<Plan>, Failure> {
        Self::refused()
    }

    fn approvals(&self, _plan: &PlanId) -> Result<Vec<Approval>, Failure> {
        Self::refused()
    }

    fn references(&self, _now: Instant) -> Result<References, Failure> {
        Self::refused()
    }

    fn summary(&self) -> Result<String, Failure> {
        Self::refused()
    }

    fn initiator(&self) -> String {
        String::new()
    }

    fn definition(&self) -> Digest {
        Digest::from_bytes([0; 32])
    }

    fn object(&self) -> Vec<String> {
        Vec::new()
    }
}
