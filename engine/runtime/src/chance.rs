//! The only source of chance: new ids.

use holdfast_kernel::id::RunId;
use uuid::Uuid;

/// The id of a new run; later ones are larger.
pub fn run_id() -> RunId {
    RunId::from_bytes(*Uuid::now_v7().as_bytes())
}

/// The id of a new state directory.
pub fn instance_id() -> String {
    Uuid::now_v7().to_string()
}
