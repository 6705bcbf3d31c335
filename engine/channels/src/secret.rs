//! A text that is never printed: the address of a webhook, a token, a password.
//!
//! It hides from `Debug` and has no `Display`; hiding it in what receivers say is the work of `address` and
//! `smtp`. Where secrets come from is not known here.

use std::fmt;

/// A secret, resolved already.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Makes a secret of a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the wire only.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
