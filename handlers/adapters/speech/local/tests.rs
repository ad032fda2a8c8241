//! The whole adapter with the real programs, which `tests/install.sh` installs.
