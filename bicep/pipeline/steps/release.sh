#!/usr/bin/env bash
# A whole release, as the pipeline does it: expand the stores, deploy to the colour that waits, ask it, shift the
# traffic of one region after the other, move the events, let the old colour rest. A region that is not good is sent
# back, and so are those before it.
#   release.sh
. "$(dirname "$0")/lib.sh"

options=(--outputs "$OUTPUTS")
if [ -n "$DRY_RUN" ]; then options+=(--dry-run); fi
old=$(serving)
new=$(other "$old")
mapfile -t codes < <(output '.regions[].code')
say "release: $old serves, $new is next"

bash "$STEPS/secrets.sh" "${options[@]}"
bash "$STEPS/migrate.sh" "${options[@]}" "$PROGRAM"
for code in "${codes[@]}"; do bash "$STEPS/deploy.sh" "${options[@]}" "$new" "$code"; done
bash "$STEPS/smoke.sh" "${options[@]}" "$new"

done_with=()
for code in "${codes[@]}"; do
    if bash "$STEPS/shift.sh" "${options[@]}" "$new" "$code"; then
        done_with+=("$code")
        continue
    fi
    for earlier in "${done_with[@]}"; do bash "$STEPS/weigh.sh" "${options[@]}" "$old" "$earlier" 100; done
    bash "$STEPS/stop.sh" "${options[@]}" "$new"
    fail "$new is not good in $code; $old serves everywhere"
done
bash "$STEPS/events.sh" "${options[@]}" "$new"
bash "$STEPS/stop.sh" "${options[@]}" "$old"
say "release: $new serves"
