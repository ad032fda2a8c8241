// One app on a plan that it shares, run from its package.
param name string
param location string
param tags object
param identityId string
param settings object
param planId string
param workspaceId string
param privateOrigins bool
param subnetId string

var planSettings = {
  FUNCTIONS_EXTENSION_VERSION: '~4'
  FUNCTIONS_WORKER_RUNTIME: 'custom'
  WEBSITE_RUN_FROM_PACKAGE: '1'
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: planId
    reserved: true
    httpsOnly: true
    clientAffinityEnabled: false
    publicNetworkAccess: privateOrigins ? 'Disabled' : 'Enabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      alwaysOn: true
      minTlsVersion: '1.2'
      http20Enabled: true
      ftpsState: 'Disabled'
      // An instance that is not ready is taken out of its plan's rotation.
      healthCheckPath: '/api/v1/health/ready'
      appSettings: [for setting in items(union(settings, planSettings)): { name: setting.key, value: setting.value }]
      ipSecurityRestrictionsDefaultAction: 'Deny'
      ipSecurityRestrictions: [
        { name: 'front-door', priority: 100, action: 'Allow', tag: 'ServiceTag', ipAddress: 'AzureFrontDoor.Backend' }
        { name: 'event-grid', priority: 110, action: 'Allow', tag: 'ServiceTag', ipAddress: 'AzureEventGrid' }
      ]
    }
  }
}

resource publishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: app
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'FunctionAppLogs', enabled: true }]
  }
}

output id string = app.id
output name string = app.name
output host string = app.properties.defaultHostName
