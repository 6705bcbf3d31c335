//! The standard actions, one file for each name in `uses:`, and the list of them.
//!
//! An action is generic over kinds of targets and knows neither journal nor workflow. What it says of itself is
//! its spec: checks, help and documentation are made from it.

pub mod allow;
pub mod approval;
pub mod assert;
pub mod attest;
pub mod capture;
pub mod command;
mod command_output;
pub mod diff;
pub mod export;
mod freezing;
pub mod input;
pub mod inventory;
pub mod notify;
pub mod open;
pub mod plan_apply;
pub mod plan_compare;
pub mod plan_freeze;
pub mod plan_open;
pub mod plan_report;
pub mod plans;
pub mod prune;
pub mod registry;
pub mod repositories;
pub mod seal;
pub mod secret_command;
pub mod sleep;
mod target;
pub mod targets;
pub mod verify;
