//! A home whose clock the tests move, and the service that goes by it.

use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::home::{Home, Said, Started};

/// In seconds, like all lengths of time here.
pub(crate) const MINUTE: i64 = 60;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// A home whose clock the tests move.
pub(crate) struct Clocked {
    pub(crate) home: Home,
    /// By how many seconds the clock is wrong.
    shift: i64,
}

impl Clocked {
    /// With a workflow whose schedules are these lines, each a map.
    pub(crate) fn new(schedules: &[&str]) -> Self {
        let clocked = Self { home: Home::new(), shift: 0 };
        clocked.home.write("clock", "0");
        clocked.workflow(schedules, "true");
        clocked
    }

    /// Writes the workflow, whose one step runs this script.
    pub(crate) fn workflow(&self, schedules: &[&str], script: &str) {
        let lines: Vec<String> =
            schedules.iter().map(|line| format!("    - {{ {line} }}\n")).collect();
        let lines = lines.concat();
        let text = format!(
            "holdfast: 1\nname: w\noperation: maintenance\nsteps:\n  - id: a\n    uses: command\n    with: \
             {{ argv: [/bin/sh, -c, \"{script}\"] }}\non:\n  schedule:\n{lines}"
        );
        self.home.write("workflows/w.yaml", &text);
    }

    /// The program with this clock.
    pub(crate) fn clocked(&self, mut command: Command) -> Command {
        command.env("HOLDFAST_REHEARSAL_CLOCK", self.home.path("clock"));
        command
    }

    /// Moves the clock, also that of what runs.
    pub(crate) fn pass(&mut self, seconds: i64) {
        self.shift += seconds;
        self.home.write("clock.new", &(self.shift * 1_000_000).to_string());
        std::fs::rename(self.home.path("clock.new"), self.home.path("clock"))
            .expect("the clock is moved at once");
    }

    /// Moves the clock to so many seconds after a whole hour: nothing of a test depends on when it is run.
    pub(crate) fn pass_to_the_hour(&mut self, after: i64) {
        self.pass(HOUR - self.seconds() % HOUR + after);
    }

    /// Moves the clock to this instant.
    pub(crate) fn pass_to(&mut self, instant: &str) {
        let to: i64 = date(&["-u", "-d", instant, "+%s"]).parse().expect("it is a number");
        self.pass(to - self.seconds());
    }

    /// What the moved clock shows, in seconds since 1970.
    fn seconds(&self) -> i64 {
        let now: i64 = date(&["+%s"]).parse().expect("it is a number");
        now + self.shift
    }

    /// The minute that the moved clock shows.
    pub(crate) fn minute(&self) -> String {
        date(&["-u", &format!("-d@{}", self.seconds()), "+%Y-%m-%dT%H:%M:00Z"])
    }

    /// Runs the program to its end.
    pub(crate) fn holdfast(&self, arguments: &[&str]) -> Said {
        let mut command = self.clocked(self.home.command(arguments));
        Said::of(command.output().expect("the program starts"))
    }

    /// Starts an owner, with this in its environment too.
    pub(crate) fn start(&self, environment: &[(&str, &str)]) -> Started {
        let mut command = self.clocked(self.home.command(&["serve"]));
        command.envs(environment.iter().copied());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Started::of(child.expect("the program starts"))
    }

    /// An owner that says that it waits.
    pub(crate) fn serve(&self) -> Started {
        let mut serving = self.start(&[]);
        serving.wait_for_talk("holdfast serves");
        serving
    }

    /// What was decided, the first ticks first: the nominal instant, how many, the decision.
    pub(crate) fn ticks(&self, schedule: &str) -> Vec<Value> {
        let arguments = ["ticks", "--schedule", schedule, "--limit", "1000", "--output", "json"];
        let mut ticks = self.holdfast(&arguments).with_code(0).json().as_array().unwrap().clone();
        ticks.reverse();
        ticks
    }

    /// How many ticks were decided how, the first ones first.
    pub(crate) fn decisions(&self, schedule: &str) -> Vec<String> {
        let told = |tick: &Value| {
            format!("{} {}", tick["count"], tick["decision"].as_str().unwrap_or_default())
        };
        self.ticks(schedule).iter().map(told).collect()
    }

    /// What people were told of this kind.
    pub(crate) fn notifications(&self, kind: &str) -> Vec<String> {
        let arguments = ["notifications", "--limit", "1000", "--output", "json"];
        let all = self.holdfast(&arguments).with_code(0).json();
        let of_kind = all.as_array().unwrap().iter().filter(|note| note["kind"] == kind);
        of_kind.map(|note| note["text"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

fn date(arguments: &[&str]) -> String {
    let said = Command::new("date").args(arguments).output().expect("the time is told");
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

/// Ends a service, which lets what is in flight end.
pub(crate) fn end(serving: Started) -> Said {
    serving.signal(Signal::TERM);
    serving.end().with_code(0)
}
