//! Keeps backup sets in restic's format, in a local folder.
//!
//! The only crate that names `rustic_core`. Everything here blocks; the caller brings a pool of threads,
//! every instant, and a permit that is asked before each write. Plain restic can read all that is
//! written. It hears from the actions that capture, seal, open, verify and export; it knows no provider.

mod archive;
pub mod backup_set;
pub mod bundle;
pub mod check;
pub mod diff;
pub mod escape;
pub mod export;
mod extras;
mod feed;
mod folders;
mod gate;
mod layer;
mod layers;
mod ledger;
pub mod lock;
pub mod manifest;
mod node;
pub mod open;
mod place;
mod previous;
pub mod prune;
pub mod read;
pub mod reclaim;
pub mod refused;
pub mod seal;
pub mod status;
pub mod tar;
pub mod unit;
pub mod verify;

pub use gate::{Fault, Permit, Step, Writing};
pub use open::Repository;
pub use refused::Refused;
