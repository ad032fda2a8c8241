//! Who the program is to Azure, its secrets, and the keys that it signs with.

mod logs;
mod process;
mod rotation;
mod secrets;
mod signing;
mod tokens;
