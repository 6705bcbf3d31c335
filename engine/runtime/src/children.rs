//! Child runs: what a step asks for becomes a request, made beside the executor, for it may have to look at a
//! repository.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use holdfast_drive::input::{Child, ChildFound, Input, Program, Submit};
use holdfast_drive::output::Refusal;
use holdfast_journal::query::Reader;
use holdfast_kernel::command::ItemTry;
use holdfast_kernel::definition::{ChildUse, Definition, Work};
use holdfast_kernel::event::Initiator;
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{Digest, RunId, StepIndex};
use holdfast_kernel::value::Value;

use crate::ask::ended;
use crate::executor::Executor;
use crate::tasks;
use crate::wake::Wake;

/// What a child run is made from.
pub struct ChildRequest {
    /// Its id.
    pub run: RunId,
    /// The step that asks.
    pub initiator: Initiator,
    /// The digest of its definition.
    pub digest: Digest,
    /// Its definition.
    pub definition: Arc<Definition>,
    /// Its inputs, as the step gives them.
    pub with: Value,
}

/// Makes requests for child runs: it knows the configuration.
pub trait Children: Send + Sync {
    /// The request for a child run. It blocks.
    ///
    /// # Errors
    /// The inputs do not fit, or what they refer to is not there.
    fn request(&self, child: ChildRequest, reader: &Reader) -> Result<Submit, Failure>;
}

/// No child runs: for tests of everything else.
#[derive(Clone, Copy, Debug)]
pub struct NoChildren;

impl Children for NoChildren {
    fn request(&self, _child: ChildRequest, _reader: &Reader) -> Result<Submit, Failure> {
        Err(Failure::without_effect(Class::Internal, "there are no child runs here"))
    }
}

impl Executor {
    /// Looks after the child run that a step asked for, and tells the drive what was found.
    pub(crate) fn start_child(
        &mut self,
        parent: RunId,
        program: &Program,
        (step, item): (StepIndex, &ItemTry),
        run: RunId,
    ) {
        let place = (step, item.item);
        let request = self.child_request(parent, program, (step, item), run);
        let (reader, compile) = (self.reader.clone(), Arc::clone(&self.compile));
        let (children, wake) = (Arc::clone(&self.children), self.around.wake.clone());
        let look = move || {
            let look = AssertUnwindSafe(|| match ended(run, &reader, &compile) {
                Ok(ended) => ChildFound::Ended(Box::new(ended)),
                Err(Refusal::NoSuchRun) => request
                    .and_then(|request| children.request(request, &reader))
                    .map_or_else(ChildFound::Refused, |submit| ChildFound::New(Box::new(submit))),
                // It may be there: a second one under its id would spoil the journal.
                Err(refusal) => ChildFound::Refused(unknown(&refusal)),
            });
            let found = catch_unwind(look).unwrap_or_else(|_panic| {
                let message = "a bug in holdfast: looking after a child run panicked";
                ChildFound::Refused(Failure::with_unknown_effect(Class::Internal, message))
            });
            let (step, item) = place;
            let child = Child { parent, step, item, run, found };
            // Without an executor the process is ending; the next one asks again.
            wake.send(Wake::Child(Box::new(child))).unwrap_or_default();
        };
        tasks::spawn_blocking(look);
    }

    fn child_request(
        &self,
        parent: RunId,
        program: &Program,
        (step, item): (StepIndex, &ItemTry),
        run: RunId,
    ) -> Result<ChildRequest, Failure> {
        let internal = |what: &str| Failure::without_effect(Class::Internal, what.to_owned());
        let work = program.definition.step(step).map(|step| &step.work);
        let Some(Work::Child(ChildUse { definition: digest, .. })) = work else {
            return Err(internal("the step runs no workflow"));
        };
        let (state, _) = self.drive.run(parent).ok_or_else(|| internal("the run has ended"))?;
        let scope = self.scope(program, state);
        let with = program.language.with(&scope, step, item.item)?;
        let stored =
            self.reader.definition(*digest).map_err(|error| internal(&error.to_string()))?;
        let stored = stored.ok_or_else(|| internal("the workflow of the child is not stored"))?;
        let definition = stored.definition();
        let definition =
            definition.ok_or_else(|| internal("the workflow of the child cannot be read"))?;
        let initiator = Initiator::Parent { run: parent, step, item: item.item };
        let definition = Arc::new(definition);
        Ok(ChildRequest { run, initiator, digest: *digest, definition, with })
    }

    /// Hands on what was found.
    pub(crate) fn child(&mut self, child: Child) {
        self.accept(Input::Child(Box::new(child)));
    }

    /// The person that a run goes back to; empty if that cannot be told, and then nobody counts as another.
    pub(crate) fn person_of(&self, run: RunId) -> String {
        let state = self.drive.run(run).map(|(state, _)| state);
        match state.map(|state| &state.request.initiator) {
            Some(initiator @ (Initiator::User(_) | Initiator::Tick { .. })) => {
                initiator.name().into_owned()
            }
            Some(Initiator::Parent { run: parent, .. }) => {
                self.reader.person_of(*parent).ok().flatten().unwrap_or_default()
            }
            None => String::new(),
        }
    }
}

fn unknown(refusal: &Refusal) -> Failure {
    let message = format!("whether the child run is there cannot be read: {refusal}");
    Failure::with_unknown_effect(Class::Internal, message)
}
