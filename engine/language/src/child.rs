//! The workflows that a step may run as a child, as they are handed in.
//!
//! Where they are found is the matter of whoever hands them in. A child is pinned to its parent's definition by
//! its digest.

use std::fmt;
use std::sync::Arc;

use holdfast_kernel::definition::{Definition, Operation, Step, Writes};
use holdfast_kernel::id::Digest;
use thiserror::Error;

use crate::input::Declarations;
use crate::template::keys_of;

/// How deep child runs are nested at most.
pub const DEEPEST: usize = 8;

/// Finds workflows by name.
pub trait Workflows: fmt::Debug + Send + Sync {
    /// The valid workflow of this name. Where it names no repository itself, it works with its parent's.
    ///
    /// # Errors
    /// It cannot be run as a child.
    fn child(
        &self,
        name: &str,
        repository: Option<&str>,
    ) -> Result<Arc<ChildWorkflow>, ChildRefusal>;

    /// The names there are, for "did you mean".
    fn names(&self) -> Vec<String>;
}

/// A workflow that runs as a child.
#[derive(Clone, Debug, PartialEq)]
pub struct ChildWorkflow {
    /// Its definition.
    pub definition: Definition,
    /// The digest of its lowered form.
    pub digest: Digest,
    /// The lowered form, as it is stored.
    pub lowered: String,
    /// Its text.
    pub text: String,
    /// What it declares.
    pub declarations: Declarations,
    /// The workflows that it runs as children itself.
    pub children: Vec<Arc<Self>>,
}

/// Why a workflow cannot be run as a child.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChildRefusal {
    /// There is none of that name.
    #[error("there is no workflow of that name")]
    Unknown,
    /// It would run itself. The way round.
    #[error("it would run itself: {0}")]
    Circle(String),
    /// Too many lie in each other.
    #[error("child runs are nested at most {DEEPEST} deep")]
    TooDeep,
    /// It is not valid.
    #[error("{0}")]
    Invalid(String),
}

impl ChildWorkflow {
    /// The most that any of its steps writes.
    pub fn writes(&self) -> Writes {
        self.definition.steps.iter().map(Step::writes).max().unwrap_or(Writes::Nothing)
    }

    /// What kind of work it is.
    pub const fn operation(&self) -> Operation {
        self.definition.operation
    }

    /// The names of its outputs.
    pub fn outputs(&self) -> Vec<String> {
        let expressions = &self.definition.expressions;
        let outputs = self.definition.outputs.and_then(|id| expressions.get(id.0 as usize));
        keys_of(outputs)
    }
}
