# What the steps share. Source it first; it reads the options that all of them have:
#   --dry-run            says what would be done, and does nothing
#   --outputs FILE       the outputs of the deployment, as infra.sh writes them (default: out/outputs.json)
# What is left stands in ARGUMENTS.
# shellcheck shell=bash
set -euo pipefail

STEPS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$STEPS/../../.." && pwd)
# Read by the steps.
# shellcheck disable=SC2034
SLO=$ROOT/bicep/slo.json
# shellcheck disable=SC2034
PROGRAM=${PROGRAM:-$ROOT/target/release/handler}
OUT=${OUT:-$ROOT/out}
OUTPUTS=$OUT/outputs.json
DRY_RUN=
ARGUMENTS=()

while [ $# -gt 0 ]; do
    case $1 in
    --dry-run) DRY_RUN=yes ;;
    --outputs)
        OUTPUTS=$2
        shift
        ;;
    *) ARGUMENTS+=("$1") ;;
    esac
    shift
done
# Nothing is deployed in a dry run, so there are no outputs to read.
if [ -n "$DRY_RUN" ] && [ ! -f "$OUTPUTS" ]; then OUTPUTS=$STEPS/example-outputs.json; fi

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "error: $*"
    exit 1
}

quoted() {
    local word line=
    for word in "$@"; do line+=" $(printf '%q' "$word")"; done
    printf '%s' "${line# }"
}

# run COMMAND...: what changes something.
run() {
    if [ -n "$DRY_RUN" ]; then printf '+ %s\n' "$(quoted "$@")"; else "$@"; fi
}

# ask ANSWER COMMAND...: what only looks; a dry run takes ANSWER.
ask() {
    local answer=$1
    shift
    if [ -n "$DRY_RUN" ]; then
        say "? $(quoted "$@")"
        printf '%s\n' "$answer"
    else
        "$@"
    fi
}

pause() {
    if [ -n "$DRY_RUN" ]; then printf '+ sleep %s\n' "$1"; else sleep "$1"; fi
}

# output FILTER: from the outputs of the deployment.
output() {
    [ -f "$OUTPUTS" ] || fail "$OUTPUTS is missing: run infra.sh first"
    jq -er "$1" "$OUTPUTS"
}

# site APP CODE COLOUR: the name of an app in Azure.
site() { printf '%s-%s-%s-%s-%s\n' "$(output .prefix)" "$1" "$2" "$3" "$(output .unique)"; }

other() { if [ "$1" = blue ]; then echo green; else echo blue; fi; }

colour_argument() {
    case ${1:-} in
    blue | green) printf '%s\n' "$1" ;;
    *) fail "expected the colour: blue or green" ;;
    esac
}

# serving: the colour that has the most traffic in the first region. ENABLED origins count with their weight.
serving() {
    local app code
    app=$(output '.apps[0].name')
    code=$(output '.regions[0].code')
    ask "$code-blue" az afd origin list --profile-name "$(output .frontDoor)" --resource-group "$(output .resourceGroup)" \
        --origin-group-name "api-$app" \
        --query "sort_by([?enabledState=='Enabled' && starts_with(name, '$code-')], &weight)[-1].name" --output tsv |
        sed "s/^$code-//"
}
