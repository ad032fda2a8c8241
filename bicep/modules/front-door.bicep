// Azure Front Door Premium and its firewall. The routes come after the apps: front-door-routes.bicep.
param name string
param tags object
param publicHost string
@allowed(['Detection', 'Prevention'])
param wafMode string
param workspaceId string
param edgeIdentityId string

resource profile 'Microsoft.Cdn/profiles@2025-06-01' = {
  name: 'afd-${name}'
  location: 'global'
  tags: tags
  sku: { name: 'Premium_AzureFrontDoor' }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${edgeIdentityId}': {} }
  }
  properties: {
    // A transcription may take its time.
    originResponseTimeoutSeconds: 60
    // Addresses of shoppers stay out of the logs.
    logScrubbing: {
      state: 'Enabled'
      scrubbingRules: [{ matchVariable: 'RequestIPAddress', selectorMatchOperator: 'EqualsAny', state: 'Enabled' }]
    }
  }
}

resource endpoint 'Microsoft.Cdn/profiles/afdEndpoints@2025-06-01' = {
  parent: profile
  name: name
  location: 'global'
  tags: tags
  properties: { enabledState: 'Enabled' }
}

resource domain 'Microsoft.Cdn/profiles/customDomains@2025-06-01' = if (!empty(publicHost)) {
  parent: profile
  name: empty(publicHost) ? 'none' : replace(publicHost, '.', '-')
  properties: {
    hostName: publicHost
    tlsSettings: { certificateType: 'ManagedCertificate', minimumTlsVersion: 'TLS12' }
  }
}

resource waf 'Microsoft.Network/FrontDoorWebApplicationFirewallPolicies@2025-03-01' = {
  name: 'waf${replace(name, '-', '')}'
  location: 'global'
  tags: tags
  sku: { name: 'Premium_AzureFrontDoor' }
  properties: {
    policySettings: {
      enabledState: 'Enabled'
      mode: wafMode
      requestBodyCheck: 'Enabled'
    }
    customRules: {
      rules: [
        {
          // What no household sends. The API itself limits by account and network: docs/limits.md.
          name: 'RateByAddress'
          priority: 100
          enabledState: 'Enabled'
          ruleType: 'RateLimitRule'
          rateLimitDurationInMinutes: 1
          rateLimitThreshold: 3000
          groupBy: [{ variableName: 'SocketAddr' }]
          matchConditions: [{ matchVariable: 'RequestUri', operator: 'Contains', matchValue: ['/api/'] }]
          action: 'Block'
        }
        {
          name: 'RateOfSignIn'
          priority: 110
          enabledState: 'Enabled'
          ruleType: 'RateLimitRule'
          rateLimitDurationInMinutes: 1
          rateLimitThreshold: 300
          groupBy: [{ variableName: 'SocketAddr' }]
          matchConditions: [{ matchVariable: 'RequestUri', operator: 'Contains', matchValue: ['/api/v1/auth/'] }]
          action: 'Block'
        }
      ]
    }
    managedRules: {
      managedRuleSets: [
        { ruleSetType: 'Microsoft_DefaultRuleSet', ruleSetVersion: '2.1', ruleSetAction: 'Block' }
        { ruleSetType: 'Microsoft_BotManagerRuleSet', ruleSetVersion: '1.1' }
      ]
    }
  }
}

resource protection 'Microsoft.Cdn/profiles/securityPolicies@2025-06-01' = {
  parent: profile
  name: 'waf'
  properties: {
    parameters: {
      type: 'WebApplicationFirewall'
      wafPolicy: { id: waf.id }
      associations: [
        {
          domains: empty(publicHost) ? [{ id: endpoint.id }] : [{ id: endpoint.id }, { id: domain.id }]
          patternsToMatch: ['/*']
        }
      ]
    }
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'edge'
  scope: profile
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'FrontDoorAccessLog', enabled: true }
      { category: 'FrontDoorWebApplicationFirewallLog', enabled: true }
      { category: 'FrontDoorHealthProbeLog', enabled: true }
    ]
  }
}

output profileName string = profile.name
output endpointName string = endpoint.name
output frontDoorId string = profile.properties.frontDoorId
output customDomainId string = empty(publicHost) ? '' : domain.id
output publicUrl string = empty(publicHost) ? 'https://${endpoint.properties.hostName}' : 'https://${publicHost}'
