//! A heartbeat: a mere request that tells a watcher outside that all is well.
//!
//! Nothing of the notification leaves the machine with it. When heartbeats stop, it is the watcher who speaks.

use crate::address::Address;
use crate::secret::Secret;
use crate::unfit::Unfit;

/// The address that a watcher gives out for one heartbeat. Who has it may feign the heartbeat: it is a secret.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    address: Address,
}

impl Heartbeat {
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
