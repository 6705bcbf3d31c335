//! How the executor asks the language for the value of an expression.
//!
//! The executor gives a [`Scope`]: what an expression may see of a run. The language gives values back.
//! Neither knows the other. The same scope always gives the same values.

use holdfast_kernel::definition::Definition;
use holdfast_kernel::event::{ApprovalAsk, Question};
use holdfast_kernel::failure::Failure;
use holdfast_kernel::id::{ItemIndex, Millis, StepIndex};
use holdfast_kernel::payload::Payload;
use holdfast_kernel::ranges::RangeSet;
use holdfast_kernel::state::RunState;
use holdfast_kernel::value::Value;

use crate::list::{ListedItem, StoredList};

/// What an expression may see of a run.
pub trait Scope {
    /// The definition that the run is pinned to.
    fn definition(&self) -> &Definition;

    /// The state of the run: its request with the inputs, and its steps.
    fn state(&self) -> &RunState;

    /// The link to the run, for people; empty if there is none.
    fn run_url(&self) -> String;

    /// The value of a payload. A stored list inside of it stays a mark.
    ///
    /// # Errors
    /// Class `internal`: the payload could not be read.
    fn load(&self, payload: &Payload) -> Result<Value, Failure>;

    /// The elements of a stored list from the first on, read as they are asked for.
    fn elements<'a>(
        &'a self,
        list: &StoredList,
    ) -> Box<dyn Iterator<Item = Result<Value, Failure>> + 'a>;

    /// The item of a fan-out's list at this place.
    ///
    /// # Errors
    /// Class `internal`: the list could not be read.
    fn item(&self, step: StepIndex, item: ItemIndex) -> Result<ListedItem, Failure>;

    /// `steps.X.results` of a fan-out in list order, read as they are asked for.
    fn results<'a>(
        &'a self,
        step: StepIndex,
    ) -> Box<dyn Iterator<Item = Result<Value, Failure>> + 'a>;

    /// The value of a declared secret; only `env` and the marked keys of `with` may ask.
    ///
    /// # Errors
    /// Class `auth`: it is not there or could not be read.
    fn secret(&self, name: &str) -> Result<String, Failure>;
}

/// Takes the items of a fan-out one by one and makes them durable.
pub trait ListSink {
    /// Takes the next item.
    ///
    /// # Errors
    /// Class `internal`: it could not be written.
    fn push(&mut self, item: ListedItem) -> Result<(), Failure>;
}

/// What the language found while it wrote a list into a [`ListSink`].
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// How many items it wrote.
    pub total: u32,
    /// Which of them `where` left out.
    pub excluded: RangeSet,
    /// The first item of each stage, ascending, starting with 0; empty if there are no items.
    pub stages: Vec<ItemIndex>,
    /// How many items may be open at once; at least 1.
    pub max_parallel: u32,
}

/// The language, as the executor sees it. Every failure is of class `expression` or `invalid` unless
/// the scope failed, and says the file, line and column of the expression.
pub trait Evaluate {
    /// Whether the answer to a question needs `steps.X.results` of a fan-out: it can then be given only once
    /// the ends of the items have been filed.
    fn reads_results(&self, question: Question) -> bool;

    /// The boolean of a step's `if`.
    ///
    /// # Errors
    /// It could not be evaluated, or is no boolean.
    fn gate(&self, scope: &dyn Scope, step: StepIndex) -> Result<bool, Failure>;

    /// Writes the items of a step's fan-out into `sink`, each with its key and stage.
    ///
    /// # Errors
    /// An expression could not be evaluated; a key is empty, too long or not unique; a stage decreases.
    fn items(
        &self,
        scope: &dyn Scope,
        step: StepIndex,
        sink: &mut dyn ListSink,
    ) -> Result<Listed, Failure>;

    /// How long an item of a `sleep` waits; without a fan-out `item` is 0.
    ///
    /// # Errors
    /// It could not be evaluated, or is no duration.
    fn pause(&self, scope: &dyn Scope, step: StepIndex, item: ItemIndex)
    -> Result<Millis, Failure>;

    /// What a person is asked about an item of an approval; without a fan-out `item` is 0.
    ///
    /// # Errors
    /// It could not be evaluated, or does not fit what an approval takes.
    fn approval(
        &self,
        scope: &dyn Scope,
        step: StepIndex,
        item: ItemIndex,
    ) -> Result<ApprovalAsk, Failure>;

    /// The map of the workflow's outputs. One that was not reached is none.
    ///
    /// # Errors
    /// One could not be evaluated.
    fn outputs(&self, scope: &dyn Scope) -> Result<Value, Failure>;

    /// The map of a step's `with` for one item, `with.item` filled in where the action takes one.
    ///
    /// # Errors
    /// It could not be evaluated, or does not fit what the action takes.
    fn with(&self, scope: &dyn Scope, step: StepIndex, item: ItemIndex) -> Result<Value, Failure>;

    /// The environment of a step for one item, text for each name.
    ///
    /// # Errors
    /// It could not be evaluated.
    fn env(
        &self,
        scope: &dyn Scope,
        step: StepIndex,
        item: ItemIndex,
    ) -> Result<Vec<(String, String)>, Failure>;
}
