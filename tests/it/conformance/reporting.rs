//! What every adapter of the reporting port must do.
