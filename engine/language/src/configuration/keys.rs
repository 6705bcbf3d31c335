//! The table of all keys of the configuration: which there are at each place, and of what type.
//!
//! It is read by the same checker as the workflow's table. What values mean together is not decided here.

use crate::shape::{Kind, Place, SECRET, not_built, optional, required};

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
        not_built("channels"),
        not_built("notify"),
        optional("retention", Kind::Place(&RETENTION)),
        optional("roles", Kind::Map(&Kind::Name, &Kind::List(&Kind::Text))),
        optional("allow", Kind::Place(&ALLOW)),
        optional("limits", Kind::Place(&LIMITS)),
        optional("state", Kind::Place(&STATE)),
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
    keys: &[optional("keep_runs", Kind::Duration), optional("keep_notifications", Kind::Duration)],
};

const LIMIT: Kind = Kind::Integer(1, 10_000);

/// Up to a PiB.
const RESERVE: Kind = Kind::Integer(0, 1 << 30);

#[cfg(test)]
mod tests {
    use holdfast_kernel::definition::Writes;

    use super::*;
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
        for place in [
            &CONFIGURATION,
            &REPOSITORY,
            &SECRET,
            &FILES,
            &RESTORE,
            &RETENTION,
            &ALLOW,
            &COMMAND,
            &LIMITS,
            &STATE,
        ] {
            let built = place.keys.iter().filter(|key| key.need != Need::NotBuilt);
            let built: Vec<&str> = built.map(|key| key.name).collect();
            assert_eq!(listed(place.name), built, "{}", place.name);
        }
    }

    #[test]
    fn what_a_command_may_write_are_the_words_of_the_engine() {
        let all =
            [Writes::Nothing, Writes::Repository, Writes::Local, Writes::Outside, Writes::Target];
        assert_eq!(WRITES, all.map(Writes::word));
    }
}
