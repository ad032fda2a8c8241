#!/usr/bin/env bash
# Stops the apps of a colour that serves nobody, so that its timers and queues rest too. Its program stays, to go
# back to: rollback.sh.
#   stop.sh COLOUR
. "$(dirname "$0")/lib.sh"

colour=$(colour_argument "${ARGUMENTS[0]:-}")
[ -n "$DRY_RUN" ] || [ "$colour" != "$(serving)" ] || fail "$colour serves"
mapfile -t codes < <(output '.regions[].code')
mapfile -t apps < <(output '.apps[].name')
for code in "${codes[@]}"; do
    for app in "${apps[@]}"; do
        run az functionapp stop --name "$(site "$app" "$code" "$colour")" --resource-group "$(output .resourceGroup)"
    done
done
