//! The repositories of a process: each opened when it is first asked for, once; and the sets that were read lately.
//!
//! Opening derives the key, which costs a third of a second. Everything here blocks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_contract::attempt::Attempt;
use holdfast_contract::provider::{Kept, KeptEntry, Sink};
use holdfast_contract::unit::Range;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{Instant, RunId};
use holdfast_repository::backup_set::SetId;
use holdfast_repository::read::{OpenSet, SetEntry};
use holdfast_repository::unit::FILES;
use holdfast_repository::{Permit, Refused, Repository};

/// How many open sets are kept.
const KEPT_SETS: usize = 4;

/// Opens the repository of a name, or says why it cannot be opened.
pub type Opener = Arc<dyn Fn(&str) -> Result<Repository, Failure> + Send + Sync>;

/// The repositories that a process works with, by name.
pub struct Repositories {
    opener: Opener,
    /// The name of the one that is meant where none is named.
    default: String,
    known: Mutex<BTreeMap<String, Arc<LazyRepository>>>,
}

impl std::fmt::Debug for Repositories {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Repositories")
    }
}

impl Repositories {
    /// Repositories that are opened by this when they are first asked for.
    pub fn new(default: String, opener: Opener) -> Self {
        Self { opener, default, known: Mutex::default() }
    }

    /// The repository of this name; none: the default one. It is not opened yet.
    pub fn named(&self, name: Option<&str>) -> Arc<LazyRepository> {
        let name = name.unwrap_or(&self.default);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(repository) = known.get(name) {
            return Arc::clone(repository);
        }
        let repository = Arc::new(LazyRepository::new(name, Arc::clone(&self.opener)));
        known.insert(name.to_owned(), Arc::clone(&repository));
        repository
    }

    /// The repository that the workflow of an attempt works with.
    pub(crate) fn of(&self, attempt: &Attempt) -> Arc<LazyRepository> {
        self.named(attempt.facts().repository.as_deref())
    }
}

/// A repository that is opened when it is first asked for.
pub struct LazyRepository {
    name: String,
    opener: Opener,
    opened: Mutex<Option<Arc<Repository>>>,
    sets: Mutex<VecDeque<Arc<KeptSet>>>,
    /// The runs after whose death the repository was looked through.
    reclaimed: Mutex<BTreeSet<RunId>>,
}

impl std::fmt::Debug for LazyRepository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LazyRepository").field(&self.name).finish()
    }
}

impl LazyRepository {
    fn new(name: &str, opener: Opener) -> Self {
        Self {
            name: name.to_owned(),
            opener,
            opened: Mutex::default(),
            sets: Mutex::default(),
            reclaimed: Mutex::default(),
        }
    }

    /// The repository.
    ///
    /// # Errors
    /// It cannot be opened. The next call tries again.
    pub fn get(&self) -> Result<Arc<Repository>, Failure> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(repository) = &*opened {
            return Ok(Arc::clone(repository));
        }
        let repository = Arc::new((self.opener)(&self.name)?);
        *opened = Some(Arc::clone(&repository));
        Ok(repository)
    }

    /// Brings what a run's dead process has left in the repository back into use, once for each run: without
    /// that what is captured again would be stored again. Others of the same process wait for it.
    ///
    /// # Errors
    /// Somebody else works on the repository, or it cannot be read or written.
    pub(crate) fn reclaim(&self, run: RunId, at: Instant, permit: &Permit) -> Result<(), Failure> {
        let mut reclaimed = self.reclaimed.lock().unwrap_or_else(PoisonError::into_inner);
        if reclaimed.insert(run) {
            self.get()?.reclaim(at, permit)?;
        }
        Ok(())
    }

    /// An open set.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn set(&self, id: &SetId) -> Result<Arc<KeptSet>, Failure> {
        let kept = || self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = kept().iter().find(|set| set.open.set().id == *id) {
            return Ok(Arc::clone(set));
        }
        let set = Arc::new(KeptSet { open: self.get()?.open_set(id)? });
        let mut kept = kept();
        if kept.len() == KEPT_SETS {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(&set));
        Ok(set)
    }
}

/// The file tree of an open set.
pub struct KeptSet {
    /// The set.
    pub open: OpenSet,
}

impl KeptSet {
    fn path(path: &[u8]) -> Vec<u8> {
        match path {
            [] => FILES.as_bytes().to_vec(),
            path => [FILES.as_bytes(), b"/", path].concat(),
        }
    }

    fn entry_of(entry: SetEntry) -> KeptEntry {
        let SetEntry { path, kind, metadata, parts } = entry;
        KeptEntry { path, kind, metadata, parts }
    }
}

impl Kept for KeptSet {
    fn entries<'a>(
        &'a self,
        range: &Range,
    ) -> Result<Box<dyn Iterator<Item = Result<KeptEntry, Failure>> + 'a>, Failure> {
        let entries = self.open.walk_range(FILES, range)?;
        Ok(Box::new(entries.map(|entry| Ok(Self::entry_of(entry?)))))
    }

    fn entry(&self, path: &[u8]) -> Result<Option<KeptEntry>, Failure> {
        let entry = self.open.entry(&Self::path(path))?;
        Ok(entry.map(|entry| Self::entry_of(SetEntry { path: path.to_vec(), ..entry })))
    }

    fn read(&self, path: &[u8], sink: &mut Sink<'_>) -> Result<(), Failure> {
        let mut refused = None;
        let outcome = self.open.read(&Self::path(path), |bytes| {
            sink(bytes).map_err(|failure| {
                refused = Some(failure);
                Refused::Cancelled
            })
        });
        match (outcome, refused) {
            (_, Some(failure)) => Err(failure),
            (Ok(()), None) => Ok(()),
            (Err(error), None) => Err(read_failure(error)),
        }
    }
}

/// Reading changes nothing.
fn read_failure(error: Refused) -> Failure {
    let failure = Failure::from(error);
    Failure::without_effect(failure.class, failure.message)
}

/// The permit of an attempt, as the repository asks for it.
pub(crate) fn permit(attempt: &Attempt) -> Permit {
    let attempt = attempt.clone();
    Arc::new(move || attempt.permit().is_ok())
}

/// A run's object as the label of a set; none for all.
pub fn object_label(object: &[String]) -> Option<String> {
    (!object.is_empty()).then(|| object.join(", "))
}

/// A set's id from what a step was given.
pub(crate) fn set_id(text: &str) -> Result<SetId, Failure> {
    text.parse().map_err(|error| {
        Failure::without_effect(Class::Invalid, format!("`{text}` is no backup set: {error}"))
    })
}
