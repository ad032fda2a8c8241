//! The life of stored blobs: sweeps, storage events, the archive, and what the staff see of it.

mod clocks;
mod events;
mod house;
mod interrupted;
mod killed;
mod many;
mod pictures;
mod races;
mod reports;
mod restore;
mod rules;
mod turns;
