#!/usr/bin/env bash
# Back to the colour that served before: starts it, asks it, gives it all traffic and all events.
. "$(dirname "$0")/lib.sh"

options=(--outputs "$OUTPUTS")
if [ -n "$DRY_RUN" ]; then options+=(--dry-run); fi
bad=$(serving)
good=$(other "$bad")
mapfile -t codes < <(output '.regions[].code')
mapfile -t apps < <(output '.apps[].name')
for code in "${codes[@]}"; do
    for app in "${apps[@]}"; do
        run az functionapp start --name "$(site "$app" "$code" "$good")" --resource-group "$(output .resourceGroup)"
    done
done
bash "$STEPS/smoke.sh" "${options[@]}" "$good"
for code in "${codes[@]}"; do bash "$STEPS/weigh.sh" "${options[@]}" "$good" "$code" 100; done
bash "$STEPS/events.sh" "${options[@]}" "$good"
