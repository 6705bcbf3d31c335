//! The language of a stored workflow that this version cannot read: every question is answered with why.

use holdfast_contract::evaluate::{Evaluate, ListSink, Listed, Scope};
use holdfast_kernel::event::{ApprovalAsk, Question};
use holdfast_kernel::failure::{Class, Failure};
use holdfast_kernel::id::{ItemIndex, Millis, StepIndex};
use holdfast_kernel::value::Value;

/// A language that knows nothing but why.
#[derive(Clone, Debug)]
pub struct Unreadable {
    why: String,
}

impl Unreadable {
    /// The language of a workflow that cannot be read because of this.
    pub const fn new(why: String) -> Self {
        Self { why }
    }

    fn refuse<T>(&self) -> Result<T, Failure> {
        Err(Failure::without_effect(Class::Internal, self.why.as_str()))
    }
}

impl Evaluate for Unreadable {
    fn reads_results(&self, _question: Question) -> bool {
        false
    }

    fn gate(&self, _scope: &dyn Scope, _step: StepIndex) -> Result<bool, Failure> {
        self.refuse()
    }

    fn items(&self, _: &dyn Scope, _: StepIndex, _: &mut dyn ListSink) -> Result<Listed, Failure> {
        self.refuse()
    }

    fn pause(&self, _: &dyn Scope, _: StepIndex, _: ItemIndex) -> Result<Millis, Failure> {
        self.refuse()
    }

    fn approval(&self, _: &dyn Scope, _: StepIndex, _: ItemIndex) -> Result<ApprovalAsk, Failure> {
        self.refuse()
    }

    fn outputs(&self, _scope: &dyn Scope) -> Result<Value, Failure> {
        self.refuse()
    }

    fn with(&self, _: &dyn Scope, _: StepIndex, _: ItemIndex) -> Result<Value, Failure> {
        self.refuse()
    }

    fn env(
        &self,
        _: &dyn Scope,
        _: StepIndex,
        _: ItemIndex,
    ) -> Result<Vec<(String, String)>, Failure> {
        self.refuse()
    }
}
