//! A small host: it drives runs of one workflow through the real kernel and the real journal.
//!
//! The workflow has three steps: one with a long output, a fan-out of which one item fails, one more. A
//! ledger outside of the disk knows what was acknowledged, and compares.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use holdfast_contract::evaluate::ListSink as _;
use holdfast_contract::list::{ListedItem, StoredList};
use holdfast_journal::commit::Batch;
use holdfast_journal::database::Check;
use holdfast_journal::disk::Disk;
use holdfast_journal::items::{Show, result_value};
use holdfast_journal::lists::ListWriter;
use holdfast_journal::query::{Filter, Page, Reader};
use holdfast_journal::record::{AuditEntry, Notification, RunRecord, StoredDefinition};
use holdfast_journal::resume::{OpenError, Opened, open};
use holdfast_kernel::admit::admits;
use holdfast_kernel::command::Command;
use holdfast_kernel::decide::{Decision, Places, Stamp, decide, grant, outstanding, queue};
use holdfast_kernel::definition::{
    ActionUse, Definition, EffectClass, ForEach, OnFailure, Operation, RetryPolicy, RunWhen, Step,
    Work, Writes,
};
use holdfast_kernel::event::{
    Answer, Completeness, Death, Event, Initiator, KeyKind, Listing, Question, Request,
    TargetReference,
};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::fold::{begin, fold};
use holdfast_kernel::id::{
    AttemptId, DedupeKey, Digest, ExpressionId, Instant, ItemIndex, Millis, RunId, StepIndex,
};
use holdfast_kernel::payload::Payload;
use holdfast_kernel::ranges::RangeSet;
use holdfast_kernel::state::RunState;
use holdfast_kernel::value::Value;

/// The step with the fan-out.
pub(crate) const FAN_OUT: StepIndex = StepIndex(1);

pub(crate) fn run_id(number: u64) -> RunId {
    let mut bytes = [7; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    RunId::from_bytes(bytes)
}

fn step(id: &str, needs: &[u32], needed_by: &[u32], for_each: Option<ForEach>) -> Step {
    Step {
        id: id.to_owned(),
        work: Work::Action(ActionUse {
            action: "scripted".to_owned(),
            version: 1,
            effect: EffectClass::Idempotent,
            writes: Writes::Local,
            on_target: false,
            with: None,
            env: None,
        }),
        needs: needs.iter().copied().map(StepIndex).collect(),
        needed_by: needed_by.iter().copied().map(StepIndex).collect(),
        run_when: RunWhen::Done,
        condition: None,
        for_each,
        retry: RetryPolicy::once(),
        timeout: None,
        on_failure: OnFailure::Fail,
    }
}

pub(crate) fn definition() -> Definition {
    let expression = ExpressionId(0);
    let fan_out = ForEach {
        items: expression,
        key: None,
        filter: None,
        stage: None,
        max_parallel: None,
        variable: "item".to_owned(),
        batch: 1,
        max_failed: None,
        min_items: 0,
        fail_fast: false,
    };
    Definition {
        name: "copy".to_owned(),
        operation: Operation::Maintenance,
        description: String::new(),
        labels: BTreeMap::new(),
        secrets: BTreeMap::new(),
        declarations: None,
        target: None,
        object: None,
        dedupe_key: None,
        concurrency: None,
        repository: None,
        finally: None,
        timeout: Millis::seconds(3_600),
        steps: vec![
            step("list", &[], &[1], None),
            step("copy", &[0], &[2], Some(fan_out)),
            step("seal", &[1], &[], None),
        ],
        outputs: Some(expression),
        expressions: vec![Value::None],
    }
}

pub(crate) fn stored_definition() -> StoredDefinition {
    let lowered = serde_json::to_string(&definition()).unwrap();
    let digest = Definition::digest_of(lowered.as_bytes());
    StoredDefinition { digest, text: "name: copy\n".to_owned(), lowered }
}

pub(crate) fn request(run: RunId) -> Request {
    Request {
        run,
        definition: stored_definition().digest,
        target: Some(TargetReference { name: "disk".to_owned(), identity: "files /x".to_owned() }),
        object: Vec::new(),
        inputs: Value::from([("depth", Value::from(3))]),
        dedupe_key: DedupeKey(Digest::of_bytes(run.bytes())),
        key_kind: KeyKind::Inputs,
        group: None,
        initiator: Initiator::User("ann".to_owned()),
        rerun_of: None,
    }
}

/// What was acknowledged, and the batch that was on its way when the disk failed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) acknowledged: BTreeMap<RunId, Vec<Event>>,
    pub(crate) on_its_way: BTreeMap<RunId, Vec<Event>>,
}

pub(crate) struct Host {
    pub(crate) opened: Opened,
    pub(crate) runs: BTreeMap<RunId, RunState>,
    definition: Definition,
    answers: VecDeque<(RunId, Event)>,
    now: i64,
    pub(crate) items: u32,
}

pub(crate) type Broken = Box<dyn std::error::Error>;

impl Host {
    pub(crate) fn open(disk: Arc<dyn Disk>, items: u32) -> Result<Self, OpenError> {
        let opened = open(disk, "instance-1", Check::Quick)?;
        let mut host = Self {
            runs: BTreeMap::new(),
            definition: definition(),
            answers: VecDeque::new(),
            now: opened.recovered.highest.map_or(0, |at| at.0),
            items,
            opened,
        };
        for active in std::mem::take(&mut host.opened.recovered.active) {
            host.runs.insert(active.run, active.state);
        }
        Ok(host)
    }

    fn stamp(&mut self) -> Stamp {
        self.now += 1_000;
        Stamp { at: Instant(self.now), free: Places { process: 100, target: 100 } }
    }

    /// Goes on with what the last process left.
    pub(crate) fn resume(&mut self, ledger: &mut Ledger) -> Result<(), Broken> {
        for run in self.runs.keys().copied().collect::<Vec<_>>() {
            let attempts: Vec<_> = self.runs[&run].in_flight.keys().copied().collect();
            for attempt in attempts {
                let death = Death::Unclean;
                self.answers.push_back((run, Event::AttemptInterrupted { attempt, death }));
            }
        }
        while self.turn(8, ledger)? {}
        for run in self.runs.keys().copied().collect::<Vec<_>>() {
            let stamp = self.stamp();
            let state = self.runs.get_mut(&run).unwrap();
            let commands = outstanding(&self.definition, state, stamp.at)?;
            let decision = Decision { events: Vec::new(), commands };
            let mut batch = self.batch();
            self.take(run, decision, &mut batch)?;
            let stamp = self.stamp();
            let decision = grant(&self.definition, self.runs.get_mut(&run).unwrap(), stamp)?;
            self.take(run, decision, &mut batch)?;
            self.commit(batch, ledger)?;
        }
        Ok(())
    }

    fn batch(&mut self) -> Batch {
        let at = self.stamp().at;
        Batch::new(self.opened.writer.next_sequence(), at)
    }

    pub(crate) fn submit(&mut self, run: RunId, ledger: &mut Ledger) -> Result<(), Broken> {
        let mut batch = self.batch();
        let stamp = Stamp { at: batch.at, free: Places::default() };
        let (state, decision) = queue(&self.definition, request(run), stamp);
        self.runs.insert(run, state);
        batch.definitions.push(stored_definition());
        batch.audit.push(AuditEntry {
            by: "ann".to_owned(),
            what: "Submitted a run.".to_owned(),
            run: Some(run),
        });
        self.take(run, decision, &mut batch)?;
        self.commit(batch, ledger)
    }

    /// Takes up to `most` answers in, and commits what follows. False if there is none.
    pub(crate) fn turn(&mut self, most: usize, ledger: &mut Ledger) -> Result<bool, Broken> {
        let mut batch = self.batch();
        for _ in 0..most {
            let Some((run, event)) = self.answers.pop_front() else { break };
            let stamp = Stamp { at: batch.at, free: Places { process: 100, target: 100 } };
            let state = self.runs.get_mut(&run).unwrap();
            if !admits(&self.definition, state, &event) {
                continue;
            }
            let decision = decide(&self.definition, state, event, stamp)?;
            self.take(run, decision, &mut batch)?;
        }
        if batch.entries.is_empty() {
            return Ok(false);
        }
        self.commit(batch, ledger)?;
        Ok(true)
    }

    fn take(&mut self, run: RunId, decision: Decision, batch: &mut Batch) -> Result<(), Broken> {
        if !decision.events.is_empty() {
            batch.entries.push((run, decision.events));
        }
        for command in decision.commands {
            match command {
                Command::AcquireHold => self.answers.push_back((run, Event::HoldGranted)),
                Command::Evaluate(question) => {
                    let event = self.answer(run, question)?;
                    let stamp = Stamp { at: batch.at, free: Places { process: 100, target: 100 } };
                    let state = self.runs.get_mut(&run).unwrap();
                    let decision = decide(&self.definition, state, event, stamp)?;
                    self.take(run, decision, batch)?;
                }
                Command::StartAttempt { attempt, step, items, .. } => {
                    items
                        .iter()
                        .try_for_each(|item| self.attempt(run, attempt, step, item.item))?;
                }
                Command::SetTimer { .. }
                | Command::ClearTimer { .. }
                | Command::LoseAttempt { .. }
                | Command::StartChild { .. }
                | Command::CancelChild { .. }
                | Command::ReleaseHold
                | Command::Probe { .. }
                | Command::CancelAttempt { .. } => {}
            }
        }
        Ok(())
    }

    fn attempt(
        &mut self,
        run: RunId,
        attempt: AttemptId,
        step: StepIndex,
        item: ItemIndex,
    ) -> Result<(), Broken> {
        let event = if step == FAN_OUT && item == ItemIndex(1) {
            let failure = Failure::without_effect(Class::Permanent, "no such file");
            Event::AttemptFailed { attempt, item, failure }
        } else {
            let output = self.opened.payloads.keep(run, output(step, item))?;
            Event::AttemptSucceeded { attempt, item, output, completeness: Completeness::Whole }
        };
        self.answers.push_back((run, event));
        Ok(())
    }

    fn answer(&mut self, run: RunId, question: Question) -> Result<Event, Broken> {
        if let Question::Items(step) = question {
            let mut list = ListWriter::new(Arc::clone(&self.opened.payloads), run);
            for item in 0..self.items {
                let value = Value::from(u64::from(item));
                list.push(ListedItem { key: format!("key {item}"), stage: 0, value })
                    .map_err(|failure| failure.to_string())?;
            }
            let list = list.finish()?;
            let listing = Listing {
                list: Some(list.directory),
                total: list.count,
                excluded: RangeSet::new(),
                stages: vec![ItemIndex(0)],
                max_parallel: 3,
            };
            return Ok(Event::ItemsListed { step, listing });
        }
        let outputs = Payload::Inline(Value::from([("done", Value::from(true))]));
        Ok(Event::Evaluated { question, answer: Answer::Outputs(outputs) })
    }

    pub(crate) fn commit(&mut self, batch: Batch, ledger: &mut Ledger) -> Result<(), Broken> {
        ledger.on_its_way.clear();
        for (run, events) in &batch.entries {
            ledger.on_its_way.entry(*run).or_default().extend(events.iter().cloned());
        }
        self.opened.writer.commit(batch)?;
        for (run, events) in std::mem::take(&mut ledger.on_its_way) {
            ledger.acknowledged.entry(run).or_default().extend(events);
        }
        Ok(())
    }

    /// Drives everything to its end, filing now and then.
    pub(crate) fn finish(&mut self, ledger: &mut Ledger) -> Result<(), Broken> {
        let mut turns = 0_u32;
        while self.turn(2, ledger)? {
            turns += 1;
            if turns.is_multiple_of(4) {
                self.opened.filer.file(3)?;
            }
        }
        Ok(())
    }
}

/// What an attempt returns: long for the first step, short for others.
pub(crate) fn output(step: StepIndex, item: ItemIndex) -> Value {
    if step == StepIndex(0) {
        let lines = (0_u64..200).map(|line| Value::from(format!("line {line}")));
        return Value::from([("lines", Value::List(lines.collect()))]);
    }
    Value::from([("item", Value::from(u64::from(item.0)))])
}

pub(crate) fn first_page<C>() -> Page<C> {
    Page { after: None, limit: 1_000 }
}

pub(crate) fn events_of(reader: &Reader, run: RunId) -> Vec<(Instant, Event)> {
    let paged = reader.events(run, first_page()).unwrap();
    assert_eq!(paged.next, None);
    let events = paged.rows.into_iter();
    events.flat_map(|row| row.events.into_iter().map(move |event| (row.at, event))).collect()
}

pub(crate) fn replay(events: &[(Instant, Event)]) -> RunState {
    let definition = definition();
    let (at, Event::RunQueued(request)) = &events[0] else { panic!("the first event is another") };
    let mut state = begin(&definition, request, *at);
    for (at, event) in &events[1..] {
        fold(&definition, &mut state, event, *at).unwrap();
    }
    state
}

/// Everything people can read, to be compared.
#[derive(Debug, PartialEq)]
pub(crate) struct Everything {
    pub(crate) records: Vec<RunRecord>,
    pub(crate) notifications: Vec<Notification>,
    pub(crate) states: Vec<RunState>,
    pub(crate) items: Vec<Value>,
    pub(crate) audit: usize,
}

pub(crate) fn everything(opened: &Opened) -> Everything {
    let reader = &opened.reader;
    let records = reader.runs(&Filter::default(), first_page()).unwrap().rows;
    let mut states = Vec::new();
    let mut items = Vec::new();
    for record in &records {
        let loaded = reader.load(record.run).unwrap().unwrap();
        for (step, _) in loaded.definition.numbered() {
            let views = reader.items(record.run, step, Show::All, first_page()).unwrap().unwrap();
            let streamed: Vec<_> =
                reader.results(&loaded.state, step).collect::<Result<_, _>>().unwrap();
            assert_eq!(views.rows, streamed);
            for view in streamed {
                items.push(result_value(&opened.payloads, record.run, &view).unwrap());
            }
        }
        if let Some(directory) = loaded.state.steps[1].items.list {
            let list = StoredList { directory, count: loaded.state.steps[1].items.total };
            let item = reader.listed(record.run, &list, ItemIndex(1)).unwrap();
            assert_eq!(item.key, "key 1");
        }
        states.push(loaded.state);
    }
    let notifications = reader.notifications(first_page()).unwrap().rows;
    let audit = reader.audit(first_page()).unwrap().rows.len();
    Everything { records, notifications, states, items, audit }
}

/// Everything acknowledged is there, in order, and nothing else but all or nothing of the batch that was on
/// its way.
pub(crate) fn verify(opened: &Opened, ledger: &Ledger) -> Result<(), String> {
    let reader = &opened.reader;
    let known: BTreeSet<RunId> =
        ledger.acknowledged.keys().chain(ledger.on_its_way.keys()).copied().collect();
    let mut arrived = BTreeSet::new();
    for run in &known {
        let found = events_of(reader, *run);
        let events: Vec<Event> = found.iter().map(|(_, event)| event.clone()).collect();
        let acknowledged = ledger.acknowledged.get(run).cloned().unwrap_or_default();
        if !events.starts_with(&acknowledged) {
            return Err(format!("{run} lost acknowledged events"));
        }
        let rest = &events[acknowledged.len()..];
        match ledger.on_its_way.get(run) {
            Some(on_its_way) if rest == on_its_way.as_slice() => arrived.insert(true),
            Some(_) if rest.is_empty() => arrived.insert(false),
            None if rest.is_empty() => true,
            _ => return Err(format!("{run} has events nobody committed")),
        };
        if found.is_empty() {
            continue;
        }
        let state = replay(&found);
        let loaded = reader.load(*run).map_err(|error| error.to_string())?;
        if loaded.is_none_or(|loaded| loaded.state != state) {
            return Err(format!("{run} has another state than its events"));
        }
    }
    if arrived.len() > 1 {
        return Err("a batch is there in part".to_owned());
    }
    let everything = everything(opened);
    let there: BTreeSet<RunId> = everything.records.iter().map(|record| record.run).collect();
    if !there.is_subset(&known) {
        return Err("a run is there that nobody submitted".to_owned());
    }
    let changes: usize = everything
        .records
        .iter()
        .map(|record| {
            1 + usize::from(record.started_at.is_some()) + usize::from(record.finished_at.is_some())
        })
        .sum();
    if everything.notifications.len() != changes || everything.audit != there.len() {
        return Err("notifications or audit entries are missing or doubled".to_owned());
    }
    Ok(())
}
