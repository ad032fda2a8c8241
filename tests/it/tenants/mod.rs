//! Tenants: where their documents are, how they are moved, and that nobody sees another's.

mod admin;
mod boutiques;
mod command;
mod directory;
mod isolation;
mod movement;
mod served;
mod stores;
mod writers;
