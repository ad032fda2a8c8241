// One container without a cluster: the whole program under the Functions host, for trials and for batches.
//   az deployment group create -g rg-pravis-dev -f bicep/kubernetes/container-instance.bicep -p image=... identityId=...
targetScope = 'resourceGroup'

param name string = 'pravis-api'
param location string = resourceGroup().location
@description('The image of the Dockerfile beside this file, with its tag.')
param image string
@description('The registry that the identity may pull from.')
param registry string
param identityId string
@description('The settings: those of settings.yaml, with AZURE_CREDENTIAL=managed-identity.')
param settings object
@description('The subnet for it; it has no address in the internet.')
param subnetId string

resource container 'Microsoft.ContainerInstance/containerGroups@2023-05-01' = {
  name: name
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    osType: 'Linux'
    restartPolicy: 'Always'
    sku: 'Standard'
    subnetIds: [{ id: subnetId }]
    ipAddress: { type: 'Private', ports: [{ port: 8080, protocol: 'TCP' }] }
    imageRegistryCredentials: [{ server: registry, identity: identityId }]
    containers: [
      {
        name: 'api'
        properties: {
          image: image
          ports: [{ port: 8080, protocol: 'TCP' }]
          resources: { requests: { cpu: 1, memoryInGB: 2 } }
          environmentVariables: [for setting in items(settings): { name: setting.key, value: setting.value }]
          livenessProbe: {
            httpGet: { path: '/api/v1/health/live', port: 8080, scheme: 'http' }
            initialDelaySeconds: 30
            periodSeconds: 10
          }
          readinessProbe: {
            httpGet: { path: '/api/v1/health/ready', port: 8080, scheme: 'http' }
            periodSeconds: 10
          }
        }
      }
    ]
  }
}

output address string = container.properties.ipAddress.ip
