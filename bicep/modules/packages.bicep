// Where the plan takes the program from: a container for each app, region and colour. Apart from the product's
// own account, so that nobody who can write recordings can write programs.
param name string
param location string
param tags object
param containers string[]
param apiPrincipalId string
param deliveryPrincipalId string

// The platform asks for this role of the identity that fetches the package.
var blobContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_ZRS' }
  properties: {
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    allowCrossTenantReplication: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: { enabled: true, days: 30 }
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = [for item in containers: {
  parent: blobs
  name: item
  properties: { publicAccess: 'None' }
}]

resource apiFetches 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, apiPrincipalId, blobContributor)
  scope: account
  properties: {
    principalId: apiPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobContributor)
  }
}

resource deliveryUploads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, deliveryPrincipalId, blobContributor)
  scope: account
  properties: {
    principalId: deliveryPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobContributor)
  }
}

output blobEndpoint string = account.properties.primaryEndpoints.blob
