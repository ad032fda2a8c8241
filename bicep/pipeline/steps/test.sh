#!/usr/bin/env bash
# Everything that the repository tests.
. "$(dirname "$0")/lib.sh"

run bash "$ROOT/tests/run.sh"
