//! The standard actions, one file for each name in `uses:`.
