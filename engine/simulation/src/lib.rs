//! Rehearses runs: the real kernel, drive loop and journal on a simulated disk, clock and world.
//!
//! One seed decides everything, so a failure is replayed by its seed. The world keeps the ground truth of
//! every effect, and checkers look at it from outside. Nothing here sleeps, spawns or touches a real file.

pub mod chance;
pub mod checker;
pub mod crash;
pub mod disk;
pub mod driver;
pub mod graph;
pub mod host;
pub mod occupancy;
mod operator;
pub mod outside;
pub mod report;
pub mod script;
pub mod world;
