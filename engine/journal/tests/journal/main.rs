//! The journal, from outside: what is acknowledged is kept, whatever happens to process and disk.

mod damage;
mod faults;
mod history;
mod host;
mod lists;
mod memory;
