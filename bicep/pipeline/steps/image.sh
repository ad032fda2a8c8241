#!/usr/bin/env bash
# Builds the image for Kubernetes and container instances, looks for holes in it, and with PUSH=yes puts it into its
# registry, where whoever runs this is signed in.
#   image.sh REGISTRY/NAME:TAG
. "$(dirname "$0")/lib.sh"

image=${ARGUMENTS[0]:-}
[[ $image == */*:* ]] || fail "expected REGISTRY/NAME:TAG"
run docker build --file "$ROOT/bicep/kubernetes/Dockerfile" --tag "$image" "$ROOT"
run docker run --rm --volume /var/run/docker.sock:/var/run/docker.sock aquasec/trivy:0.65.0 \
    image --exit-code 1 --severity HIGH,CRITICAL --ignore-unfixed "$image"
if [ "${PUSH:-}" = yes ]; then run docker push "$image"; fi
