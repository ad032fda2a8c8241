//! The program under a simulated Functions host: its routes, its triggers, what the outside may not do,
//! and what is left of work that was killed.

mod crash;
mod files;
mod forged;
mod kinds;
mod outside;
mod routes;
pub mod stories;
mod voice;
