#!/usr/bin/env bash
# Deploys the infrastructure of an environment and writes its outputs. What serves goes on to serve: the weights
# of the colours stay.
#   infra.sh dev|staging|production
. "$(dirname "$0")/lib.sh"

environment=${ARGUMENTS[0]:-}
parameters=$ROOT/bicep/environments/$environment.bicepparam
[ -f "$parameters" ] || fail "expected dev, staging or production"
location=${LOCATION:-centralindia}

traffic='{"blue":100,"green":0}'
if [ -f "$OUTPUTS" ] || [ -n "$DRY_RUN" ]; then
    if [ "$(serving)" = green ]; then traffic='{"blue":0,"green":100}'; fi
fi
arguments=(--name "pravis-$environment" --location "$location" --template-file "$ROOT/bicep/main.bicep"
    --parameters "$parameters" --parameters "traffic=$traffic")

run az deployment sub what-if "${arguments[@]}"
run az deployment sub create "${arguments[@]}" --output none
run mkdir -p "$OUT"
if [ -n "$DRY_RUN" ]; then
    run az deployment sub show --name "pravis-$environment" --query properties.outputs
else
    az deployment sub show --name "pravis-$environment" --query properties.outputs --output json |
        jq 'map_values(.value)' >"$OUT/outputs.json"
fi
