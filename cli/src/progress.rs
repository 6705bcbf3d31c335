//! One line of progress at the bottom of a terminal: how far the step is that moves, how fast, and how long it
//! will take. Where it is no terminal there is none, and the lines of `watch` are all there is.

use std::collections::BTreeMap;

use holdfast_contract::attempt::Progress;
use holdfast_kernel::id::{RunId, StepIndex};
use holdfast_kernel::status::Counts;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// What the line looks like. A template that is not understood would be a bug, and a test reads it.
const TEMPLATE: &str =
    "{prefix}: [{bar:24}] {human_pos} of {human_len}, {rate}, {eta} left{wide_msg}";

/// How often the line is drawn at most, in hertz.
const HERTZ: u8 = 8;

/// The line of a terminal, or nothing.
pub(crate) struct ProgressLine {
    bar: Option<ProgressBar>,
    steps: BTreeMap<(RunId, StepIndex), Far>,
    shown: Option<(RunId, StepIndex)>,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Far {
    total: u64,
    /// How many attempts have said how much they have to do.
    announced: u64,
    done: u64,
    counts: Counts,
}

impl ProgressLine {
    /// A line if there is a terminal that may move.
    pub(crate) fn new(moves: bool) -> Self {
        let bar = moves.then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
            if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
                bar.set_style(style.progress_chars("=> ").with_key("rate", rate));
            }
            bar
        });
        Self { bar, steps: BTreeMap::new(), shown: None }
    }

    /// Prints something above the line.
    pub(crate) fn aside(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// An attempt has come further.
    pub(crate) fn moved(&mut self, run: RunId, step: StepIndex, id: &str, progress: &Progress) {
        if self.bar.is_none() {
            return;
        }
        self.steps.entry((run, step)).or_default().moved(progress);
        self.draw(run, step, id);
    }

    /// Items of a step have ended.
    pub(crate) fn counted(&mut self, run: RunId, step: StepIndex, id: &str, counts: &Counts) {
        if self.bar.is_none() || counts.total == 0 {
            return;
        }
        self.steps.entry((run, step)).or_default().counted(counts);
        self.draw(run, step, id);
    }

    /// A step has ended.
    pub(crate) fn ended(&mut self, run: RunId, step: StepIndex) {
        self.steps.remove(&(run, step));
        if self.shown == Some((run, step)) {
            self.shown = None;
            if let Some(bar) = &self.bar {
                bar.finish_and_clear();
                bar.set_draw_target(ProgressDrawTarget::hidden());
            }
        }
    }

    fn draw(&mut self, run: RunId, step: StepIndex, id: &str) {
        let (Some(bar), Some(far)) = (&self.bar, self.steps.get(&(run, step))) else { return };
        let (done, total, aside) = far.in_numbers();
        if total == 0 {
            return;
        }
        if self.shown != Some((run, step)) {
            self.shown = Some((run, step));
            bar.reset();
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(HERTZ));
            bar.set_prefix(id.to_owned());
        }
        bar.set_length(total);
        bar.set_message(aside);
        bar.set_position(done);
    }
}

/// How fast it goes, in whole numbers.
pub(crate) fn rate(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    // A line of progress that cannot be written is missed by nobody.
    write!(out, "{}/s", HumanCount(whole(state.per_sec()))).unwrap_or_default();
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is not negative, and one beyond 2^53 is as good as any"
)]
const fn whole(rate: f64) -> u64 {
    rate as u64
}

impl Far {
    /// An attempt has come further.
    pub(crate) const fn moved(&mut self, progress: &Progress) {
        match progress {
            Progress::Total(total) => {
                self.total += *total;
                self.announced += 1;
            }
            Progress::Advance(done) => self.done += *done,
            Progress::Message(_) => {}
        }
    }

    /// Items have ended.
    pub(crate) const fn counted(&mut self, counts: &Counts) {
        self.counts = *counts;
    }

    /// What is done, of how much, and what else there is to say.
    pub(crate) fn in_numbers(&self) -> (u64, u64, String) {
        let counts = &self.counts;
        let ended = counts.succeeded + counts.partial + counts.failed + counts.unknown;
        let bad = counts.failed + counts.unknown;
        let bad = if bad > 0 { format!(", {bad} not ok") } else { String::new() };
        if self.total == 0 {
            return (u64::from(ended), u64::from(counts.total), bad);
        }
        // What has not started is taken to be as large as what has. Attempts that are repeated count twice:
        // never more than all of it.
        let whole = u64::from(counts.total).max(self.announced);
        let total = self.total.saturating_mul(whole) / self.announced.max(1);
        let items = if counts.total > 1 {
            format!(", {ended} of {} items", counts.total)
        } else {
            String::new()
        };
        (self.done.min(total), total, format!("{items}{bad}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_understood() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }

    #[test]
    fn a_line_says_how_far_the_step_is() {
        let counts = Counts { total: 6, succeeded: 2, failed: 1, ..Counts::default() };
        let far = Far { counts, ..Far::default() };
        assert_eq!(far.in_numbers(), (3, 6, ", 1 not ok".to_owned()));
        let far = Far { total: 25_000, announced: 3, done: 60_000, counts };
        assert_eq!(far.in_numbers(), (50_000, 50_000, ", 3 of 6 items, 1 not ok".to_owned()));
    }
}
