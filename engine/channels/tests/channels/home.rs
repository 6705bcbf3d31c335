//! A home for a program that a test has executed: a folder for what it leaves, and a pipe that tells whether it,
//! or anything that it started, is still there.

use std::fs;

use holdfast_channels::{Channel, Command};
use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::{OpenOptions, Receiver, Sender};

use crate::kit;

/// What hangs, with a child of its own. Both hold the pipe, and say `up` in it when they are there.
pub(crate) const HANG: &str = r#"exec 3>"$1/pipe"; tail -f /dev/null & echo up >&3; wait"#;

/// A home of its own.
pub(crate) struct Home {
    folder: TempDir,
    reader: Receiver,
    /// As long as somebody could write, the pipe has no end.
    writer: Sender,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        let reader = OpenOptions::new().open_receiver(&pipe).unwrap();
        let writer = OpenOptions::new().open_sender(&pipe).unwrap();
        Self { folder, reader, writer }
    }

    /// A script as a channel: `$1` is the home, `$2` this text.
    pub(crate) fn channel(&self, script: &str, text: &str) -> Channel {
        let home = self.folder.path().to_str().unwrap();
        let argv = ["/bin/sh", "-c", script, "sh", home, text];
        Channel::Command(Command::new(argv.map(str::to_owned).into()).unwrap())
    }

    /// What a program left.
    pub(crate) fn left(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// Waits until what hangs is there.
    pub(crate) async fn up(&mut self) {
        let mut said = [0; 3];
        self.reader.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"up\n");
    }

    /// Waits until nobody holds the pipe any more, and gives what was said in it.
    pub(crate) async fn rest(self) -> String {
        let Self { mut reader, writer, .. } = self;
        drop(writer);
        let mut said = String::new();
        kit::within(reader.read_to_string(&mut said)).await.unwrap();
        said
    }
}
