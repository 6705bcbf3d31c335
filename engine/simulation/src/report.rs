//! What rehearsals came to, in numbers.

use std::collections::BTreeMap;
use std::fmt;

use crate::crash::Point;
use crate::driver::Driver;
use crate::world::Fate;

/// Counts over rehearsals.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Rehearsals, cut or not.
    pub rehearsals: u64,
    /// Points that were cut.
    pub points: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Processes that ended in order with runs that go on.
    pub drains: u64,
    /// Runs that were forgotten.
    pub forgotten: u64,
    /// Effects that were tried.
    pub effects: u64,
    /// Commits.
    pub commits: u64,
    /// Probes.
    pub probes: u64,
    /// What attempts met.
    pub fates: BTreeMap<Fate, u64>,
}

impl Report {
    /// Counts one rehearsal.
    pub fn count(&mut self, point: Point, driver: &Driver) {
        self.rehearsals += 1;
        self.points += u64::from(point != Point::Nowhere);
        self.effects += driver.effects;
        self.commits += driver.commits;
        self.probes += driver.outside.world.probes();
        self.forgotten += driver.forgotten.values().filter(|is_told| **is_told).count() as u64;
        for (fate, count) in driver.outside.world.fates() {
            *self.fates.entry(*fate).or_default() += count;
        }
    }
}

impl Report {
    /// Adds the counts of another report.
    pub fn add(&mut self, other: &Self) {
        self.rehearsals += other.rehearsals;
        self.points += other.points;
        self.crashes += other.crashes;
        self.drains += other.drains;
        self.forgotten += other.forgotten;
        self.effects += other.effects;
        self.commits += other.commits;
        self.probes += other.probes;
        for (fate, count) in &other.fates {
            *self.fates.entry(*fate).or_default() += count;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rehearsals, {} crash points, {} crashes, {} drains, {} commits, {} effects tried, {} probes, {} runs forgotten",
            self.rehearsals,
            self.points,
            self.crashes,
            self.drains,
            self.commits,
            self.effects,
            self.probes,
            self.forgotten
        )
    }
}
