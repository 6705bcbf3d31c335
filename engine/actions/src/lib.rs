//! The standard actions, one file for each name in `uses:`, and the list of them.
//!
//! An action is generic over kinds of targets and knows neither journal nor workflow. What it says of itself is
//! its spec: checks, help and documentation are made from it.

pub mod allow;
pub mod assert;
pub mod command;
mod command_output;
pub mod input;
pub mod registry;
pub mod secret_command;
pub mod sleep;
