//! Signals to the service at any moment of its life: what it acknowledged is there afterwards, and whoever comes next
//! goes on with it.

use holdfast_kernel::id::Digest;
use rustix::process::Signal;

use crate::clocked::Clocked;
use crate::rounds::{Manager, Moment, Rounds, Sent};

const MOMENTS: [Moment; 10] = [
    Moment::Spawned,
    Moment::Opening(1),
    Moment::Opening(2),
    Moment::Opening(3),
    Moment::Opening(4),
    Moment::Ready,
    Moment::Fired,
    Moment::Running,
    Moment::InFlight,
    Moment::Succeeded,
];

const ALL: [Sent; 6] = [
    Sent::Terminate,
    Sent::TerminateTwice,
    Sent::Kill,
    Sent::HangUp,
    Sent::HangUpThenTerminate,
    Sent::HangUpThenKill,
];

/// Chance that is the same for the same seed.
struct Chance {
    seed: u64,
    drawn: u64,
}

impl Chance {
    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        self.drawn += 1;
        let drawn = Digest::of_parts(&[&self.seed.to_le_bytes(), &self.drawn.to_le_bytes()]);
        let place = usize::try_from(drawn.leading() >> 33).unwrap() % all.len();
        all[place]
    }
}

/// A number from the environment, or this one.
fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

#[test]
fn inv_12_signals_at_any_moment_lose_no_tick_and_no_run() {
    let (seed, many) = (number("HOLDFAST_SEED", 1), number("HOLDFAST_ROUNDS", 40));
    println!("HOLDFAST_SEED={seed}");
    let mut chance = Chance { seed, drawn: 0 };
    let mut rounds = Rounds::new();
    for _ in 0..many {
        let (moment, sent) = (chance.one_of(&MOMENTS), chance.one_of(&ALL));
        rounds.round(moment, sent);
    }
    rounds.finish();
}

#[test]
fn a_signal_that_comes_while_the_state_is_opened_is_heard() {
    let mut rounds = Rounds::new();
    for files in 1..=4 {
        for sent in [Sent::Terminate, Sent::HangUp, Sent::HangUpThenTerminate] {
            rounds.round(Moment::Opening(files), sent);
        }
    }
    rounds.finish();
}

#[test]
fn the_service_manager_is_told_when_files_are_read_again_and_when_that_is_over_whatever_they_say() {
    let clocked = Clocked::new(&["id: s, cron: '0 0 1 1 *'"]);
    let manager = Manager::new(&clocked.home, "manager");
    let serving = clocked.start(&[("NOTIFY_SOCKET", manager.path.as_str())]);
    manager.wait_for("READY=1");
    let mut before = 0;
    for text in ["holdfast: 1\nname: w\nopration: backup\n", "holdfast: 1\nname: [\n"] {
        clocked.home.write("workflows/w.yaml", text);
        serving.signal(Signal::HUP);
        let told = manager.wait_for("RELOADING=1");
        let at = told.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
        let at: u64 = at.parse().unwrap();
        assert!(at > before, "{told}");
        before = at;
        manager.wait_for("READY=1");
    }
    serving.signal(Signal::TERM);
    manager.wait_for("STOPPING=1");
    serving.end().with_code(0);
}
