//! Does what the drive decided: attempts are tasks, waits are timers, commits and filing have a thread each.
//!
//! It is the only reader of clock and chance. It decides nothing about runs, and knows neither YAML nor any
//! action or provider: language and actions are handed in. Start reading at [`executor`].

mod ask;
pub mod attempt;
pub mod chance;
pub mod children;
pub mod clock;
pub mod disk_threads;
pub mod executor;
pub mod feed;
pub mod handle;
pub mod lock;
pub mod logs;
pub mod offline;
pub mod records;
mod rehearsal;
mod release;
pub mod schedule;
pub mod scope;
pub mod space;
pub mod tasks;
mod timer;
pub mod unreadable;
pub mod wake;
