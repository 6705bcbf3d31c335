//! The list of actions: adding one touches its own file and one line here.

use std::sync::Arc;

use holdfast_contract::action::Registry;

use crate::allow::AllowedCommands;
use crate::assert::Assert;
use crate::command::Command;
use crate::sleep::Sleep;

/// Every action of this version.
pub fn standard(allowed: AllowedCommands) -> Registry {
    Registry::new(vec![Arc::new(Assert), Arc::new(Command::new(allowed)), Arc::new(Sleep)])
}
