//! What holds for every address: statuses, headers, limits, and that no input whatever brings the
//! server down.

mod conditional;
mod connections;
mod cors;
mod hostile;
mod reading;
