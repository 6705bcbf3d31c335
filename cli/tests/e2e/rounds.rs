//! Rounds of a service that is started, sent signals at some moment of its life, and looked at afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::fs::inotify;
use rustix::process::Signal;
use serde_json::Value;

use crate::clocked::{Clocked, MINUTE, end};
use crate::home::{Home, Said, Started, hold};

/// After this long something is wrong: with the grace of a second, with what clients have for their last line, and
/// with a machine that has much else to do.
const LONGEST: Duration = Duration::from_secs(30);

/// How a process ends that a signal kills.
const HUNG_UP: i32 = 128 + 1;
const KILLED: i32 = 128 + 9;
const TERMINATED: i32 = 128 + 15;

/// What of a service a signal comes after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It was just spawned, and may not have begun.
    Spawned,
    /// It opened that many files of its state.
    Opening(u64),
    /// It told the service manager that it is ready.
    Ready,
    /// It said that a tick has fired.
    Fired,
    /// It said that a run began.
    Running,
    /// An attempt waits, for longer than the grace.
    InFlight,
    /// It said that a run has succeeded.
    Succeeded,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Terminate,
    TerminateTwice,
    Kill,
    /// SIGHUP, and SIGTERM once it has read its files again.
    HangUp,
    HangUpThenTerminate,
    HangUpThenKill,
}

impl Sent {
    /// Whether what is in flight then dies uncleanly.
    const fn cuts(self) -> bool {
        match self {
            Self::TerminateTwice | Self::Kill | Self::HangUpThenKill => true,
            Self::Terminate | Self::HangUp | Self::HangUpThenTerminate => false,
        }
    }

    /// The codes that it may end with. What was just spawned may not listen yet, and two signals may be heard as one.
    const fn codes(self, moment: Moment) -> &'static [i32] {
        match (moment, self) {
            (Moment::Spawned, Self::Terminate) => &[0, TERMINATED],
            (Moment::Spawned, Self::TerminateTwice) => &[0, 130, TERMINATED],
            (Moment::Spawned, Self::HangUp | Self::HangUpThenTerminate) => {
                &[0, HUNG_UP, TERMINATED]
            }
            (Moment::Spawned, Self::HangUpThenKill) => &[HUNG_UP, KILLED],
            (_, Self::Kill | Self::HangUpThenKill) => &[KILLED],
            (_, Self::TerminateTwice) => &[0, 130],
            (_, Self::Terminate | Self::HangUp | Self::HangUpThenTerminate) => &[0],
        }
    }
}

/// The service manager.
pub(crate) struct Manager {
    socket: UnixDatagram,
    pub(crate) path: String,
}

impl Manager {
    /// One that listens at a socket of this name.
    pub(crate) fn new(home: &Home, name: &str) -> Self {
        let path = home.path(name);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(LONGEST)).unwrap();
        Self { socket, path: path.display().to_string() }
    }

    /// Waits until it is told something with this text.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let mut bytes = [0; 4_096];
        loop {
            let length = self.socket.recv(&mut bytes).expect("it is told so");
            let told = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if told.contains(text) {
                return told;
            }
        }
    }
}

/// Sees which files are opened in a folder.
pub(crate) struct Opened(OwnedFd);

impl Opened {
    pub(crate) fn of(folder: &Path) -> Self {
        let seen = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
        inotify::add_watch(&seen, folder, inotify::WatchFlags::OPEN).unwrap();
        Self(seen)
    }

    pub(crate) fn wait_for(&self, files: u64) {
        let mut bytes = [MaybeUninit::uninit(); 4_096];
        let mut seen = inotify::Reader::new(&self.0, &mut bytes);
        for _ in 0..files {
            seen.next().expect("a file is opened");
        }
    }
}

/// A service that is started and sent signals, round after round, a minute of its clock for each.
pub(crate) struct Rounds {
    clocked: Clocked,
    pipe: PathBuf,
    /// While it is there an attempt waits on the pipe.
    waits: PathBuf,
    /// How many there were.
    many: u32,
    /// How many rounds may have cut the run in turn short, since one has succeeded.
    cuts: u32,
}

impl Rounds {
    /// None yet, of a service that was there once.
    pub(crate) fn new() -> Self {
        let mut clocked = Clocked::new(&["id: s, cron: '* * * * *'"]);
        let pipe = clocked.home.pipe("pipe");
        let waits = clocked.home.path("waits");
        let settings =
            "holdfast_config: 1\nallow:\n  commands: [/bin/sh]\nservice: { drain_grace: 1s }\n";
        clocked.home.write("holdfast.yaml", settings);
        let script =
            format!("if [ -e {} ]; then read line < {}; fi; true", waits.display(), pipe.display());
        let workflow = format!(
            "holdfast: 1\nname: w\noperation: maintenance\nsteps:\n  - id: a\n    uses: command\n    effect: idempotent\n    \
             with: {{ argv: [/bin/sh, -c, \"{script}\"] }}\non:\n  schedule:\n    \
             - {{ id: s, cron: '* * * * *', catch_up: all, overlap: queue_all }}\n"
        );
        clocked.home.write("workflows/w.yaml", &workflow);
        clocked.pass_to_the_hour(30);
        end(clocked.serve());
        Self { clocked, pipe, waits, many: 0, cuts: 0 }
    }

    /// Sends a service this at that moment, and looks whether the state opens afterwards.
    pub(crate) fn round(&mut self, moment: Moment, sent: Sent) {
        self.many += 1;
        println!("round {}: {sent:?} at {moment:?}", self.many);
        self.clocked.pass(MINUTE);
        if moment == Moment::InFlight {
            self.clocked.home.write("waits", "");
        }
        let manager = Manager::new(&self.clocked.home, &format!("manager.{}", self.many));
        let opened = Opened::of(&self.clocked.home.path("state"));
        let mut serving = self.clocked.start(&[("NOTIFY_SOCKET", manager.path.as_str())]);
        let held = self.wait_for(moment, &mut serving, (&manager, &opened));
        let began = Instant::now();
        let said = self.send(sent, moment, (serving, held), &manager);
        let took = began.elapsed();
        let code = said.code.expect("it has ended");
        assert!(sent.codes(moment).contains(&code), "{sent:?} at {moment:?}: {said:#?}");
        assert!(took < LONGEST, "{sent:?} at {moment:?}: {took:?}");
        let is_told = matches!(sent, Sent::Terminate | Sent::HangUpThenTerminate);
        if moment == Moment::InFlight && is_told {
            assert!(said.talk.contains("1 attempt cut short"), "{said:#?}");
        }
        self.is_well();
        self.cuts += u32::from(sent.cuts());
        if self.cuts == 2 {
            self.settle();
        }
    }

    fn wait_for(
        &self,
        moment: Moment,
        serving: &mut Started,
        (manager, opened): (&Manager, &Opened),
    ) -> Option<File> {
        match moment {
            Moment::Spawned => {}
            Moment::Opening(files) => opened.wait_for(files),
            Moment::Ready => drop(manager.wait_for("READY=1")),
            Moment::Fired => serving.wait_for_talk("  fired"),
            Moment::Running => serving.wait_for_talk(" running"),
            Moment::InFlight => return Some(hold(&self.pipe)),
            Moment::Succeeded => serving.wait_for_talk(" succeeded"),
        }
        None
    }

    fn send(
        &self,
        sent: Sent,
        moment: Moment,
        (serving, held): (Started, Option<File>),
        manager: &Manager,
    ) -> Said {
        let listens = moment != Moment::Spawned;
        let signals: &[Signal] = match sent {
            Sent::Terminate => &[Signal::TERM],
            Sent::TerminateTwice => &[Signal::TERM, Signal::TERM],
            Sent::Kill => &[Signal::KILL],
            Sent::HangUp if listens => {
                serving.signal(Signal::HUP);
                // What is heard before the files are read for the first time is heard by that reading.
                if !matches!(moment, Moment::Opening(_)) {
                    manager.wait_for("RELOADING=1");
                }
                manager.wait_for("READY=1");
                // It went on meanwhile: what is in flight ends in its own time.
                self.let_go(held);
                serving.signal(Signal::TERM);
                return serving.end();
            }
            Sent::HangUp | Sent::HangUpThenTerminate => &[Signal::HUP, Signal::TERM],
            Sent::HangUpThenKill => &[Signal::HUP, Signal::KILL],
        };
        for signal in signals {
            serving.signal(*signal);
        }
        let said = serving.end();
        self.let_go(held);
        said
    }

    /// Lets the attempt that waits end, if one does, and no later one wait.
    fn let_go(&self, held: Option<File>) {
        if held.is_some() {
            fs::remove_file(&self.waits).unwrap();
        }
        drop(held);
    }

    /// The state opens, and nothing is missing.
    fn is_well(&self) {
        self.clocked.holdfast(&["doctor"]).with_code(0);
    }

    /// Lets the run end that was cut short: one that three deaths in a row meet is not begun once more.
    fn settle(&mut self) {
        self.clocked.pass(MINUTE);
        let mut serving = self.clocked.serve();
        serving.wait_for_talk(" succeeded");
        end(serving);
        self.cuts = 0;
    }

    /// Lets a last service end what is left: each minute was decided once, and each has a run that succeeded.
    pub(crate) fn finish(mut self) {
        self.clocked.pass(MINUTE);
        let mut serving = self.clocked.serve();
        serving.wait_for_talk(&format!("{}  fired", self.clocked.minute()));
        let due = self.clocked.ticks("w:s");
        self.clocked.holdfast(&["watch", run_of(due.last().unwrap())]).with_code(0);
        end(serving);
        self.is_well();
        // Another minute may have begun meanwhile.
        let ticks = self.clocked.ticks("w:s");
        assert!(ticks.len() > usize::try_from(self.many).unwrap(), "{ticks:#?}");
        let minutes: Vec<i64> = ticks.iter().map(minute_of).collect();
        for pair in minutes.windows(2) {
            assert_eq!(pair[1] - pair[0], 1, "each minute once: {ticks:#?}");
        }
        for tick in &ticks {
            assert_eq!(tick["decision"], "fired", "{tick}");
            assert_eq!(tick["count"], 1, "{tick}");
        }
        let arguments = ["runs", "--limit", "1000", "--output", "json"];
        let stored = self.clocked.holdfast(&arguments).with_code(0).json();
        let stored = stored.as_array().unwrap();
        let status: BTreeMap<&str, &Value> =
            stored.iter().map(|run| (run_of(run), &run["status"])).collect();
        let of_ticks: BTreeSet<&str> = ticks.iter().map(run_of).collect();
        assert_eq!(of_ticks.len(), ticks.len(), "each has a run of its own");
        let all: BTreeSet<&str> = status.keys().copied().collect();
        assert_eq!(of_ticks, all, "and there is no other run");
        for run in due.iter().map(run_of) {
            assert_eq!(status[run], "succeeded", "{run}");
        }
        println!("{} rounds, {} ticks decided once", self.many, ticks.len());
    }
}

fn run_of(record: &Value) -> &str {
    record["run"].as_str().expect("it has a run")
}

/// The minute of a tick, from 1970 on.
fn minute_of(tick: &Value) -> i64 {
    let at: Timestamp = tick["first"].as_str().unwrap().parse().unwrap();
    at.as_second() / MINUTE
}
