#!/usr/bin/env bash
# Moves the traffic of one region to one colour, step by step as slo.json says, and all of it back at once when a
# step is not good. Ends with 3 after it went back.
#   shift.sh COLOUR CODE
. "$(dirname "$0")/lib.sh"

colour=$(colour_argument "${ARGUMENTS[0]:-}")
code=${ARGUMENTS[1]:-}
[ -n "$code" ] || fail "expected the code of a region"
options=(--outputs "$OUTPUTS")
if [ -n "$DRY_RUN" ]; then options+=(--dry-run); fi
minutes=$(jq -er .canary.minutesEach "$SLO")
probes=$(jq -er .canary.minimumRequests "$SLO")

back() {
    say "shift: $1; all traffic of $code goes back to $(other "$colour")"
    bash "$STEPS/weigh.sh" "${options[@]}" "$colour" "$code" 0
    exit 3
}
# Whatever ends this half-way, also a cancelled run, leaves nobody with the new version.
trap 'back "interrupted"' INT TERM

while IFS= read -r percent; do
    say "shift: $percent % of $code to $colour"
    bash "$STEPS/weigh.sh" "${options[@]}" "$colour" "$code" "$percent" || back "the weights were not taken"
    # Requests by name, so that the first step has enough to be judged by.
    bash "$STEPS/smoke.sh" "${options[@]}" "$colour" "$probes" || back "a probe failed"
    pause "$((minutes * 60))"
    bash "$STEPS/gate.sh" "${options[@]}" "$colour" "$code" || back "$percent % was not good"
done < <(jq -r '.canary.percents[]' "$SLO")
say "shift: $code is served by $colour"
