#!/usr/bin/env bash
# Makes the secrets that the program reads and the vault lacks. None is printed, none is replaced: for rotation see
# docs/runbook.md.
. "$(dirname "$0")/lib.sh"

vault=$(output .vault)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 700 "$work"

# present NAME: whether the vault has it.
present() { [ -n "$(ask "" az keyvault secret list --vault-name "$vault" --query "[?name=='$1'].name" --output tsv)" ]; }

# keep NAME FILE
keep() { run az keyvault secret set --vault-name "$vault" --name "$1" --file "$2" --output none; }

if ! present jwt-signing-key; then
    [ -n "$DRY_RUN" ] || openssl genpkey -algorithm ed25519 -outform DER | base64 -w 0 >"$work/signing"
    keep jwt-signing-key "$work/signing"
fi
if ! present pseudonym-key; then
    [ -n "$DRY_RUN" ] || openssl rand -base64 32 | tr -d '\n' >"$work/pseudonym"
    keep pseudonym-key "$work/pseudonym"
fi
