#!/usr/bin/env bash
# Builds the program and a package for each app: out/<app>.zip.
#   build.sh [APP=SERVICES...]      (default: those of the deployment's outputs)
. "$(dirname "$0")/lib.sh"

# The newest C library that the program may ask for: that of the images in which the plans run it.
GLIBC=2.31
program=$PROGRAM

run cargo build --release --locked --bin handler --manifest-path "$ROOT/Cargo.toml"
if [ -z "$DRY_RUN" ]; then
    needed=$(objdump -T "$program" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)
    newest=$(printf '%s\n' "${needed#GLIBC_}" "$GLIBC" | sort -V | tail -n 1)
    [ "$newest" = "$GLIBC" ] || fail "the program needs $needed; build it on a system with glibc $GLIBC"
fi

apps=("${ARGUMENTS[@]}")
if [ ${#apps[@]} -eq 0 ]; then
    mapfile -t apps < <(output '.apps[] | .name + "=" + (.services | join(","))')
fi
run mkdir -p "$OUT"
for app in "${apps[@]}"; do
    run bash "$STEPS/package.sh" "$program" "${app%%=*}" "${app#*=}"
done
