//! What `serve` says: the `tracing` events of this program's own crates, each a line on standard error.
//!
//! Text is the sentence alone: who reads it knows the time. JSON is for programs. Until it is set up, as in every
//! other command, nothing is listened to and talk is printed as it is. Nothing is masked here: whoever makes an event
//! has masked what is in it.

mod line;

use std::panic::{PanicHookInfo, set_hook};
use std::sync::{Mutex, PoisonError};

use holdfast_kernel::id::Instant;
use holdfast_language::configuration::LogForm;
use holdfast_runtime::clock;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::environment;
use crate::error::Error;
use crate::output;
use line::Said;

/// The variable that says how much is told.
const VARIABLE: &str = "HOLDFAST_LOG";

/// The words of the variable.
const LEVELS: [(&str, Level); 4] = [
    ("error", Level::ERROR),
    ("warn", Level::WARN),
    ("info", Level::INFO),
    ("debug", Level::DEBUG),
];

/// What the names of our crates begin with.
const OURS: &str = "holdfast";

/// The form of the log; none before it is set up.
static FORM: Mutex<Option<LogForm>> = Mutex::new(None);

/// Listens to events from here on, and writes them in this form: whatever this process says is an event from now.
///
/// # Errors
/// `HOLDFAST_LOG` has a word that is no level. That can be told in the form of the log.
pub(crate) fn start(form: LogForm) -> Result<(), Error> {
    let level = level_of(environment::variable(VARIABLE).as_deref());
    let most = level.as_ref().copied().unwrap_or(Level::INFO);
    let lines = Lines { most, form: now_spoken, at: clock::now, write: output::log };
    // The first one stays: a process is one service.
    if tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines)).is_ok() {
        speak(form);
        set_hook(Box::new(tell_panic));
    }
    level.map(drop)
}

/// Another form from here on.
pub(crate) fn speak(form: LogForm) {
    *FORM.lock().unwrap_or_else(PoisonError::into_inner) = Some(form);
}

/// The form of the log; none where nothing listens to events.
pub(crate) fn form() -> Option<LogForm> {
    *FORM.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_spoken() -> LogForm {
    form().unwrap_or_default()
}

fn level_of(word: Option<&str>) -> Result<Level, Error> {
    let Some(word) = word else { return Ok(Level::INFO) };
    let known = LEVELS.iter().find(|(known, _)| *known == word);
    known.map(|(_, level)| *level).ok_or_else(|| {
        Error::usage(format!("`{VARIABLE}` is `{word}`, which is no level."))
            .hint("It is `error`, `warn`, `info` or `debug`; `info` unless it is set.")
    })
}

/// What a panic says may hold what an attempt was given; where it happened does not.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
    tracing::error!("A bug in holdfast: it panicked{place}.");
}

/// Writes events as lines.
struct Lines<W> {
    /// What is more verbose than this is not told.
    most: Level,
    form: fn() -> LogForm,
    at: fn() -> Instant,
    write: W,
}

impl<S: Subscriber, W: Fn(&str) + 'static> Layer<S> for Lines<W> {
    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        let is_ours = metadata.target().starts_with(OURS);
        is_ours && metadata.is_event() && *metadata.level() <= self.most
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.most))
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let (said, level) = (Said::of(event), *event.metadata().level());
        (self.write)(&match (self.form)() {
            LogForm::Text => said.text(level),
            LogForm::Json => said.json(level, (self.at)()),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// What is written while something is done, at this level and in this form.
    fn written(most: Level, form: fn() -> LogForm, act: impl FnOnce()) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let write = move |line: &str| kept.lock().unwrap().push(line.to_owned());
        // 2026-12-01T03:00:00Z
        let layer = Lines { most, form, at: || Instant(1_796_094_000_000_000), write };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
        lines.lock().unwrap().clone()
    }

    fn everything_at_once() {
        tracing::debug!(target: "holdfast_runtime::attempt", "it says so");
        tracing::info!(target: "holdfast", "all is well");
        tracing::warn!(target: "holdfast::a", "somebody should look");
        tracing::error!(target: "holdfast", "it ends here");
        tracing::error!(target: "hyper", "nobody asked");
        tracing::info_span!(target: "holdfast", "span").in_scope(|| {});
    }

    #[test]
    fn only_our_own_events_of_the_level_are_told() {
        let check = |most: Level, expect: &[&str]| {
            assert_eq!(written(most, || LogForm::Text, everything_at_once), expect, "{most}");
        };
        let all = [
            "debug: it says so\n",
            "all is well\n",
            "warning: somebody should look\n",
            "error: it ends here\n",
        ];
        check(Level::DEBUG, &all);
        check(Level::INFO, &all[1..]);
        check(Level::WARN, &all[2..]);
        check(Level::ERROR, &all[3..]);
    }

    #[test]
    fn an_event_is_an_object_whose_fields_stand_in_one_order() {
        let lines = written(
            Level::INFO,
            || LogForm::Json,
            || {
                let (nobody, key) = (None::<&str>, "a \"b\"\n\u{1b}[31m\u{202e}\u{9b}");
                tracing::warn!(
                    total = 3_u32, class = "permanent", item = key, workflow = nobody, step = "each",
                    attempt = 7_u64, run = %"run_1", "each failed"
                );
                tracing::info!(is_well = true, since = -1_i64, "so it is");
            },
        );
        let expect = [
            "{\"at\":\"2026-12-01T03:00:00.000000Z\",\"level\":\"warn\",\"message\":\"each failed\",\"run\":\"run_1\",\
             \"step\":\"each\",\"item\":\"a \\\"b\\\"\\n\\u001b[31m\\u202e\\u009b\",\"attempt\":7,\
             \"class\":\"permanent\",\"total\":3}\n",
            "{\"at\":\"2026-12-01T03:00:00.000000Z\",\"level\":\"info\",\"message\":\"so it is\",\"is_well\":true,\
             \"since\":-1}\n",
        ];
        assert_eq!(lines, expect);
        let read: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(read["item"], "a \"b\"\n\u{1b}[31m\u{202e}\u{9b}", "nothing is lost");
    }

    #[test]
    fn text_steers_no_terminal_and_poses_as_no_other_line() {
        let said = |text: &str| written(Level::INFO, || LogForm::Text, || tracing::warn!("{text}"));
        assert_eq!(said("\u{1b}[2Jgone"), ["warning: \\u{1b}[2Jgone\n"]);
        assert_eq!(said("no\nerror: it ends here"), ["warning: no\n  error: it ends here\n"]);
    }

    #[test]
    fn what_is_too_long_for_those_who_collect_lines_is_cut() {
        let text = "ä".repeat(100_000);
        let lines = written(
            Level::INFO,
            || LogForm::Json,
            || tracing::info!(item = text.as_str(), "{text}"),
        );
        assert!(lines[0].len() < 70_000, "{} bytes", lines[0].len());
        let read: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert!(read["message"].as_str().unwrap().ends_with("ä…"));
        assert!(read["item"].as_str().unwrap().ends_with("ä…"));
    }

    #[test]
    fn a_word_that_is_no_level_is_refused_with_those_that_are() {
        assert_eq!(level_of(None).unwrap(), Level::INFO);
        for (word, level) in LEVELS {
            assert_eq!(level_of(Some(word)).unwrap(), level);
        }
        for word in ["trace", "INFO", "warning", "1"] {
            let error = level_of(Some(word)).unwrap_err();
            assert!(error.message.contains(word), "{error}");
            assert!(error.hints[0].contains("`debug`"), "{:?}", error.hints);
        }
    }
}
