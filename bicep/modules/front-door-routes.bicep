// Which path goes to which app, and how much of it to which colour. The paths of each service are written by
// `handler infrastructure sync`.
param profileName string
param endpointName string
param customDomainId string
param edgeIdentityId string
param apps { name: string, services: string[] }[]
param colours string[]
@description('Percent by colour. An origin without any is disabled.')
param traffic object
@description('`sites` of each region.')
param sites array
param mediaHost string
param mediaAccountId string
param mediaLocation string
param privateOrigins bool

var paths = loadJsonContent('routes.json')
var allSites = flatten(sites)
var domains = empty(customDomainId) ? [] : [{ id: customDomainId }]
var probe = {
  probePath: '/api/v1/health/ready'
  probeProtocol: 'Https'
  probeRequestType: 'GET'
  probeIntervalInSeconds: 30
}
var balance = {
  sampleSize: 4
  successfulSamplesRequired: 3
  // Both colours of a region are as near, and their weights must count.
  additionalLatencyInMilliseconds: 50
}
// What an app serves goes there; the first app answers all else, its own paths too: a route takes 25 at most.
var patterns = [for (app, index) in apps: index == 0 ? ['/*'] : flatten(map(app.services, service => (contains(paths, service) ? paths[service] : [])))]
var appColours = flatten(map(apps, app => map(colours, colour => { app: app.name, colour: colour })))

resource profile 'Microsoft.Cdn/profiles@2025-06-01' existing = {
  name: profileName
}

resource endpoint 'Microsoft.Cdn/profiles/afdEndpoints@2025-06-01' existing = {
  parent: profile
  name: endpointName
}

// For shoppers: both colours, by weight.
resource group 'Microsoft.Cdn/profiles/originGroups@2025-06-01' = [for app in apps: {
  parent: profile
  name: 'api-${app.name}'
  properties: {
    loadBalancingSettings: balance
    healthProbeSettings: probe
    sessionAffinityState: 'Disabled'
  }
}]

resource origin 'Microsoft.Cdn/profiles/originGroups/origins@2025-06-01' = [for site in allSites: {
  name: '${profileName}/api-${site.app}/${site.region}-${site.colour}'
  dependsOn: [group]
  properties: {
    hostName: site.host
    originHostHeader: site.host
    httpsPort: 443
    priority: 1
    weight: max(1, traffic[site.colour])
    enabledState: traffic[site.colour] > 0 ? 'Enabled' : 'Disabled'
    enforceCertificateNameCheck: true
    sharedPrivateLinkResource: privateOrigins ? {
      privateLink: { id: site.id }
      privateLinkLocation: site.location
      groupId: 'sites'
      requestMessage: 'Front Door'
    } : null
  }
}]

// For who asks for a colour by name: smoke tests of the one that waits, and trials of a version.
resource colourGroup 'Microsoft.Cdn/profiles/originGroups@2025-06-01' = [for pair in appColours: {
  parent: profile
  name: 'api-${pair.app}-${pair.colour}'
  properties: {
    loadBalancingSettings: balance
    sessionAffinityState: 'Disabled'
  }
}]

resource colourOrigin 'Microsoft.Cdn/profiles/originGroups/origins@2025-06-01' = [for site in allSites: {
  name: '${profileName}/api-${site.app}-${site.colour}/${site.region}'
  dependsOn: [colourGroup]
  properties: {
    hostName: site.host
    originHostHeader: site.host
    httpsPort: 443
    priority: 1
    weight: 100
    enabledState: 'Enabled'
    enforceCertificateNameCheck: true
    sharedPrivateLinkResource: privateOrigins ? {
      privateLink: { id: site.id }
      privateLinkLocation: site.location
      groupId: 'sites'
      requestMessage: 'Front Door'
    } : null
  }
}]

resource ruleSet 'Microsoft.Cdn/profiles/ruleSets@2025-06-01' = [for app in apps: {
  parent: profile
  name: 'rules${app.name}'
}]

resource byColour 'Microsoft.Cdn/profiles/ruleSets/rules@2025-06-01' = [for (pair, index) in appColours: {
  name: '${profileName}/rules${pair.app}/${pair.colour}'
  dependsOn: [ruleSet, colourOrigin]
  properties: {
    order: indexOf(colours, pair.colour) + 1
    matchProcessingBehavior: 'Stop'
    conditions: [
      {
        name: 'RequestHeader'
        parameters: {
          typeName: 'DeliveryRuleRequestHeaderConditionParameters'
          selector: 'X-Pravis-Colour'
          operator: 'Equal'
          matchValues: [pair.colour]
        }
      }
    ]
    actions: [
      {
        name: 'RouteConfigurationOverride'
        parameters: {
          typeName: 'DeliveryRuleRouteConfigurationOverrideActionParameters'
          originGroupOverride: {
            originGroup: { id: colourGroup[index].id }
            forwardingProtocol: 'HttpsOnly'
          }
        }
      }
    ]
  }
}]

// The API says of each answer whether it may be kept; only these paths are ever asked to.
resource cached 'Microsoft.Cdn/profiles/ruleSets/rules@2025-06-01' = [for (app, index) in apps: {
  parent: ruleSet[index]
  name: 'cached'
  dependsOn: [byColour]
  properties: {
    order: 10
    matchProcessingBehavior: 'Continue'
    conditions: [
      {
        name: 'UrlPath'
        parameters: {
          typeName: 'DeliveryRuleUrlPathMatchConditionParameters'
          operator: 'BeginsWith'
          matchValues: ['api/v1/products', 'api/v1/voice/speech/']
        }
      }
      {
        name: 'RequestMethod'
        parameters: {
          typeName: 'DeliveryRuleRequestMethodConditionParameters'
          operator: 'Equal'
          matchValues: ['GET']
        }
      }
    ]
    actions: [
      {
        name: 'RouteConfigurationOverride'
        parameters: {
          typeName: 'DeliveryRuleRouteConfigurationOverrideActionParameters'
          cacheConfiguration: {
            queryStringCachingBehavior: 'UseQueryString'
            // The API compresses by itself, each form under its own ETag.
            isCompressionEnabled: 'Disabled'
            cacheBehavior: 'HonorOrigin'
          }
        }
      }
    ]
  }
}]

resource route 'Microsoft.Cdn/profiles/afdEndpoints/routes@2025-06-01' = [for (app, index) in apps: {
  parent: endpoint
  name: 'api-${app.name}'
  dependsOn: [origin, cached]
  properties: {
    originGroup: { id: group[index].id }
    ruleSets: [{ id: ruleSet[index].id }]
    customDomains: domains
    supportedProtocols: ['Http', 'Https']
    patternsToMatch: patterns[index]
    forwardingProtocol: 'HttpsOnly'
    httpsRedirect: 'Enabled'
    linkToDefaultDomain: 'Enabled'
    enabledState: 'Enabled'
  }
}]

resource mediaGroup 'Microsoft.Cdn/profiles/originGroups@2025-06-01' = {
  parent: profile
  name: 'media'
  properties: {
    loadBalancingSettings: balance
    sessionAffinityState: 'Disabled'
    authentication: {
      type: 'UserAssignedIdentity'
      userAssignedIdentity: { id: edgeIdentityId }
      scope: 'https://storage.azure.com/.default'
    }
  }
}

resource mediaOrigin 'Microsoft.Cdn/profiles/originGroups/origins@2025-06-01' = {
  parent: mediaGroup
  name: 'storage'
  properties: {
    hostName: mediaHost
    originHostHeader: mediaHost
    httpsPort: 443
    priority: 1
    weight: 100
    enabledState: 'Enabled'
    enforceCertificateNameCheck: true
    sharedPrivateLinkResource: privateOrigins ? {
      privateLink: { id: mediaAccountId }
      privateLinkLocation: mediaLocation
      groupId: 'blob'
      requestMessage: 'Front Door'
    } : null
  }
}

// Names of media never change their content.
resource mediaRoute 'Microsoft.Cdn/profiles/afdEndpoints/routes@2025-06-01' = {
  parent: endpoint
  name: 'media'
  dependsOn: [mediaOrigin]
  properties: {
    originGroup: { id: mediaGroup.id }
    customDomains: domains
    supportedProtocols: ['Http', 'Https']
    patternsToMatch: ['/media/*']
    forwardingProtocol: 'HttpsOnly'
    httpsRedirect: 'Enabled'
    linkToDefaultDomain: 'Enabled'
    enabledState: 'Enabled'
    cacheConfiguration: {
      queryStringCachingBehavior: 'IgnoreQueryString'
    }
  }
}
