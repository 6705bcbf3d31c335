//! The host of the drive in a rehearsal: the real drive and journal on the simulated disk and world.
//!
//! Committing, filing and what happens outside are interleaved by the seed. A crash is an error of the disk,
//! or a word from the caller; [`Driver::reopen`] goes on from what the disk kept, as a new process would.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use holdfast_drive::grants::Limits;
use holdfast_drive::input::{Ask, Child, ChildFound, Ended, Input, Program, Submit, Token, Word};
use holdfast_drive::output::{Output, Reply};
use holdfast_drive::turn::{Drive, Intake};
use holdfast_journal::commit::{Batch, Writer};
use holdfast_journal::database::Check;
use holdfast_journal::filer::Filer;
use holdfast_journal::query::Reader;
use holdfast_journal::record::StoredDefinition;
use holdfast_journal::resume::open;
use holdfast_kernel::command::Command;
use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{Death, Event, Initiator, Request};
use holdfast_kernel::id::{ItemIndex, Millis, RunId, StepIndex};
use holdfast_kernel::state::OpenStage;
use holdfast_kernel::status::Outcome;
use holdfast_kernel::submit::child_key;

use crate::chance::{Chance, hash};
use crate::disk::{Cut, SimulatedDisk};
use crate::graph::{Children, Size, Terms, definition, terms};
use crate::occupancy::{Leaving, Occupancy, Place};
use crate::operator::Forget;
use crate::outside::Outside;
use crate::script::Script;

/// How long a commit may take. One that took a day would let every run end by its time.
const LONGEST_COMMIT: Millis = Millis::seconds(20);

/// Why a rehearsal's process stopped.
#[derive(Debug)]
pub enum Stop {
    /// The disk was cut: go on with [`Driver::reopen`].
    Cut,
    /// It was asked to end and did so in order: go on with [`Driver::reopen`].
    Drained,
    /// Something does not hold.
    Fault(String),
}

/// A point between two effects where a process may die although its disk works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// A command was released and not carried out.
    BeforeEffect,
    /// It was carried out, and its answer is not back.
    AfterEffect,
}

/// One process, and all that outlives it.
pub struct Driver {
    /// The disk.
    pub disk: SimulatedDisk,
    /// The world, the clock and what is on its way.
    pub outside: Outside,
    /// The submits that were acknowledged, with the run each was told.
    pub acknowledged: BTreeMap<Token, RunId>,
    /// The runs whose end was told, with how.
    pub told: BTreeMap<RunId, Outcome>,
    /// Reads what is filed.
    pub reader: Reader,
    /// How many commands reached the outside.
    pub effects: u64,
    /// How many commits were made.
    pub commits: u64,
    /// The runs that are to be forgotten, and whether that was acknowledged.
    pub forgotten: BTreeMap<RunId, bool>,
    occupancy: Occupancy,
    limits: Limits,
    pub(crate) script: Script,
    chance: Chance,
    pub(crate) drive: Drive,
    writer: Writer,
    filer: Filer,
    committing: VecDeque<Batch>,
    die_at: Option<(u64, Boundary)>,
    /// The effect after which the process is asked to end, and how many steps it has left once it was.
    drain_at: Option<u64>,
    draining: Option<u32>,
    /// The questions about effects that are not answered yet.
    asking: BTreeSet<(RunId, StepIndex, ItemIndex)>,
    /// The people who were asked, by run, period, step and item.
    people: BTreeSet<(RunId, u32, StepIndex, ItemIndex)>,
    /// The items that were in doubt when an operator let their run go on, with their epoch then.
    pub doubts: BTreeMap<(RunId, StepIndex, ItemIndex), u32>,
    /// What is said of runs that are to be forgotten.
    pub(crate) forgetting: BTreeMap<Token, Forget>,
    pub(crate) next_token: u64,
}

impl Driver {
    /// A process on an empty disk.
    ///
    /// # Errors
    /// The disk was cut while the state was made.
    pub fn start(disk: SimulatedDisk, script: Script, limits: Limits) -> Result<Self, Stop> {
        let outside = Outside::new(script.seed);
        let chance = Chance::new(script.seed ^ 0x5eed);
        Self::on(disk, outside, script, limits, chance)
    }

    fn on(
        disk: SimulatedDisk,
        outside: Outside,
        script: Script,
        limits: Limits,
        chance: Chance,
    ) -> Result<Self, Stop> {
        let opened = match open(Arc::new(disk.clone()), "rehearsal", Check::Quick) {
            Ok(opened) => opened,
            Err(_) if disk.is_cut() => return Err(Stop::Cut),
            Err(error) => return Err(Stop::Fault(format!("cannot open the state: {error}"))),
        };
        let recovered = opened.recovered;
        let mut drive =
            Drive::new(limits, opened.payloads, recovered.next_sequence, recovered.highest);
        for active in recovered.active {
            let program = program(&active.definition, script);
            drive.take_over(active, program, outside.clock());
        }
        let mut driver = Self {
            disk,
            outside,
            acknowledged: BTreeMap::new(),
            told: BTreeMap::new(),
            reader: opened.reader,
            effects: 0,
            commits: 0,
            forgotten: BTreeMap::new(),
            occupancy: Occupancy::new(limits),
            limits,
            script,
            chance,
            drive,
            writer: opened.writer,
            filer: opened.filer,
            committing: VecDeque::new(),
            die_at: None,
            drain_at: None,
            draining: None,
            asking: BTreeSet::new(),
            people: BTreeSet::new(),
            doubts: BTreeMap::new(),
            forgetting: BTreeMap::new(),
            next_token: 1 << 40,
        };
        driver.drive.start(driver.outside.clock());
        Ok(driver)
    }

    /// The process dies and a new one opens what the disk kept. So many operations `later` the power goes, if it
    /// does; as often as that hits the opening, it is opened again.
    ///
    /// # Errors
    /// What the disk kept is refused.
    pub fn reopen(self, cut: Cut, later: Option<u64>) -> Result<Self, Stop> {
        let Self {
            disk,
            mut outside,
            acknowledged,
            told,
            effects,
            commits,
            forgotten,
            doubts,
            draining,
            mut occupancy,
            limits,
            script,
            mut chance,
            drive,
            writer,
            filer,
            reader,
            ..
        } = self;
        // A process that dies closes nothing.
        if draining.is_none() {
            disk.cut();
        }
        drop((drive, writer, filer, reader));
        let mut disk = disk.after(cut, &mut chance);
        if let Some(later) = later {
            disk.cut_at(later);
        }
        let mut next = loop {
            outside.forget(Millis(chance.below(3_000)));
            if script.seed % 2 == 1 && chance.percent(20) {
                outside.set_clock(&mut chance);
            }
            let opened = Self::on(disk.clone(), outside.clone(), script, limits, chance.clone());
            match opened {
                Err(Stop::Cut) => disk = disk.after(Cut::PowerLoss, &mut chance),
                opened => break opened?,
            }
        };
        (next.acknowledged, next.told) = (acknowledged, told);
        (next.effects, next.commits) = (effects, commits);
        (next.forgotten, next.doubts) = (forgotten, doubts);
        occupancy.died();
        next.occupancy = occupancy;
        Ok(next)
    }

    /// The process dies at this boundary of the effect with this number, counted over all processes.
    pub fn die_at(&mut self, effect: u64, boundary: Boundary) {
        self.die_at = Some((effect, boundary));
    }

    /// The process is asked to end after the effect with this number, counted over all processes.
    pub fn drain_at(&mut self, effect: u64) {
        self.drain_at = Some(effect);
    }

    /// What was to end the process and has not come yet does not come.
    pub fn spare(&mut self) {
        (self.die_at, self.drain_at) = (None, None);
        self.disk.spare();
    }

    /// Submits a run of `definition`; the reply goes to `token`.
    pub fn submit(&mut self, definition: &Arc<Definition>, request: Request, token: Token) {
        self.outside.ask_to_end(request.run);
        self.occupancy.submitted(&request, definition.operation);
        let submit = self.submission(definition, request, token);
        self.drive.accept(Input::Submit(Box::new(submit)), self.outside.clock());
    }

    /// Goes on until no run is active.
    ///
    /// # Errors
    /// The process stopped.
    pub fn finish(&mut self) -> Result<(), Stop> {
        for _ in 0..2_000_000 {
            if !self.step()? {
                return Ok(());
            }
        }
        Err(Stop::Fault("the runs go round in circles".to_owned()))
    }

    /// Does one thing: commit, file, or let something happen outside. False if nothing is left to do.
    ///
    /// # Errors
    /// The process stopped.
    pub fn step(&mut self) -> Result<bool, Stop> {
        self.committing.extend(self.drive.take_batch());
        let ready = self.drive.take_ready();
        self.release(ready)?;
        // What was released may have led to more at once.
        self.committing.extend(self.drive.take_batch());
        self.ask_people();
        self.disturb();
        if let Some(left) = self.draining {
            return self.drain(left);
        }
        self.go_on()
    }

    /// Somebody sets the clock, or says what became of an effect in doubt.
    fn disturb(&mut self) {
        if self.script.seed % 2 == 1 && self.chance.percent(1) {
            self.outside.set_clock(&mut self.chance);
        }
        if self.chance.percent(2) {
            self.resolve_one();
        }
    }

    /// What is in flight has so many steps left; then it is cut short, and told as such.
    fn drain(&mut self, left: u32) -> Result<bool, Stop> {
        let in_flight: Vec<_> = self
            .drive
            .active()
            .flat_map(|state| state.in_flight.keys().map(|attempt| (state.run(), *attempt)))
            .collect();
        if left > 0 && !in_flight.is_empty() {
            self.draining = Some(left - 1);
            return self.go_on();
        }
        for (run, attempt) in in_flight {
            let event = Event::AttemptInterrupted { attempt, death: Death::Clean };
            self.drive.accept(Input::Event { run, event }, self.outside.clock());
        }
        self.committing.extend(self.drive.take_batch());
        while let Some(batch) = self.committing.pop_front() {
            self.writer.commit(batch).map_err(|error| self.stopped(&error))?;
        }
        self.file()?;
        Err(Stop::Drained)
    }

    fn go_on(&mut self) -> Result<bool, Stop> {
        if self.writer.unfiled() > 0 && self.chance.percent(20) {
            return self.file().map(|()| true);
        }
        // While a commit is under way other things may happen, so that batches hold more than one event.
        if let Some(batch) = self.committing.pop_front() {
            if self.chance.percent(70) || !self.outside.happens_within(LONGEST_COMMIT) {
                return self.commit(batch).map(|()| true);
            }
            self.committing.push_front(batch);
        }
        if let Some((run, event)) = self.outside.happen() {
            if let Event::EffectProbed { step, item, .. } = &event {
                self.asking.remove(&(run, *step, *item));
            }
            self.occupancy.hears(run, &event);
            let input = input(run, event);
            self.drive.accept(input, self.outside.clock());
            return Ok(true);
        }
        if !self.committing.is_empty() {
            return Ok(true);
        }
        if self.writer.unfiled() > 0 {
            return self.file().map(|()| true);
        }
        match self.drive.active().next() {
            Some(state) => Err(Stop::Fault(format!("{} waits for nothing", state.run()))),
            None => Ok(false),
        }
    }

    fn commit(&mut self, batch: Batch) -> Result<(), Stop> {
        let sequence = batch.sequence;
        match self.writer.commit(batch) {
            Ok(batch) => self.occupancy.committed(&batch.entries),
            Err(error) => return Err(self.stopped(&error)),
        }
        self.commits += 1;
        let released = self.drive.committed(sequence);
        self.release(released)
    }

    fn file(&mut self) -> Result<(), Stop> {
        let limit = 1 + usize::try_from(self.chance.below(20)).unwrap_or(0);
        self.filer.file(limit).map(drop).map_err(|error| self.stopped(&error))
    }

    fn stopped(&self, error: &dyn std::error::Error) -> Stop {
        if self.disk.is_cut() { Stop::Cut } else { Stop::Fault(error.to_string()) }
    }

    fn release(&mut self, outputs: Vec<Output>) -> Result<(), Stop> {
        for output in outputs {
            match output {
                Output::Command { run, program, command } => {
                    self.carry_out(run, &program.definition, &command)?;
                }
                Output::Reply {
                    reply: Reply::Queued(run) | Reply::Deduplicated { run, .. },
                    token,
                } => {
                    self.acknowledged.insert(token, run);
                }
                Output::Reply { reply, token } => self.replied(&reply, token)?,
                Output::Stale { .. } => {}
                Output::Ended { run, outcome } => self.ended(run, outcome)?,
                Output::Evaluate { run, .. } => {
                    return Err(Stop::Fault(format!(
                        "{run} asked for results, which no script reads"
                    )));
                }
                Output::Quarantined { run, reason } => {
                    return Err(Stop::Fault(format!("{run} was quarantined: {reason}")));
                }
            }
        }
        Ok(())
    }

    fn ended(&mut self, run: RunId, outcome: Outcome) -> Result<(), Stop> {
        if self.draining.is_none() && self.chance.percent(6) {
            self.forget(run)?;
        }
        match self.told.insert(run, outcome) {
            None => self.occupancy.ended(run).map_err(Stop::Fault),
            Some(earlier) => {
                Err(Stop::Fault(format!("{run} ended twice: {earlier:?}, {outcome:?}")))
            }
        }
    }

    fn carry_out(
        &mut self,
        run: RunId,
        definition: &Definition,
        command: &Command,
    ) -> Result<(), Stop> {
        let is_effect = matches!(command, Command::StartAttempt { .. });
        if is_effect {
            self.effects += 1;
        }
        let here = |boundary| is_effect && self.die_at == Some((self.effects, boundary));
        let (before, after) = (here(Boundary::BeforeEffect), here(Boundary::AfterEffect));
        if before {
            return Err(Stop::Cut);
        }
        if let Command::StartAttempt { attempt, step, items, .. } = command {
            let (step, attempt) = (*step, *attempt);
            let at_once = self.at_once(definition, step);
            let action = definition.step(step).and_then(|step| step.action());
            let is_there = action.is_some_and(|action| action.on_target);
            let place = if is_there { Place::Target } else { Place::Elsewhere };
            let leaving = Leaving { run, step, attempt, items, at_once, place };
            self.occupancy.starts(leaving).map_err(Stop::Fault)?;
        }
        // A probe may clean up after an attempt that died, so it must not run beside a second one, which
        // would clean up after the attempt that follows the first.
        if let Command::Probe { step, item } = command
            && !self.asking.insert((run, *step, item.item))
        {
            return Err(Stop::Fault(format!(
                "{run} asked about item {} twice at once",
                item.item.0
            )));
        }
        if let Command::LoseAttempt { attempt } = command {
            self.occupancy.given_up(run, *attempt);
        }
        if let Command::StartChild { step, item, run: child } = command {
            self.start_child(run, (*step, item.item), *child);
        }
        self.outside.carry_out(run, definition, command);
        if is_effect && self.drain_at == Some(self.effects) {
            self.drain_at = None;
            self.draining = Some(self.chance.small(40));
            self.drive.set_intake(Intake::Draining, self.outside.clock());
        }
        if after { Err(Stop::Cut) } else { Ok(()) }
    }
}

impl Driver {
    /// Asks the people whom runs wait for, each once in a process.
    fn ask_people(&mut self) {
        let mut waited = Vec::new();
        for state in self.drive.active().filter(|state| state.awaiting > 0) {
            let steps = (0..).map(StepIndex).zip(&state.steps);
            for (step, of) in steps {
                let open = of.items.open.iter();
                let open =
                    open.filter(|(_, open)| matches!(open.stage, OpenStage::Awaiting { .. }));
                waited.extend(open.map(|(item, _)| (state.run(), state.period, step, *item)));
            }
        }
        for (run, period, step, item) in waited {
            if self.people.insert((run, period, step, item)) {
                self.outside.ask_person(run, step, item);
            }
        }
    }

    /// The host looks after a child run: what it does follows from its id.
    fn start_child(&mut self, parent: RunId, (step, item): (StepIndex, ItemIndex), run: RunId) {
        let Some((state, _)) = self.drive.run(parent) else { return };
        let (target, is_root) =
            (state.request.target.clone(), state.request.initiator.parent().is_none());
        let ended = self.reader.load(run).ok().flatten().filter(|of| of.state.is_finished());
        let found = if let Some(loaded) = ended {
            // What ended before and goes on ends once more.
            self.told.remove(&run);
            let program = program(&loaded.definition, self.script);
            ChildFound::Ended(Box::new(Ended { program, state: loaded.state }))
        } else {
            let seed = hash(self.script.seed, &[run.bytes()]);
            let mut chance = Chance::new(seed);
            // One in four has children of its own; those have none.
            let nests = is_root && chance.percent(25);
            let children = if nests { Children::Some } else { Children::None };
            let definition = Arc::new(definition(&mut chance, Size { steps: 2, children }));
            let initiator = Initiator::Parent { run: parent, step, item };
            let Terms { target, group } = terms(&mut chance, target, is_root && !nests);
            let dedupe_key = child_key(run);
            let request =
                Request { run, initiator, target, group, dedupe_key, ..crate::host::request(seed) };
            self.occupancy.submitted(&request, definition.operation);
            ChildFound::New(Box::new(self.submission(&definition, request, Token(u64::MAX))))
        };
        let child = Child { parent, step, item, run, found };
        self.drive.accept(Input::Child(Box::new(child)), self.outside.clock());
    }

    fn submission(&self, definition: &Arc<Definition>, request: Request, token: Token) -> Submit {
        let lowered = serde_json::to_string(&**definition).unwrap_or_default();
        let digest = Definition::digest_of(lowered.as_bytes());
        let request = Request { definition: digest, ..request };
        let stored = vec![StoredDefinition { digest, text: String::new(), lowered }];
        Submit { request, stored, program: program(definition, self.script), token }
    }

    /// How many attempts of a step may be in flight.
    fn at_once(&self, definition: &Definition, step: StepIndex) -> u32 {
        let is_fan_out = definition.step(step).is_some_and(|step| step.for_each.is_some());
        let listed = self.script.list(step).ok().filter(|_| is_fan_out);
        listed.map_or(1, |listed| listed.max_parallel)
    }
}

/// What people say goes the way of what people say.
fn input(run: RunId, event: Event) -> Input {
    let token = Token(u64::MAX);
    match event {
        Event::CancelRequested { by, how } => Input::Ask { run, ask: Ask::Cancel(how), by, token },
        Event::ApprovalGiven { step, item, by, .. } => {
            let word = Word::Approve("fine".to_owned());
            Input::Ask { run, ask: Ask::Answer { step, item, word }, by, token }
        }
        Event::ApprovalRejected { step, item, by, .. } => {
            let word = Word::Reject("no".to_owned());
            Input::Ask { run, ask: Ask::Answer { step, item, word }, by, token }
        }
        event => Input::Event { run, event },
    }
}

pub(crate) fn program(definition: &Arc<Definition>, script: Script) -> Program {
    Program { definition: Arc::clone(definition), language: Arc::new(script) }
}
