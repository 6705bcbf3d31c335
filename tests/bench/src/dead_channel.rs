//! A channel that reaches nobody: what it costs the runs that are told through it, and whether what waits for it
//! gathers in memory.
//!
//! Two services, one of them without a channel, take turns; the one whose turn it is not is halted, so that it takes
//! nothing away from the other. Runs are submitted over the socket of the owner, as `holdfast submit` does, by
//! several threads of this process.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use holdfast_drive::output::Reply;
use holdfast_journal::database::Check;
use holdfast_journal::disk::local::Local;
use holdfast_journal::query::{Filter, Paged};
use holdfast_journal::record::{RunRecord, StoredDefinition};
use holdfast_journal::resume::open;
use holdfast_kernel::event::{KeyKind, Request};
use holdfast_kernel::id::{DedupeKey, Digest, RunId};
use holdfast_kernel::status::RunStatus;
use holdfast_runtime::chance;
use holdfast_service::client::Client;
use holdfast_service::wire::ask::{Act, Ask};

use crate::figures::{Figures, Goal};
use crate::home::Home;
use crate::serving::Serving;

/// A run is queued, runs and has succeeded.
const NOTIFICATIONS_OF_A_RUN: usize = 3;

/// How often both have their turn.
const TURNS: usize = 6;

/// How many threads submit.
const SUBMITTERS: usize = 8;

/// How long is waited between two looks at whether runs go on.
const BETWEEN: Duration = Duration::from_millis(10);

const WITHOUT: &str = "holdfast_config: 1\n";

const WORKFLOW: &str = "holdfast: 1
name: tiny
operation: maintenance
steps:
  - id: a
    uses: assert
    with: { that: true }
";

/// Measures until so many notifications wait for the channel.
pub(crate) fn measure(folder: &Path, notifications: usize, figures: &mut Figures) {
    let mut dead = Side::new(folder, "dead-channel-home", &with_a_dead_channel());
    let mut plain = Side::new(folder, "dead-channel-none-home", WITHOUT);
    // By then everything that is kept in memory has its usual size.
    let tenth = notifications / 10;
    let each = ((notifications - tenth) / NOTIFICATIONS_OF_A_RUN).div_ceil(TURNS).max(1);
    let begun = [&mut dead, &mut plain].map(|side| {
        side.turn(tenth.div_ceil(NOTIFICATIONS_OF_A_RUN));
        side.settled()
    });
    for turn in 0..TURNS {
        let (with, without) = if turn % 2 == 0 {
            let with = dead.turn(each);
            (with, plain.turn(each))
        } else {
            let without = plain.turn(each);
            (dead.turn(each), without)
        };
        let goal = Goal::AtLeast(0.9);
        figures.add("dead-channel: rate over that without one", goal, with.rate / without.rate);
        figures.add("dead-channel: runs in a second", Goal::None, with.rate);
        figures.add("dead-channel: runs in a second without one", Goal::None, without.rate);
        figures.add("dead-channel: resident memory in MB", Goal::None, with.resident);
        let name = "dead-channel: resident memory in MB without one";
        figures.add(name, Goal::None, without.resident);
        println!(
            "dead-channel: {:.0} runs a second at {:.1} MB, {:.0} at {:.1} MB without one",
            with.rate, with.resident, without.rate, without.resident
        );
    }
    let [with, without] = [&mut dead, &mut plain].map(Side::settled);
    let [with_before, without_before] = begun;
    let (with, without) = (with - with_before, without - without_before);
    figures.add("dead-channel: MB more than at a tenth", Goal::None, with);
    figures.add("dead-channel: MB more than at a tenth without one", Goal::None, without);
    // Both stores grow, and what the system keeps of them for the process; the rest is the channel's.
    figures.add(
        "dead-channel: MB that the channel takes of it",
        Goal::AtMost(10.0),
        with - without,
    );
    let waiting = dead.end();
    let name = "dead-channel: notifications that wait for it";
    figures.add(name, Goal::AtLeast(notifications as f64), waiting as f64);
    assert_eq!(plain.end(), 0, "nothing waits without a channel");
}

/// A configuration that tells everything through a channel to a port where nobody listens.
fn with_a_dead_channel() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let port = listener.local_addr().expect("it has a port").port();
    drop(listener);
    format!(
        "holdfast_config: 1\nchannels:\n  ops: {{ kind: webhook, url: \"http://127.0.0.1:{port}/\" }}\nnotify:\n  - \
         {{ channel: ops, on: [queued, running, succeeded, partial, failed] }}\n"
    )
}

/// What was seen in a turn.
struct Turn {
    /// Runs in a second, from the first submit to the end of the last one.
    rate: f64,
    /// Resident memory at the end, in MB.
    resident: f64,
}

/// One of the two services. It is halted unless it has its turn.
struct Side {
    home: Home,
    serving: Serving,
    submitter: Submitter,
    /// How many runs it was given.
    runs: usize,
}

impl Side {
    fn new(folder: &Path, name: &str, configuration: &str) -> Self {
        let home = Home::new(folder, name, configuration);
        home.workflow("tiny", WORKFLOW);
        let mut serving = home.serve();
        serving.until_it_serves();
        let submitter = Submitter::new(&home);
        serving.halt();
        Self { home, serving, submitter, runs: 1 }
    }

    /// Lets it do so many runs.
    fn turn(&mut self, runs: usize) -> Turn {
        self.serving.go_on();
        self.runs += runs;
        let start = Instant::now();
        let submitter = &self.submitter;
        thread::scope(|scope| {
            for one in 0..SUBMITTERS {
                let own = (one..runs).step_by(SUBMITTERS);
                scope.spawn(move || own.for_each(|_| submitter.submit()));
            }
        });
        while submitter.goes_on() {
            thread::park_timeout(BETWEEN);
        }
        let rate = runs as f64 / start.elapsed().as_secs_f64();
        let resident = self.serving.resident();
        self.serving.halt();
        Turn { rate, resident }
    }

    /// Its resident memory in MB once there is nothing left to do.
    fn settled(&mut self) -> f64 {
        self.serving.go_on();
        self.serving.settle();
        let resident = self.serving.resident();
        self.serving.halt();
        resident
    }

    /// Ends it, and looks at what it has stored: how many notifications wait for channels.
    fn end(self) -> u64 {
        let Self { home, serving, runs, .. } = self;
        serving.go_on();
        serving.end();
        let disk = Local::new(home.state()).expect("the state directory is there");
        let opened = open(Arc::new(disk), "bench", Check::Quick).expect("the state can be opened");
        let stored = opened.reader.last_notification().expect("the store can be read");
        let expected = runs * NOTIFICATIONS_OF_A_RUN;
        assert!(stored >= expected as u64, "{stored} notifications of {runs} runs");
        let channels = opened.reader.channels().expect("the store can be read");
        drop(opened);
        home.remove();
        channels.iter().map(|channel| channel.waiting).sum()
    }
}

/// Submits runs like one that the program itself has submitted.
struct Submitter {
    client: Client,
    like: Request,
    stored: StoredDefinition,
}

impl Submitter {
    fn new(home: &Home) -> Self {
        let run = home.holdfast(&["submit", "tiny"]);
        let run: RunId = run.trim().parse().expect("it prints the id of the run");
        let client = Client::new(&home.state(), "bench".to_owned());
        let record: Option<RunRecord> =
            client.ask(Ask::Run { run }).expect("the service tells about a run");
        let record = record.expect("the run is stored");
        let definition = Ask::Definition { digest: record.definition };
        let stored: Option<StoredDefinition> =
            client.ask(definition).expect("the service tells about a workflow");
        let stored = stored.expect("the workflow is stored");
        let like = Request {
            run,
            definition: record.definition,
            target: None,
            object: Vec::new(),
            inputs: record.inputs,
            dedupe_key: record.dedupe_key,
            key_kind: KeyKind::Inputs,
            group: None,
            initiator: record.initiator,
            rerun_of: None,
        };
        Self { client, like, stored }
    }

    fn submit(&self) {
        let run = chance::run_id();
        // No two of them are the same request.
        let dedupe_key = DedupeKey(Digest::of_bytes(run.bytes()));
        let request = Box::new(Request { run, dedupe_key, ..self.like.clone() });
        let act = Act::Submit { request, stored: vec![self.stored.clone()] };
        match self.client.ask::<Reply>(Ask::Act(act)) {
            Ok(Reply::Queued(_)) => {}
            other => panic!("a run was not queued: {other:?}"),
        }
    }

    /// Whether a run has not ended.
    fn goes_on(&self) -> bool {
        let statuses = vec![RunStatus::Queued, RunStatus::Running];
        let filter = Filter { statuses, ..Filter::default() };
        let found: Paged<RunRecord, RunId> = self
            .client
            .ask(Ask::Runs { filter, after: None, limit: 1 })
            .expect("the service lists runs");
        !found.rows.is_empty()
    }
}
