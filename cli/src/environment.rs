//! The only place that reads the environment of the process.

#![expect(clippy::disallowed_methods, reason = "this is the door to the environment")]

use std::path::PathBuf;

/// The value of a variable that is set and not empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The state directory where none is given: `$XDG_STATE_HOME/holdfast`, or `~/.local/state/holdfast`.
pub(crate) fn state_directory() -> Option<PathBuf> {
    let base = variable("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/state")))?;
    Some(base.join("holdfast"))
}

/// Where a repository of our own is: `$XDG_DATA_HOME/holdfast`, or `~/.local/share/holdfast`.
pub(crate) fn data_directory() -> Option<PathBuf> {
    let base = variable("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/share")))?;
    Some(base.join("holdfast"))
}

/// Who is at the terminal.
pub(crate) fn user() -> String {
    let named = variable("USER").or_else(|| variable("LOGNAME"));
    named.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
