#!/usr/bin/env bash
# Fetches the outputs of an environment that is deployed: out/outputs.json.
#   outputs.sh dev|staging|production
. "$(dirname "$0")/lib.sh"

environment=${ARGUMENTS[0]:-}
[ -f "$ROOT/bicep/environments/$environment.bicepparam" ] || fail "expected dev, staging or production"
if [ -n "$DRY_RUN" ]; then
    run az deployment sub show --name "pravis-$environment" --query properties.outputs
else
    mkdir -p "$OUT"
    # Nothing is written where there is no such deployment.
    if found=$(az deployment sub show --name "pravis-$environment" --query properties.outputs --output json 2>/dev/null); then
        jq 'map_values(.value)' <<<"$found" >"$OUT/outputs.json"
    else
        say "pravis-$environment is not deployed yet"
    fi
fi
