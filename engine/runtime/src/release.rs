//! What the drive released after a commit, carried out: attempts, probes, cancels, timers, replies, news.

use std::cell::RefCell;
use std::sync::Arc;

use holdfast_contract::action::{Action, Input};
use holdfast_contract::attempt::Facts;
use holdfast_contract::secret::Mask;
use holdfast_drive::answer::answer;
use holdfast_drive::input::{Input as DriveInput, Program, Token};
use holdfast_drive::output::{Output, Reply};
use holdfast_kernel::command::{Command, ItemTry};
use holdfast_kernel::definition::Operation;
use holdfast_kernel::event::{Event, ProbeAnswer, Question};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{AttemptId, Digest, EffectKey, ItemIndex, Millis, RunId, StepIndex};
use holdfast_kernel::state::RunState;

use crate::attempt::{Launch, Stop, launch, probe};
use crate::clock;
use crate::executor::Executor;
use crate::feed::News;
use crate::records::{AttemptRecords, Before};
use crate::scope::AttemptScope;

/// The action that changes a target by a plan: in a restore and nowhere else.
const APPLY: &str = "plan.apply";

/// How long a target has to answer a probe where the step has no timeout.
const PROBE_TIMEOUT: Millis = Millis::seconds(300);

impl Executor {
    pub(crate) fn release(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Command { run, program, command } => self.carry_out(run, &program, command),
                Output::Evaluate { run, question } => self.evaluate(run, question),
                Output::Reply { token, reply } => self.reply(token, reply),
                Output::Ended { run, outcome } => {
                    self.timers.forget(run);
                    self.told.remove(&run);
                    self.tell(News::Ended { run, outcome });
                }
                Output::Stale { run, event } => self.stale(run, &event),
                Output::Quarantined { run, reason } => self.quarantined(run, reason),
            }
        }
    }

    fn reply(&mut self, token: Token, reply: Reply) {
        if let Some(asked) = self.replies.remove(&token) {
            // Whoever asked may be gone.
            asked.send(reply).unwrap_or_default();
        }
    }

    fn carry_out(&mut self, run: RunId, program: &Program, command: Command) {
        match command {
            Command::StartAttempt { attempt, step, items, timeout } => {
                self.start(run, program, (attempt, step), &items, timeout);
            }
            Command::Probe { step, item } => self.ask(run, program, step, &item),
            Command::CancelAttempt { attempt, class } => {
                if let Some(cancel) = self.cancels.get(&(run, attempt)) {
                    cancel.send(Some(Stop::InGrace(class))).unwrap_or_default();
                }
            }
            Command::LoseAttempt { attempt } => {
                if let Some(cancel) = self.cancels.get(&(run, attempt)) {
                    cancel.send(Some(Stop::Now)).unwrap_or_default();
                }
            }
            Command::StartChild { step, item, run: child } => {
                self.start_child(run, program, (step, &item), child);
            }
            Command::SetTimer { timer, duration } => self.set_timer(run, timer, duration),
            Command::ClearTimer { timer } => self.timers.clear(run, timer),
            // These never leave the drive.
            Command::AcquireHold
            | Command::ReleaseHold
            | Command::CancelChild { .. }
            | Command::Evaluate(_) => {}
        }
    }

    fn start(
        &mut self,
        run: RunId,
        program: &Program,
        (attempt, step): (AttemptId, StepIndex),
        items: &[ItemTry],
        timeout: Option<Millis>,
    ) {
        let mut mask = Mask::default();
        let mut inputs = Vec::with_capacity(items.len());
        let mut failed = Vec::new();
        let (action, facts) = match self.action_of(run, program, step, Some(attempt)) {
            Ok(found) => found,
            Err(failure) => {
                failed.extend(items.iter().map(|item| (item.item, failure.clone())));
                return self.fail_items(run, attempt, failed);
            }
        };
        for item in items {
            match self.input(run, program, step, item, &mut mask) {
                Ok(input) => inputs.push(input),
                Err(failure) => failed.push((item.item, failure)),
            }
        }
        self.fail_items(run, attempt, failed);
        if inputs.is_empty() {
            return;
        }
        let grace = self.grace;
        let records = self.records(program, (run, step), &action, &mask);
        let start = Launch { run, step, facts, action, inputs, timeout, mask, records, grace };
        let cancel = launch(start, attempt, &self.around);
        self.cancels.insert((run, attempt), cancel);
    }

    /// Nothing of these items left the process.
    fn fail_items(&mut self, run: RunId, attempt: AttemptId, failed: Vec<(ItemIndex, Failure)>) {
        for (item, failure) in failed {
            let event = Event::AttemptFailed { attempt, item, failure };
            self.accept(DriveInput::Event { run, event });
        }
    }

    fn ask(&mut self, run: RunId, program: &Program, step: StepIndex, item: &ItemTry) {
        let mut mask = Mask::default();
        let found = self.action_of(run, program, step, None);
        let ready =
            found.and_then(|found| Ok((found, self.input(run, program, step, item, &mut mask)?)));
        match ready {
            Ok(((action, facts), input)) => {
                let timeout = program.definition.step(step).and_then(|step| step.timeout);
                let timeout = Some(timeout.unwrap_or(PROBE_TIMEOUT));
                let grace = self.grace;
                let inputs = vec![input];
                let records = self.records(program, (run, step), &action, &mask);
                probe(
                    Launch { run, step, facts, action, inputs, timeout, mask, records, grace },
                    &self.around,
                );
            }
            Err(failure) => {
                let answer = ProbeAnswer::Failed(failure);
                let event = Event::EffectProbed { step, item: item.item, answer };
                self.accept(DriveInput::Event { run, event });
            }
        }
    }

    fn action_of(
        &self,
        run: RunId,
        program: &Program,
        step: StepIndex,
        attempt: Option<AttemptId>,
    ) -> Result<(Arc<dyn Action>, Facts), Failure> {
        let bug = || Failure::without_effect(Class::Internal, "the step uses no action");
        let definition = program.definition.step(step).ok_or_else(bug)?;
        let used = definition.action().ok_or_else(bug)?;
        // Refused by the validator before; a definition may have come another way.
        if !program.definition.operation.allows(used.writes) {
            let message = format!("a workflow of this operation may not use `{}`", used.action);
            return Err(Failure::without_effect(Class::Invalid, message));
        }
        if used.action == APPLY && program.definition.operation != Operation::Restore {
            let message = format!("`{APPLY}` belongs to a restore");
            return Err(Failure::without_effect(Class::Invalid, message));
        }
        let action = Arc::clone(self.actions.get(&used.action)?);
        let target = self.drive.run(run).and_then(|(state, _)| state.request.target.clone());
        let facts = Facts {
            run,
            workflow: program.definition.name.clone(),
            step: definition.id.clone(),
            attempt,
            effect: used.effect,
            target,
            repository: program.definition.repository.clone(),
            started_at: clock::now(),
        };
        Ok((action, facts))
    }

    /// What an attempt may read and write of its run. The state is copied only for an action that asks for
    /// earlier steps.
    fn records(
        &self,
        program: &Program,
        (run, step): (RunId, StepIndex),
        action: &Arc<dyn Action>,
        mask: &Mask,
    ) -> AttemptRecords {
        let state = self.drive.run(run).map(|(state, _)| state);
        let reads = action.reads_run();
        let before = state.filter(|_| reads).map(|state| {
            let definition = Arc::clone(&program.definition);
            Arc::new(Before { definition, state: state.clone(), step })
        });
        let request = state.map(|state| &state.request);
        AttemptRecords {
            run,
            definition: request.map_or(Digest::from_bytes([0; 32]), |request| request.definition),
            object: request.map_or_else(Vec::new, |request| request.object.clone()),
            initiator: self.person_of(run),
            mask: mask.clone(),
            payloads: Arc::clone(&self.around.payloads),
            bodies: Arc::clone(&self.around.bodies),
            reader: self.reader.clone(),
            wake: self.around.wake.clone(),
            before,
        }
    }

    /// What an attempt is given for an item: rendered now, never journaled.
    fn input(
        &self,
        run: RunId,
        program: &Program,
        step: StepIndex,
        item: &ItemTry,
        mask: &mut Mask,
    ) -> Result<Input, Failure> {
        let gone = || Failure::without_effect(Class::Internal, "the run is not active");
        let (state, _) = self.drive.run(run).ok_or_else(gone)?;
        let scope = self.scope(program, state);
        let language = &program.language;
        let key = item_key(&scope, step, item.item)?;
        let with = language.with(&scope, step, item.item)?;
        let env = language.env(&scope, step, item.item)?;
        *mask = merged(std::mem::take(mask), scope.mask.into_inner());
        let id = program.definition.step(step).map_or("", |step| step.id.as_str());
        Ok(Input {
            item: item.item,
            effect_key: EffectKey::of(run, id, key.as_deref(), item.epoch),
            key,
            number: item.number,
            note: item.note.clone(),
            with,
            env,
        })
    }

    pub(crate) fn scope<'a>(
        &'a self,
        program: &'a Program,
        state: &'a RunState,
    ) -> AttemptScope<'a> {
        AttemptScope {
            definition: &program.definition,
            state,
            payloads: &self.around.payloads,
            reader: &self.reader,
            secrets: self.secrets.as_ref(),
            mask: RefCell::default(),
        }
    }

    /// Answers a question that reads results: all that it depends on is durable by now.
    fn evaluate(&mut self, run: RunId, question: Question) {
        let Some((state, program)) = self.drive.run(run) else { return };
        let scope = self.scope(program, state);
        let event = answer(program.language.as_ref(), &scope, &self.around.payloads, question);
        self.accept(DriveInput::Event { run, event });
    }

    /// Events of a run are durable: whoever waits for them is told, and where its steps are now.
    pub(crate) fn happened(&mut self, run: RunId, events: &[Event]) {
        for event in events {
            if let Event::AttemptNoted { attempt, item, .. } = event
                && let Some(done) = self.notes.remove(&(run, *attempt, *item))
            {
                done.send(Ok(())).unwrap_or_default();
            }
        }
        if self.feed.receiver_count() == 0 {
            return;
        }
        let Some((state, program)) = self.drive.run(run) else { return };
        let told = self.told.entry(run).or_default();
        told.resize(state.steps.len(), None);
        let steps = program.definition.numbered().map(|(step, _)| step);
        for ((step, of), told) in steps.zip(&state.steps).zip(told) {
            let now = (of.phase, of.items.counts);
            if told.replace(now) != Some(now) {
                let definition = Arc::clone(&program.definition);
                let (phase, counts) = now;
                let news = News::Step { run, definition, step, phase, counts };
                // Nobody may be watching any more.
                self.feed.send(news).map(drop).unwrap_or_default();
            }
        }
    }

    fn stale(&mut self, run: RunId, event: &Event) {
        if let Event::AttemptNoted { attempt, item, .. } = event
            && let Some(done) = self.notes.remove(&(run, *attempt, *item))
        {
            let over = Failure::with_unknown_effect(Class::Cancelled, "the attempt is over");
            done.send(Err(over)).unwrap_or_default();
        }
        let told = match event {
            Event::AttemptSucceeded { attempt, .. } => {
                format!("attempt {} succeeded too late to count", attempt.0)
            }
            Event::AttemptFailed { attempt, failure, .. } => {
                format!("attempt {} failed too late to count: {failure}", attempt.0)
            }
            _ => return,
        };
        tracing::debug!(%run, "{run}: {told}");
        let line = format!("{} - {told}", clock::now().0);
        self.around.logs.add(run, &line).unwrap_or_default();
    }

    fn quarantined(&mut self, run: RunId, reason: String) {
        for (_, cancel) in
            self.cancels.range((run, AttemptId(0))..).take_while(|((of, _), _)| *of == run)
        {
            cancel.send(Some(Stop::InGrace(Class::Internal))).unwrap_or_default();
        }
        let line = format!("{} - a bug in holdfast stopped the run: {reason}", clock::now().0);
        self.around.logs.add(run, &line).unwrap_or_default();
        self.tell(News::Quarantined { run, reason });
    }
}

fn item_key(
    scope: &AttemptScope<'_>,
    step: StepIndex,
    item: ItemIndex,
) -> Result<Option<String>, Failure> {
    use holdfast_contract::evaluate::Scope as _;
    let is_fan_out = scope.definition.step(step).is_some_and(|step| step.for_each.is_some());
    is_fan_out.then(|| scope.item(step, item).map(|listed| listed.key)).transpose()
}

fn merged(mut mask: Mask, other: Mask) -> Mask {
    mask.merge(other);
    mask
}
