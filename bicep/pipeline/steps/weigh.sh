#!/usr/bin/env bash
# Gives one colour so many percent of the traffic of one region, and the other colour the rest. Nothing is cut off:
# the colour that gains is enabled before the other one is disabled.
#   weigh.sh COLOUR CODE PERCENT
. "$(dirname "$0")/lib.sh"

colour=$(colour_argument "${ARGUMENTS[0]:-}")
code=${ARGUMENTS[1]:-} percent=${ARGUMENTS[2]:-}
[ -n "$code" ] || fail "expected the code of a region"
[[ $percent =~ ^([0-9]|[1-9][0-9]|100)$ ]] || fail "expected percent from 0 to 100"

profile=$(output .frontDoor)
group=$(output .resourceGroup)

# origin APP COLOUR PERCENT: 0 disables, since the least weight is 1.
origin() {
    local state=Enabled
    [ "$3" -gt 0 ] || state=Disabled
    run az afd origin update --profile-name "$profile" --resource-group "$group" \
        --origin-group-name "api-$1" --origin-name "$code-$2" \
        --weight "$(($3 > 0 ? $3 : 1))" --enabled-state "$state" --output none
}

mapfile -t apps < <(output '.apps[].name')
for app in "${apps[@]}"; do
    if [ "$percent" -gt 0 ]; then
        origin "$app" "$colour" "$percent"
        origin "$app" "$(other "$colour")" $((100 - percent))
    else
        origin "$app" "$(other "$colour")" 100
        origin "$app" "$colour" 0
    fi
done
