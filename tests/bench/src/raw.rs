//! The raw reference: `fdatasync` of 4 KiB appended to a growing file, on the file system that is measured.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// How many syncs a probe makes.
const SYNCS: usize = 150;

/// How long single syncs took, before and after what is measured.
#[derive(Default)]
pub(crate) struct Probes {
    times: Vec<Duration>,
}

impl Probes {
    /// Makes some syncs.
    pub(crate) fn probe(&mut self, folder: &Path) {
        let path = folder.join("probe");
        let mut file = File::create(&path).expect("a file can be made");
        for _ in 0..SYNCS {
            let start = Instant::now();
            file.write_all(&[1; 4_096]).expect("a file can be written");
            file.sync_data().expect("a file can be synced");
            self.times.push(start.elapsed());
        }
        drop(file);
        std::fs::remove_file(path).expect("a file can be removed");
    }

    /// The time of one sync: the median.
    pub(crate) fn sync(mut self) -> Duration {
        self.times.sort_unstable();
        self.times[self.times.len() / 2]
    }
}
