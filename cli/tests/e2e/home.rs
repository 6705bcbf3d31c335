//! A folder with a configuration, workflows and a state directory, and the program to run in it.

use std::fs;
use std::io::Read as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A folder that is removed when the test ends.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) talk: String,
}

impl Home {
    /// A home whose configuration allows `/bin/sh` and the programs it needs.
    pub(crate) fn new() -> Self {
        let home = Self { folder: tempfile::tempdir().expect("a folder is made") };
        home.write("holdfast.yaml", "holdfast_config: 1\nallow:\n  commands: [/bin/sh]\n");
        fs::create_dir(home.path("workflows")).expect("a folder is made");
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file is written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A pipe that a step can wait on, and be waited for.
    pub(crate) fn pipe(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0)
            .expect("a pipe is made");
        path
    }

    /// The program with these arguments, in this home.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_holdfast")), arguments)
    }

    fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.folder.path())
            .env("USER", "tester")
            .env("TZ", "UTC")
            .env("HOLDFAST_STATE", self.path("state"))
            .stdin(Stdio::null());
        command
    }

    /// Gives this home to a user who may not do everything, where the tests may; then runs the program as that
    /// user to its end.
    pub(crate) fn as_a_mere_user(&self, arguments: &[&str]) -> Said {
        if !rustix::process::geteuid().is_root() {
            return self.holdfast(arguments);
        }
        let program = self.path("holdfast");
        if !program.exists() {
            // The build may lie where only its owner gets to.
            fs::copy(env!("CARGO_BIN_EXE_holdfast"), &program).expect("the program is copied");
        }
        let given = Command::new("chown").arg("-R").arg("65534:65534").arg(self.path("")).status();
        assert!(given.expect("chown starts").success());
        let mut command = self.command_of(&program, arguments);
        command.uid(65_534).gid(65_534);
        Said::of(command.output().expect("the program starts"))
    }

    /// Runs the program to its end.
    pub(crate) fn holdfast(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().expect("the program starts"))
    }

    /// Runs the program to its end on a terminal: everything that it shows.
    pub(crate) fn on_a_terminal(&self, arguments: &[&str]) -> Said {
        let program = env!("CARGO_BIN_EXE_holdfast");
        let line = [&[program], arguments].concat().join(" ");
        let mut command = self.command_of(Path::new("script"), &["-qec", &line, "/dev/null"]);
        command.env("TERM", "xterm");
        Said::of(command.output().expect("a terminal is made"))
    }

    /// Runs the program to its end, as if somebody of this name did.
    pub(crate) fn as_user(&self, name: &str, arguments: &[&str]) -> Said {
        let mut command = self.command(arguments);
        command.env("USER", name);
        Said::of(command.output().expect("the program starts"))
    }

    /// Starts the program.
    pub(crate) fn start(&self, arguments: &[&str]) -> Started {
        let child = self
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        Started(Some(child))
    }

    /// Every byte of every file in the state directory.
    pub(crate) fn state_bytes(&self) -> Vec<u8> {
        bytes_below(&self.path("state"))
    }
}

fn bytes_below(folder: &Path) -> Vec<u8> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut bytes = Vec::new();
    for entry in entries {
        let path = entry.expect("an entry is read").path();
        if path.is_dir() {
            bytes.extend(bytes_below(&path));
        } else {
            bytes.extend(fs::read(&path).expect("a file is read"));
        }
    }
    bytes
}

/// The program while it runs.
pub(crate) struct Started(Option<Child>);

impl Started {
    pub(crate) const fn of(child: Child) -> Self {
        Self(Some(child))
    }

    /// Starts a command whose talk is heard.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Self::of(child.expect("the program starts"))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.as_ref().expect("it has not ended").id()
    }

    /// Whether it has not ended.
    pub(crate) fn is_running(&mut self) -> bool {
        let child = self.0.as_mut().expect("it has not ended");
        child.try_wait().expect("it can be asked").is_none()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("it has a pid");
        kill_process(pid, signal).expect("it takes a signal");
    }

    /// Waits until it has said this on standard error.
    pub(crate) fn wait_for_talk(&mut self, text: &str) {
        let child = self.0.as_mut().expect("it has not ended");
        let talk = child.stderr.as_mut().expect("its talk is heard");
        let (mut said, mut byte) = (Vec::new(), [0]);
        while !String::from_utf8_lossy(&said).contains(text) {
            talk.read_exact(&mut byte).expect("it says so before it ends");
            said.extend(byte);
        }
    }

    /// Waits until it has said lines on standard error that have all of these texts, one line for each, in any order.
    pub(crate) fn wait_for_lines(&mut self, lines: &[&[&str]]) {
        let child = self.0.as_mut().expect("it has not ended");
        let talk = child.stderr.as_mut().expect("its talk is heard");
        let (mut left, mut line, mut byte) = (lines.to_vec(), Vec::new(), [0]);
        while !left.is_empty() {
            talk.read_exact(&mut byte).expect("it says so before it ends");
            line.extend(byte);
            if byte != *b"\n" {
                continue;
            }
            let said = String::from_utf8_lossy(&line).into_owned();
            let is_said = |texts: &&[&str]| texts.iter().all(|text| said.contains(text));
            if let Some(found) = left.iter().position(is_said) {
                left.remove(found);
            }
            line.clear();
        }
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Said {
        let child = self.0.take().expect("it ends once");
        Said::of(child.wait_with_output().expect("it ends"))
    }
}

/// A test that fails leaves no process behind.
impl Drop for Started {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            child.kill().expect("it is killed");
        }
    }
}

impl Said {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output
                .status
                .code()
                .or_else(|| output.status.signal().map(|signal| 128 + signal)),
            out: String::from_utf8(output.stdout).expect("it prints text"),
            talk: String::from_utf8(output.stderr).expect("it prints text"),
        }
    }

    /// The same, if it ended with this code.
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// The first line on standard output.
    pub(crate) fn first(&self) -> String {
        self.out.lines().next().unwrap_or_default().to_owned()
    }

    /// The data on standard output.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// Waits until somebody reads the pipe, and keeps them waiting.
pub(crate) fn hold(pipe: &Path) -> fs::File {
    fs::OpenOptions::new().write(true).open(pipe).expect("a reader comes")
}
