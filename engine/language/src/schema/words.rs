//! One line for each key, for the help that an editor shows.

/// What a key of a place is for; empty for a key that is not listed, which a test finds.
pub(super) fn of(place: &str, key: &str) -> &'static str {
    let listed = ALL.iter().filter(|(of, _)| *of == place).flat_map(|(_, keys)| keys.iter());
    let shared = SHARED.iter();
    listed.chain(shared).find(|(name, _)| *name == key).map_or("", |(_, words)| words)
}

type Keys = &'static [(&'static str, &'static str)];

/// Those that mean the same in several places.
const SHARED: Keys = &[
    ("description", "For people."),
    ("labels", "Free words for people and for selecting."),
    ("timeout", "How long it may take: 15m, 1h30m."),
    ("retry", "When a failed attempt is followed by another."),
    ("env", "A variable of the environment that has it."),
    ("file", "A file that has it."),
    ("command", "A program with its arguments, which prints it."),
    ("path", "Where it is."),
];

const ALL: &[(&str, Keys)] = &[
    ("a workflow", WORKFLOW),
    ("an input", INPUT),
    ("`defaults`", &[]),
    ("`retry`", RETRY),
    (
        "`dedupe`",
        &[(
            "key",
            "Takes the place of object and inputs in what makes two submits the same request.",
        )],
    ),
    ("`concurrency`", CONCURRENCY),
    ("`finally`", &[("steps", "The steps at the end; they see how the run went.")]),
    ("a step", STEP),
    ("`for_each`", FOR_EACH),
    ("the configuration", CONFIGURATION),
    ("a repository", &[("password", "Where its password is found.")]),
    ("a target of the kind `files`", FILES),
    (
        "`restore`",
        &[("approval", "Whose approval a plan needs before it is applied: roles or names.")],
    ),
    ("`retention`", RETENTION),
    ("`allow`", ALLOW),
    (
        "an allowed command",
        &[("writes", "What the program writes; without it, it counts as writing a target.")],
    ),
    ("`limits`", LIMITS),
    ("`state`", STATE),
];

const WORKFLOW: Keys = &[
    ("holdfast", "The version of the language."),
    ("name", "What the workflow is called; the file's name does not matter."),
    ("operation", "What kind of work it is; inventory and preview write no target."),
    ("inputs", "What a run is given."),
    ("target", "What a run reads or writes."),
    ("object", "What of the target it is about: a text or a list of texts."),
    ("repository", "Which repository of the configuration it works with; `default` unless given."),
    ("secrets", "Where secrets are found; never the secrets themselves."),
    ("defaults", "What steps at a target have where they do not say otherwise."),
    ("dedupe", "What makes two submits the same request."),
    ("concurrency", "Which runs do not go on beside each other."),
    ("steps", "What is done, in this order unless `needs` says otherwise."),
    ("finally", "What is done in the end, whatever happened."),
    ("outputs", "What a run returns."),
];

const INPUT: Keys = &[
    ("type", "What kind of value it is."),
    ("required", "Whether a submit without it is refused."),
    ("default", "What it is where it is not given."),
    ("items", "The type of a list's elements."),
    ("unordered", "Whether a list is sorted and rid of doubles."),
    ("enum", "The only values it may have."),
    ("pattern", "A regular expression for the whole text."),
    ("min", "The least value, or the least length."),
    ("max", "The greatest value, or the greatest length."),
];

const RETRY: Keys = &[
    ("attempts", "How many attempts there may be, the first one counted."),
    ("delay", "The longest wait before the second attempt."),
    ("backoff", "What each further wait is multiplied by."),
    ("max_delay", "The longest any wait may be."),
    ("max_elapsed", "No further attempt starts this long after the first one."),
    ("when", "The classes of failures that are worth another attempt."),
];

const CONCURRENCY: Keys = &[
    ("group", "The name of the group; all workflows that name it share it."),
    ("limit", "How many runs of the group may go on at once; 1 unless given."),
    ("when_full", "What becomes of a run that finds the group full."),
];

const STEP: Keys = &[
    ("id", "Its name in the workflow."),
    ("uses", "The action it runs."),
    ("workflow", "The workflow it runs as a child run, instead of an action."),
    ("with", "What the action or workflow takes."),
    ("env", "The environment of a program."),
    ("needs", "The steps it runs after; otherwise the one above it."),
    ("run_when", "Which ends of the steps before it let it run."),
    ("if", "An expression without braces; false skips it."),
    ("for_each", "A list: the step runs once for each element."),
    ("continue_on_error", "Whether its failure lets the rest go on; the run is partial at best."),
    ("effect", "A promise about what may be repeated."),
];

const FOR_EACH: Keys = &[
    ("items", "The list."),
    ("key", "The key of an item; `item.key` unless given."),
    ("as", "The name of the loop variable; `item` unless given."),
    ("where", "An expression without braces; false leaves the item out."),
    ("stage", "A stage starts when the one before it is final."),
    ("batch", "How many items one attempt takes."),
    ("max_parallel", "How many items are open at once; 4 unless given."),
    ("max_failed", "More failed items than this make the step failed."),
    ("min_items", "Fewer items than this fail the step."),
    ("fail_fast", "Whether the step stops once too many items failed."),
];

const CONFIGURATION: Keys = &[
    ("holdfast_config", "The version of the configuration."),
    ("repository", "Where backup sets are stored."),
    ("repositories", "Several repositories by name, one of them named `default`."),
    ("targets", "What is read and written, by name."),
    ("retention", "Which backup sets are kept; at least one rule."),
    ("roles", "Who has which role."),
    ("allow", "What may be done on this machine: nothing that is not listed."),
    ("limits", "How much goes on at once in one process."),
    ("state", "How long the state keeps what has ended."),
];

const FILES: Keys = &[
    ("kind", "What kind of target it is."),
    ("root", "The folder."),
    ("include", "Patterns of what belongs to it; everything unless given."),
    ("exclude", "Patterns of what does not belong to it."),
    ("one_file_system", "Whether what is mounted inside is left out; true unless given."),
    ("restore", "What a restore of it asks for."),
];

const RETENTION: Keys = &[
    ("last", "So many of the newest sets."),
    ("hourly", "The newest set of each of so many hours."),
    ("daily", "The newest set of each of so many days."),
    ("weekly", "The newest set of each of so many weeks."),
    ("monthly", "The newest set of each of so many months."),
    ("yearly", "The newest set of each of so many years."),
    ("within", "Every set that is at most this old."),
];

const ALLOW: Keys = &[
    ("commands", "The programs that may be executed: absolute paths."),
    ("exports", "The folders that backup sets may be exported to."),
];

const STATE: Keys = &[
    ("keep_runs", "How long runs are kept from their end on; for ever unless given."),
    ("keep_notifications", "How long notifications are kept; for ever unless given."),
];

const LIMITS: Keys = &[
    ("runs", "Runs that have started and not ended; 32 unless given."),
    ("attempts", "Attempts; 64 unless given."),
    ("attempts_for_a_target", "Attempts that work on one target; 16 unless given."),
    (
        "reserve_mib",
        "How many MiB must be free on the disk of the state for an attempt to start; 256 unless given.",
    ),
];
