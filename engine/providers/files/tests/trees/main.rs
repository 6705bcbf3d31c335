//! Real trees through the provider and the repository, read back by restic and by us.

mod compare;
mod kit;
mod live;
mod round;
mod scan;
