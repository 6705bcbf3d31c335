//! One attempt as a task: it runs the action, holds it to its time, and tells how each item ended.
//!
//! Whatever the action does, the executor hears the end of every item: a panic, a timeout, a cancel that is not
//! heeded within the grace. It knows no drive; it sends events.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_contract::action::{Action, Input, Output, Probe};
use holdfast_contract::attempt::{Attempt, Boxed, Facts, Host, Progress, panicked};
use holdfast_contract::secret::Mask;
use holdfast_journal::payloads::Payloads;
use holdfast_kernel::event::{Event, ProbeAnswer};
use holdfast_kernel::failure::{Class, Effect, Failure};
use holdfast_kernel::id::{AttemptId, ItemIndex, Millis, RunId, StepIndex};
use holdfast_kernel::payload::Payload;
use holdfast_kernel::value::Value;
use tokio::sync::{mpsc::UnboundedSender, oneshot, watch};
use tokio::task::JoinError;

use crate::clock;
use crate::logs::Logs;
use crate::records::AttemptRecords;
use crate::tasks;
use crate::wake::Wake;

/// How long an attempt has to end after a cancel or its timeout: language.md's `cancel_grace`.
pub const CANCEL_GRACE: Millis = Millis::seconds(30);

/// An attempt about to be made.
pub struct Launch {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepIndex,
    /// What is fixed about it.
    pub facts: Facts,
    /// What it does.
    pub action: Arc<dyn Action>,
    /// What it takes.
    pub inputs: Vec<Input>,
    /// How long it may take.
    pub timeout: Option<Millis>,
    /// The secrets it was given.
    pub mask: Mask,
    /// What it may read and write of what its run stores.
    pub records: AttemptRecords,
    /// How long it has after a cancel.
    pub grace: Millis,
}

/// What attempts share.
#[derive(Clone)]
pub struct Surroundings {
    /// Where events go.
    pub wake: UnboundedSender<Wake>,
    /// Where outputs go.
    pub payloads: Arc<Payloads>,
    /// Where bodies go.
    pub bodies: Arc<Payloads>,
    /// Where lines go.
    pub logs: Logs,
}

/// Ends an attempt early, once something is sent.
pub type Cancel = watch::Sender<Option<Stop>>;

/// How an attempt is ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It has its grace. The class of its failure.
    InGrace(Class),
    /// It is given up now.
    Now,
}

/// Starts an attempt; what is returned cancels it.
pub fn launch(launch: Launch, attempt: AttemptId, around: &Surroundings) -> Cancel {
    let (cancel, cancelled) = watch::channel(None);
    let stop = cancel.clone();
    let items = launch.inputs.iter().map(|input| input.item).collect();
    let host = Arc::new(Hosting {
        run: launch.run,
        step: launch.step,
        attempt: Some(attempt),
        open: Mutex::new(items),
        cancelled,
        mask: launch.mask.clone(),
        names: Names::of(&launch, Some(attempt)),
        around: around.clone(),
    });
    tasks::spawn(supervise(launch, attempt, host, stop));
    cancel
}

/// What an attempt, or a probe, is about, for people.
struct Names {
    workflow: String,
    step: String,
    /// The key of its item, where it takes one of a fan-out.
    item: Option<String>,
    /// None for a probe.
    attempt: Option<AttemptId>,
}

impl Names {
    fn of(launch: &Launch, attempt: Option<AttemptId>) -> Self {
        let item = match launch.inputs.as_slice() {
            [input] => input.key.clone(),
            _ => None,
        };
        let Facts { workflow, step, .. } = &launch.facts;
        Self { workflow: workflow.clone(), step: step.clone(), item, attempt }
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.step)?;
        if let Some(item) = &self.item {
            write!(f, "[{item}]")?;
        }
        match self.attempt {
            Some(AttemptId(number)) => write!(f, "#{number}"),
            None => f.write_str(" probe"),
        }
    }
}

/// Runs the action and tells the end of every item.
async fn supervise(launch: Launch, attempt: AttemptId, host: Arc<Hosting>, stop: Cancel) {
    let Launch { facts, action, inputs, timeout, grace, records, .. } = launch;
    let handle = Attempt::new(facts, Arc::clone(&host) as Arc<dyn Host>, Arc::new(records));
    let mut running = tasks::spawn(async move {
        if let [input] = inputs.as_slice() {
            let end = action.run(&handle, input).await;
            handle.end(input.item, end);
        } else {
            action.run_batch(&handle, &inputs).await;
        }
    });
    let over = tokio::select! {
        end = &mut running => Some(end),
        () = host.cancelled() => None,
        () = out_of_time(timeout) => {
            stop.send(Some(Stop::InGrace(Class::Timeout))).unwrap_or_default();
            None
        }
    };
    let over = if over.is_some() {
        over
    } else {
        tokio::select! {
            end = &mut running => Some(end),
            () = clock::wait(grace) => None,
            () = host.given_up() => None,
        }
    };
    match over {
        Some(Ok(())) => host.end_rest(&unreported()),
        Some(Err(error)) => host.end_rest(&panicked(&host.mask.text(&told(error)))),
        None => {
            // The permit is refused from here on; dropping the task ends it at its next wait.
            running.abort();
            host.lose(attempt);
        }
    }
    host.send(Wake::AttemptOver(host.run, attempt));
}

async fn out_of_time(timeout: Option<Millis>) {
    match timeout {
        Some(timeout) => clock::wait(timeout).await,
        None => std::future::pending().await,
    }
}

fn told(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "its task was ended".to_owned() };
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message").to_owned()
}

fn unreported() -> Failure {
    Failure::with_unknown_effect(
        Class::Permanent,
        "a bug in the action: it did not report the end of an item",
    )
}

/// Asks a target about an effect; the answer comes as an event.
pub fn probe(launch: Launch, around: &Surroundings) {
    let (cancel, cancelled) = watch::channel(None);
    let host = Arc::new(Hosting {
        run: launch.run,
        step: launch.step,
        attempt: None,
        open: Mutex::default(),
        cancelled,
        mask: launch.mask.clone(),
        names: Names::of(&launch, None),
        around: around.clone(),
    });
    tasks::spawn(async move {
        let Launch { run, step, facts, action, inputs, timeout, records, .. } = launch;
        let handle = Attempt::new(facts, Arc::clone(&host) as Arc<dyn Host>, Arc::new(records));
        let Some(input) = inputs.into_iter().next() else { return };
        let item = input.item;
        let asked = tasks::spawn(async move { action.probe(&handle, &input).await });
        let answer = tokio::select! {
            answer = asked => answer.unwrap_or_else(|error| Err(panicked(&told(error)))),
            () = out_of_time(timeout) => {
                Err(Failure::without_effect(Class::Timeout, "the target did not say in time"))
            }
        };
        drop(cancel);
        let answer = host.answer(answer);
        host.send(Wake::Event(run, Event::EffectProbed { step, item, answer }));
    });
}

/// The executor's side of an attempt.
struct Hosting {
    run: RunId,
    step: StepIndex,
    attempt: Option<AttemptId>,
    /// The items whose end was not told yet.
    open: Mutex<BTreeSet<ItemIndex>>,
    cancelled: watch::Receiver<Option<Stop>>,
    mask: Mask,
    names: Names,
    around: Surroundings,
}

impl Hosting {
    fn send(&self, wake: Wake) {
        // Without an executor the process is ending, and its journal tells what was in flight.
        self.around.wake.send(wake).unwrap_or_default();
    }

    fn reason(&self) -> Option<Class> {
        self.cancelled.borrow().map(|stop| match stop {
            Stop::InGrace(class) => class,
            Stop::Now => Class::Cancelled,
        })
    }

    /// Resolves once nobody waits for the attempt any more.
    async fn given_up(&self) {
        let mut cancelled = self.cancelled.clone();
        if cancelled.wait_for(|stop| *stop == Some(Stop::Now)).await.is_err() {
            // Without an executor nobody waits either, but then the process is ending by itself.
            std::future::pending::<()>().await;
        }
    }

    /// Tells the end of every item that was not told.
    fn end_rest(&self, failure: &Failure) {
        let rest: Vec<ItemIndex> = {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.iter().copied().collect()
        };
        for item in rest {
            self.end(item, Err(failure.clone()));
        }
    }

    /// Gives the attempt up: it did not end within its grace.
    fn lose(&self, attempt: AttemptId) {
        let rest = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        if rest.is_empty() {
            return;
        }
        let class = self.reason().unwrap_or(Class::Timeout);
        let message = "the attempt did not end within its grace";
        let failure = Failure::with_unknown_effect(class, message);
        self.log(&format!("lost: {failure}"));
        self.send(Wake::Event(self.run, Event::AttemptLost { attempt, failure }));
    }

    fn masked(&self, mut failure: Failure) -> Failure {
        failure.message = self.mask.text(&failure.message);
        // A failure after a cancel or a timeout says nothing about the effect, whatever the action thinks.
        if let Some(class) = self.reason() {
            failure.effect = Effect::Unknown;
            failure.class = class;
        }
        failure
    }

    fn keep(&self, value: Value) -> Result<Payload, Failure> {
        let kept = self.around.payloads.keep(self.run, self.mask.value(value));
        kept.map_err(|error| {
            Failure::with_unknown_effect(
                Class::Internal,
                format!("cannot store the output: {error}"),
            )
        })
    }

    fn answer(&self, answer: Result<Probe, Failure>) -> ProbeAnswer {
        match answer {
            Ok(Probe::Absent) => ProbeAnswer::Absent,
            Ok(Probe::Done(value)) => match self.keep(value) {
                Ok(output) => ProbeAnswer::Done(output),
                Err(failure) => ProbeAnswer::Failed(failure),
            },
            Ok(Probe::Partial(note)) => ProbeAnswer::Partial(self.mask.value(note)),
            Ok(Probe::Unknown) => ProbeAnswer::Unknown,
            Err(failure) => ProbeAnswer::Failed(self.masked(failure)),
        }
    }
}

impl Host for Hosting {
    fn is_cancelled(&self) -> bool {
        self.reason().is_some() || self.cancelled.has_changed().is_err()
    }

    fn cancelled(&self) -> Boxed<'_, ()> {
        let mut cancelled = self.cancelled.clone();
        Box::pin(async move {
            // An executor that is gone cancels too.
            cancelled.wait_for(Option::is_some).await.map(drop).unwrap_or_default();
        })
    }

    fn end(&self, item: ItemIndex, end: Result<Output, Failure>) {
        let Some(attempt) = self.attempt else { return };
        let was_open = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&item);
        if !was_open {
            return self.log("the end of an item was told twice");
        }
        let kept = end.and_then(|output| Ok((self.keep(output.value)?, output.completeness)));
        let event = match kept {
            Ok((output, completeness)) => {
                Event::AttemptSucceeded { attempt, item, output, completeness }
            }
            Err(failure) => {
                let failure = self.masked(failure);
                self.log(&format!("failed: {failure}"));
                Event::AttemptFailed { attempt, item, failure }
            }
        };
        self.send(Wake::Event(self.run, event));
    }

    fn note(&self, item: ItemIndex, note: Value) -> Boxed<'_, Result<(), Failure>> {
        let over = || Failure::with_unknown_effect(Class::Cancelled, "the attempt is over");
        let Some(attempt) = self.attempt else { return Box::pin(async move { Err(over()) }) };
        let (done, durable) = oneshot::channel();
        let event = Event::AttemptNoted { attempt, item, note: self.mask.value(note) };
        self.send(Wake::Note { run: self.run, attempt, item, event, done });
        Box::pin(async move { durable.await.unwrap_or_else(|_| Err(over())) })
    }

    fn log(&self, line: &str) {
        let (run, names, line) = (self.run, &self.names, self.mask.text(line));
        tracing::debug!(
            %run,
            workflow = names.workflow,
            step = names.step,
            item = names.item,
            attempt = names.attempt.map(|AttemptId(number)| number),
            "{run} {names}: {line}"
        );
        let line = format!("{} {names} {line}", clock::now().0);
        // A log that cannot be written must not fail what it tells about.
        self.around.logs.add(self.run, &line).unwrap_or_default();
    }

    fn progress(&self, progress: Progress) {
        let progress = match progress {
            Progress::Message(text) => Progress::Message(self.mask.text(&text)),
            Progress::Total(_) | Progress::Advance(_) => progress,
        };
        self.send(Wake::Progress(self.run, self.step, progress));
    }

    fn pause(&self, length: Millis) -> Boxed<'_, ()> {
        Box::pin(clock::wait(length))
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) -> Boxed<'_, Result<(), Failure>> {
        Box::pin(async move {
            tasks::spawn_blocking(work)
                .await
                .map_err(|error| panicked(&self.mask.text(&told(error))))
        })
    }
}
