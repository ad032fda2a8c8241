#!/usr/bin/env bash
# Stages the services of one app and packs them: out/<app>.zip, in which the program keeps its execute bit.
#   package.sh PROGRAM APP SERVICES
. "$(dirname "$0")/lib.sh"

[ ${#ARGUMENTS[@]} -eq 3 ] || fail "expected PROGRAM APP SERVICES"
program=${ARGUMENTS[0]} app=${ARGUMENTS[1]} services=${ARGUMENTS[2]}
staged=$OUT/$app package=$OUT/$app.zip

run mkdir -p "$OUT"
run "$program" stage "$staged" --services "$services"
run rm -f "$package"
if [ -n "$DRY_RUN" ]; then
    run zip -qr "$package" .
else
    (cd "$staged" && zip -qrX "$package" . -x local.settings.json)
    unzip -Z "$package" handler | grep -q '^-rwx' || fail "$package: the program lost its execute bit"
fi
