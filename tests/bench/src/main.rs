//! Measures the engine: `cargo run --release -p holdfast-bench -- [chain|throughput|fan_out|memory|tree|all]`.
//!
//! Every figure is a ratio to a plain sync of the same disk, measured right before and after in the same
//! round; the median of the rounds counts. `docs/bench.md` says what each figure means. It judges nothing:
//! a goal that is missed is shown, and the exit code stays 0.

mod figures;
mod memory;
mod programs;
mod raw;
mod tree;

use std::path::PathBuf;

use figures::Figures;

/// How often each program is measured, unless asked otherwise.
const ROUNDS: usize = 7;

/// What the command line asks for.
struct Asked {
    programs: Vec<&'static str>,
    rounds: usize,
    folder: PathBuf,
}

const USAGE: &str =
    "holdfast-bench [chain|throughput|fan_out|memory|tree|all] [--rounds N] [--folder FOLDER]";

const ALL: [&str; 5] = ["chain", "throughput", "fan_out", "memory", "tree"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [memory::CHILD, folder, items] =
        arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        return memory::child(folder.as_ref(), items.parse().expect("a number of items"));
    }
    let asked = asked(arguments);
    std::fs::create_dir_all(&asked.folder).expect("the folder to measure in can be made");
    println!("measuring in {}, {} rounds", asked.folder.display(), asked.rounds);
    let mut figures = Figures::default();
    for round in 1..=asked.rounds {
        for program in &asked.programs {
            match *program {
                "chain" => programs::chain(&asked.folder, &mut figures),
                "throughput" => programs::throughput(&asked.folder, &mut figures),
                "fan_out" => programs::fan_out(&asked.folder, &mut figures),
                "tree" => tree::measure(&asked.folder, &mut figures),
                _ => memory::measure(&asked.folder, &mut figures),
            }
        }
        println!("round {round}: {}", figures.last());
    }
    println!("\n{figures}");
}

fn asked(arguments: Vec<String>) -> Asked {
    let mut asked = Asked { programs: Vec::new(), rounds: ROUNDS, folder: beside_the_program() };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect(USAGE);
        match argument.as_str() {
            "--rounds" => asked.rounds = value().parse().expect(USAGE),
            "--folder" => asked.folder = value().into(),
            "all" => asked.programs.extend(ALL),
            name => asked.programs.push(ALL.into_iter().find(|of| *of == name).expect(USAGE)),
        }
    }
    if asked.programs.is_empty() {
        asked.programs.extend(ALL);
    }
    asked
}

/// A folder on the disk of the build, which is seldom kept in memory as temporary files may be.
fn beside_the_program() -> PathBuf {
    let program = std::env::current_exe().expect("the program knows where it is");
    program.with_file_name("holdfast-bench-state")
}
