#!/usr/bin/env bash
# Expands: adds the tables, columns and containers that the new program declares, beside all that the old one uses.
# It runs before the program is deployed, as whoever is signed in, with the settings of the app that serves. What
# nobody uses any more is taken away by a later version, when no colour runs the old one (contract).
#   migrate.sh PROGRAM
. "$(dirname "$0")/lib.sh"

program=${ARGUMENTS[0]:-$PROGRAM}
app=$(site "$(output '.apps[0].name')" "$(output '.regions[0].code')" "$(serving)")

# The database users first: SQL knows the identity of the API only by this.
identity=$(output .apiIdentity)
grant="IF NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE name = N'$identity') CREATE USER [$identity] FROM EXTERNAL PROVIDER; \
ALTER ROLE db_datareader ADD MEMBER [$identity]; ALTER ROLE db_datawriter ADD MEMBER [$identity];"
run sqlcmd -S "$(output .sqlServer)" -d "$(output .sqlDatabase)" -G -b -Q "$grant"

if [ -n "$DRY_RUN" ]; then
    run az functionapp config appsettings list --name "$app" --resource-group "$(output .resourceGroup)"
    run env AZURE_CREDENTIAL=developer "$program" migrate
    exit
fi
settings=()
while IFS= read -r setting; do settings+=("$setting"); done < <(
    # Bindings of the host are not the program's; their names have double underscores.
    az functionapp config appsettings list --name "$app" --resource-group "$(output .resourceGroup)" --output json |
        jq -r '.[] | select(.name | test("__") | not) | .name + "=" + .value'
)
[ ${#settings[@]} -gt 0 ] || fail "$app has no settings"
env "${settings[@]}" AZURE_CREDENTIAL=developer AZURE_CLIENT_ID= "$program" migrate
