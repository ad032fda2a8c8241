// Documents. The containers are those of handlers/containers.rs, written here by `handler infrastructure sync`.
param name string
param tags object
@description('Regions; the first one writes.')
param locations string[]
param zoneRedundant bool
param maxThroughput int
param workspaceId string
param apiPrincipalId string
param deliveryPrincipalId string
@allowed(['Enabled', 'Disabled'])
param publicNetworkAccess string

var containers = loadJsonContent('cosmos-containers.json')
var dataContributor = '00000000-0000-0000-0000-000000000002'

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' = {
  name: name
  location: locations[0]
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    consistencyPolicy: { defaultConsistencyLevel: 'Session' }
    locations: [for (place, priority) in locations: {
      locationName: place
      failoverPriority: priority
      isZoneRedundant: zoneRedundant
    }]
    // Another region takes over when the one that writes is lost.
    enableAutomaticFailover: length(locations) > 1
    enableMultipleWriteLocations: false
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: publicNetworkAccess
    backupPolicy: {
      type: 'Continuous'
      continuousModeProperties: { tier: 'Continuous30Days' }
    }
  }
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2025-04-15' = {
  parent: account
  name: 'pravis'
  properties: {
    resource: { id: 'pravis' }
    // Shared by the containers, of which there may be 25.
    options: { autoscaleSettings: { maxThroughput: maxThroughput } }
  }
}

@batchSize(1)
resource container 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-04-15' = [for item in containers: {
  parent: database
  name: item.id
  properties: {
    resource: item
  }
}]

// Where the Functions host keeps its places in the change feed. An identity cannot make a container.
resource leases 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-04-15' = {
  parent: database
  name: 'leases'
  dependsOn: [container]
  properties: {
    resource: {
      id: 'leases'
      partitionKey: { paths: ['/id'], kind: 'Hash', version: 2 }
    }
  }
}

resource apiUses 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2025-04-15' = {
  parent: account
  name: guid(account.id, apiPrincipalId, dataContributor)
  properties: {
    principalId: apiPrincipalId
    roleDefinitionId: '${account.id}/sqlRoleDefinitions/${dataContributor}'
    scope: account.id
  }
}

// `handler migrate` reads which boutiques have a database of their own, `handler admin create` writes an account.
resource deliveryUses 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2025-04-15' = {
  parent: account
  name: guid(account.id, deliveryPrincipalId, dataContributor)
  properties: {
    principalId: deliveryPrincipalId
    roleDefinitionId: '${account.id}/sqlRoleDefinitions/${dataContributor}'
    scope: account.id
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'requests'
  scope: account
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'ControlPlaneRequests', enabled: true }
      { category: 'PartitionKeyRUConsumption', enabled: true }
    ]
  }
}

output id string = account.id
output endpoint string = account.properties.documentEndpoint
output database string = database.name
