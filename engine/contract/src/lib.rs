//! What the executor, the actions, the providers and the language promise each other.
//!
//! Only types and traits: nothing here reads a clock, a file or a socket, and nothing knows tokio, redb
//! or YAML. It hears from nobody; everybody else depends on it.

pub mod action;
pub mod attempt;
pub mod duration;
pub mod entry;
pub mod evaluate;
pub mod list;
pub mod plan;
pub mod provider;
pub mod records;
pub mod roles;
pub mod secret;
pub mod spec;
pub mod summary;
pub mod time;
pub mod unit;
