// Azure Managed Redis, one in each region. Tokens of Microsoft Entra ID only.
param name string
param tags object
param regions { location: string, code: string }[]
param sku string
param highAvailability bool
@description('All regions in one active geo-replication group; else each region counts and caches for itself.')
param replicate bool
param apiPrincipalId string
@allowed(['Enabled', 'Disabled'])
param publicNetworkAccess string

resource cluster 'Microsoft.Cache/redisEnterprise@2025-07-01' = [for place in regions: {
  name: '${name}-${place.code}'
  location: place.location
  tags: tags
  sku: { name: sku }
  properties: {
    minimumTlsVersion: '1.2'
    highAvailability: highAvailability ? 'Enabled' : 'Disabled'
    publicNetworkAccess: publicNetworkAccess
  }
}]

// One after the other, since each links those before it.
@batchSize(1)
resource database 'Microsoft.Cache/redisEnterprise/databases@2025-07-01' = [for (place, index) in regions: {
  parent: cluster[index]
  name: 'default'
  properties: {
    clientProtocol: 'Encrypted'
    port: 10000
    clusteringPolicy: 'EnterpriseCluster'
    // Limits and leases must not be evicted for cached answers that have a time of their own.
    evictionPolicy: replicate ? 'NoEviction' : 'VolatileLRU'
    accessKeysAuthentication: 'Disabled'
    geoReplication: replicate ? {
      groupNickname: name
      linkedDatabases: map(range(0, index + 1), other => {
        id: resourceId('Microsoft.Cache/redisEnterprise/databases', '${name}-${regions[other].code}', 'default')
      })
    } : null
  }
}]

resource apiUses 'Microsoft.Cache/redisEnterprise/databases/accessPolicyAssignments@2025-07-01' = [for (place, index) in regions: {
  parent: database[index]
  name: 'api'
  properties: {
    accessPolicyName: 'default'
    user: { objectId: apiPrincipalId }
  }
}]

output clusterIds array = [for (place, index) in regions: cluster[index].id]
output hosts array = [for (place, index) in regions: cluster[index].properties.hostName]
