//! The schedules of a workflow as a checked file declares them: when there are ticks, what a run is given, and
//! what becomes of a tick that cannot be taken at its time.
//!
//! They are no part of the definition: a run is pinned to what it does, not to when it is started. Nothing is
//! decided about a tick here. [`crate::check()`] makes them, whoever waits for ticks reads them.

use std::collections::BTreeMap;

use holdfast_calendar::cron::Cron;
use holdfast_calendar::zone::Zone;
use holdfast_kernel::definition::SecretReference;
use holdfast_kernel::id::Millis;
use holdfast_kernel::tick::Policy;
use holdfast_kernel::value::Value;

/// One schedule of a workflow.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its id, unique in its workflow.
    pub id: String,
    /// When it has its ticks.
    pub cron: Cron,
    /// The zone of the clock that `cron` is about.
    pub zone: Zone,
    /// What its runs are given, each value in the one form of its input. What is not given has its default when a
    /// run is made; targets, backup sets and plans are looked up then.
    pub inputs: BTreeMap<String, Value>,
    /// What becomes of a tick that finds an earlier run going on, or that was missed.
    pub policy: Policy,
    /// The longest time that a run starts after its tick.
    pub jitter: Millis,
    /// How long may pass without a run that succeeds; none: for ever.
    pub expect_success_within: Option<Millis>,
    /// Whether a partial run counts like one that succeeds.
    pub accept_partial: bool,
    /// What is called after each run that succeeds.
    pub heartbeat: Option<Heartbeat>,
}

/// An address that is called, so that somebody outside notices when it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// The address itself: `http://` or `https://`, without a name or a password in it.
    Url(String),
    /// Where the address is found; what is found there is not checked.
    Secret(SecretReference),
}
