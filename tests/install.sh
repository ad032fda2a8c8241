#!/usr/bin/env bash
# Installs what the tests and the local speech engine need on Debian or Ubuntu, as root or through sudo.
# Idempotent: what is there is left alone, and a machine that has everything is done in well under a second.
#
#   tests/install.sh             all needs
#   tests/install.sh NEED...     only these; a need is a function need_NAME below
#
# PREFIX (default /usr/local) is where programs that are built from source go.
# For a new need: write a function need_NAME that first checks, then installs, and add NAME to NEEDS.
set -euo pipefail

PREFIX=${PREFIX:-/usr/local}
NEEDS=(toolchain speech_programs pocketsphinx redis azurite cargo_deny delivery_programs)

AZURITE_VERSION=3.37.0
POCKETSPHINX_VERSION=5.1.1
CARGO_DENY_VERSION=0.20.2
POCKETSPHINX_SHA256=675778b309a22dfc9b7d37f7621976bba491d2a5f8c59696bd77fd6d07271355

say() { printf 'install: %s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# Runs a command as root.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "needs root or sudo for: $*"
    fi
}

# Runs a command as whoever may write below PREFIX.
as_owner_of_prefix() {
    local place=$PREFIX
    while [ ! -e "$place" ]; do place=$(dirname "$place"); done
    if [ -w "$place" ]; then "$@"; else as_root "$@"; fi
}

# apt_programs PROGRAM=PACKAGE...: installs the packages of the programs that are not on PATH.
apt_programs() {
    local pair packages=()
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || packages+=("${pair#*=}")
    done
    [ ${#packages[@]} -eq 0 ] || apt_packages "${packages[@]}"
}

apt_packages() {
    say "apt: $*"
    if [ -z "${APT_UPDATED:-}" ]; then
        as_root apt-get update -qq
        APT_UPDATED=yes
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# A C and C++ compiler, make and cmake: the Opus codec, the cryptography and PocketSphinx are built with them.
need_toolchain() {
    apt_programs cc=build-essential c++=build-essential make=build-essential cmake=cmake
}

# espeak-ng reads answers out. Only the tests need flite (voices of another make, to be recognised) and ffmpeg
# (recordings in every container).
need_speech_programs() {
    apt_programs espeak-ng=espeak-ng flite=flite ffmpeg=ffmpeg
}

# The recogniser, built from the source package on PyPI, which carries the acoustic model. Not the package of the
# distribution: that is version 0.8, which understands clearly less.
need_pocketsphinx() {
    local program=$PREFIX/bin/pocketsphinx model=$PREFIX/share/pocketsphinx/model/en-us
    if [ -x "$program" ] && [ -f "$model/en-us/mdef" ] && [ -f "$model/cmudict-en-us.dict" ]; then
        return
    fi
    need_toolchain
    # python3-venv brings the pip that downloads; pip also fetches what the package needs to describe itself.
    python3 -m pip --version >/dev/null 2>&1 || apt_packages python3 python3-pip python3-venv

    # A subshell, so that its trap removes the working directory on every way out.
    (
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        say "pocketsphinx $POCKETSPHINX_VERSION: download, build, install into $PREFIX"
        # `pip download` installs nothing, so an externally managed Python (PEP 668) does not mind it.
        python3 -m pip download --quiet --no-deps --no-binary pocketsphinx --dest "$work" \
            "pocketsphinx==$POCKETSPHINX_VERSION"
        archive=$work/pocketsphinx-$POCKETSPHINX_VERSION.tar.gz
        echo "$POCKETSPHINX_SHA256  $archive" | sha256sum --check --quiet
        tar -xzf "$archive" -C "$work"
        {
            cmake -S "$work/pocketsphinx-$POCKETSPHINX_VERSION" -B "$work/build" \
                -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$PREFIX" &&
                cmake --build "$work/build" --parallel "$(nproc)" &&
                as_owner_of_prefix cmake --install "$work/build"
        } >"$work/build.log" 2>&1 || {
            tail -n 40 "$work/build.log" >&2
            exit 1
        }
    )
    "$program" soxflags >/dev/null || fail "pocketsphinx does not start"
}

# The tests start servers of their own; setpriv lets none outlive them.
need_redis() {
    apt_programs redis-server=redis-server setpriv=util-linux
}

# Checks the licences and sources of the crates.
need_cargo_deny() {
    cargo deny --version >/dev/null 2>&1 || {
        say "cargo-deny $CARGO_DENY_VERSION: build"
        # It runs for seconds, so the minutes that its own release profile would take are saved.
        CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=256 \
            cargo install --quiet --locked "cargo-deny@$CARGO_DENY_VERSION"
    }
}

# The steps of the delivery (bicep/pipeline/steps) are tried and linted.
need_delivery_programs() {
    apt_programs zip=zip unzip=unzip jq=jq shellcheck=shellcheck
}

# What the pipeline looks for mistakes with, besides cargo-deny. The tests do without, so it is not among NEEDS.
need_scanners() {
    apt_programs pipx=pipx
    command -v checkov >/dev/null || as_root env PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx install --quiet checkov
    cargo cyclonedx --version >/dev/null 2>&1 || cargo install --quiet --locked cargo-cyclonedx
}

# Azurite, Microsoft's emulator of Blob Storage and Storage queues.
need_azurite() {
    local home=$PREFIX/lib/azurite-$AZURITE_VERSION program=$PREFIX/bin/azurite main
    main=$home/node_modules/azurite/dist/src/azurite.js
    if [ -f "$home/complete" ] && [ -x "$program" ] && command -v node >/dev/null; then
        return
    fi
    apt_programs node=nodejs npm=npm
    say "azurite $AZURITE_VERSION: npm install into $home"
    # npm warns of Node before 22, on which it runs all the same.
    as_owner_of_prefix npm install --silent --no-audit --no-fund --prefix "$home" "azurite@$AZURITE_VERSION"
    [ -f "$main" ] || fail "the azurite package has no $main"
    (
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        printf '#!/bin/sh\nexec node "%s" "$@"\n' "$main" >"$work/azurite"
        as_owner_of_prefix install -D -m 755 "$work/azurite" "$program"
    )
    as_owner_of_prefix touch "$home/complete"
}

main() {
    local need
    [ $# -gt 0 ] || set -- "${NEEDS[@]}"
    for need in "$@"; do
        declare -F "need_$need" >/dev/null || fail "unknown need '$need'; there are: ${NEEDS[*]}"
        "need_$need"
    done
    say "ready"
}

main "$@"
