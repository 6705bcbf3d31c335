//! The provider of file trees: targets of the kind `files`.
//!
//! It lists a tree, cuts it into units, reads units as entries, compares them with what a set has, and
//! applies changes of a plan. It follows no link out of its root, writes nothing but those changes, and knows
//! neither workflows nor the repository. It hears from the actions.

mod apply;
pub mod beneath;
mod beside;
mod bounds;
pub mod capture;
mod compare;
mod diff;
mod folder;
pub mod glob;
pub mod live;
mod metadata;
mod moves;
mod place;
mod prepare;
mod probe;
pub mod provider;
pub mod root;
pub mod scan;
pub mod unit;
mod write;

pub use root::{Fate, Fault, FilesTarget, Mounts, Refused, Settings};
