//! Computes when a schedule has its ticks: cron patterns, time zones, and what becomes of both when the
//! clock of a place is put forward or back.
//!
//! It reads no clock and decides nothing about a tick: instants are handed in. The language asks it
//! whether a pattern and a zone are any, whoever waits for ticks asks it for the next one. It is the only crate
//! that names the cron parser. Start reading at [`ticks::Calendar`].

pub mod cron;
pub mod ticks;
pub mod zone;
