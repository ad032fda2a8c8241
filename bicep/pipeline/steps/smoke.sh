#!/usr/bin/env bash
# Asks one colour, through Front Door and its firewall, whether it works; COUNT times over.
#   smoke.sh COLOUR [COUNT]
. "$(dirname "$0")/lib.sh"

colour=$(colour_argument "${ARGUMENTS[0]:-}")
count=${ARGUMENTS[1]:-1}
url=$(output .publicUrl)

# call EXPECTED PATH [OPTION...]: a request that is to be answered so.
call() {
    local expected=$1 path=$2 status
    shift 2
    if [ -n "$DRY_RUN" ]; then
        run curl -H "X-Pravis-Colour: $colour" "$@" "$url$path"
        return
    fi
    status=$(curl --silent --output /dev/null --max-time 30 --retry 5 --retry-all-errors --write-out '%{http_code}' \
        -H "X-Pravis-Colour: $colour" "$@" "$url$path") || status=none
    [ "$status" = "$expected" ] || fail "$path answered $status instead of $expected"
}

# One app answers for all services that it has; each path is of another service.
call 200 /api/v1/health/ready
call 200 '/api/v1/products?limit=1'
call 200 /api/v1/.well-known/jwks.json
call 200 /api/v1/voice/voices
call 200 /api/v1/voice/command -H 'content-type: application/json' --data '{"text":"show me red sarees"}'
call 401 /api/v1/auth/me
if [ "$count" -gt 1 ]; then
    probes="$url/api/v1/products?limit=1&probe=[2-$count]"
    options=(--silent --output /dev/null --max-time 30 --write-out '%{http_code}\n' -H "X-Pravis-Colour: $colour")
    if [ -n "$DRY_RUN" ]; then
        run curl "${options[@]}" "$probes"
    else
        answers=$(curl "${options[@]}" "$probes" | sort | uniq -c | tr -s ' ') || true
        if [ "${answers##* }" != 200 ] || [ "$(wc -l <<<"$answers")" != 1 ]; then
            fail "$count probes were answered:$answers"
        fi
    fi
fi
