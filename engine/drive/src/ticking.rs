//! Ticks of schedules: decided once, and stored with the runs that they start.
//!
//! Which ticks are due, and which of them are passed over, the host has found out with the kernel's help; what is
//! seen here is whether somebody else was faster, and what is active. Nothing here knows a calendar.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_journal::schedule::{Paused, ScheduleChange, ScheduleRecord, ScheduleSpec};
use holdfast_kernel::event::Initiator;
use holdfast_kernel::id::{Instant, RunId};
use holdfast_kernel::state::{Phase, RunState};
use holdfast_kernel::tick::{
    Decided, Earlier, Overlap, ScheduleName, Skipped, TickDecision, in_the_way,
};

use crate::input::{Fires, Submit, Tick, Token};
use crate::output::{Refusal, Reply};
use crate::turn::{Drive, Intake};

/// How far the ticks of the schedules are decided.
#[derive(Debug, Default)]
pub(crate) struct Ticking {
    known: BTreeMap<ScheduleName, Known>,
    /// The active runs of each schedule that has some.
    runs: BTreeMap<ScheduleName, Runs>,
    /// Whether somebody paused everything.
    pub(crate) pause: Standstill,
}

/// The active runs that a schedule started.
#[derive(Debug, Default)]
struct Runs {
    started: BTreeSet<RunId>,
    waiting: BTreeSet<RunId>,
}

impl Ticking {
    /// Knows where a run stands, if a schedule started it.
    pub(crate) fn follow(&mut self, state: &RunState) {
        self.leave(state);
        let Some(schedule) = state.request.initiator.schedule() else { return };
        if state.is_finished() {
            return;
        }
        let runs = self.runs.entry(schedule.clone()).or_default();
        let of_phase =
            if state.phase == Phase::Queued { &mut runs.waiting } else { &mut runs.started };
        of_phase.insert(state.run());
    }

    /// Knows that a run is active no more.
    pub(crate) fn leave(&mut self, state: &RunState) {
        let Some(schedule) = state.request.initiator.schedule() else { return };
        let Some(runs) = self.runs.get_mut(schedule) else { return };
        runs.started.remove(&state.run());
        runs.waiting.remove(&state.run());
        if runs.started.is_empty() && runs.waiting.is_empty() {
            self.runs.remove(schedule);
        }
    }

    /// The active runs that a schedule started.
    fn earlier(&self, schedule: &ScheduleName) -> Earlier {
        let runs = self.runs.get(schedule);
        Earlier {
            started: runs.and_then(|runs| runs.started.last().copied()),
            waiting: runs.and_then(|runs| runs.waiting.last().copied()),
        }
    }
}

/// Whether somebody paused everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standstill {
    /// Nobody did.
    #[default]
    No,
    /// Somebody did: no attempt starts.
    Paused,
}

#[derive(Debug)]
struct Known {
    cron: String,
    timezone: String,
    decided: Instant,
    /// Whether somebody paused it.
    pause: Standstill,
}

impl Known {
    fn of(spec: &ScheduleSpec, decided: Instant) -> Self {
        let (cron, timezone) = (spec.cron.clone(), spec.timezone.clone());
        Self { cron, timezone, decided, pause: Standstill::No }
    }

    fn is(&self, spec: &ScheduleSpec) -> bool {
        self.cron == spec.cron && self.timezone == spec.timezone
    }
}

impl Drive {
    /// Knows of what is stored of schedules, and whether everything is paused.
    pub fn know_schedules(&mut self, schedules: &[ScheduleRecord], pause: Standstill) {
        let known = |record: &ScheduleRecord| {
            let mut known = Known::of(&record.spec, record.decided);
            if record.paused.as_ref().is_some_and(Paused::lasts) {
                known.pause = Standstill::Paused;
            }
            (record.spec.name.clone(), known)
        };
        self.ticking.known = schedules.iter().map(known).collect();
        self.ticking.pause = pause;
    }

    /// Whether somebody paused everything.
    pub const fn standstill(&self) -> Standstill {
        self.ticking.pause
    }

    /// Something changes about schedules.
    pub(crate) fn change_schedule(&mut self, change: ScheduleChange, by: &str, token: Token) {
        if let Some(refusal) = self.unknown(&change) {
            return self.reply(token, Reply::Refused(refusal));
        }
        let mut begun = None;
        match &change {
            // A newer reading of its file may have been faster.
            ScheduleChange::Unseen(spec) if self.ticking.known.contains_key(&spec.name) => {
                return self.reply(token, Reply::Done);
            }
            ScheduleChange::Seen(spec) | ScheduleChange::Unseen(spec) => begun = self.see(spec),
            ScheduleChange::Forgotten(name) => {
                self.ticking.known.remove(name);
                self.note(by, format!("Let the schedule {name} be forgotten."));
            }
            ScheduleChange::Paused { schedule, .. } => {
                self.set_pause(schedule.as_ref(), Standstill::Paused);
                self.note(by, format!("Paused {}.", named(schedule.as_ref())));
            }
            ScheduleChange::Unpaused { schedule, .. } => {
                self.set_pause(schedule.as_ref(), Standstill::No);
                self.note(by, format!("Ended the pause of {}.", named(schedule.as_ref())));
            }
            ScheduleChange::Decided { .. }
            | ScheduleChange::ByHand { .. }
            | ScheduleChange::Unusable { .. }
            | ScheduleChange::Lost(_)
            | ScheduleChange::Broken { .. }
            | ScheduleChange::Begun { .. }
            | ScheduleChange::Mended(_)
            | ScheduleChange::Ahead { .. }
            | ScheduleChange::Late(_) => {}
        }
        self.record_schedule(change);
        if let Some(begun) = begun {
            self.record_schedule(begun);
        }
        self.reply(token, Reply::Done);
    }

    fn set_pause(&mut self, schedule: Option<&ScheduleName>, pause: Standstill) {
        match schedule {
            None => self.ticking.pause = pause,
            Some(name) => {
                if let Some(known) = self.ticking.known.get_mut(name) {
                    known.pause = pause;
                }
            }
        }
    }

    /// Why a change is refused: it names a schedule that nobody knows, or decides about ticks in passing.
    fn unknown(&self, change: &ScheduleChange) -> Option<Refusal> {
        let name = match change {
            ScheduleChange::Seen(_)
            | ScheduleChange::Unseen(_)
            | ScheduleChange::Unusable { .. }
            | ScheduleChange::Paused { schedule: None, .. }
            | ScheduleChange::Unpaused { schedule: None, .. } => return None,
            ScheduleChange::Decided { .. } | ScheduleChange::ByHand { .. } => {
                return Some(Refusal::Invalid("ticks are decided with their runs".to_owned()));
            }
            ScheduleChange::Begun { .. } => {
                return Some(Refusal::Invalid("a schedule begins when it is seen".to_owned()));
            }
            ScheduleChange::Paused { schedule: Some(name), .. }
            | ScheduleChange::Unpaused { schedule: Some(name), .. }
            | ScheduleChange::Lost(name)
            | ScheduleChange::Broken { schedule: name, .. }
            | ScheduleChange::Ahead { schedule: name, .. }
            | ScheduleChange::Mended(name)
            | ScheduleChange::Late(name)
            | ScheduleChange::Forgotten(name) => name,
        };
        (!self.ticking.known.contains_key(name)).then_some(Refusal::NoSuchSchedule)
    }

    /// Sees what a file says. Where the schedule begins by the clock, if the instants of the journal are ahead of it:
    /// otherwise it begins with this record.
    fn see(&mut self, spec: &ScheduleSpec) -> Option<ScheduleChange> {
        let (at, seen) = (self.now(), self.clock());
        let (by_record, known) = match self.ticking.known.get(&spec.name) {
            Some(known) if known.is(spec) => return None,
            Some(&Known { decided, pause, .. }) => {
                // Later than it in any case: whoever still decides from it is refused.
                let begins = seen.max(Instant(decided.0.saturating_add(1)));
                (decided.max(at), Known { pause, ..Known::of(spec, begins) })
            }
            None => (at, Known::of(spec, seen)),
        };
        let decided = known.decided;
        self.ticking.known.insert(spec.name.clone(), known);
        let schedule = spec.name.clone();
        ((seen, decided) != (at, by_record)).then_some(ScheduleChange::Begun {
            schedule,
            seen,
            decided,
        })
    }

    /// Decides about ticks: those that are passed over, and the one after them that is to start a run.
    pub(crate) fn tick(&mut self, tick: Tick) {
        let Tick { schedule, after, passed, fires, token } = tick;
        if self.intake == Intake::Draining {
            return self.reply(token, Reply::Refused(Refusal::Draining));
        }
        let known = self.ticking.known.get(&schedule).map(|known| known.decided);
        match known {
            None => return self.reply(token, Reply::Refused(Refusal::NoSuchSchedule)),
            Some(decided) if decided != after => {
                return self.reply(token, Reply::Refused(Refusal::Decided));
            }
            Some(_) => {}
        }
        let mut decided = passed;
        let fired = fires.map(|fires| {
            let tick = fires.tick;
            let decision = self.fire(&schedule, fires);
            decided.push(Decided::one(tick, decision.clone()));
            decision
        });
        // As the journal counts it: whoever reads that decides from there.
        let Some(last) = decided.iter().map(|ticks| ticks.last).max() else {
            return self.reply(token, Reply::Ticked(None));
        };
        if let Some(known) = self.ticking.known.get_mut(&schedule) {
            known.decided = known.decided.max(last);
        }
        self.record_schedule(ScheduleChange::Decided { schedule, decided });
        self.reply(token, Reply::Ticked(fired));
    }

    /// Starts the run of a tick, or says why it starts none.
    fn fire(&mut self, schedule: &ScheduleName, fires: Fires) -> TickDecision {
        let of_schedule = self.ticking.known.get(schedule).map(|known| known.pause);
        if [Some(self.ticking.pause), of_schedule].contains(&Some(Standstill::Paused)) {
            return TickDecision::Skipped(Skipped::Paused);
        }
        let submit = match fires.submit {
            Ok(submit) => *submit,
            Err(reason) => return TickDecision::Skipped(Skipped::Definition(reason)),
        };
        if let Err(error) = submit.program.definition.check() {
            return TickDecision::Skipped(Skipped::Definition(error.to_string()));
        }
        let active = in_the_way(fires.overlap, self.ticking.earlier(schedule));
        let active = active.or_else(|| self.claims.get(&submit.request.dedupe_key).copied());
        if let Some(run) = active {
            return TickDecision::Skipped(Skipped::Overlap(run));
        }
        match self.full_group(&submit.request) {
            Some(Refusal::GroupFull { run, .. }) => {
                return TickDecision::Skipped(Skipped::Overlap(run));
            }
            Some(refusal) => {
                return TickDecision::Skipped(Skipped::Definition(refusal.to_string()));
            }
            None => {}
        }
        let Submit { request, stored, program, .. } = submit;
        TickDecision::Fired(self.queue_new(request, stored, program))
    }

    /// Starts a run for a tick because a person wants it, whatever was decided about the tick.
    pub(crate) fn tick_by_hand(&mut self, submit: Submit) {
        let token = submit.token;
        let Initiator::Tick { schedule, tick, by: Some(by), .. } = submit.request.initiator.clone()
        else {
            let reason = "it says of no tick that it starts it by hand".to_owned();
            return self.reply(token, Reply::Refused(Refusal::Invalid(reason)));
        };
        if !self.ticking.known.contains_key(&schedule) {
            return self.reply(token, Reply::Refused(Refusal::NoSuchSchedule));
        }
        if let Some(run) = self.submit(submit) {
            let decided = Decided::one(tick, TickDecision::ByHand { run, by });
            self.record_schedule(ScheduleChange::ByHand { schedule, decided });
        }
    }
}

/// The overlap under which a run goes on that a person starts for a tick: several of them one after the other.
pub const BY_HAND: Overlap = Overlap::QueueAll;

fn named(schedule: Option<&ScheduleName>) -> String {
    schedule.map_or_else(|| "everything".to_owned(), |name| format!("the schedule {name}"))
}
