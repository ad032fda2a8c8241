// The apps of one region: each app in two colours, of which one serves and the other waits for the next version.
param name string
@description('Names of apps begin with it. The host knows an app by the first 32 characters of its name.')
@maxLength(11)
param appPrefix string
param unique string
param location string
param code string
param tags object
param apps { name: string, services: string[] }[]
param colours string[]
@allowed(['flex', 'dedicated'])
param hosting string
param identityId string
param identityClientId string
param identityPrincipalId string
param publicUrl string
param frontDoorId string
param corsOrigins string[]
param cosmosEndpoint string
param cosmosDatabase string
param cosmosRegions string[]
param blobEndpoint string
param queueEndpoint string
param tableEndpoint string
param redisHost string
param sqlWriteHost string
param sqlReadHost string
param sqlDatabase string
param vaultUri string
@secure()
param telemetry string
param packagesEndpoint string
param workspaceId string
param instanceMemoryMB int
param maximumInstances int
param alwaysReadyInstances int
param planSku string
param zoneRedundant bool
param privateOrigins bool
param subnetId string

var slo = loadJsonContent('../slo.json')

// What the program reads: handlers/settings/table.rs.
var settings = {
  ENVIRONMENT: 'production'
  FRONT_DOOR_ID: frontDoorId
  PRAVIS_PUBLIC_URL: publicUrl
  PRAVIS_TOKEN_ISSUER: publicUrl
  PRAVIS_CORS_ORIGINS: join(corsOrigins, ',')
  // Its own route at Front Door, past the API.
  MEDIA_BASE_URL: '${publicUrl}/media'
  COSMOS_ENDPOINT: cosmosEndpoint
  COSMOS_DATABASE: cosmosDatabase
  COSMOS_REGIONS: join(cosmosRegions, ',')
  BLOB_SERVICE_URI: blobEndpoint
  QUEUE_SERVICE_URI: queueEndpoint
  REDIS_URL: 'rediss://${redisHost}:10000'
  REDIS_AUTH: 'entra'
  REDIS_USER: identityPrincipalId
  SQL_URL: 'Server=tcp:${sqlWriteHost},1433;Database=${sqlDatabase};Encrypt=true'
  SQL_READ_URL: 'Server=tcp:${sqlReadHost},1433;Database=${sqlDatabase};Encrypt=true;ApplicationIntent=ReadOnly'
  KEY_VAULT_URL: vaultUri
  AZURE_CLIENT_ID: identityClientId
}

// What the Functions host reads: where its triggers look, and who it is.
var hostSettings = {
  AzureWebJobsStorage__blobServiceUri: blobEndpoint
  AzureWebJobsStorage__queueServiceUri: queueEndpoint
  AzureWebJobsStorage__tableServiceUri: tableEndpoint
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  COSMOS__accountEndpoint: cosmosEndpoint
  COSMOS__credential: 'managedidentity'
  COSMOS__clientId: identityClientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: telemetry
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
}

var pairs = flatten(map(apps, app => map(colours, colour => { app: app, colour: colour })))

module flex 'app-flex.bicep' = [for pair in pairs: if (hosting == 'flex') {
  name: 'app-${pair.app.name}-${code}-${pair.colour}'
  params: {
    name: '${appPrefix}-${pair.app.name}-${code}-${pair.colour}-${unique}'
    location: location
    tags: union(tags, { service: pair.app.name, colour: pair.colour })
    identityId: identityId
    settings: union(settings, hostSettings, { PRAVIS_SERVICES: join(pair.app.services, ',') })
    packages: '${packagesEndpoint}${pair.app.name}-${code}-${pair.colour}'
    workspaceId: workspaceId
    instanceMemoryMB: instanceMemoryMB
    maximumInstances: maximumInstances
    alwaysReadyInstances: alwaysReadyInstances
    privateOrigins: privateOrigins
    subnetId: subnetId
  }
}]

module plan 'plan.bicep' = if (hosting == 'dedicated') {
  name: 'plan-${code}'
  params: {
    name: name
    location: location
    tags: tags
    sku: planSku
    zoneRedundant: zoneRedundant
    scaling: slo.scaling
  }
}

module dedicated 'app-dedicated.bicep' = [for pair in pairs: if (hosting == 'dedicated') {
  name: 'dedicated-${pair.app.name}-${code}-${pair.colour}'
  params: {
    name: '${appPrefix}-${pair.app.name}-${code}-${pair.colour}-${unique}'
    location: location
    tags: union(tags, { service: pair.app.name, colour: pair.colour })
    identityId: identityId
    settings: union(settings, hostSettings, { PRAVIS_SERVICES: join(pair.app.services, ',') })
    planId: hosting == 'dedicated' ? plan.outputs.id : ''
    workspaceId: workspaceId
    privateOrigins: privateOrigins
    subnetId: subnetId
  }
}]

@description('Every app of the region, for what is in front of it and what watches it.')
output sites array = [for (pair, index) in pairs: {
  app: pair.app.name
  colour: pair.colour
  region: code
  location: location
  id: hosting == 'flex' ? flex[index].outputs.id : dedicated[index].outputs.id
  name: hosting == 'flex' ? flex[index].outputs.name : dedicated[index].outputs.name
  host: hosting == 'flex' ? flex[index].outputs.host : dedicated[index].outputs.host
}]
output planId string = hosting == 'dedicated' ? plan.outputs.id : ''
