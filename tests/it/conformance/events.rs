//! What every adapter of the events port must do.
