// Everything of one environment, by one command:
//   az deployment sub create --location centralindia --template-file bicep/main.bicep \
//     --parameters bicep/environments/production.bicepparam
// The subscriptions to storage events need the program to run, so they come after it: events.bicep.
targetScope = 'subscription'

@description('One region that serves: its name in Azure, and a short code for names of resources.')
type servingRegion = {
  location: string
  code: string
}

@description('One app: a name and the services (PRAVIS_SERVICES) that it serves.')
type servingApp = {
  name: string
  services: string[]
}

@allowed(['dev', 'staging', 'production'])
param environment string

@description('The regions, the one that writes first.')
@minLength(1)
@maxLength(3)
param regions servingRegion[]

@description('One app with all services, or one for each.')
@minLength(1)
param apps servingApp[]

@description('flex scales by itself, to nothing when idle; dedicated runs on a plan with autoscale rules.')
@allowed(['flex', 'dedicated'])
param hosting string = 'flex'

@description('The weights of the two colours at Front Door, in percent. The delivery passes the present ones.')
param traffic object = { blue: 100, green: 0 }

@description('The host name that clients use, or empty for that of Front Door.')
param publicHost string = ''

@description('Origins of the storefront.')
param corsOrigins string[]

@description('Who administers SQL: a group of Microsoft Entra ID.')
param sqlAdministrator { login: string, objectId: string }

@description('The object id of the identity that delivers: it writes secrets, packages and tables.')
param deliveryPrincipalId string

@description('Addresses that alerts and budgets are told to.')
@minLength(1)
param alertEmails string[]

@description('Rupees a month at which the budget is used up.')
@minValue(1000)
param monthlyBudget int

@description('The first day of the month from which the budget counts, as yyyy-MM-01; later it cannot be changed.')
param budgetStart string

@description('Who pays, for the allocation of costs.')
param costCentre string

@description('Availability zones, for all that has them.')
param zoneRedundant bool = false

@description('Private endpoints for Cosmos DB, SQL, Redis and Key Vault.')
param privateNetwork bool = false

@description('Front Door reaches apps and media by private link.')
param privateOrigins bool = false

@description('Redis databases of all regions in one active geo-replication group.')
param replicateCache bool = false

@allowed(['Detection', 'Prevention'])
param wafMode string = 'Prevention'

@description('Request units a second that Cosmos DB may scale up to; it falls back to a tenth.')
@minValue(1000)
param cosmosMaxThroughput int = 4000

@description('The SKU of the SQL database; reading replicas need Business Critical or Hyperscale.')
param sqlSku object = { name: 'GP_S_Gen5', tier: 'GeneralPurpose', family: 'Gen5', capacity: 2 }

param redisSku string = 'Balanced_B0'

@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_RAGRS', 'Standard_RAGZRS'])
param storageSku string = 'Standard_ZRS'

@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@minValue(1)
@maxValue(1000)
param maximumInstances int = 40

@description('Instances per app that are always ready for HTTP, under flex.')
@minValue(0)
param alwaysReadyInstances int = 0

@description('The SKU of the plan, under dedicated.')
param planSku string = 'P1v3'

var name = 'pravis-${environment}'
var unique = take(uniqueString(subscription().id, environment), 6)
var primary = regions[0]
var colours = ['blue', 'green']
var tags = {
  product: 'pravis-boutique-api'
  environment: environment
  costCentre: costCentre
}

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${name}'
  location: primary.location
  tags: tags
}

module identities 'modules/identities.bicep' = {
  scope: group
  name: 'identities'
  params: {
    name: name
    location: primary.location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  name: 'monitoring'
  params: {
    name: name
    location: primary.location
    tags: tags
    alertEmails: alertEmails
    apiPrincipalId: identities.outputs.apiPrincipalId
  }
}

module vault 'modules/key-vault.bicep' = {
  scope: group
  name: 'key-vault'
  params: {
    name: 'kv-pravis-${take(environment, 4)}-${unique}'
    location: primary.location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    apiPrincipalId: identities.outputs.apiPrincipalId
    deliveryPrincipalId: deliveryPrincipalId
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
  }
}

module cosmos 'modules/cosmos.bicep' = {
  scope: group
  name: 'cosmos'
  params: {
    name: 'cosmos-${name}-${unique}'
    tags: tags
    locations: [for place in regions: place.location]
    zoneRedundant: zoneRedundant
    maxThroughput: cosmosMaxThroughput
    workspaceId: monitoring.outputs.workspaceId
    apiPrincipalId: identities.outputs.apiPrincipalId
    deliveryPrincipalId: deliveryPrincipalId
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
  }
}

module storage 'modules/storage.bicep' = {
  scope: group
  name: 'storage'
  params: {
    name: 'stpravis${take(environment, 4)}${unique}'
    location: primary.location
    tags: tags
    sku: storageSku
    corsOrigins: corsOrigins
    workspaceId: monitoring.outputs.workspaceId
    apiPrincipalId: identities.outputs.apiPrincipalId
    edgePrincipalId: identities.outputs.edgePrincipalId
    deliveryPrincipalId: deliveryPrincipalId
  }
}

module packages 'modules/packages.bicep' = {
  scope: group
  name: 'packages'
  params: {
    name: 'stpravispkg${take(environment, 4)}${unique}'
    location: primary.location
    tags: tags
    containers: flatten(map(regions, place => flatten(map(apps, app => map(colours, colour => '${app.name}-${place.code}-${colour}')))))
    apiPrincipalId: identities.outputs.apiPrincipalId
    deliveryPrincipalId: deliveryPrincipalId
  }
}

module sql 'modules/sql.bicep' = {
  scope: group
  name: 'sql'
  params: {
    name: 'sql-${name}-${unique}'
    tags: tags
    regions: regions
    administrator: sqlAdministrator
    sku: sqlSku
    zoneRedundant: zoneRedundant
    workspaceId: monitoring.outputs.workspaceId
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
  }
}

module redis 'modules/redis.bicep' = {
  scope: group
  name: 'redis'
  params: {
    name: 'redis-${name}-${unique}'
    tags: tags
    regions: regions
    sku: redisSku
    highAvailability: zoneRedundant
    replicate: replicateCache
    apiPrincipalId: identities.outputs.apiPrincipalId
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
  }
}

module edge 'modules/front-door.bicep' = {
  scope: group
  name: 'front-door'
  params: {
    name: name
    tags: tags
    publicHost: publicHost
    wafMode: wafMode
    workspaceId: monitoring.outputs.workspaceId
    edgeIdentityId: identities.outputs.edgeId
  }
}

// A group for each network: private DNS zones bear the same names in every region.
resource networkGroup 'Microsoft.Resources/resourceGroups@2024-03-01' = [for place in regions: if (privateNetwork) {
  name: 'rg-${name}-network-${place.code}'
  location: place.location
  tags: tags
}]

module network 'modules/network.bicep' = [for (place, index) in regions: if (privateNetwork) {
  scope: networkGroup[index]
  name: 'network-${place.code}'
  params: {
    name: '${name}-${place.code}'
    location: place.location
    tags: tags
    addressPrefix: '10.${40 + index}.0.0/16'
    hosting: hosting
    endpoints: [
      { name: 'cosmos', id: cosmos.outputs.id, group: 'Sql', zone: 'privatelink.documents.azure.com' }
      { name: 'sql', id: sql.outputs.serverIds[index], group: 'sqlServer', zone: 'privatelink${az.environment().suffixes.sqlServerHostname}' }
      { name: 'redis', id: redis.outputs.clusterIds[index], group: 'redisEnterprise', zone: 'privatelink.redis.azure.net' }
      { name: 'vault', id: vault.outputs.id, group: 'vault', zone: 'privatelink.vaultcore.azure.net' }
    ]
  }
}]

module serving 'modules/region.bicep' = [for (place, index) in regions: {
  scope: group
  name: 'serving-${place.code}'
  params: {
    name: '${name}-${place.code}'
    appPrefix: 'pravis-${take(environment, 4)}'
    unique: unique
    location: place.location
    code: place.code
    tags: tags
    apps: apps
    colours: colours
    hosting: hosting
    identityId: identities.outputs.apiId
    identityClientId: identities.outputs.apiClientId
    identityPrincipalId: identities.outputs.apiPrincipalId
    publicUrl: edge.outputs.publicUrl
    frontDoorId: edge.outputs.frontDoorId
    corsOrigins: corsOrigins
    cosmosEndpoint: cosmos.outputs.endpoint
    cosmosDatabase: cosmos.outputs.database
    // Nearest first: this region, then the others in their order.
    cosmosRegions: concat([place.location], map(filter(regions, other => other.location != place.location), other => other.location))
    blobEndpoint: storage.outputs.blobEndpoint
    queueEndpoint: storage.outputs.queueEndpoint
    tableEndpoint: storage.outputs.tableEndpoint
    redisHost: redis.outputs.hosts[index]
    sqlWriteHost: sql.outputs.writeHost
    sqlReadHost: sql.outputs.readHost
    sqlDatabase: sql.outputs.database
    vaultUri: vault.outputs.uri
    telemetry: monitoring.outputs.connectionString
    packagesEndpoint: packages.outputs.blobEndpoint
    workspaceId: monitoring.outputs.workspaceId
    instanceMemoryMB: instanceMemoryMB
    maximumInstances: maximumInstances
    alwaysReadyInstances: alwaysReadyInstances
    planSku: planSku
    zoneRedundant: zoneRedundant
    privateOrigins: privateOrigins
    subnetId: privateNetwork ? network[index].outputs.appsSubnetId : ''
  }
}]

module routing 'modules/front-door-routes.bicep' = {
  scope: group
  name: 'front-door-routes'
  params: {
    profileName: edge.outputs.profileName
    endpointName: edge.outputs.endpointName
    customDomainId: edge.outputs.customDomainId
    edgeIdentityId: identities.outputs.edgeId
    apps: apps
    colours: colours
    traffic: traffic
    sites: [for (place, index) in regions: serving[index].outputs.sites]
    mediaHost: storage.outputs.blobHost
    mediaAccountId: storage.outputs.id
    mediaLocation: primary.location
    privateOrigins: privateOrigins
  }
}

module alerts 'modules/alerts.bicep' = {
  scope: group
  name: 'alerts'
  params: {
    name: name
    location: primary.location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    actionGroupId: monitoring.outputs.actionGroupId
  }
}

module pressure 'modules/pressure-alerts.bicep' = [for (place, index) in regions: {
  scope: group
  name: 'pressure-alerts-${place.code}'
  params: {
    name: '${name}-${place.code}'
    tags: tags
    hosting: hosting
    sites: serving[index].outputs.sites
    planId: serving[index].outputs.planId
    instanceMemoryMB: instanceMemoryMB
    actionGroupId: monitoring.outputs.actionGroupId
  }
}]

module workbook 'modules/workbook.bicep' = {
  scope: group
  name: 'workbook'
  params: {
    name: name
    location: primary.location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
  }
}

module budget 'modules/budget.bicep' = {
  scope: group
  name: 'budget'
  params: {
    name: name
    amount: monthlyBudget
    start: budgetStart
    emails: alertEmails
  }
}

// What the steps of the delivery work with.
output resourceGroup string = group.name
output environment string = environment
output publicUrl string = edge.outputs.publicUrl
output prefix string = 'pravis-${take(environment, 4)}'
output unique string = unique
output apps array = apps
output regions array = regions
output hosting string = hosting
output frontDoor string = edge.outputs.profileName
output workspace string = monitoring.outputs.workspaceCustomerId
output vault string = vault.outputs.name
output storageAccount string = storage.outputs.name
output apiIdentity string = identities.outputs.apiName
output sqlServer string = sql.outputs.writeHost
output sqlDatabase string = sql.outputs.database
