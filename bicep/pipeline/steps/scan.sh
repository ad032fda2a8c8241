#!/usr/bin/env bash
# Looks for what must not be delivered: known holes in dependencies, secrets in the sources, mistakes in the
# infrastructure; and lists what the program is made of: out/sbom.cdx.json. image.sh looks at the image.
. "$(dirname "$0")/lib.sh"

run mkdir -p "$OUT"
run cargo deny --manifest-path "$ROOT/Cargo.toml" check advisories licenses bans sources
run docker run --rm --volume "$ROOT:/source:ro" aquasec/trivy:0.65.0 \
    filesystem --scanners secret,vuln --exit-code 1 --severity HIGH,CRITICAL --ignore-unfixed --skip-dirs target /source
run az bicep build --file "$ROOT/bicep/main.bicep" --outfile "$OUT/main.json"
run az bicep build --file "$ROOT/bicep/events.bicep" --outfile "$OUT/events.json"
run checkov --directory "$ROOT/bicep" --framework bicep kubernetes dockerfile --compact --quiet
run cargo cyclonedx --manifest-path "$ROOT/Cargo.toml" --format json --override-filename sbom.cdx
run mv "$ROOT/sbom.cdx.json" "$OUT/sbom.cdx.json"
