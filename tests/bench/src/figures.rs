//! Figures of all rounds, and the table of their minimum, median and maximum.

use std::collections::BTreeMap;
use std::fmt;

/// What a figure should be.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// It only explains another one.
    None,
}

struct Series {
    goal: Goal,
    values: Vec<f64>,
}

/// Minimum, median and maximum; none of nothing.
pub(crate) fn spread(values: &[f64]) -> Option<[f64; 3]> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = *sorted.get(sorted.len() / 2)?;
    Some([sorted[0], median, sorted[sorted.len() - 1]])
}

/// All figures, by the order in which they first came and their name.
#[derive(Default)]
pub(crate) struct Figures {
    order: Vec<&'static str>,
    series: BTreeMap<&'static str, Series>,
}

impl Figures {
    /// Adds the value of one round.
    pub(crate) fn add(&mut self, name: &'static str, goal: Goal, value: f64) {
        if !self.series.contains_key(name) {
            self.order.push(name);
        }
        let series = self.series.entry(name).or_insert(Series { goal, values: Vec::new() });
        series.values.push(value);
    }

    /// The values of the last round, in one line.
    pub(crate) fn last(&self) -> String {
        let last = |name: &&'static str| Some((*name, self.series[*name].values.last()?));
        let last = self.order.iter().filter_map(last);
        last.map(|(name, value)| format!("{name} {value:.2}")).collect::<Vec<_>>().join("; ")
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:52} {:>8} {:>8} {:>8}  goal", "figure", "minimum", "median", "maximum")?;
        for name in &self.order {
            let Series { goal, values } = &self.series[name];
            let Some([least, median, most]) = spread(values) else { continue };
            let (goal, reached) = match *goal {
                Goal::AtLeast(goal) => (format!(">= {goal}"), median >= goal),
                Goal::AtMost(goal) => (format!("<= {goal}"), median <= goal),
                Goal::None => (String::new(), true),
            };
            let missed = if reached { "" } else { ", missed" };
            writeln!(f, "{name:52} {least:8.2} {median:8.2} {most:8.2}  {goal}{missed}")?;
        }
        Ok(())
    }
}
