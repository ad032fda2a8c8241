// Who is told what happens to blobs: the apps of the colour that serves, in the region that writes. Deployed after
// the program, since the host makes the key of its hook when it first runs, and anew when the colour changes.
//   az deployment group create -g rg-pravis-production -f bicep/events.bicep -p apps=... colour=green ...
targetScope = 'resourceGroup'

param apps { name: string, services: string[] }[]
@allowed(['blue', 'green'])
param colour string
@description('Names of apps are <prefix>-<app>-<code>-<colour>-<unique>.')
param prefix string
@description('The code of the region that writes.')
param code string
param unique string
param storageAccount string

var triggers = loadJsonContent('modules/triggers.json')
// One subscription for each function; where an app for its service is not the only one, the first takes it.
var hooks = [for trigger in triggers.blobs: {
  function: trigger.function
  container: trigger.container
  site: '${prefix}-${filter(apps, app => contains(app.services, trigger.service))[0].name}-${code}-${colour}-${unique}'
}]
var followers = [for trigger in triggers.storageEvents: {
  function: trigger.function
  containers: trigger.containers
  site: '${prefix}-${filter(apps, app => contains(app.services, trigger.service))[0].name}-${code}-${colour}-${unique}'
}]

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: 'egst-${storageAccount}'
}

resource hookSite 'Microsoft.Web/sites@2024-11-01' existing = [for hook in hooks: {
  name: hook.site
}]

resource followerSite 'Microsoft.Web/sites@2024-11-01' existing = [for follower in followers: {
  name: follower.site
}]

// A blob trigger: the host's own hook, which puts the blob's name into a queue of its own.
resource blobs 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = [for (hook, index) in hooks: {
  parent: topic
  name: hook.function
  properties: {
    destination: {
      endpointType: 'WebHook'
      properties: {
        endpointUrl: 'https://${hookSite[index].properties.defaultHostName}/runtime/webhooks/blobs?functionName=Host.Functions.${hook.function}&code=${listKeys('${hookSite[index].id}/host/default', '2024-11-01').systemKeys.blobs_extension}'
        maxEventsPerBatch: 1
      }
    }
    filter: {
      subjectBeginsWith: '/blobServices/default/containers/${hook.container}/'
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
    }
    eventDeliverySchema: 'EventGridSchema'
    retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }
  }
}]

resource events 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = [for (follower, index) in followers: {
  parent: topic
  name: follower.function
  properties: {
    destination: {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: '${followerSite[index].id}/functions/${follower.function}'
        maxEventsPerBatch: 1
      }
    }
    filter: {
      includedEventTypes: [
        'Microsoft.Storage.BlobCreated'
        'Microsoft.Storage.BlobDeleted'
        'Microsoft.Storage.BlobTierChanged'
      ]
      advancedFilters: [
        {
          operatorType: 'StringBeginsWith'
          key: 'subject'
          values: map(follower.containers, container => '/blobServices/default/containers/${container}/')
        }
      ]
    }
    eventDeliverySchema: 'EventGridSchema'
    retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }
  }
}]
