#!/usr/bin/env bash
# Installs what the tests need and runs all of them: format, lints, dependencies, generated files, tests.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "install what the tests need"
bash tests/install.sh

step "format"
cargo fmt --check

step "lints"
cargo clippy --locked --all-targets -- -D warnings

step "documentation"
# `--examples` (there are none) has the dependencies built with the features that the lints used, and not once more.
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --lib --examples --quiet

step "licences, duplicate and unwanted crates"
cargo deny --locked check licenses bans sources

step "tests"
log=$(mktemp)
failed=
trap 'rm -f "$log"' EXIT
# The generated files are compared by a test (triggers::files).
RUST_BACKTRACE=0 cargo test --locked --no-fail-fast --lib --bins --tests 2>&1 | tee "$log" || failed=yes

# One line for all test programs, since cargo counts each by itself.
awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
     END { printf "\n%d passed, %d failed, %d skipped\n", passed, failed, ignored; exit failed > 0 || passed == 0 }' "$log"
[ -z "$failed" ]
