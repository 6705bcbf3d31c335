//! One program in a process group of its own: what it reads and says, how long it may take, and its end.
//!
//! A program that ends by itself is taken at its word, and what it left running goes on, unheard. One that is
//! given up is ended with its whole group; what left the group is out of reach. It knows no notification and
//! does not judge how a program ended.

#![expect(clippy::disallowed_methods, reason = "this is a door to processes")]

use std::future::pending;
use std::io;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin};
use tokio::time::timeout;

/// The search path that programs are given.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a program that is given up has after SIGTERM before SIGKILL.
const KILL_AFTER: Duration = Duration::from_secs(5);

/// How long the rest of what an ended program said is waited for, if what it left running can still say more.
const REST: Duration = Duration::from_secs(1);

/// How many bytes of standard error are kept.
const KEPT: usize = 4 * 1024;

/// A program and everything that it started.
pub(crate) struct Program {
    child: Child,
    /// Its number is its own until the program is waited for.
    group: Option<Pid>,
    /// Whether nobody holds its pipes any more.
    is_quiet: bool,
}

impl Program {
    /// Starts a program, with a plain `PATH` and this environment. Its standard output is not kept.
    pub(crate) fn start(
        program: &str,
        arguments: &[String],
        environment: impl IntoIterator<Item = (&'static str, String)>,
    ) -> io::Result<Self> {
        let mut command = tokio::process::Command::new(program);
        command
            .args(arguments)
            .current_dir("/")
            .env_clear()
            .env("PATH", PATH)
            .envs(environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, group, is_quiet: false })
    }

    /// Waits for its end, and ends it after `limit`: then there is no status. The beginning of what it says on
    /// standard error is added to `said`.
    pub(crate) async fn run(
        &mut self,
        input: &[u8],
        said: &mut Vec<u8>,
        limit: Duration,
    ) -> io::Result<Option<ExitStatus>> {
        let (stdin, stderr) = (self.child.stdin.take(), self.child.stderr.take());
        let talk = async {
            tokio::join!(feed(stdin, input), keep(stderr, said));
        };
        let mut talk = pin!(talk);
        let Ok(ended) = timeout(limit, self.ended(talk.as_mut())).await else {
            self.end(talk).await;
            return Ok(None);
        };
        // Its number may be another's from here on.
        self.group = None;
        let status = ended?;
        if !status.success() && !self.is_quiet {
            timeout(REST, talk).await.unwrap_or_default();
        }
        Ok(Some(status))
    }

    /// Waits for its end while it talks.
    async fn ended(
        &mut self,
        mut talk: Pin<&mut impl Future<Output = ()>>,
    ) -> io::Result<ExitStatus> {
        loop {
            tokio::select! {
                status = self.child.wait() => return status,
                () = &mut talk, if !self.is_quiet => self.is_quiet = true,
            }
        }
    }

    /// Asks the group to end, and makes it when nobody holds the pipes any more, or when it takes too long.
    /// Until then the program is not waited for, so that its number stays that of its group.
    async fn end(&mut self, talk: Pin<&mut impl Future<Output = ()>>) {
        self.signal(Signal::TERM);
        let rest = async { if self.is_quiet { pending().await } else { talk.await } };
        timeout(KILL_AFTER, rest).await.unwrap_or_default();
        self.signal(Signal::KILL);
        if timeout(KILL_AFTER, self.child.wait()).await.is_ok() {
            self.group = None;
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // It may be gone already.
            kill_process_group(group, signal).unwrap_or_default();
        }
    }
}

/// A delivery that nobody waits for any more leaves nothing behind that could still write.
impl Drop for Program {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Writes what the program reads; a program that does not read it all is free not to.
async fn feed(stdin: Option<ChildStdin>, input: &[u8]) {
    let Some(mut stdin) = stdin else { return };
    stdin.write_all(input).await.unwrap_or_default();
}

/// Reads a stream to its end, and keeps its beginning.
async fn keep(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; 16 * 1024];
    loop {
        // A stream that cannot be read any more has ended.
        let count = stream.read(&mut buffer).await.unwrap_or(0);
        let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
        let room = KEPT.saturating_sub(kept.len());
        kept.extend(read.iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_of_a_stream_is_read_and_its_beginning_kept() {
        let said = b"0123456789".repeat(10_000);
        let mut stream = said.as_slice();
        let mut kept = Vec::new();
        keep(Some(&mut stream), &mut kept).await;
        assert!(stream.is_empty());
        assert_eq!(kept.len(), KEPT);
        assert!(kept.starts_with(b"0123456789"));
    }
}
