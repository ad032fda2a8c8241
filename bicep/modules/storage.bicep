// Blobs and queues. Containers, queues and the lifecycle policy are written by `handler infrastructure sync`.
param name string
param location string
param tags object
param sku string
param corsOrigins string[]
param workspaceId string
param apiPrincipalId string
param edgePrincipalId string
param deliveryPrincipalId string

var declared = loadJsonContent('storage-containers.json')
// What everybody may see and Front Door has a route for.
var edgeContainers = filter(declared.containers, item => (item.edge && contains(['media'], item.name)))
var roles = {
  // Owner instead of contributor, since listings read index tags; it may also sign for users.
  blobOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  blobContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  blobReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  queueContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  // The Functions host keeps its diagnostic events in a table.
  tableContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Browsers upload recordings to signed addresses, so the account is reached from outside.
    publicNetworkAccess: 'Enabled'
    // A signature of the program lives for a quarter of an hour.
    sasPolicy: { sasExpirationPeriod: '0.01:00:00', expirationAction: 'Log' }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: account
  name: 'default'
  properties: {
    // No versions: what a shopper has erased must be gone when these days are over.
    deleteRetentionPolicy: { enabled: true, days: 7 }
    containerDeleteRetentionPolicy: { enabled: true, days: 7 }
    cors: {
      corsRules: [
        {
          allowedOrigins: corsOrigins
          allowedMethods: ['GET', 'HEAD', 'PUT', 'OPTIONS']
          allowedHeaders: ['*']
          exposedHeaders: ['*']
          maxAgeInSeconds: 3600
        }
      ]
    }
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = [for item in declared.containers: {
  parent: blobs
  name: item.name
  properties: { publicAccess: 'None' }
}]

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2025-01-01' = {
  parent: account
  name: 'default'
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-01-01' = [for item in declared.queues: {
  parent: queues
  name: item
}]

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-01-01' = {
  parent: account
  name: 'default'
  dependsOn: [blobs]
  properties: {
    policy: loadJsonContent('storage-lifecycle.json')
  }
}

resource apiOwnsBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, apiPrincipalId, roles.blobOwner)
  scope: account
  properties: {
    principalId: apiPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.blobOwner)
  }
}

resource apiUsesQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, apiPrincipalId, roles.queueContributor)
  scope: account
  properties: {
    principalId: apiPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.queueContributor)
  }
}

resource hostUsesTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, apiPrincipalId, roles.tableContributor)
  scope: account
  properties: {
    principalId: apiPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.tableContributor)
  }
}

// `handler migrate` makes blob containers that a newer program declares.
resource deliveryMakesContainers 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, deliveryPrincipalId, roles.blobContributor)
  scope: account
  properties: {
    principalId: deliveryPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.blobContributor)
  }
}

// Nobody reads media without a name: Front Door reads as itself, and only what everybody may see.
module edgeReads 'container-role.bicep' = [for item in edgeContainers: {
  name: 'edge-reads-${item.name}'
  params: {
    accountName: account.name
    containerName: item.name
    principalId: edgePrincipalId
    role: roles.blobReader
  }
  dependsOn: [container]
}]

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'deletions'
  scope: blobs
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'StorageDelete', enabled: true }]
  }
}

// What happens to blobs; who is told is in events.bicep.
resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: 'egst-${name}'
  location: location
  tags: tags
  properties: {
    source: account.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

output id string = account.id
output name string = account.name
output blobEndpoint string = account.properties.primaryEndpoints.blob
output queueEndpoint string = account.properties.primaryEndpoints.queue
output tableEndpoint string = account.properties.primaryEndpoints.table
output blobHost string = split(account.properties.primaryEndpoints.blob, '/')[2]
