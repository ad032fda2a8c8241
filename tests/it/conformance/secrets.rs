//! What every adapter of the secrets port must do.
