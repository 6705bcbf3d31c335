//! The release program, and a folder with a configuration, workflows and a state to run it in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::serving::Serving;

/// The program that stands beside this one, as `cargo build --release` leaves it.
pub(crate) fn holdfast(home: &Path, arguments: &[&str]) -> Command {
    let program = std::env::current_exe().expect("the program knows where it is");
    let mut command = Command::new(program.with_file_name("holdfast"));
    command.args(arguments).current_dir(home).env_clear();
    for (variable, folder) in
        [("HOME", "."), ("XDG_STATE_HOME", "state"), ("XDG_DATA_HOME", "data")]
    {
        command.env(variable, home.join(folder));
    }
    command
}

/// A folder of its own.
pub(crate) struct Home {
    folder: PathBuf,
}

impl Home {
    /// A home without workflows and without a state, in place of one that was left.
    pub(crate) fn new(folder: &Path, name: &str, configuration: &str) -> Self {
        let folder = std::path::absolute(folder.join(name)).expect("the path is not empty");
        let home = Self { folder };
        home.remove();
        fs::create_dir_all(home.folder.join("workflows")).expect("a folder can be made");
        let file = home.folder.join("holdfast.yaml");
        fs::write(file, configuration).expect("a file can be written");
        home
    }

    /// Writes a workflow.
    pub(crate) fn workflow(&self, name: &str, text: &str) {
        let file = self.folder.join("workflows").join(format!("{name}.yaml"));
        fs::write(file, text).expect("a file can be written");
    }

    /// The state directory.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join("state").join("holdfast")
    }

    /// Runs the program to its end: what it printed.
    pub(crate) fn holdfast(&self, arguments: &[&str]) -> String {
        let output = holdfast(&self.folder, arguments).stdin(Stdio::null()).output();
        let output = output.expect("the program starts: build holdfast first");
        let talk = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "holdfast {arguments:?}: {talk}");
        String::from_utf8(output.stdout).expect("it prints text")
    }

    /// Starts the service.
    pub(crate) fn serve(&self) -> Serving {
        Serving::start(&mut holdfast(&self.folder, &["serve"]))
    }

    /// Takes the folder away.
    pub(crate) fn remove(&self) {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).expect("a home can be removed");
        }
    }
}
