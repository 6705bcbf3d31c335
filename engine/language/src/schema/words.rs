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
    ("give_up_after", "How long it is tried to deliver something; 24h unless given."),
];

const ALL: &[(&str, Keys)] = &[
    ("a workflow", WORKFLOW),
    ("an input", INPUT),
    ("`on`", &[("schedule", "The times at which it is started, each with its inputs.")]),
    ("a schedule", SCHEDULE),
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
    ("a channel of the kind `webhook`", WEBHOOK),
    ("a channel of the kind `slack`", HOOK),
    ("a channel of the kind `teams`", HOOK),
    ("a channel of the kind `ntfy`", NTFY),
    ("a channel of the kind `mail`", MAIL),
    (
        "a channel of the kind `command`",
        &[CHANNEL_KIND, ("command", "The program with its arguments.")],
    ),
    ("a rule of `notify`", RULE),
    ("`quiet`", QUIET),
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
    ("`service`", SERVICE),
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
    ("on", "What starts it without a person."),
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

const SCHEDULE: Keys = &[
    ("id", "Its name in the workflow."),
    ("cron", "When it has its ticks: five fields as in cron, or a name such as `@daily`."),
    ("timezone", "The zone of its clock, by its IANA name; `UTC` unless given."),
    ("inputs", "What its runs are given."),
    ("overlap", "What becomes of a tick while a run of it goes on; `skip` unless given."),
    ("catch_up", "Which of the ticks that were missed are caught up with; `latest` unless given."),
    ("catch_up_window", "How late a tick may be to be caught up with; 24h unless given."),
    ("jitter", "The longest time that its runs start after their ticks."),
    ("expect_success_within", "How long may pass without a run that succeeds."),
    ("accept_partial", "Whether a partial run counts like one that succeeds."),
    (
        "heartbeat_url",
        "What is called after each run that succeeds, or where its address is found.",
    ),
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
    ("channels", "The ways to tell people something, by name; the inbox is always there."),
    ("notify", "What is told through which channel."),
    ("retention", "Which backup sets are kept; at least one rule."),
    ("roles", "Who has which role."),
    ("allow", "What may be done on this machine: nothing that is not listed."),
    ("limits", "How much goes on at once in one process."),
    ("state", "How long the state keeps what has ended."),
    ("service", "How the service behaves as a process."),
];

const FILES: Keys = &[
    ("kind", "What kind of target it is."),
    ("root", "The folder."),
    ("include", "Patterns of what belongs to it; everything unless given."),
    ("exclude", "Patterns of what does not belong to it."),
    ("one_file_system", "Whether what is mounted inside is left out; true unless given."),
    ("restore", "What a restore of it asks for."),
];

const CHANNEL_KIND: (&str, &str) = ("kind", "What kind of channel it is.");

const WEBHOOK: Keys = &[
    CHANNEL_KIND,
    ("url", "The address that is sent JSON, or where it is found."),
    ("secret", "Where the key is found that what is sent is signed with."),
    ("headers", "What else is sent, by the names of the headers: texts, or where these are found."),
];

const HOOK: Keys = &[CHANNEL_KIND, ("url", "Where its address is found, which is a secret.")];

const NTFY: Keys = &[
    CHANNEL_KIND,
    ("server", "The address of the server; `https://ntfy.sh` unless given."),
    ("topic", "The topic, or where it is found."),
    ("token", "Where the token is found that the server asks for."),
];

const MAIL: Keys = &[
    CHANNEL_KIND,
    ("host", "The server: a name or an IP address."),
    ("port", "Its port; 587, 465 or 25 unless given, by `tls`."),
    ("tls", "How it is spoken to; `starttls` unless given, `none` only on this machine."),
    ("user", "Who asks it to carry the mail."),
    ("password", "Where the password of `user` is found."),
    ("from", "Whom the mail is from."),
    ("to", "Who gets it."),
];

const RULE: Keys = &[
    ("on", "The occasions; unless given, those that somebody should look at."),
    ("channel", "The channel, by its name."),
    ("operations", "Of which operations; of all unless given."),
    ("workflows", "Patterns of the names of workflows; all unless given."),
    ("targets", "Patterns of the names of targets; all unless given."),
    ("quiet", "Hours in which most of it waits."),
    ("digest", "How long what comes is gathered, to go out as one message."),
];

const QUIET: Keys = &[
    ("from", "When they begin: \"22:00\"."),
    ("to", "When they end: \"07:00\"."),
    ("timezone", "The zone of their clock, by its IANA name; `UTC` unless given."),
    ("except", "The occasions that do not wait; `failed` unless given."),
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
    ("keep_ticks", "How long ticks are kept that were decided on; for ever unless given."),
];

const SERVICE: Keys = &[
    (
        "metrics_file",
        "The file that numbers are written to every minute, as Prometheus reads them.",
    ),
    ("log", "In which form it says what it does; `text` unless given."),
    (
        "drain_grace",
        "How long what is being done may go on once it is told to end; 30s unless given.",
    ),
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
