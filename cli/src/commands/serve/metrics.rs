//! The metrics file of the service: written when the configuration is read, and once a minute.
//!
//! It has a task and a thread of its own: a repository or a disk that hangs makes the file old and holds up nothing.
//! What cannot be written is told once until it is written again.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use holdfast_kernel::id::Millis;
use holdfast_runtime::{clock, tasks};
use holdfast_service::answer::Sources;
use tokio::sync::watch;

use crate::access::Access;
use crate::commands::metrics::{LastSets, gather, text};
use crate::compose::Parts;
use crate::error::Error;
use crate::settings::Settings;

/// How often the file is written.
const PERIOD: Millis = Millis::seconds(60);

/// Who reads the file is another user.
const MODE: u32 = 0o644;

/// Writes the file as long as it is there.
pub(super) struct Metrics {
    wanted: watch::Sender<Option<Arc<Wanted>>>,
}

/// What the file is made of.
struct Wanted {
    settings: Settings,
    parts: Parts,
    sources: Sources,
}

impl Metrics {
    /// Writes nothing before it is told of what.
    pub(super) fn start() -> Self {
        let (wanted, asked) = watch::channel(None);
        tasks::spawn(keep(asked));
        Self { wanted }
    }

    /// Writes the file now, and again and again, if the configuration names one.
    pub(super) fn write(&self, settings: &Settings, parts: &Parts, sources: Sources) {
        let wanted = Wanted { settings: settings.clone(), parts: parts.clone(), sources };
        drop(self.wanted.send_replace(Some(Arc::new(wanted))));
    }
}

async fn keep(mut asked: watch::Receiver<Option<Arc<Wanted>>>) {
    let mut writer = Writer::default();
    loop {
        let wanted = asked.borrow_and_update().clone();
        if let Some(wanted) = wanted {
            let written = tasks::spawn_blocking(move || {
                writer.turn(&wanted);
                writer
            });
            writer = written.await.unwrap_or_else(|error| {
                tracing::error!("A bug in holdfast: {error}.");
                Writer::default()
            });
        }
        tokio::select! {
            changed = asked.changed() => if changed.is_err() { return },
            () = clock::wait(PERIOD) => {}
        }
    }
}

/// What is remembered from one time to the next.
#[derive(Default)]
struct Writer {
    /// The file that the rest is about.
    path: Option<String>,
    last_sets: Option<LastSets>,
    /// Which repositories could not be read, as it was told.
    unreadable: Vec<String>,
    /// Whether it could not be written the last time.
    is_failing: bool,
}

/// What is to be told of a time.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Written,
    WrittenAgain,
    Failed(String),
    StillFails(String),
}

impl Writer {
    fn turn(&mut self, wanted: &Wanted) {
        let path = wanted.settings.configuration.service.metrics_file.as_deref();
        if self.path.as_deref() != path {
            *self = Self { path: path.map(str::to_owned), ..Self::default() };
            if let Some(warning) = path.and_then(unfit) {
                tracing::warn!("{warning}");
            }
        }
        let Some(path) = path else { return };
        let written = self.text(wanted).and_then(|text| {
            write(Path::new(path), &text).map_err(|error| {
                Error::unavailable(format!("The metrics file {path} cannot be written: {error}."))
            })
        });
        match self.news(written) {
            News::Written => tracing::debug!("the metrics file {path} is written"),
            News::WrittenAgain => tracing::info!("The metrics file {path} is written again."),
            News::Failed(text) => tracing::warn!("{text} It is tried again every minute."),
            News::StillFails(text) => tracing::debug!("{text}"),
        }
    }

    fn text(&mut self, wanted: &Wanted) -> Result<String, Error> {
        let Wanted { settings, parts, sources } = wanted;
        let repositories = &parts.repositories;
        let known = self.last_sets.take().filter(|sets| sets.is_of(repositories));
        let sets =
            self.last_sets.insert(known.unwrap_or_else(|| LastSets::new(Arc::clone(repositories))));
        let access = Access::owner(sources.clone());
        let snapshot = gather(&access, settings, sets, clock::now())?;
        if snapshot.unreadable() != self.unreadable {
            self.unreadable = snapshot.unreadable().to_vec();
            for trouble in &self.unreadable {
                tracing::warn!("The metrics are without the sets of a repository. {trouble}");
            }
        }
        Ok(text(&snapshot))
    }

    fn news(&mut self, written: Result<(), Error>) -> News {
        let was_failing = std::mem::replace(&mut self.is_failing, written.is_err());
        match (was_failing, written) {
            (false, Ok(())) => News::Written,
            (true, Ok(())) => News::WrittenAgain,
            (false, Err(error)) => News::Failed(error.to_string()),
            (true, Err(error)) => News::StillFails(error.to_string()),
        }
    }
}

/// Why nobody may come to read the file.
fn unfit(path: &str) -> Option<String> {
    let is_read = Path::new(path).extension().is_some_and(|ending| ending == "prom");
    (!is_read).then(|| {
        format!(
            "The name of the metrics file {path} does not end in `.prom`: node_exporter's textfile collector leaves it \
             out."
        )
    })
}

/// Writes a file at once: whoever reads it has all of the old one or all of the new one.
fn write(path: &Path, text: &str) -> io::Result<()> {
    // What ends in `.prom` would be read while it is half written.
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut named = tempfile::Builder::new();
    let mut beside = named.prefix(".holdfast-metrics-").suffix(".new").tempfile_in(folder)?;
    beside.write_all(text.as_bytes())?;
    beside.as_file().set_permissions(Permissions::from_mode(MODE))?;
    beside.persist(path).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_replaced_at_once_for_all_to_read_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().expect("a folder is made");
        let path = folder.path().join("holdfast.prom");
        for text in ["one\n", "two\n"] {
            write(&path, text).expect("it is written");
            assert_eq!(fs::read_to_string(&path).expect("it is read"), text);
            let mode = fs::metadata(&path).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o644);
        }
        let taken = folder.path().join("taken.prom");
        fs::create_dir(&taken).expect("a folder is made");
        write(&taken, "three\n").expect_err("a folder is in its place");
        assert_eq!(fs::read_dir(folder.path()).expect("it is read").count(), 2);
        write(&folder.path().join("missing/m.prom"), "").expect_err("the folder is missing");
    }

    #[test]
    fn that_it_cannot_be_written_is_told_once_until_it_is_written_again() {
        let mut writer = Writer::default();
        let failed = || Err(Error::unavailable("It failed."));
        let mut check = |written, expect| assert_eq!(writer.news(written), expect);
        check(Ok(()), News::Written);
        check(failed(), News::Failed("It failed.".to_owned()));
        check(failed(), News::StillFails("It failed.".to_owned()));
        check(Ok(()), News::WrittenAgain);
        check(Ok(()), News::Written);
        check(failed(), News::Failed("It failed.".to_owned()));
    }

    #[test]
    fn a_name_that_no_collector_reads_is_warned_of() {
        let check = |path: &str, is_fit: bool| assert_eq!(unfit(path).is_none(), is_fit, "{path}");
        check("/var/lib/node_exporter/holdfast.prom", true);
        check("/var/lib/holdfast/metrics.txt", false);
        check("/var/lib/holdfast/metrics", false);
    }
}
