//! What a commit costs, in syncs: run it with the folder to measure in.
//!
//! It compares the time of a commit of the journal with that of one plain sync of the same disk, for
//! chains and for many runs at once, with and without filing behind it. Its figures are medians.

#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::error::Error;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_journal::commit::Batch;
use holdfast_journal::database::Check;
use holdfast_journal::disk::local::Local;
use holdfast_journal::record::StoredDefinition;
use holdfast_journal::resume::{Opened, open};
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{Event, Initiator, KeyKind, Request};
use holdfast_kernel::id::{DedupeKey, Digest, RunId};
use holdfast_kernel::value::Value;

const ROUNDS: usize = 300;

const DEFINITION: &str = r#"{"name":"chain","operation":"maintenance","timeout":3600000,"steps":[{"id":"a",
"work":{"action":{"action":"command","version":1,"effect":"once","writes":"local","on_target":false}},
"needs":[],"needed_by":[],"run_when":"ok","retry":{"attempts":1,"delay":2000,
"backoff_thousandths":2000,"max_delay":60000,"when":[]},"on_failure":"fail"}],"expressions":[]}"#;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn plain_syncs(folder: &Path) -> io::Result<Duration> {
    let file = File::create(folder.join("plain"))?;
    file.set_len(1 << 20)?;
    file.sync_all()?;
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let start = Instant::now();
        file.write_all_at(&[1; 4_096], (round % 256) as u64 * 4_096)?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    Ok(median(times))
}

fn run_id(number: u64) -> RunId {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
    RunId::from_bytes(bytes)
}

/// Commits batches with one event of each of `runs` runs.
fn commits(opened: &mut Opened, runs: u64, filing: bool) -> Result<Duration, Box<dyn Error>> {
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let mut batch = batch(opened);
        for run in 0..runs {
            let event = Event::RunJoined { by: Initiator::User("x".repeat(200)) };
            batch.entries.push((run_id(run), vec![event]));
        }
        let start = Instant::now();
        opened.writer.commit(batch)?;
        times.push(start.elapsed());
        if filing && round % 50 == 0 {
            opened.filer.file(usize::MAX)?;
        }
    }
    Ok(median(times))
}

fn batch(opened: &Opened) -> Batch {
    let sequence = opened.writer.next_sequence();
    let at = i64::try_from(sequence).unwrap_or(0);
    Batch::new(sequence, holdfast_kernel::id::Instant(at))
}

fn submit(opened: &mut Opened, runs: u64) -> Result<(), Box<dyn Error>> {
    let digest = Definition::digest_of(DEFINITION.as_bytes());
    let mut batch = batch(opened);
    let stored = StoredDefinition { digest, text: String::new(), lowered: DEFINITION.to_owned() };
    batch.definitions.push(stored);
    for run in 0..runs {
        let request = Request {
            run: run_id(run),
            definition: digest,
            target: None,
            object: Vec::new(),
            inputs: Value::empty_map(),
            dedupe_key: DedupeKey(Digest::of_bytes(&run.to_be_bytes())),
            key_kind: KeyKind::Inputs,
            group: None,
            initiator: Initiator::User("bench".to_owned()),
            rerun_of: None,
        };
        batch.entries.push((run_id(run), vec![Event::RunQueued(Box::new(request))]));
    }
    opened.writer.commit(batch)?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("give a folder to measure in")?;
    let folder = PathBuf::from(folder);
    let mut out = io::stdout().lock();
    let disk = Local::new(folder.join("state"))?;
    let mut opened = open(Arc::new(disk), "bench", Check::Quick)?;
    submit(&mut opened, 256)?;
    for (runs, filing) in [(1, false), (1, true), (16, true), (256, true)] {
        let plain = plain_syncs(&folder)?;
        let commit = commits(&mut opened, runs, filing)?;
        let ratio = commit.as_secs_f64() / plain.as_secs_f64();
        let filing = if filing { "filed behind" } else { "not filed" };
        writeln!(
            out,
            "{runs:4} events, {filing:12}: {commit:?}, {ratio:.2} of a sync ({plain:?})"
        )?;
    }
    let start = Instant::now();
    let filed = opened.filer.file(usize::MAX)?;
    writeln!(out, "filing {} records: {:?}", filed.records, start.elapsed())?;
    let start = Instant::now();
    drop(opened);
    let disk = Local::new(folder.join("state"))?;
    let opened = open(Arc::new(disk), "bench", Check::Quick)?;
    writeln!(out, "opening {} active runs: {:?}", opened.recovered.active.len(), start.elapsed())?;
    Ok(())
}
