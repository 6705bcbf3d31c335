//! A command that is not there: one that is not built yet, or a slip of the finger.

use clap::CommandFactory as _;

use crate::arguments::Arguments;
use crate::error::Error;

/// The commands that are meant and not there yet.
const NOT_YET: [&str; 6] = ["config", "coverage", "crashtest", "eval", "fmt", "test"];

/// What is done with something else than it seems.
const OF_SETS: [&str; 5] = ["cat", "diff", "export", "prune", "verify"];

/// What is said of it.
pub(crate) fn error(words: &[String]) -> Error {
    let word = words.first().map_or("", String::as_str);
    if NOT_YET.contains(&word) {
        return Error::usage(format!("`holdfast {word}` is not built yet."))
            .hint("`holdfast --help` lists the commands of this version.");
    }
    let error = Error::usage(format!("There is no command `{word}`."));
    if OF_SETS.contains(&word) {
        return error.hint(format!("Did you mean `holdfast set {word}`?"));
    }
    let command = Arguments::command();
    let names = command.get_subcommands().map(clap::Command::get_name);
    let near = names.max_by(|a, b| strsim::jaro(word, a).total_cmp(&strsim::jaro(word, b)));
    match near.filter(|near| strsim::jaro(word, near) > 0.7) {
        Some(near) => error.hint(format!("Did you mean `holdfast {near}`?")),
        None => error.hint("`holdfast --help` lists the commands."),
    }
}
