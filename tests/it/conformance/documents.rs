//! What every adapter of the documents port must do.
