//! An attempt without an executor: blocking work is done at once, and nothing ever cancels it.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use holdfast_contract::action::Output;
use holdfast_contract::attempt::{Attempt, Boxed, Facts, Host, Progress};
use holdfast_contract::list::{ListOut, StoredList};
use holdfast_contract::records::NoRecords;
use holdfast_kernel::definition::EffectClass;
use holdfast_kernel::failure::Failure;
use holdfast_kernel::id::{Digest, Instant, ItemIndex, Millis, RunId};
use holdfast_kernel::payload::Reference;
use holdfast_kernel::value::Value;

/// What an attempt said.
#[derive(Default)]
pub(crate) struct Said(pub(crate) Mutex<Vec<String>>);

impl Host for Said {
    fn is_cancelled(&self) -> bool {
        false
    }

    fn cancelled(&self) -> Boxed<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn end(&self, _item: ItemIndex, _end: Result<Output, Failure>) {}

    fn note(&self, _item: ItemIndex, _note: Value) -> Boxed<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn log(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }

    fn progress(&self, _progress: Progress) {}

    fn pause(&self, _length: Millis) -> Boxed<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) -> Boxed<'_, Result<(), Failure>> {
        work();
        Box::pin(std::future::ready(Ok(())))
    }
}

/// An attempt that says what it says to `said`.
pub(crate) fn attempt(said: &Arc<Said>) -> Attempt {
    let facts = Facts {
        run: RunId::from_bytes([9; 16]),
        workflow: "test".to_owned(),
        step: "step".to_owned(),
        attempt: None,
        effect: EffectClass::Probed,
        target: None,
        repository: None,
        started_at: Instant(0),
    };
    Attempt::new(facts, Arc::clone(said) as Arc<dyn Host>, Arc::new(NoRecords))
}

/// The outcome of work that waits for nothing.
pub(crate) fn at_once<T>(work: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(work).poll(&mut context) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("it waits"),
    }
}

/// A list in memory.
#[derive(Clone, Default)]
pub(crate) struct InMemory(pub(crate) Arc<Mutex<Vec<Value>>>);

impl ListOut for InMemory {
    fn push(&mut self, element: Value) -> Result<(), Failure> {
        self.0.lock().unwrap().push(element);
        Ok(())
    }

    fn count(&self) -> u32 {
        u32::try_from(self.0.lock().unwrap().len()).unwrap()
    }

    fn finish(self: Box<Self>) -> Result<StoredList, Failure> {
        let directory = Reference { offset: 0, length: 0, hash: Digest::of_bytes(b"") };
        Ok(StoredList { directory, count: self.count() })
    }
}
