// The reporting database: one server in each region, the later ones with replicas that are read, and a failover
// group whose two names stay when the roles change.
param name string
param tags object
param regions { location: string, code: string }[]
param administrator { login: string, objectId: string }
param sku object
param zoneRedundant bool
param workspaceId string
@allowed(['Enabled', 'Disabled'])
param publicNetworkAccess string

var databaseName = 'pravis-reporting'
var suffix = environment().suffixes.sqlServerHostname
var replicated = length(regions) > 1

resource server 'Microsoft.Sql/servers@2023-08-01' = [for place in regions: {
  name: '${name}-${place.code}'
  location: place.location
  tags: tags
  properties: {
    minimalTlsVersion: '1.2'
    publicNetworkAccess: publicNetworkAccess
    administrators: {
      administratorType: 'ActiveDirectory'
      principalType: 'Group'
      login: administrator.login
      sid: administrator.objectId
      tenantId: tenant().tenantId
      azureADOnlyAuthentication: true
    }
  }
}]

// Services of Azure only, where there is no private network.
resource azureOnly 'Microsoft.Sql/servers/firewallRules@2023-08-01' = [for (place, index) in regions: if (publicNetworkAccess == 'Enabled') {
  parent: server[index]
  name: 'AllowAllWindowsAzureIps'
  properties: { startIpAddress: '0.0.0.0', endIpAddress: '0.0.0.0' }
}]

resource database 'Microsoft.Sql/servers/databases@2023-08-01' = {
  parent: server[0]
  name: databaseName
  location: regions[0].location
  tags: tags
  sku: sku
  properties: {
    zoneRedundant: zoneRedundant
    // A replica beside the primary answers what asks for ApplicationIntent=ReadOnly.
    readScale: contains(['BusinessCritical', 'Premium', 'Hyperscale'], sku.tier) ? 'Enabled' : 'Disabled'
    requestedBackupStorageRedundancy: replicated ? 'Geo' : 'Zone'
  }
}

resource retention 'Microsoft.Sql/servers/databases/backupShortTermRetentionPolicies@2023-08-01' = {
  parent: database
  name: 'default'
  properties: { retentionDays: 14 }
}

resource failover 'Microsoft.Sql/servers/failoverGroups@2023-08-01' = if (replicated) {
  parent: server[0]
  name: name
  properties: {
    readWriteEndpoint: { failoverPolicy: 'Automatic', failoverWithDataLossGracePeriodMinutes: 60 }
    // Reads go on at the primary when the replica is lost.
    readOnlyEndpoint: { failoverPolicy: 'Enabled' }
    partnerServers: [for index in range(1, length(regions) - 1): { id: server[index].id }]
    databases: [database.id]
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'errors'
  scope: database
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'Errors', enabled: true }]
  }
}

output serverIds array = [for (place, index) in regions: server[index].id]
output writeHost string = replicated ? '${name}${suffix}' : '${name}-${regions[0].code}${suffix}'
output readHost string = replicated ? '${name}.secondary${suffix}' : '${name}-${regions[0].code}${suffix}'
output database string = databaseName
