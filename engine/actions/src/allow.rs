//! Which programs may be executed: the configuration's allow-list. Nothing runs that is not on it.

use std::path::{Path, PathBuf};

use holdfast_kernel::definition::Writes;
use holdfast_kernel::failure::{Class, Failure};

/// The programs that may be executed.
#[derive(Clone, Debug, Default)]
pub struct AllowedCommands {
    entries: Vec<AllowedCommand>,
}

/// A program that may be executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedCommand {
    /// Its absolute path.
    pub path: PathBuf,
    /// What it writes, as far as the configuration promises.
    pub writes: Writes,
}

impl AllowedCommands {
    /// An allow-list.
    pub const fn new(entries: Vec<AllowedCommand>) -> Self {
        Self { entries }
    }

    /// The entry that a workflow's program names: by its whole path, or by its file name if that is the file
    /// name of one entry only.
    pub fn find(&self, program: &str) -> Option<&AllowedCommand> {
        if program.contains('/') {
            return self.entries.iter().find(|entry| entry.path == Path::new(program));
        }
        let mut named = self
            .entries
            .iter()
            .filter(|entry| entry.path.file_name().is_some_and(|name| name == program));
        named.next().filter(|_| named.next().is_none())
    }

    /// The path to execute for a workflow's program.
    ///
    /// # Errors
    /// Class `auth`: it is not on the list.
    pub fn path(&self, program: &str) -> Result<&Path, Failure> {
        self.find(program).map(|entry| entry.path.as_path()).ok_or_else(|| {
            let message = format!(
                "`{program}` may not be executed: add its absolute path to `allow.commands` in the configuration"
            );
            Failure::without_effect(Class::Auth, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(program: &str, expect: Option<&str>) {
        let entries = ["/usr/bin/psql", "/usr/bin/true", "/opt/bin/true"]
            .map(|path| AllowedCommand { path: path.into(), writes: Writes::Target });
        let allowed = AllowedCommands::new(entries.to_vec());
        assert_eq!(allowed.path(program).ok(), expect.map(Path::new), "{program}");
    }

    #[test]
    fn only_listed_programs_may_run() {
        check("/usr/bin/psql", Some("/usr/bin/psql"));
        check("psql", Some("/usr/bin/psql"));
        check("/bin/sh", None);
        check("./psql", None);
        check("../bin/psql", None);
        check("", None);
    }

    #[test]
    fn a_file_name_of_two_entries_is_never_guessed() {
        check("true", None);
        check("/opt/bin/true", Some("/opt/bin/true"));
    }
}
