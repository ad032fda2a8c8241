//! What the tests share.

pub mod clock;
