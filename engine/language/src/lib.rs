//! Reads workflows: YAML text to a checked definition or diagnostics, and evaluates their expressions.
//! Reads the configuration in the same way.
//!
//! It starts nothing, opens no file and asks no target: text comes from the command line and the
//! service, names of time zones from the calendar, what an expression may see comes through [`holdfast_contract::evaluate::Scope`]. It knows no
//! action by itself: their specs are handed in as [`action::Actions`].
//! Start reading at [`check()`], for the configuration at [`configuration::read`].

pub mod action;
mod check;
pub mod child;
pub mod code;
pub mod configuration;
pub mod diagnostic;
mod evaluate;
mod expression;
mod fit;
mod foreign;
pub mod input;
mod kind;
mod lower;
pub mod program;
pub mod render;
mod scalar;
pub mod schedule;
pub mod schema;
mod scope;
mod shape;
pub mod source;
pub mod submit;
mod suggest;
mod template;
mod vocabulary;
mod workflow;
mod yaml;

pub use action::Actions;
pub use check::{Checked, check, declarations_of, name_of};
pub use diagnostic::{Diagnostic, Severity};
pub use program::Program;
pub use schedule::{Heartbeat, Schedule};
pub use source::Source;
pub use template::written;
