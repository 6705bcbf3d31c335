//! The live view of a terminal: the steps of one run in their order, a line each with bar, rate and time left, and
//! the last failures beneath.
//!
//! It decides nothing and asks nobody: it is told. Where there is no terminal there is no view, and the lines of
//! `watch` are all there is.

use std::collections::VecDeque;
use std::time::Duration;

use holdfast_contract::attempt::Progress;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::id::{RunId, StepIndex};
use holdfast_kernel::state::{RunState, StepPhase};
use holdfast_kernel::status::Counts;
use holdfast_service::wire::news::Told;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::clean;
use crate::progress::{Far, rate};
use crate::watch::words;

/// A step that says how far it is.
const FAR: &str = "{prefix}  [{bar:24}] {human_pos} of {human_len}, {rate}, {eta} left{wide_msg}";

/// A step that does not, or one that is not running.
const PLAIN: &str = "{prefix}  {wide_msg}";

/// A step that runs and does not say how far it is.
const RUNNING: &str = "{prefix}  running for {elapsed}{wide_msg}";

/// How often it is drawn at most, in hertz.
const HERTZ: u8 = 8;

/// How often what runs is drawn anew when nothing happens.
const TICK: Duration = Duration::from_secs(1);

/// How many failures are shown.
const FAILURES: usize = 3;

/// The most columns of a failure: the rest is in the log.
const COLUMNS: usize = 160;

/// The steps of a run on a terminal.
pub(crate) struct LiveView {
    run: RunId,
    multi: MultiProgress,
    rows: Vec<Row>,
    /// The last failures, the latest at the end.
    failures: VecDeque<String>,
    lines: Vec<ProgressBar>,
}

struct Row {
    bar: ProgressBar,
    far: Far,
    look: Look,
    fans_out: bool,
}

/// How a row looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Plain,
    Running,
    Far,
}

impl Look {
    const fn template(self) -> &'static str {
        match self {
            Self::Plain => PLAIN,
            Self::Running => RUNNING,
            Self::Far => FAR,
        }
    }
}

impl LiveView {
    /// A view of a run as it is now.
    pub(crate) fn new(run: RunId, definition: &Definition, state: &RunState) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(HERTZ);
        let multi = MultiProgress::with_draw_target(target);
        let width = definition.steps.iter().map(|step| step.id.len()).max().unwrap_or(0);
        let rows = definition.steps.iter().map(|step| {
            let bar = multi.add(ProgressBar::new(0));
            bar.set_prefix(format!("{:<width$}", step.id));
            let needs = step.needs.iter().filter_map(|need| definition.step(*need));
            let needs: Vec<&str> = needs.map(|step| step.id.as_str()).collect();
            let row = Row {
                bar,
                far: Far::default(),
                look: Look::Running,
                fans_out: step.for_each.is_some(),
            };
            row.told(match needs.as_slice() {
                [] => "pending".to_owned(),
                needs => format!("pending, after {}", needs.join(", ")),
            })
        });
        let rows = rows.collect();
        let mut view = Self { run, multi, rows, failures: VecDeque::new(), lines: Vec::new() };
        for ((index, _), step) in definition.numbered().zip(&state.steps) {
            view.step(index, step.phase, &step.items.counts);
        }
        view
    }

    /// The run it shows.
    pub(crate) const fn run(&self) -> RunId {
        self.run
    }

    /// Prints something above the view.
    pub(crate) fn aside(&self, print: impl FnOnce()) {
        self.multi.suspend(print);
    }

    /// Shows one thing that happened; whether it was about what is shown.
    pub(crate) fn tell(&mut self, told: &Told) -> bool {
        if told.run() != Some(self.run) {
            return false;
        }
        match told {
            Told::Step { step, phase, counts, .. } => self.step(*step, *phase, counts),
            Told::Progress { step, progress, .. } => self.moved(*step, progress),
            Told::Line { line, .. } => self.line(line),
            _ => return false,
        }
        true
    }

    /// A step is where it was not before.
    pub(crate) fn step(&mut self, step: StepIndex, phase: StepPhase, counts: &Counts) {
        let Some(row) = self.rows.get_mut(step.place()) else { return };
        if row.fans_out {
            row.far.counted(counts);
        }
        let Some(words) = words(phase, row.fans_out.then_some(counts)) else { return };
        if matches!(phase, StepPhase::Final(_)) {
            row.look(Look::Plain);
            row.bar.abandon_with_message(words);
            return;
        }
        row.draw();
    }

    fn moved(&mut self, step: StepIndex, progress: &Progress) {
        let Some(row) = self.rows.get_mut(step.place()) else { return };
        if !row.bar.is_finished() {
            row.far.moved(progress);
            row.draw();
        }
    }

    /// A line of the log: failures are shown.
    fn line(&mut self, line: &str) {
        let Some(failure) = failure_of(line) else { return };
        self.failures.push_back(failure);
        if self.failures.len() > FAILURES {
            self.failures.pop_front();
        } else {
            let bar = self.multi.add(ProgressBar::new(0));
            if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                bar.set_style(style);
            }
            self.lines.push(bar);
        }
        for (bar, failure) in self.lines.iter().zip(&self.failures) {
            bar.set_message(failure.clone());
        }
    }
}

/// What is shown is left on the terminal.
impl Drop for LiveView {
    fn drop(&mut self) {
        for bar in self.rows.iter().map(|row| &row.bar).chain(&self.lines) {
            bar.disable_steady_tick();
            bar.abandon();
        }
    }
}

impl Row {
    /// The row with these words and no bar.
    fn told(mut self, words: String) -> Self {
        self.look(Look::Plain);
        self.bar.set_message(words);
        self
    }

    fn look(&mut self, look: Look) {
        if self.look == look {
            return;
        }
        self.look = look;
        if let Ok(style) = ProgressStyle::with_template(look.template()) {
            self.bar.set_style(style.progress_chars("=> ").with_key("rate", rate));
        }
        if look == Look::Plain {
            self.bar.disable_steady_tick();
        } else {
            self.bar.reset();
            self.bar.enable_steady_tick(TICK);
        }
    }

    /// A step that runs.
    fn draw(&mut self) {
        let (done, total, aside) = self.far.in_numbers();
        // A look is drawn at once, with what was said before.
        self.bar.set_message(aside);
        self.look(if total > 0 { Look::Far } else { Look::Running });
        self.bar.set_length(total);
        self.bar.set_position(done);
    }
}

/// Whose failure a line of the log tells, and what it says; none for any other line.
fn failure_of(line: &str) -> Option<String> {
    let (_, rest) = line.split_once(' ')?;
    let (who, said) = rest.split_once(' ')?;
    let said = said.strip_prefix("failed: ").or_else(|| said.strip_prefix("lost: "))?;
    let first = said.lines().next().unwrap_or_default();
    let told = format!("  {who}: {first}");
    // What a program says is not to steer the terminal.
    Some(clean(&told).chars().take(COLUMNS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_understood() {
        for template in [FAR, PLAIN, RUNNING] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn failures_are_told_by_the_log() {
        let check = |line: &str, expect: Option<&str>| {
            assert_eq!(failure_of(line).as_deref(), expect, "{line}");
        };
        check("17 each[a]#3 failed: permanent: no", Some("  each[a]#3: permanent: no"));
        check("17 each[a]#3 failed: one\nmore", Some("  each[a]#3: one"));
        check("17 each#3 lost: timeout: it did not end", Some("  each#3: timeout: it did not end"));
        check("17 each#3 all is well", None);
        check("17 each#3 failed: \u{1b}[2Jgone", Some("  each#3: \\u{1b}[2Jgone"));
        check("17 each#3", None);
        check("", None);
    }
}
