//! What expressions come to while a run runs.
//!
//! It loads only what an expression reads, and knows nothing of files and diagnostics.

pub(crate) mod context;
pub(crate) mod engine;
pub(crate) mod evaluator;
pub(crate) mod items;
pub(crate) mod prepared;
pub(crate) mod reference;
