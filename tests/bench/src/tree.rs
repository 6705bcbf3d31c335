//! Backing up a tree, first and again unchanged, beside restic on the same tree in the same round.
//!
//! Both are whole processes: opening the repository, deriving the key and every sync count. The caches of the
//! system are warm for both, since the tree was just written or read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::figures::{Figures, Goal};
use crate::home::holdfast;

/// How many files the tree has.
const FILES: u64 = 50_000;

/// How many files a folder has.
const IN_A_FOLDER: u64 = 20;

/// Both repositories are there before, so that deriving a new key counts for neither.
const CONFIGURATION: &str = "holdfast_config: 1
repository: { path: ./holdfast, password: { file: ./password } }
";

/// Measures both, and adds how many times faster than restic we are.
pub(crate) fn measure(folder: &Path, figures: &mut Figures) {
    let home = folder.join("tree-home");
    let tree = folder.join("mixed-tree");
    if !tree.join("whole").exists() {
        make(&tree);
    }
    if home.exists() {
        fs::remove_dir_all(&home).expect("the last round can be removed");
    }
    fs::create_dir_all(&home).expect("a folder can be made");
    fs::write(home.join("password"), "measured").expect("a file can be written");
    fs::write(home.join("holdfast.yaml"), CONFIGURATION).expect("a file can be written");
    timed(&mut restic(&home, &["init"]));
    timed(&mut holdfast(&home, &["repository", "init"]));
    let tree_name = tree.to_str().expect("the path is text");
    let restic_first = timed(&mut restic(&home, &["backup", tree_name]));
    let target = format!("target={tree_name}");
    let backup = ["run", "files/backup", "--input", &target];
    let first = timed(&mut holdfast(&home, &backup));
    let restic_again = timed(&mut restic(&home, &["backup", tree_name]));
    let again = timed(&mut holdfast(&home, &backup));
    let ratio = |theirs: Duration, ours: Duration| theirs.as_secs_f64() / ours.as_secs_f64();
    let goal = Goal::AtLeast(1.0);
    figures.add("tree, first backup: restic's time over ours", goal, ratio(restic_first, first));
    figures.add("tree, unchanged: restic's time over ours", goal, ratio(restic_again, again));
    figures.add("tree, first backup: seconds", Goal::None, first.as_secs_f64());
}

fn restic(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("restic");
    command.args(["--quiet", "--no-cache", "--repo"]).arg(home.join("restic"));
    command.arg("--password-file").arg(home.join("password")).args(arguments);
    command
}

fn timed(command: &mut Command) -> Duration {
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let status = status.expect("the program starts: build holdfast and install restic first");
    assert!(status.success(), "{command:?}: {status}");
    start.elapsed()
}

/// Files of all sizes up to a quarter of a megabyte, 1.2 GB together: two of three are text, one is noise.
fn make(tree: &Path) {
    let mut noise = Noise(1);
    let random: Vec<u8> = (0..8 << 20).flat_map(|_| noise.next().to_le_bytes()).collect();
    let written = text(&mut noise, random.len());
    for number in 0..FILES {
        let folder: PathBuf = tree.join(format!("{:04}", number / IN_A_FOLDER));
        if number % IN_A_FOLDER == 0 {
            fs::create_dir_all(&folder).expect("a folder can be made");
        }
        let pool = if number % 3 == 0 { &random } else { &written };
        // Most are small: the square of an even draw.
        let draw = noise.next() % 512;
        let length = usize::try_from(draw * draw / 4 + 1_000).expect("it is small");
        let places = u64::try_from(pool.len() - length).expect("it is not large");
        let start = usize::try_from(noise.next() % places).expect("it fits");
        let content = [&number.to_le_bytes()[..], &pool[start..start + length]].concat();
        fs::write(folder.join(format!("{number}")), content).expect("a file can be written");
    }
    fs::write(tree.join("whole"), "").expect("a file can be written");
}

/// So many bytes of words, few of which are frequent, as in a language.
fn text(noise: &mut Noise, length: usize) -> Vec<u8> {
    let letters = b"etaoinshrdlucmfwypvbgkjqxz";
    let word = |noise: &mut Noise| {
        let length = 2 + noise.next() % 9;
        let draw = |noise: &mut Noise| {
            let place = (noise.next() % 26).min(noise.next() % 26);
            letters[usize::try_from(place).expect("it is small")]
        };
        (0..length).map(|_| draw(noise)).collect::<Vec<u8>>()
    };
    let words: Vec<Vec<u8>> = (0..4_096).map(|_| word(noise)).collect();
    let mut text = Vec::with_capacity(length + 16);
    while text.len() < length {
        let place = (noise.next() % 4_096).min(noise.next() % 4_096).min(noise.next() % 4_096);
        text.extend_from_slice(&words[usize::try_from(place).expect("it is small")]);
        text.push(if noise.next().is_multiple_of(12) { b'\n' } else { b' ' });
    }
    text.truncate(length);
    text
}

/// Numbers without a pattern, the same each time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 27)
    }
}
