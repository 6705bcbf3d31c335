//! The service as a process of its own, seen from outside: when it serves, what it uses, its end.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::process::{self, RESIDENT};

/// How long a start may take: the first one stores every schedule by itself.
const LONGEST_START: Duration = Duration::from_mins(15);

/// How many of its last lines are told if it fails.
const LAST_WORDS: usize = 10;

/// A service that does at most so much in a [`LOOK`] has nothing to do.
const NEXT_TO_NOTHING: Duration = Duration::from_millis(10);

/// How long it is looked at to see whether it has something to do.
const LOOK: Duration = Duration::from_secs(1);

/// After so many looks it is taken as it is.
const LOOKS: u32 = 60;

/// The service while it runs; killed when dropped.
pub(crate) struct Serving {
    child: Child,
    began: Instant,
    /// When it said that it serves. Nobody sends any more once it says nothing more.
    said: Receiver<Instant>,
    /// Hears what it says, and gives its last words.
    listening: Option<JoinHandle<String>>,
}

impl Serving {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let began = Instant::now();
        let mut child = command.spawn().expect("the program starts: build holdfast first");
        let talk = child.stderr.take().expect("its talk is heard");
        let (told, said) = channel();
        let listening = Some(std::thread::spawn(move || listen(talk, &told)));
        Self { child, began, said, listening }
    }

    /// Waits until it says that it serves: how long that took since it was started.
    pub(crate) fn until_it_serves(&mut self) -> Duration {
        match self.said.recv_timeout(LONGEST_START) {
            Ok(at) => at.duration_since(self.began),
            Err(error) => self.fail(&format!("does not serve ({error})")),
        }
    }

    /// How long ago it was started.
    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits for so long, and sees to it that it is there all the time.
    pub(crate) fn stays(&mut self, length: Duration) {
        match self.said.recv_timeout(length) {
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.fail("has ended"),
            Ok(_) => self.fail("began to serve twice"),
        }
    }

    /// Waits until it has nothing to do, a minute at most.
    pub(crate) fn settle(&mut self) {
        for _ in 0..LOOKS {
            let before = self.processor_time();
            self.stays(LOOK);
            if self.processor_time().saturating_sub(before) <= NEXT_TO_NOTHING {
                return;
            }
        }
    }

    /// How long it is on a processor in so long a time.
    pub(crate) fn used_within(&mut self, length: Duration) -> Duration {
        let before = self.processor_time();
        self.stays(length);
        self.processor_time().saturating_sub(before)
    }

    /// How long it was on a processor since it was started.
    pub(crate) fn processor_time(&self) -> Duration {
        process::processor_time(self.child.id())
    }

    /// Its resident memory, in MB.
    pub(crate) fn resident(&self) -> f64 {
        process::memory(self.child.id(), RESIDENT) as f64 / 1e6
    }

    /// Lets it do nothing at all until it is told to go on.
    pub(crate) fn halt(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after a halt.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// Tells it to end, and waits for that.
    pub(crate) fn end(mut self) {
        self.signal(Signal::TERM);
        let status = self.child.wait().expect("it can be waited for");
        if !status.success() {
            self.fail(&format!("did not end well ({status})"));
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it takes a signal");
    }

    /// It is not what was to be measured.
    fn fail(&mut self, how: &str) -> ! {
        // It may have ended already.
        self.child.kill().unwrap_or_default();
        let words = self.listening.take().and_then(|listening| listening.join().ok());
        panic!("the service {how}:\n{}", words.unwrap_or_default());
    }
}

/// A measurement that fails leaves no process behind.
impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

/// Hears what it says to the end, so that it never waits for a reader; what it said last.
fn listen(talk: ChildStderr, told: &Sender<Instant>) -> String {
    let mut words = VecDeque::new();
    for line in BufReader::new(talk).lines() {
        let line = line.expect("it says text");
        if line.contains("holdfast serves ") {
            // Whoever measures may have failed meanwhile.
            told.send(Instant::now()).unwrap_or_default();
        }
        if words.len() == LAST_WORDS {
            words.pop_front();
        }
        words.push_back(line);
    }
    Vec::from(words).join("\n")
}
