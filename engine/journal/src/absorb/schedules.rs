//! Schedules and their ticks: rows from what changed, and what people are told of it.

use holdfast_contract::time::written;
use holdfast_kernel::id::{Instant, RunId};
use holdfast_kernel::status::RunStatus;
use holdfast_kernel::tick::{Decided, ScheduleName, TickDecision};

use super::{Core, Source};
use crate::codec::encode;
use crate::commit::Batch;
use crate::filer::FilingError;
use crate::record::{Kind, Notification};
use crate::schedule::{
    Paused, ScheduleChange, ScheduleRecord, ScheduleSpec, TickRecord, Trouble, Turn,
};
use crate::store::{PAUSE, Table, schedule_key, tick_index, tick_key};

impl Core {
    /// Takes in what changed about schedules.
    pub(super) fn absorb_schedules(
        &mut self,
        source: &Source<'_>,
        batch: &Batch,
    ) -> Result<(), FilingError> {
        for change in &batch.schedules {
            self.change_schedule(source, change, batch.at)?;
        }
        Ok(())
    }

    fn change_schedule(
        &mut self,
        source: &Source<'_>,
        change: &ScheduleChange,
        at: Instant,
    ) -> Result<(), FilingError> {
        match change {
            ScheduleChange::Seen(spec) => self.see(source, spec, at),
            ScheduleChange::Unseen(spec) => match self.schedule(source, &spec.name)? {
                Some(_) => Ok(()),
                None => self.see(source, spec, at),
            },
            ScheduleChange::Begun { schedule, seen, decided } => {
                self.begin(source, schedule, *seen, *decided)
            }
            ScheduleChange::Decided { schedule, decided } => {
                self.keep_ticks(source, schedule, decided, at)
            }
            ScheduleChange::ByHand { schedule, decided } => self.keep_tick(schedule, decided, at),
            ScheduleChange::Paused { schedule, by } => {
                let paused = Paused { by: by.clone(), from: at, until: None };
                // One that lasts began before.
                let begin = |known: Option<Paused>| known.filter(Paused::lasts).or(Some(paused));
                self.pause(source, schedule.as_ref(), begin)
            }
            ScheduleChange::Unpaused { schedule, .. } => {
                // One that has ended before ended then: what came after it is not of it.
                let end = |paused: Paused| Paused { until: paused.until.or(Some(at)), ..paused };
                self.pause(source, schedule.as_ref(), |paused| paused.map(end))
            }
            ScheduleChange::Lost(schedule) => {
                self.trouble(source, schedule, Trouble::Lost { since: at }, at)
            }
            ScheduleChange::Broken { schedule, reason } => {
                let trouble = Trouble::Broken { since: at, reason: reason.clone() };
                self.trouble(source, schedule, trouble, at)
            }
            ScheduleChange::Unusable { workflow, text } => self.put_notification(Notification {
                workflow: workflow.clone(),
                ..Notification::new(Kind::Definition, text.clone(), at)
            }),
            ScheduleChange::Ahead { schedule, decided } => {
                let trouble = Trouble::Ahead { since: at, decided: *decided };
                self.trouble(source, schedule, trouble, at)
            }
            ScheduleChange::Mended(schedule) => self.mend(source, schedule, at),
            ScheduleChange::Late(schedule) => self.late(source, schedule, at),
            ScheduleChange::Forgotten(schedule) => {
                self.fresh.take_away(Table::Schedules, schedule_key(schedule));
                Ok(())
            }
        }
    }

    fn schedule(
        &self,
        source: &Source<'_>,
        name: &ScheduleName,
    ) -> Result<Option<ScheduleRecord>, FilingError> {
        Ok(self.view(source).get(Table::Schedules, &schedule_key(name))?)
    }

    fn put_schedule(&mut self, record: &ScheduleRecord) -> Result<(), FilingError> {
        let key = schedule_key(&record.spec.name);
        self.fresh.put(Table::Schedules, key, encode(record)?);
        Ok(())
    }

    /// A file says what a schedule is. In another pattern or zone it is as if it was never seen: what would have been
    /// a tick of it is none.
    fn see(
        &mut self,
        source: &Source<'_>,
        spec: &ScheduleSpec,
        at: Instant,
    ) -> Result<(), FilingError> {
        let spec = spec.clone();
        let Some(known) = self.schedule(source, &spec.name)? else {
            let (first_seen, decided) = (at, at);
            return self.put_schedule(&ScheduleRecord {
                spec,
                first_seen,
                decided,
                paused: None,
                trouble: None,
                last_run: None,
                last_end: None,
                last_success: None,
                late_since: None,
            });
        };
        let is_same = known.spec.cron == spec.cron && known.spec.timezone == spec.timezone;
        let was_in_trouble = known.trouble.is_some();
        // A file says nothing of the clock.
        let trouble = known.trouble.filter(|trouble| matches!(trouble, Trouble::Ahead { .. }));
        let is_mended = was_in_trouble && trouble.is_none();
        let mut record = ScheduleRecord { spec, trouble, ..known };
        if !is_same {
            record.first_seen = at;
            record.decided = record.decided.max(at);
        }
        if record.spec.expect_success_within.is_none() {
            record.late_since = None;
        }
        self.put_schedule(&record)?;
        if is_mended { self.tell_mended(&record.spec.name, at) } else { Ok(()) }
    }

    /// A schedule begins by the clock, which is behind the instants of the journal.
    fn begin(
        &mut self,
        source: &Source<'_>,
        schedule: &ScheduleName,
        seen: Instant,
        decided: Instant,
    ) -> Result<(), FilingError> {
        let Some(record) = self.schedule(source, schedule)? else { return Ok(()) };
        self.put_schedule(&ScheduleRecord { first_seen: seen, decided, ..record })
    }

    fn keep_ticks(
        &mut self,
        source: &Source<'_>,
        schedule: &ScheduleName,
        decided: &[Decided],
        at: Instant,
    ) -> Result<(), FilingError> {
        for ticks in decided {
            self.keep_tick(schedule, ticks, at)?;
        }
        let Some(mut record) = self.schedule(source, schedule)? else { return Ok(()) };
        for ticks in decided {
            record.decided = record.decided.max(ticks.last);
            if let TickDecision::Fired(run) = ticks.decision {
                record.last_run = Some(run);
            }
        }
        self.put_schedule(&record)
    }

    fn keep_tick(
        &mut self,
        schedule: &ScheduleName,
        ticks: &Decided,
        at: Instant,
    ) -> Result<(), FilingError> {
        let place = (self.absorbing, self.ticks);
        self.ticks += 1;
        let record = TickRecord { schedule: schedule.clone(), ticks: ticks.clone(), at };
        self.fresh.put(Table::Ticks, tick_key(place), encode(&record)?);
        self.fresh.put(Table::TicksBySchedule, tick_index(schedule, place), Vec::new());
        Ok(())
    }

    fn pause(
        &mut self,
        source: &Source<'_>,
        schedule: Option<&ScheduleName>,
        change: impl FnOnce(Option<Paused>) -> Option<Paused>,
    ) -> Result<(), FilingError> {
        let Some(schedule) = schedule else {
            let known: Option<Paused> = self.view(source).get(Table::Meta, PAUSE)?;
            if let Some(paused) = change(known) {
                self.fresh.put(Table::Meta, PAUSE.to_vec(), encode(&paused)?);
            }
            return Ok(());
        };
        let Some(mut record) = self.schedule(source, schedule)? else { return Ok(()) };
        record.paused = change(record.paused.take());
        self.put_schedule(&record)
    }

    /// Something is wrong with a schedule: people are told once.
    fn trouble(
        &mut self,
        source: &Source<'_>,
        schedule: &ScheduleName,
        trouble: Trouble,
        at: Instant,
    ) -> Result<(), FilingError> {
        let Some(mut record) = self.schedule(source, schedule)? else { return Ok(()) };
        let text = match (&trouble, &record.trouble) {
            // A look that began while its file was there says nothing about one that is gone.
            (_, Some(Trouble::Lost { .. })) => return Ok(()),
            // Nor does one from before its ticks were decided so far.
            (Trouble::Broken { .. } | Trouble::Ahead { .. }, Some(Trouble::Ahead { .. })) => {
                return Ok(());
            }
            (Trouble::Ahead { decided, .. }, _) if *decided != record.decided => return Ok(()),
            (Trouble::Broken { reason, .. }, Some(Trouble::Broken { reason: known, .. }))
                if reason == known =>
            {
                return Ok(());
            }
            (Trouble::Lost { .. }, _) => format!(
                "The schedule {schedule} is lost: no workflow file has it any more. Put it back, or say \
                 `holdfast schedules forget {schedule}`."
            ),
            (Trouble::Broken { reason, .. }, _) => {
                format!("The schedule {schedule} starts nothing: {reason}")
            }
            (Trouble::Ahead { decided, .. }, _) => format!(
                "The schedule {schedule} starts nothing before {}: its ticks up to then were decided while the clock was \
                 ahead. If the clock is right now, say `holdfast schedules forget {schedule}`: it then begins anew.",
                written(*decided)
            ),
        };
        let turn = match &trouble {
            Trouble::Lost { .. } => Turn::Lost,
            Trouble::Broken { .. } | Trouble::Ahead { .. } => Turn::Broken,
        };
        record.trouble = Some(trouble);
        self.put_schedule(&record)?;
        self.tell_of(schedule, Some(turn), text, at)
    }

    /// What kept a schedule from starting runs is over.
    fn mend(
        &mut self,
        source: &Source<'_>,
        schedule: &ScheduleName,
        at: Instant,
    ) -> Result<(), FilingError> {
        let Some(mut record) = self.schedule(source, schedule)? else { return Ok(()) };
        match record.trouble {
            None | Some(Trouble::Lost { .. }) => Ok(()),
            Some(Trouble::Broken { .. } | Trouble::Ahead { .. }) => {
                record.trouble = None;
                self.put_schedule(&record)?;
                self.tell_mended(schedule, at)
            }
        }
    }

    fn tell_mended(&mut self, schedule: &ScheduleName, at: Instant) -> Result<(), FilingError> {
        let text = format!("The schedule {schedule} is waited for again.");
        self.tell_of(schedule, Some(Turn::WaitedFor), text, at)
    }

    fn late(
        &mut self,
        source: &Source<'_>,
        schedule: &ScheduleName,
        at: Instant,
    ) -> Result<(), FilingError> {
        let Some(mut record) = self.schedule(source, schedule)? else { return Ok(()) };
        // A run may have succeeded since somebody looked.
        if record.late_since.is_some() || record.deadline().is_none_or(|deadline| at < deadline) {
            return Ok(());
        }
        record.late_since = Some(at);
        self.put_schedule(&record)?;
        let since = match record.last_success {
            Some(_) => "for too long",
            None => "since it was first seen",
        };
        let text = format!(
            "No run of the schedule {schedule} has succeeded {since}: have a look at `holdfast ticks --schedule {schedule}`."
        );
        self.tell_of(schedule, None, text, at)
    }

    /// A run that a schedule started has ended.
    pub(super) fn end_of_tick(
        &mut self,
        source: &Source<'_>,
        schedule: &ScheduleName,
        (run, status): (RunId, RunStatus),
        at: Instant,
    ) -> Result<(), FilingError> {
        let Some(mut record) = self.schedule(source, schedule)? else { return Ok(()) };
        record.last_end = Some((status, at));
        let is_success = match status {
            RunStatus::Succeeded => true,
            RunStatus::Partial => record.spec.accept_partial,
            RunStatus::Queued | RunStatus::Running | RunStatus::Failed => false,
        };
        if is_success {
            record.last_success = Some(at);
        }
        let is_well = is_success && record.late_since.is_some();
        if is_well {
            record.late_since = None;
        }
        self.put_schedule(&record)?;
        if is_well {
            let text = format!("The schedule {schedule} is well again: {run} has succeeded.");
            self.tell_of(schedule, Some(Turn::Well), text, at)?;
        }
        Ok(())
    }

    /// Tells people of the turn that a schedule has taken; without one, that it is late.
    fn tell_of(
        &mut self,
        schedule: &ScheduleName,
        turn: Option<Turn>,
        text: String,
        at: Instant,
    ) -> Result<(), FilingError> {
        let kind = if turn.is_some() { Kind::Schedule } else { Kind::Late };
        self.put_notification(Notification {
            workflow: Some(schedule.workflow.clone()),
            schedule: Some(schedule.clone()),
            turn,
            ..Notification::new(kind, text, at)
        })
    }
}
