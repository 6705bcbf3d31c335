//! Measures the engine and the service: `cargo run --release -p holdfast-bench -- [PROGRAM.. | all]`.
//!
//! Every figure of the engine is a ratio to a plain sync of the same disk, measured right before and after in the
//! same round; the median of the rounds counts. Those of the service are of the release program as a process of its
//! own. `docs/bench.md` says what each figure means. It judges nothing: a goal that is missed is shown, and the
//! exit code stays 0.

mod dead_channel;
mod figures;
mod home;
mod many_schedules;
mod memory;
mod process;
mod programs;
mod raw;
mod schedules_idle;
mod schedules_start;
mod service_idle;
mod serving;
mod ticks;
mod tree;

use std::path::PathBuf;
use std::time::Duration;

use figures::Figures;

const USAGE: &str =
    "holdfast-bench [chain|throughput|fan_out|memory|tree|service-idle|schedules-idle|
    schedules-start|ticks|dead-channel|all] [--rounds N] [--folder FOLDER]
    [--idle SECONDS] [--minutes N] [--notifications N]";

/// The programs that measure the engine.
const ENGINE: [&str; 5] = ["chain", "throughput", "fan_out", "memory", "tree"];

/// How often each of them is measured, unless asked otherwise.
const ENGINE_ROUNDS: usize = 7;

/// The programs that measure the service.
const SERVICE: [&str; 5] =
    ["service-idle", "schedules-idle", "schedules-start", "ticks", "dead-channel"];

/// How often each of them is measured, unless asked otherwise: they take minutes.
const SERVICE_ROUNDS: usize = 1;

/// What the command line asks for.
struct Asked {
    programs: Vec<&'static str>,
    /// How often; none: as often as usual.
    rounds: Option<usize>,
    folder: PathBuf,
    /// How long a service that has nothing to do is looked at.
    idle: Duration,
    /// How many minutes ticks are decided for.
    minutes: u32,
    /// How many notifications are to wait for a channel.
    notifications: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [memory::CHILD, folder, items] =
        arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        return memory::child(folder.as_ref(), items.parse().expect("a number of items"));
    }
    let asked = asked(arguments);
    std::fs::create_dir_all(&asked.folder).expect("the folder to measure in can be made");
    report(&asked, &ENGINE, asked.rounds.unwrap_or(ENGINE_ROUNDS));
    report(&asked, &SERVICE, asked.rounds.unwrap_or(SERVICE_ROUNDS));
}

/// Measures those of these programs that are asked for, and prints their figures.
fn report(asked: &Asked, programs: &[&str], rounds: usize) {
    let asked_for = asked.programs.iter().filter(|program| programs.contains(program));
    let programs: Vec<&str> = asked_for.copied().collect();
    if programs.is_empty() {
        return;
    }
    let (folder, names) = (asked.folder.display(), programs.join(", "));
    println!("measuring {names} in {folder}, rounds: {rounds}");
    let mut figures = Figures::default();
    for round in 1..=rounds {
        for program in &programs {
            measure(program, asked, &mut figures);
        }
        println!("round {round}: {}", figures.last());
    }
    println!("\n{figures}");
}

fn measure(program: &str, asked: &Asked, figures: &mut Figures) {
    let folder = &asked.folder;
    match program {
        "chain" => programs::chain(folder, figures),
        "throughput" => programs::throughput(folder, figures),
        "fan_out" => programs::fan_out(folder, figures),
        "memory" => memory::measure(folder, figures),
        "tree" => tree::measure(folder, figures),
        "service-idle" => service_idle::measure(folder, asked.idle, figures),
        "schedules-idle" => schedules_idle::measure(folder, asked.idle, figures),
        "schedules-start" => schedules_start::measure(folder, figures),
        "ticks" => ticks::measure(folder, asked.minutes, figures),
        "dead-channel" => dead_channel::measure(folder, asked.notifications, figures),
        _ => panic!("{USAGE}"),
    }
}

fn asked(arguments: Vec<String>) -> Asked {
    let mut asked = Asked {
        programs: Vec::new(),
        rounds: None,
        folder: beside_the_program(),
        idle: Duration::from_mins(1),
        minutes: 10,
        notifications: 10_000,
    };
    let all = || ENGINE.into_iter().chain(SERVICE);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect(USAGE);
        match argument.as_str() {
            "--rounds" => asked.rounds = Some(value().parse().expect(USAGE)),
            "--folder" => asked.folder = value().into(),
            "--idle" => asked.idle = Duration::from_secs(value().parse().expect(USAGE)),
            "--minutes" => asked.minutes = value().parse().expect(USAGE),
            "--notifications" => asked.notifications = value().parse().expect(USAGE),
            "all" => asked.programs.extend(all()),
            name => asked.programs.push(all().find(|of| *of == name).expect(USAGE)),
        }
    }
    if asked.programs.is_empty() {
        asked.programs.extend(all());
    }
    asked
}

/// A folder on the disk of the build, which is seldom kept in memory as temporary files may be.
fn beside_the_program() -> PathBuf {
    let program = std::env::current_exe().expect("the program knows where it is");
    program.with_file_name("holdfast-bench-state")
}
