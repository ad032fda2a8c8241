#!/usr/bin/env bash
# Puts the packages into the apps of one colour in one region and starts them. Traffic does not change.
#   deploy.sh COLOUR CODE
. "$(dirname "$0")/lib.sh"

colour=$(colour_argument "${ARGUMENTS[0]:-}")
code=${ARGUMENTS[1]:-}
[ -n "$code" ] || fail "expected the code of a region"
group=$(output .resourceGroup)
if [ "$colour" = "$(serving)" ] && [ -z "${FIRST:-}" ]; then
    fail "$colour serves; deploy to $(other "$colour"), or set FIRST=yes for the first deployment"
fi

mapfile -t apps < <(output '.apps[].name')
for app in "${apps[@]}"; do
    name=$(site "$app" "$code" "$colour")
    [ -n "$DRY_RUN" ] || [ -f "$OUT/$app.zip" ] || fail "$OUT/$app.zip is missing: run build.sh first"
    run az functionapp start --name "$name" --resource-group "$group"
    run az functionapp deployment source config-zip --name "$name" --resource-group "$group" --src "$OUT/$app.zip"
done
