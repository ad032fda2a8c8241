#!/usr/bin/env bash
# Sends what storage tells to the apps of one colour.
#   events.sh COLOUR
. "$(dirname "$0")/lib.sh"

colour=$(colour_argument "${ARGUMENTS[0]:-}")
run az deployment group create --name "events-$colour" --resource-group "$(output .resourceGroup)" \
    --template-file "$ROOT/bicep/events.bicep" --output none --parameters \
    "apps=$(output '.apps | tojson')" "colour=$colour" "prefix=$(output .prefix)" "code=$(output '.regions[0].code')" \
    "unique=$(output .unique)" "storageAccount=$(output .storageAccount)"
