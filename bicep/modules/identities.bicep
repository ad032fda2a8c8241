// Who the programs are. The roles of each stand beside the resource that they are for; docs/azure.md lists them.
param name string
param location string
param tags object

@description('The API and its host, in all regions and colours.')
resource api 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${name}-api'
  location: location
  tags: tags
}

@description('Front Door, which reads media.')
resource edge 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${name}-edge'
  location: location
  tags: tags
}

output apiId string = api.id
output apiName string = api.name
output apiClientId string = api.properties.clientId
output apiPrincipalId string = api.properties.principalId
output edgeId string = edge.id
output edgePrincipalId string = edge.properties.principalId
