// A network for one region: a subnet that apps go out by, and private endpoints of what they go to.
param name string
param location string
param tags object
param addressPrefix string
@allowed(['flex', 'dedicated'])
param hosting string
@description('What gets an endpoint: its name, resource id, sub-resource and private DNS zone.')
param endpoints { name: string, id: string, group: string, zone: string }[]

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: 'vnet-${name}'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressPrefix] }
    subnets: [
      {
        name: 'apps'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 24, 0)
          delegations: [
            {
              name: 'functions'
              // Flex Consumption is on another platform than plans are.
              properties: { serviceName: hosting == 'flex' ? 'Microsoft.App/environments' : 'Microsoft.Web/serverFarms' }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: { addressPrefix: cidrSubnet(addressPrefix, 24, 1) }
      }
    ]
  }
}

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = [for item in endpoints: {
  name: item.zone
  location: 'global'
  tags: tags
}]

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (item, index) in endpoints: {
  parent: zone[index]
  name: name
  location: 'global'
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: network.id }
  }
}]

resource endpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = [for item in endpoints: {
  name: 'pe-${name}-${item.name}'
  location: location
  tags: tags
  properties: {
    subnet: { id: '${network.id}/subnets/endpoints' }
    privateLinkServiceConnections: [
      {
        name: item.name
        properties: { privateLinkServiceId: item.id, groupIds: [item.group] }
      }
    ]
  }
}]

resource record 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = [for (item, index) in endpoints: {
  parent: endpoint[index]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [{ name: item.name, properties: { privateDnsZoneId: zone[index].id } }]
  }
}]

output appsSubnetId string = '${network.id}/subnets/apps'
