//! The address that Slack or Teams gives out for one room. Who has it may write there: it is a secret.
//!
//! What is posted to it is written in `slack` and `teams`.

use crate::address::Address;
use crate::secret::Secret;
use crate::unfit::Unfit;

/// An address of Slack or Teams.
#[derive(Clone, Debug)]
pub struct Hook {
    address: Address,
}

impl Hook {
    /// Takes the address.
    ///
    /// # Errors
    /// It is not an address.
    pub fn new(url: &Secret) -> Result<Self, Unfit> {
        Ok(Self { address: Address::read(url)? })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }
}
