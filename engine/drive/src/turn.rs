//! The drive: the active runs in memory, and one turn after the other.
//!
//! Inputs are decided about at once and gathered into a batch; the host commits the batch and says so, and
//! only then are its commands and replies released. Deciding goes on while a commit is under way, on a state
//! that is ahead of the disk: if a commit fails the host drops the drive and opens the state anew.
//! All inputs of one batch share its instant.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use holdfast_contract::records::Keep;
use holdfast_journal::commit::Batch;
use holdfast_journal::outbox::{Acknowledging, OutboxChange};
use holdfast_journal::payloads::Payloads;
use holdfast_journal::record::{AuditEntry, StoredDefinition};
use holdfast_journal::retain::Forgotten;
use holdfast_journal::schedule::ScheduleChange;
use holdfast_kernel::decide::{Places, Stamp, queue};
use holdfast_kernel::definition::WhenFull;
use holdfast_kernel::event::{Event, KeyKind, Request, StepRedo, Verdict};
use holdfast_kernel::id::{AttemptId, DedupeKey, Instant, RunId};
use holdfast_kernel::reopen::{self, Selection};
use holdfast_kernel::state::{Phase, RunState, Slots};

use crate::grants::{InFlight, Limits};
use crate::input::{Ended, Input, Program, Submit, Token};
use crate::output::{Output, Refusal, Reply};
use crate::ticking::Ticking;

/// The drive of one process.
pub struct Drive {
    pub(crate) limits: Limits,
    pub(crate) payloads: Arc<Payloads>,
    pub(crate) runs: BTreeMap<RunId, Active>,
    /// The runs that have started and not ended.
    pub(crate) started: BTreeSet<RunId>,
    /// The runs that wait for their slot and hold, in the order in which they were queued.
    pub(crate) queued: BTreeSet<(Instant, RunId)>,
    /// The children among them: they come first, for their parents wait for them.
    pub(crate) queued_children: BTreeSet<(Instant, RunId)>,
    /// What happened to a run and is to be told to its parent or its children.
    pub(crate) to_relatives: VecDeque<Told>,
    pub(crate) served_last: Option<RunId>,
    pub(crate) intake: Intake,
    pub(crate) claims: BTreeMap<DedupeKey, RunId>,
    pub(crate) ticking: Ticking,
    pub(crate) quarantined: BTreeMap<RunId, BTreeSet<AttemptId>>,
    /// The runs that were forgotten since this drive began: who read one before that comes too late.
    pub(crate) forgotten: BTreeSet<RunId>,
    at: Instant,
    /// What the clock of the host showed when it last handed something in.
    clock: Instant,
    open: Open,
    sequence: u64,
    committing: VecDeque<(u64, Vec<Output>)>,
}

/// An active run.
pub(crate) struct Active {
    pub(crate) program: Program,
    pub(crate) state: RunState,
    /// As what the indexes know it: its phase, and whether it waits for its slots; none until they do.
    indexed: Option<(Phase, bool)>,
    /// Whether its parent knows that it waits for people and nothing else. What is stored was told.
    pub(crate) told_idle: bool,
}

impl Active {
    pub(crate) const fn new(program: Program, state: RunState) -> Self {
        let told_idle = state.idle_since.is_some();
        Self { program, state, indexed: None, told_idle }
    }

    pub(crate) fn in_flight(&self) -> InFlight {
        InFlight::of(&self.program.definition, &self.state)
    }
}

/// Whether new work is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// Runs and attempts start.
    Open,
    /// Submits are accepted and wait; no attempt starts. The disk is full, or somebody paused it.
    Paused,
    /// Submits are accepted and stored; nothing starts: this process drives no runs.
    Storing,
    /// Nothing is accepted and nothing starts: the process is about to end.
    Draining,
}

/// What one run has to be told of another.
pub(crate) struct Told {
    /// Who is told.
    pub(crate) run: RunId,
    /// Whom it is about: the child, or the parent that tells its child something.
    pub(crate) of: RunId,
    pub(crate) event: Event,
}

/// What is gathered for the next batch.
#[derive(Default)]
struct Open {
    at: Option<Instant>,
    /// How many events there are.
    events: u64,
    /// Whether a run gave something back that others may wait for, since they were looked after.
    freed: bool,
    entries: Vec<(RunId, Vec<Event>)>,
    definitions: Vec<StoredDefinition>,
    audit: Vec<AuditEntry>,
    kept: Vec<Keep>,
    schedules: Vec<ScheduleChange>,
    outbox: Vec<OutboxChange>,
    acknowledged: Vec<Acknowledging>,
    forgotten: Option<Forgotten>,
    outputs: Vec<Output>,
}

impl Open {
    /// Whether there is nothing to make durable.
    const fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.kept.is_empty()
            && self.schedules.is_empty()
            && self.outbox.is_empty()
            && self.acknowledged.is_empty()
            && self.forgotten.is_none()
    }
}

impl Drive {
    /// A drive without runs. `sequence` is the number of the next record, `highest` the instant of the last.
    pub fn new(
        limits: Limits,
        payloads: Arc<Payloads>,
        sequence: u64,
        highest: Option<Instant>,
    ) -> Self {
        Self {
            limits,
            payloads,
            runs: BTreeMap::new(),
            started: BTreeSet::new(),
            queued: BTreeSet::new(),
            queued_children: BTreeSet::new(),
            to_relatives: VecDeque::new(),
            served_last: None,
            intake: Intake::Open,
            claims: BTreeMap::new(),
            ticking: Ticking::default(),
            quarantined: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            at: highest.unwrap_or(Instant(i64::MIN)),
            clock: Instant(i64::MIN),
            open: Open::default(),
            sequence,
            committing: VecDeque::new(),
        }
    }

    /// Takes in what somebody wants or what happened, at `now`.
    pub fn accept(&mut self, input: Input, now: Instant) {
        self.begin(now);
        match input {
            Input::Submit(submit) => drop(self.submit(*submit)),
            Input::Tick(tick) => self.tick(*tick),
            Input::TickByHand(submit) => self.tick_by_hand(*submit),
            Input::Schedule { change, by, token } => self.change_schedule(*change, &by, token),
            Input::Event { run, event } => self.happened(run, event),
            Input::Resolve { ended, run, step, item, verdict, by, token } => {
                let resumed = ended.map(|ended| *ended);
                let event = Event::EffectResolved { step, item, verdict, by };
                self.resolve(run, resumed, event, token);
            }
            Input::Keep { kept, token } => {
                self.open.kept.push(*kept);
                self.reply(token, Reply::Done);
            }
            Input::Outbox { change, token } => {
                self.open.outbox.push(*change);
                self.reply(token, Reply::Done);
            }
            Input::Acknowledge { seen, token } => {
                self.open.acknowledged.push(seen);
                self.reply(token, Reply::Done);
            }
            Input::Forget { forgotten, by, token } => self.forget(forgotten, by, token),
            Input::Retry { ended, selection, by, token } => {
                self.retry(*ended, selection, by, token);
            }
            Input::Ask { run, ask, by, token } => self.ask(run, ask, &by, token),
            Input::Child(child) => self.child(*child),
        }
        self.tell_relatives();
    }

    /// Opens or closes the intake.
    pub fn set_intake(&mut self, intake: Intake, now: Instant) {
        self.intake = intake;
        self.begin(now);
    }

    /// Goes by other limits from here on; what goes on is not stopped.
    pub fn set_limits(&mut self, limits: Limits, now: Instant) {
        self.limits = limits;
        self.begin(now);
    }

    /// The batch to commit next, if there is something to commit or to release. Its outputs are released by
    /// [`Drive::committed`], in order.
    pub fn take_batch(&mut self) -> Option<Batch> {
        // Places are given once for all inputs of a batch: what starts leaves with it in any case.
        while self.open.at.is_some() {
            self.open.freed = false;
            self.balance();
            let news = !self.to_relatives.is_empty();
            self.tell_relatives();
            // What was given back, or told, may let others start; nothing else would ever look after them.
            if !news && !self.open.freed {
                break;
            }
        }
        let open = std::mem::take(&mut self.open);
        if open.is_empty() {
            // Nothing to make durable, but nothing overtakes what is under way either.
            match self.committing.back_mut() {
                Some((_, outputs)) => outputs.extend(open.outputs),
                None => self.open.outputs = open.outputs,
            }
            return None;
        }
        let mut batch = Batch::new(self.sequence, self.at);
        batch.entries = open.entries;
        batch.definitions = open.definitions;
        batch.audit = open.audit;
        batch.kept = open.kept;
        batch.schedules = open.schedules;
        (batch.outbox, batch.acknowledged) = (open.outbox, open.acknowledged);
        batch.forgotten = open.forgotten;
        self.committing.push_back((self.sequence, open.outputs));
        self.sequence += 1;
        Some(batch)
    }

    /// What may leave without a commit: replies that depend on nothing that is not durable.
    pub fn take_ready(&mut self) -> Vec<Output> {
        let open = &self.open;
        if self.committing.is_empty() && open.is_empty() {
            std::mem::take(&mut self.open.outputs)
        } else {
            Vec::new()
        }
    }

    /// A batch is durable: its commands and replies may leave.
    pub fn committed(&mut self, sequence: u64) -> Vec<Output> {
        let mut released = Vec::new();
        while self.committing.front().is_some_and(|(number, _)| *number <= sequence) {
            released
                .extend(self.committing.pop_front().into_iter().flat_map(|(_, outputs)| outputs));
        }
        released
    }

    /// The runs that have not ended.
    pub fn active(&self) -> impl Iterator<Item = &RunState> {
        self.runs.values().map(|active| &active.state)
    }

    /// The state and program of a run that has not ended.
    pub fn run(&self, run: RunId) -> Option<(&RunState, &Program)> {
        self.runs.get(&run).map(|active| (&active.state, &active.program))
    }

    /// Instants never go back, and all of one batch share one.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.clock = now;
        if self.open.at.is_none() {
            self.at = self.at.max(now);
            self.open.at = Some(self.at);
        }
    }

    pub(crate) fn stamp(&self, free: Places) -> Stamp {
        Stamp { at: self.at, free }
    }

    pub(crate) fn output(&mut self, output: Output) {
        self.open.outputs.push(output);
    }

    pub(crate) fn reply(&mut self, token: Token, reply: Reply) {
        self.output(Output::Reply { token, reply });
    }

    /// A request for a run; the run, if it is queued.
    pub(crate) fn submit(&mut self, submit: Submit) -> Option<RunId> {
        let Submit { request, stored, program, token } = submit;
        if let Some(run) = self.claims.get(&request.dedupe_key).copied() {
            self.join(run, request, token);
            return None;
        }
        let refusal = if self.intake == Intake::Draining {
            Some(Refusal::Draining)
        } else if let Err(error) = program.definition.check() {
            // What the journal will not store must not reach it: that would end everybody's work.
            Some(Refusal::Invalid(error.to_string()))
        } else {
            self.full_group(&request)
        };
        if let Some(refusal) = refusal {
            self.reply(token, Reply::Refused(refusal));
            return None;
        }
        let run = self.queue_new(request, stored, program);
        self.reply(token, Reply::Queued(run));
        Some(run)
    }

    /// Queues a run that was not there before.
    pub(crate) fn queue_new(
        &mut self,
        request: Request,
        stored: Vec<StoredDefinition>,
        program: Program,
    ) -> RunId {
        let run = request.run;
        let (state, decision) = queue(&program.definition, request, self.stamp(Places::default()));
        for definition in stored {
            if !self.open.definitions.iter().any(|other| other.digest == definition.digest) {
                self.open.definitions.push(definition);
            }
        }
        self.keep(Active::new(program, state));
        self.absorb(run, decision);
        run
    }

    /// Somebody asked for a run that is active.
    fn join(&mut self, run: RunId, request: Request, token: Token) {
        let Some(active) = self.runs.get(&run) else { return };
        let of = &active.state.request;
        let same_inputs = of.inputs == request.inputs && of.object == request.object;
        if request.key_kind == KeyKind::Custom && !same_inputs {
            return self.reply(token, Reply::Refused(Refusal::OtherInputs(run)));
        }
        let definition_differs = of.definition != request.definition;
        if of.initiator != request.initiator {
            self.happened(run, Event::RunJoined { by: request.initiator });
        }
        self.reply(token, Reply::Deduplicated { run, definition_differs });
    }

    /// Why a submit is refused whose workflow does not want to wait for its group.
    pub(crate) fn full_group(&self, request: &Request) -> Option<Refusal> {
        let group = request.group.as_ref().filter(|of| of.when_full == WhenFull::Reject)?;
        // A child is covered by the slots of its ancestors.
        let parent = request.initiator.parent();
        let covered: Vec<RunId> = parent
            .into_iter()
            .flat_map(|run| std::iter::once(run).chain(self.ancestors(run)))
            .collect();
        let members: Vec<RunId> = self
            .runs
            .values()
            .filter(|active| {
                active.state.request.group.as_ref().is_some_and(|of| of.name == group.name)
            })
            .filter(|active| active.state.slots == Slots::Held)
            .map(|active| active.state.run())
            .collect();
        if members.iter().any(|run| covered.contains(run)) {
            return None;
        }
        let run = *members.first().filter(|_| members.len() >= group.limit as usize)?;
        Some(Refusal::GroupFull { group: group.name.clone(), run })
    }

    fn retry(&mut self, ended: Ended, selection: Selection, by: String, token: Token) {
        let run = ended.state.run();
        let key = ended.state.request.dedupe_key;
        let refusal = if self.intake == Intake::Draining {
            Some(Refusal::Draining)
        } else if self.runs.contains_key(&run) {
            Some(Refusal::Active)
        } else if self.forgotten.contains(&run) {
            Some(Refusal::NoSuchRun)
        } else {
            let taken = self.claims.get(&key).copied().map(Refusal::KeyTaken);
            taken.or_else(|| self.full_group(&ended.state.request))
        };
        let plan = refusal.map_or_else(
            || {
                let Ended { program, state } = &ended;
                reopen::plan(&program.definition, state, selection).map_err(Refusal::from)
            },
            Err,
        );
        match plan {
            Ok(redo) => {
                self.audit(run, &by, "Let the run go on with what was not ok.".to_owned());
                self.reopen(ended, by, redo);
                self.reply(token, Reply::Queued(run));
            }
            Err(refusal) => self.reply(token, Reply::Refused(refusal)),
        }
    }

    pub(crate) fn reopen(&mut self, ended: Ended, by: String, redo: Vec<StepRedo>) {
        let run = ended.state.run();
        self.runs.insert(run, Active::new(ended.program, ended.state));
        self.step(run, Event::RunReopened { by, redo });
        self.reindex(run);
    }

    /// Lets runs be forgotten that have ended.
    fn forget(&mut self, mut forgotten: Forgotten, by: String, token: Token) {
        forgotten.runs.retain(|run| !self.runs.contains_key(run));
        self.forgotten.extend(&forgotten.runs);
        if !forgotten.is_empty() {
            let what = told_forgotten(&forgotten);
            self.open.audit.push(AuditEntry { by, what, run: None });
            let open = self.open.forgotten.get_or_insert_default();
            open.runs.extend(forgotten.runs);
            open.notifications_before =
                open.notifications_before.max(forgotten.notifications_before);
            open.ticks_before = open.ticks_before.max(forgotten.ticks_before);
        }
        self.reply(token, Reply::Done);
    }

    fn resolve(&mut self, run: RunId, ended: Option<Ended>, event: Event, token: Token) {
        if self.forgotten.contains(&run) {
            return self.reply(token, Reply::Refused(Refusal::NoSuchRun));
        }
        if let (false, Some(Ended { program, state })) = (self.runs.contains_key(&run), ended) {
            self.runs.insert(run, Active::new(program, state));
        }
        let admitted = !self.quarantined.contains_key(&run) && self.admits(run, &event);
        if admitted {
            self.audit_resolve(run, &event);
            self.step(run, event);
        }
        // A run that has ended stays ended; `retry` goes on with it.
        if self.runs.get(&run).is_some_and(|active| active.state.is_finished()) {
            self.runs.remove(&run);
        }
        let reply = if admitted { Reply::Done } else { Reply::Refused(Refusal::NotUnknown) };
        self.reply(token, reply);
    }

    /// Who did what is written with the events it led to.
    pub(crate) fn audit(&mut self, run: RunId, by: &str, what: String) {
        self.open.audit.push(AuditEntry { by: by.to_owned(), what, run: Some(run) });
    }

    fn audit_resolve(&mut self, run: RunId, event: &Event) {
        let Event::EffectResolved { step, item, verdict, by } = event else { return };
        let Some(active) = self.runs.get(&run) else { return };
        let id = active.program.definition.step(*step).map_or("?", |step| step.id.as_str());
        let said = match verdict {
            Verdict::Done(_) => "happened",
            Verdict::NotDone => "did not happen",
        };
        let what = format!("Said that the effect of item {} of the step `{id}` {said}.", item.0);
        self.audit(run, by, what);
    }

    /// An event from outside: decided about if the run still waits for it.
    pub(crate) fn happened(&mut self, run: RunId, event: Event) {
        if self.quarantined.contains_key(&run) {
            return self.quarantined_happened(run, &event);
        }
        if self.admits(run, &event) {
            self.step(run, event);
        } else {
            self.output(Output::Stale { run, event });
        }
    }

    pub(crate) fn keep(&mut self, active: Active) {
        let run = active.state.run();
        self.runs.insert(run, active);
        self.reindex(run);
    }

    /// Brings the indexes in line with the state of a run.
    pub(crate) fn reindex(&mut self, run: RunId) {
        self.tell_idleness(run);
        let Some(active) = self.runs.get_mut(&run) else { return };
        let state = &active.state;
        let now = (state.phase.clone(), state.wants_slots());
        if active.indexed.as_ref() == Some(&now) {
            return;
        }
        self.ticking.follow(state);
        let place = (state.queued_at, run);
        let (key, phase) = (state.request.dedupe_key, state.phase.clone());
        // One that is only looked at again, because a person resolved something in it, has told its end before.
        let ends =
            active.indexed.as_ref().is_some_and(|(was, _)| !matches!(was, Phase::Finished(_)));
        let is_child = state.request.initiator.parent().is_some();
        let queue = if is_child { &mut self.queued_children } else { &mut self.queued };
        if now.1 {
            queue.insert(place);
        } else {
            queue.remove(&place);
        }
        active.indexed = Some(now);
        match phase {
            Phase::Finished(outcome) => {
                if ends {
                    self.tell_parent(run, outcome);
                }
                self.runs.remove(&run);
                self.started.remove(&run);
                // A run that had ended before does not take the claim of the run that came after it.
                if self.claims.get(&key) == Some(&run) {
                    self.claims.remove(&key);
                    self.output(Output::Ended { run, outcome });
                }
            }
            Phase::Queued => drop(self.claims.insert(key, run)),
            Phase::Granted
            | Phase::Running
            | Phase::Stopping(_)
            | Phase::Finally(_)
            | Phase::StoppingFinally { .. } => {
                self.claims.insert(key, run);
                self.started.insert(run);
            }
        }
    }

    /// Gathers a change of schedules for the next batch.
    pub(crate) fn record_schedule(&mut self, change: ScheduleChange) {
        self.open.schedules.push(change);
    }

    /// Writes down who did something that is about no run.
    pub(crate) fn note(&mut self, by: &str, what: String) {
        self.open.audit.push(AuditEntry { by: by.to_owned(), what, run: None });
    }

    /// The instant of the batch that is gathered.
    pub(crate) const fn now(&self) -> Instant {
        self.at
    }

    /// What the clock shows: the instant of the batch, unless the clock is behind it.
    pub(crate) fn clock(&self) -> Instant {
        self.clock.min(self.at)
    }

    /// How many events are gathered for the next batch.
    pub(crate) const fn gathered(&self) -> u64 {
        self.open.events
    }

    /// Gathers the events of a decision for the next batch.
    pub(crate) fn record(&mut self, run: RunId, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        self.open.events += events.len() as u64;
        let frees =
            |event: &Event| matches!(event, Event::HoldReleased | Event::RunFinished { .. });
        self.open.freed |= events.iter().any(frees);
        match self.open.entries.last_mut() {
            Some((last, earlier)) if *last == run => earlier.extend(events),
            _ => self.open.entries.push((run, events)),
        }
    }
}

/// The most runs that the audit names in one entry.
const NAMED: usize = 500;

/// What is written of what is forgotten: afterwards nothing else knows of the runs.
fn told_forgotten(forgotten: &Forgotten) -> String {
    let mut what = Vec::new();
    let runs = &forgotten.runs;
    if !runs.is_empty() {
        let named: Vec<String> = runs.iter().take(NAMED).map(ToString::to_string).collect();
        let more = runs.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        what.push(format!("{} runs ({}{more})", runs.len(), named.join(", ")));
    }
    what.extend(forgotten.notifications_before.map(|_| "old notifications".to_owned()));
    what.extend(forgotten.ticks_before.map(|_| "old ticks".to_owned()));
    format!("Let {} be forgotten.", what.join(" and "))
}
