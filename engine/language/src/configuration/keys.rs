//! The table of all keys of the configuration: which there are at each place, and of what type.
//!
//! It is read by the same checker as the workflow's table. What values mean together is not decided here.

use crate::shape::{Kind, OPERATIONS, Place, SECRET, not_built, optional, required};

/// The top of the file.
pub(crate) static CONFIGURATION: Place = Place {
    name: "the configuration",
    keys: &[
        // It is required; its own check says so, because it knows which one to write.
        optional("holdfast_config", Kind::Literal),
        not_built("include"),
        optional("repository", Kind::Place(&REPOSITORY)),
        optional("repositories", Kind::Map(&Kind::Name, &Kind::Place(&REPOSITORY))),
        // Which keys a target has depends on its kind.
        optional("targets", Kind::Map(&Kind::Name, &Kind::Literal)),
        // So does a channel.
        optional("channels", Kind::Map(&Kind::Name, &Kind::Literal)),
        optional("notify", Kind::List(&Kind::Place(&RULE))),
        optional("retention", Kind::Place(&RETENTION)),
        optional("roles", Kind::Map(&Kind::Name, &Kind::List(&Kind::Text))),
        optional("allow", Kind::Place(&ALLOW)),
        optional("limits", Kind::Place(&LIMITS)),
        optional("state", Kind::Place(&STATE)),
        optional("service", Kind::Place(&SERVICE)),
    ],
};

/// A repository.
static REPOSITORY: Place = Place {
    name: "a repository",
    keys: &[required("path", Kind::Text), required("password", Kind::Place(&SECRET))],
};

/// The word of the kind of target that is a tree of files.
pub(super) const FILES_KIND: &str = "files";

/// The kinds of target that later versions have.
pub(super) const LATER_KINDS: &[&str] = &["graph", "postgres"];

/// A target of the kind `files`.
pub(super) static FILES: Place = Place {
    name: "a target of the kind `files`",
    keys: &[
        required("kind", Kind::Word(&[FILES_KIND])),
        required("root", Kind::Text),
        optional("include", Kind::List(&Kind::Text)),
        optional("exclude", Kind::List(&Kind::Text)),
        optional("one_file_system", Kind::Boolean),
        optional("restore", Kind::Place(&RESTORE)),
        optional("labels", Kind::Map(&Kind::Text, &Kind::Text)),
    ],
};

/// The targets of each kind.
pub(crate) static TARGETS: [&Place; 1] = [&FILES];

/// What a restore of a target asks for.
static RESTORE: Place =
    Place { name: "`restore`", keys: &[optional("approval", Kind::List(&Kind::Text))] };

/// A channel of the kind `webhook`.
pub(super) static WEBHOOK: Place = Place {
    name: "a channel of the kind `webhook`",
    keys: &[
        required("kind", Kind::Word(&["webhook"])),
        required("url", Kind::Address),
        optional("secret", Kind::Place(&SECRET)),
        // Each is a text, or the map of [`SECRET`].
        optional("headers", Kind::Map(&Kind::Text, &Kind::Literal)),
        optional("give_up_after", Kind::Duration),
    ],
};

/// A channel of the kind `slack`.
pub(super) static SLACK: Place = Place {
    name: "a channel of the kind `slack`",
    keys: &[
        required("kind", Kind::Word(&["slack"])),
        required("url", Kind::Place(&SECRET)),
        optional("give_up_after", Kind::Duration),
    ],
};

/// A channel of the kind `teams`.
pub(super) static TEAMS: Place = Place {
    name: "a channel of the kind `teams`",
    keys: &[
        required("kind", Kind::Word(&["teams"])),
        required("url", Kind::Place(&SECRET)),
        optional("give_up_after", Kind::Duration),
    ],
};

/// A channel of the kind `ntfy`.
pub(super) static NTFY: Place = Place {
    name: "a channel of the kind `ntfy`",
    keys: &[
        required("kind", Kind::Word(&["ntfy"])),
        optional("server", Kind::Text),
        // A text, or the map of [`SECRET`].
        required("topic", Kind::Literal),
        optional("token", Kind::Place(&SECRET)),
        optional("give_up_after", Kind::Duration),
    ],
};

/// A channel of the kind `mail`.
pub(super) static MAIL: Place = Place {
    name: "a channel of the kind `mail`",
    keys: &[
        required("kind", Kind::Word(&["mail"])),
        required("host", Kind::Text),
        optional("port", Kind::Integer(1, 65_535)),
        optional("tls", Kind::Word(TLS)),
        optional("user", Kind::Text),
        optional("password", Kind::Place(&SECRET)),
        required("from", Kind::Text),
        required("to", Kind::List(&Kind::Text)),
        optional("give_up_after", Kind::Duration),
    ],
};

/// The words of a mail channel's `tls`.
const TLS: &[&str] = &["starttls", "implicit", "none"];

/// A channel of the kind `command`.
pub(super) static COMMAND_CHANNEL: Place = Place {
    name: "a channel of the kind `command`",
    keys: &[
        required("kind", Kind::Word(&["command"])),
        required("command", Kind::List(&Kind::Text)),
        optional("give_up_after", Kind::Duration),
    ],
};

/// The channels of each kind, by the word of `kind`.
pub(crate) static CHANNELS: [(&str, &Place); 6] = [
    ("webhook", &WEBHOOK),
    ("slack", &SLACK),
    ("teams", &TEAMS),
    ("ntfy", &NTFY),
    ("mail", &MAIL),
    ("command", &COMMAND_CHANNEL),
];

/// What is told through a channel, and when.
static RULE: Place = Place {
    name: "a rule of `notify`",
    keys: &[
        optional("on", Kind::List(&Kind::Word(OCCASIONS))),
        required("channel", Kind::Text),
        optional("operations", Kind::List(&Kind::Word(OPERATIONS))),
        optional("workflows", Kind::List(&Kind::Text)),
        optional("targets", Kind::List(&Kind::Text)),
        optional("quiet", Kind::Place(&QUIET)),
        optional("digest", Kind::Duration),
    ],
};

/// The words of a rule's `on` and of `except`.
const OCCASIONS: &[&str] = &[
    "queued",
    "running",
    "succeeded",
    "partial",
    "failed",
    "waiting",
    "late",
    "schedule",
    "channel",
    "message",
];

/// The hours in which most of what a rule tells waits.
static QUIET: Place = Place {
    name: "`quiet`",
    keys: &[
        required("from", Kind::Text),
        required("to", Kind::Text),
        optional("timezone", Kind::Text),
        optional("except", Kind::List(&Kind::Word(OCCASIONS))),
    ],
};

/// Which backup sets are kept.
static RETENTION: Place = Place {
    name: "`retention`",
    keys: &[
        optional("last", COUNT),
        optional("hourly", COUNT),
        optional("daily", COUNT),
        optional("weekly", COUNT),
        optional("monthly", COUNT),
        optional("yearly", COUNT),
        optional("within", Kind::Duration),
    ],
};

const COUNT: Kind = Kind::Integer(1, 100_000);

/// What may be done on this machine.
static ALLOW: Place = Place {
    name: "`allow`",
    keys: &[
        // Each is a path, or the map of [`COMMAND`].
        optional("commands", Kind::List(&Kind::Literal)),
        optional("exports", Kind::List(&Kind::Text)),
    ],
};

/// A program that may be executed, with what it writes.
pub(super) static COMMAND: Place = Place {
    name: "an allowed command",
    keys: &[required("path", Kind::Text), optional("writes", Kind::Word(WRITES))],
};

const WRITES: &[&str] = &["nothing", "repository", "local", "outside", "target"];

/// How much goes on at once.
static LIMITS: Place = Place {
    name: "`limits`",
    keys: &[
        optional("runs", LIMIT),
        optional("attempts", LIMIT),
        optional("attempts_for_a_target", LIMIT),
        optional("reserve_mib", RESERVE),
    ],
};

/// How long the state keeps what has ended.
static STATE: Place = Place {
    name: "`state`",
    keys: &[
        optional("keep_runs", Kind::Duration),
        optional("keep_notifications", Kind::Duration),
        optional("keep_ticks", Kind::Duration),
    ],
};

/// How the service behaves as a process.
static SERVICE: Place = Place {
    name: "`service`",
    keys: &[
        optional("metrics_file", Kind::Text),
        optional("log", Kind::Word(LOGS)),
        optional("drain_grace", Kind::Duration),
    ],
};

/// The words of `service.log`.
const LOGS: &[&str] = &["text", "json"];

const LIMIT: Kind = Kind::Integer(1, 10_000);

/// Up to a PiB.
const RESERVE: Kind = Kind::Integer(0, 1 << 30);

#[cfg(test)]
mod tests {
    use holdfast_kernel::definition::Writes;

    use super::*;
    use crate::configuration::{LogForm, MailTls, Occasion};
    use crate::shape::Need;

    const PAGE: &str = include_str!("../../../../docs/configuration.md");

    /// The keys that the page lists for a place, in its table of all keys.
    fn listed(place: &str) -> Vec<&'static str> {
        let rows = PAGE.split("\n## All keys\n").nth(1).unwrap_or_default().lines();
        let mut found = rows.filter(|row| row.starts_with(&format!("| {place} |")));
        let row = found.next().unwrap_or_default();
        let cell = row.rsplit_once(" |").and_then(|(row, _)| row.rsplit_once("| "));
        cell.map_or_else(Vec::new, |(_, cell)| cell.split('`').skip(1).step_by(2).collect())
    }

    #[test]
    fn the_page_lists_every_key_that_is_built_and_no_other() {
        let places = [
            &CONFIGURATION,
            &REPOSITORY,
            &SECRET,
            &FILES,
            &RESTORE,
            &RULE,
            &QUIET,
            &RETENTION,
            &ALLOW,
            &COMMAND,
            &LIMITS,
            &STATE,
            &SERVICE,
        ];
        for place in places.into_iter().chain(CHANNELS.map(|(_, place)| place)) {
            let built = place.keys.iter().filter(|key| key.need != Need::NotBuilt);
            let built: Vec<&str> = built.map(|key| key.name).collect();
            assert_eq!(listed(place.name), built, "{}", place.name);
        }
    }

    #[test]
    fn a_channel_is_found_by_the_word_of_its_kind() {
        for (word, place) in CHANNELS {
            let kind = place.key("kind").map(|key| &key.kind);
            assert!(matches!(kind, Some(Kind::Word([found])) if *found == word), "{word}");
            assert!(place.name.ends_with(&format!(" `{word}`")), "{}", place.name);
        }
    }

    #[test]
    fn the_words_of_channels_rules_and_the_service_are_those_of_their_types() {
        assert_eq!(OCCASIONS, Occasion::ALL.map(Occasion::word));
        assert_eq!(TLS, MailTls::ALL.map(MailTls::word));
        assert_eq!(LOGS, LogForm::ALL.map(LogForm::word));
    }

    #[test]
    fn what_a_command_may_write_are_the_words_of_the_engine() {
        let all =
            [Writes::Nothing, Writes::Repository, Writes::Local, Writes::Outside, Writes::Target];
        assert_eq!(WRITES, all.map(Writes::word));
    }
}
