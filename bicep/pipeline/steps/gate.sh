#!/usr/bin/env bash
# Whether one colour in one region keeps within the limits of slo.json: ends with 0 when it does, with 2 when it
# does not or when there is too little to judge by.
#   gate.sh COLOUR CODE
. "$(dirname "$0")/lib.sh"

colour=$(colour_argument "${ARGUMENTS[0]:-}")
code=${ARGUMENTS[1]:-}
[ -n "$code" ] || fail "expected the code of a region"
minutes=$(jq -er .canary.minutesEach "$SLO")
least=$(jq -er .canary.minimumRequests "$SLO")
most_errors=$(jq -er .alerts.errorPercent "$SLO")
most_latency=$(jq -er .alerts.latencyP95Ms "$SLO")

names=
while IFS= read -r app; do names+="${names:+, }'$(site "$app" "$code" "$colour")'"; done < <(output '.apps[].name')
query="AppRequests | where TimeGenerated > ago(${minutes}m) and isnotempty(Url) and AppRoleName in~ ($names) \
| summarize requests = count(), bad = countif(toint(ResultCode) >= 500), p95 = percentile(DurationMs, 95)"
found=$(ask '[{"requests":"100","bad":"0","p95":"50"}]' az monitor log-analytics query --workspace "$(output .workspace)" \
    --analytics-query "$query" --output json)

if ! verdict=$(jq -er --argjson least "$least" --argjson errors "$most_errors" --argjson latency "$most_latency" '
    (.[0] // {}) | {requests: (.requests // 0 | tonumber), bad: (.bad // 0 | tonumber),
        p95: ((.p95 // "0" | if . == "NaN" or . == "" then "0" else . end) | tonumber)}
    | if .requests < $least then "only \(.requests) requests"
      elif 100 * .bad / .requests > $errors then "\(.bad) of \(.requests) requests failed"
      elif .p95 > $latency then "p95 is \(.p95) ms"
      else "good: \(.requests) requests, \(.bad) failed, p95 \(.p95) ms" end' <<<"$found"); then
    say "gate: $colour in $code: the answer cannot be read"
    exit 2
fi
say "gate: $colour in $code: $verdict"
case $verdict in good:*) exit 0 ;; *) exit 2 ;; esac
