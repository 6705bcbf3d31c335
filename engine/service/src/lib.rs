//! What people can ask of a state directory, in one list, and the unix socket on which its owner answers.
//!
//! The same questions are answered in the process that asks, where nobody owns the state. No request calls a
//! target. Start reading at [`wire::ask::Ask`].

pub mod answer;
pub mod client;
pub mod socket;
pub mod wire;
