//! When each target was last backed up completely, as the repositories say it.
//!
//! A repository is only read again once something was put into it or taken out of it. It is never made here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use holdfast_actions::repositories::Repositories;
use holdfast_kernel::id::{Instant, Millis};

use crate::commands::sets;
use crate::error::Error;
use crate::repository;
use crate::settings::Settings;

/// How long a folder must not have changed to be remembered: a second change soon after may show the same time.
const STILL: Millis = Millis::seconds(2);

/// By the name of a target, when its newest complete set was sealed.
type Newest = BTreeMap<String, Instant>;

/// What was found in repositories, so that they need not be read each time.
pub(crate) struct LastSets {
    repositories: Arc<Repositories>,
    known: BTreeMap<String, Known>,
}

/// What is known of a repository.
struct Known {
    /// When the folder with its snapshots had last changed; none: that does not tell whether it is still the same.
    changed: Option<SystemTime>,
    newest: Newest,
}

/// What repositories say.
#[derive(Default)]
pub(crate) struct Found {
    /// By the name of a target of the configuration, when its last complete set was sealed; at 0 where there is none.
    /// A target of which that is not known is not there.
    pub(super) targets: Newest,
    /// By the name of a repository, whether it could be read.
    pub(super) repositories: BTreeMap<String, bool>,
    /// Why those that could not be read could not, full sentences.
    pub(super) unreadable: Vec<String>,
}

/// Where a repository is.
struct Place {
    /// Its name in the configuration; none: it is one of our own.
    name: Option<String>,
    path: PathBuf,
}

impl LastSets {
    /// Of these repositories.
    pub(crate) fn new(repositories: Arc<Repositories>) -> Self {
        Self { repositories, known: BTreeMap::new() }
    }

    /// Whether it is of these repositories.
    pub(crate) fn is_of(&self, repositories: &Arc<Repositories>) -> bool {
        Arc::ptr_eq(&self.repositories, repositories)
    }

    /// What the repositories say of the targets of the configuration. It blocks.
    pub(super) fn look(&mut self, settings: &Settings, now: Instant) -> Found {
        let mut found = Found::default();
        if settings.configuration.targets.is_empty() {
            return found;
        }
        let mut newest = Newest::new();
        for place in places(settings) {
            let read = self.newest(&place, now);
            found.repositories.insert(label(&place).to_owned(), read.is_ok());
            match read {
                Ok(sealed) => sealed.into_iter().for_each(|(target, at)| {
                    let last = newest.entry(target).or_insert(at);
                    *last = at.max(*last);
                }),
                Err(error) => found.unreadable.push(error.to_string()),
            }
        }
        let is_whole = found.unreadable.is_empty();
        for name in settings.configuration.targets.keys() {
            let last = newest.remove(name).or(is_whole.then_some(Instant(0)));
            found.targets.extend(last.map(|last| (name.clone(), last)));
        }
        found
    }

    fn newest(&mut self, place: &Place, now: Instant) -> Result<Newest, Error> {
        let changed = changed(&place.path);
        if let Some(known) = self.known.get(label(place))
            && known.changed.is_some()
            && known.changed == changed
        {
            return Ok(known.newest.clone());
        }
        let repository = self.repositories.named(place.name.as_deref());
        let newest = sets::newest(&repository)?;
        let newest: Newest =
            newest.into_iter().map(|(target, set)| (target, set.sealed_at)).collect();
        let changed = changed.filter(|at| is_still(*at, now));
        self.known.insert(label(place).to_owned(), Known { changed, newest: newest.clone() });
        Ok(newest)
    }
}

/// The repositories that there are.
fn places(settings: &Settings) -> Vec<Place> {
    let configured = &settings.configuration.repositories;
    if configured.is_empty() {
        // One of our own is made by the first backup, not by a look at it.
        let own = repository::own().filter(|own| own.path.join("config").exists());
        return own.into_iter().map(|own| Place { name: None, path: own.path }).collect();
    }
    let places = configured.iter();
    places
        .map(|(name, of)| Place { name: Some(name.clone()), path: PathBuf::from(&of.path) })
        .collect()
}

/// What a repository is called.
fn label(place: &Place) -> &str {
    place.name.as_deref().unwrap_or("own")
}

fn changed(repository: &Path) -> Option<SystemTime> {
    repository.join("snapshots").metadata().and_then(|of| of.modified()).ok()
}

/// Whether something that changed at this time has not done so for long enough that another change shows.
fn is_still(changed: SystemTime, now: Instant) -> bool {
    let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = Instant(i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
    now.since(at) > STILL
}
