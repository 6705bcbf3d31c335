//! The only source of chance: new ids and secrets.

use holdfast_kernel::id::RunId;
use uuid::Uuid;

/// The id of a new run; later ones are larger.
pub fn run_id() -> RunId {
    RunId::from_bytes(*Uuid::now_v7().as_bytes())
}

/// A new secret: 32 random bytes in hexadecimal.
///
/// # Errors
/// The system gives none.
pub fn secret() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(holdfast_kernel::id::Digest::from_bytes(bytes).to_string())
}

/// The id of a new state directory.
pub fn instance_id() -> String {
    Uuid::now_v7().to_string()
}
