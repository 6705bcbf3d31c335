//! The provider of file trees: targets of the kind `files`.
//!
//! It lists a tree, cuts it into units, reads units as entries, and says what stands at a path now. It
//! writes nothing, follows no link out of its root, and knows neither workflows nor the repository. It
//! hears from the actions; everything here blocks.

pub mod beneath;
pub mod capture;
pub mod glob;
pub mod live;
mod metadata;
pub mod root;
pub mod scan;
pub mod unit;

pub use root::{FilesTarget, Refused, Settings};
