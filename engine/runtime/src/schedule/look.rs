//! What a look at a schedule does: what is due is found, has its request made, and is decided.
//!
//! What is due is sifted by the kernel; the request is made beside the executor, for it may have to look at a repository;
//! the drive decides, and stores the tick with its run in one record. After a death the ticks that were not stored
//! are due still. When a schedule is looked at is not known here.

use std::sync::Arc;

use holdfast_drive::input::{Fires, Tick, Token};
use holdfast_drive::output::Reply;
use holdfast_journal::query::{ReadError, Reader};
use holdfast_journal::schedule::{Paused, ScheduleChange, ScheduleRecord, ScheduleSpec, Trouble};
use holdfast_kernel::id::{Instant, Millis};
use holdfast_kernel::tick::{Pause, Skipped, TickDecision, sift};
use tokio::sync::mpsc::UnboundedSender;

use super::{Again, Patience, Planned, Requests, Told, dues};
use crate::clock;
use crate::handle::Handle;
use crate::rehearsal;
use crate::tasks;
use crate::wake::Want;

/// How many ticks of one schedule are decided before others have their turn.
const IN_A_ROW: usize = 100;

/// Who a change is put down to that nobody asked for.
const BY: &str = "holdfast";

/// Ticks that are decided and come so much later were decided while the clock was wrong.
const AHEAD: Millis = Millis::seconds(60 * 60);

/// What is needed to look after a schedule.
#[derive(Clone)]
pub(super) struct Around {
    pub(super) handle: Handle,
    pub(super) reader: Reader,
    pub(super) requests: Arc<dyn Requests>,
    pub(super) patience: Patience,
}

/// What becomes of a schedule of which nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Its file may be gone as well: first that is to be seen.
    Waits,
    /// Its file is still there: somebody forgot it nevertheless, or was faster than who put the file back.
    Begins,
}

/// What is found about the ticks of a schedule at one moment.
enum Found {
    /// These are to be decided about.
    Due(Box<Tick>, ScheduleRecord),
    /// None is due; when the next one is.
    Idle(ScheduleRecord, Option<Instant>),
    /// The ticks of a long time to come are decided.
    Ahead(ScheduleRecord),
    /// Nothing is known of the schedule.
    Unknown,
    /// What was planned is not what is stored: its file was read anew meanwhile.
    Stale,
    /// It cannot be found out now.
    Failed,
}

/// How long it took to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Prompt,
    /// Others have the turn.
    Slow,
}

/// Whether a schedule can be looked after further now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    On,
    Wrong,
}

impl Around {
    /// Has everything decided that is due of a schedule.
    pub(super) async fn look_after_ticks(
        &self,
        planned: &Arc<Planned>,
        unknown: Unknown,
        tell: &UnboundedSender<Told>,
    ) -> Again {
        for _ in 0..IN_A_ROW {
            let (pace, found) = self.find_patiently(planned, tell).await;
            let goes = match found {
                Found::Due(tick, record) => self.decide(*tick, &record, planned).await,
                Found::Idle(record, next) => {
                    self.tell_that_it_has_come(&record).await;
                    return next.map_or(Again::Never, Again::At);
                }
                Found::Ahead(record) => {
                    self.tell_ahead(&record).await;
                    Goes::Wrong
                }
                Found::Unknown if unknown == Unknown::Begins => {
                    let spec = Box::new(planned.spec.clone());
                    self.change(ScheduleChange::Unseen(spec)).await;
                    Goes::Wrong
                }
                Found::Unknown => return Again::Unknown,
                Found::Stale | Found::Failed => Goes::Wrong,
            };
            match (goes, pace) {
                (Goes::On, Pace::Prompt) => {}
                // It waits for its turn again.
                (Goes::On, Pace::Slow) => break,
                (Goes::Wrong, _) => return self.patience.again(),
            }
        }
        Again::At(clock::now())
    }

    /// What is due of a schedule. If that needs something that does not answer, others have its turn meanwhile.
    async fn find_patiently(
        &self,
        planned: &Arc<Planned>,
        tell: &UnboundedSender<Told>,
    ) -> (Pace, Found) {
        let (around, of) = (self.clone(), Arc::clone(planned));
        let mut finding = tasks::spawn_blocking(move || around.find(&of));
        let (pace, found) = tokio::select! {
            found = &mut finding => (Pace::Prompt, found),
            () = clock::wait(self.patience.request) => {
                let name = &planned.spec.name;
                let workflow = name.workflow.as_str();
                tracing::warn!(workflow, schedule = %name, "what a run of {name} needs does not answer");
                // Without a scheduler nobody waits any more.
                tell.send(Told::Hangs(name.clone())).unwrap_or_default();
                (Pace::Slow, finding.await)
            }
        };
        // What cannot be read now, or panicked, is not lost: it is due until it is decided.
        let found = match found {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                let name = &planned.spec.name;
                let workflow = name.workflow.as_str();
                tracing::warn!(workflow, schedule = %name, "{name} cannot be looked after: {error}");
                Found::Failed
            }
            Err(_) => Found::Failed,
        };
        (pace, found)
    }

    /// What is due of a schedule. It blocks.
    fn find(&self, planned: &Planned) -> Result<Found, ReadError> {
        let Planned { spec, calendar } = planned;
        let Some(record) = self.reader.schedule(&spec.name)? else { return Ok(Found::Unknown) };
        let everything = self.reader.pause()?.as_ref().map_or(Pause::None, Paused::pause);
        let pause = record.paused.as_ref().map_or(Pause::None, Paused::pause);
        let now = clock::now();
        if !is_same(&record.spec, spec) {
            return Ok(Found::Stale);
        }
        if is_ahead(&record, now) {
            return Ok(Found::Ahead(record));
        }
        let due = dues(calendar, spec, record.decided).take_while(|due| due.at <= now);
        let sifted = sift(&spec.policy, &[pause, everything], due, now);
        if sifted.passed.is_empty() && sifted.fires.is_none() {
            let next = dues(calendar, spec, record.decided).next().map(|due| due.at);
            return Ok(Found::Idle(record, next));
        }
        rehearsal::point("tick_due");
        let fires = sifted.fires.map(|tick| {
            let submit = self.requests.request(&spec.name, tick).map(Box::new);
            Fires { tick, overlap: spec.policy.overlap, submit }
        });
        rehearsal::point("tick_prepared");
        let tick = Tick {
            schedule: spec.name.clone(),
            after: record.decided,
            passed: sifted.passed,
            fires,
            token: Token(0),
        };
        Ok(Found::Due(Box::new(tick), record))
    }

    async fn decide(&self, tick: Tick, record: &ScheduleRecord, planned: &Planned) -> Goes {
        let Ok(reply) = self.handle.ask(Want::Tick(Box::new(tick))).await else {
            return Goes::Wrong;
        };
        rehearsal::point("tick_decided");
        match reply {
            Reply::Ticked(decision) => {
                self.tell_trouble(decision, record, planned).await;
                Goes::On
            }
            // Also where somebody else was faster: what they left is found at the next look, and not over and over.
            Reply::Refused(_) | Reply::Queued(_) | Reply::Deduplicated { .. } | Reply::Done => {
                Goes::Wrong
            }
        }
    }

    /// A schedule that starts nothing because of its workflow is never silent about it.
    async fn tell_trouble(
        &self,
        decision: Option<TickDecision>,
        record: &ScheduleRecord,
        planned: &Planned,
    ) {
        let schedule = planned.spec.name.clone();
        let change = match (decision, &record.trouble) {
            (Some(TickDecision::Skipped(Skipped::Definition(reason))), trouble) => {
                let known = |trouble: &Trouble| matches!(trouble, Trouble::Broken { reason: known, .. } if *known == reason);
                if trouble.as_ref().is_some_and(known) {
                    return;
                }
                ScheduleChange::Broken { schedule, reason }
            }
            (Some(TickDecision::Fired(_)), Some(_)) => ScheduleChange::Mended(schedule),
            (_, _) => return,
        };
        self.change(change).await;
    }

    /// A schedule that starts nothing because the clock was ahead is not silent about that either.
    async fn tell_ahead(&self, record: &ScheduleRecord) {
        match &record.trouble {
            Some(Trouble::Ahead { .. } | Trouble::Lost { .. }) => {}
            Some(Trouble::Broken { .. }) | None => {
                let (schedule, decided) = (record.spec.name.clone(), record.decided);
                self.change(ScheduleChange::Ahead { schedule, decided }).await;
            }
        }
    }

    /// The clock has come to where the ticks of a schedule are decided.
    async fn tell_that_it_has_come(&self, record: &ScheduleRecord) {
        if matches!(record.trouble, Some(Trouble::Ahead { .. })) {
            self.change(ScheduleChange::Mended(record.spec.name.clone())).await;
        }
    }

    /// Tells people that nothing succeeds, if that is so.
    pub(super) async fn look_after_lateness(&self, planned: &Planned) -> Again {
        let name = planned.spec.name.clone();
        let (reader, of) = (self.reader.clone(), name.clone());
        let read = tasks::spawn_blocking(move || reader.schedule(&of)).await;
        let Ok(Ok(Some(record))) = read else { return self.patience.again() };
        let Some(within) = record.spec.expect_success_within else { return Again::Never };
        match record.deadline().filter(|_| record.late_since.is_none()) {
            Some(deadline) if deadline <= clock::now() => {
                self.change(ScheduleChange::Late(name)).await;
                // A record that was begun before the deadline may have come too early for it.
                self.patience.again()
            }
            Some(deadline) => Again::At(deadline),
            // People know: a success after this is not old before then.
            None => Again::At(clock::now().plus(within)),
        }
    }

    async fn change(&self, change: ScheduleChange) {
        let want = Want::Schedule { change: Box::new(change), by: BY.to_owned() };
        // Whoever drives no more tells nobody anything; the next process does.
        self.handle.ask(want).await.map(drop).unwrap_or_default();
    }
}

/// Whether two say the same of when there are ticks.
fn is_same(one: &ScheduleSpec, other: &ScheduleSpec) -> bool {
    one.cron == other.cron && one.timezone == other.timezone
}

/// Whether the ticks of a long time to come are decided. What was told once is so until they have come.
fn is_ahead(record: &ScheduleRecord, now: Instant) -> bool {
    let is_told = matches!(record.trouble, Some(Trouble::Ahead { .. }));
    record.decided.since(now) > if is_told { Millis::ZERO } else { AHEAD }
}
