//! Why a message did not arrive, and what the caller may make of it.

use holdfast_kernel::id::Millis;

/// Why a message was not delivered.
///
/// The text is a lower-case fragment that fits after "cannot …:". It names of an address no more than scheme,
/// host and port, of a command its program and one line that it said. It holds no secret that a channel was
/// given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// The receiver refuses this message, whatever is done. Of a mail to several recipients it may also say
    /// that some of them do not get it, and all others have it.
    #[error("{0}")]
    Refused(String),
    /// It may work later, or once somebody has mended something.
    #[error("{0}")]
    Failed(String),
    /// The receiver asks to be left alone for a while.
    #[error("{reason}")]
    Later {
        /// For how long: more than nothing, at most an hour.
        after: Millis,
        /// Why.
        reason: String,
    },
}
