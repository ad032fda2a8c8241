// What instances feel: processors and memory, for each app, or for the plan that they share.
param name string
param tags object
@allowed(['flex', 'dedicated'])
param hosting string
param sites array
param planId string
param instanceMemoryMB int
param actionGroupId string

var slo = loadJsonContent('../slo.json')
var window = 'PT${slo.alerts.windowMinutes}M'
var watched = hosting == 'flex' ? map(sites, site => { name: '${site.app}-${site.colour}', id: site.id }) : [{ name: 'plan', id: planId }]
// A plan tells its memory in percent, an app of Flex Consumption in bytes of its working set.
var memory = hosting == 'flex' ? {
  metric: 'MemoryWorkingSet'
  threshold: instanceMemoryMB * 1024 * 1024 / 100 * slo.alerts.memoryPercent
} : {
  metric: 'MemoryPercentage'
  threshold: slo.alerts.memoryPercent
}

resource processors 'Microsoft.Insights/metricAlerts@2018-03-01' = [for item in watched: {
  name: 'cpu-${name}-${item.name}'
  location: 'global'
  tags: tags
  properties: {
    description: 'docs/runbook.md#cpu'
    severity: 2
    enabled: true
    scopes: [item.id]
    evaluationFrequency: 'PT1M'
    windowSize: window
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'cpu'
          criterionType: 'StaticThresholdCriterion'
          metricName: 'CpuPercentage'
          timeAggregation: 'Average'
          operator: 'GreaterThan'
          threshold: slo.alerts.cpuPercent
        }
      ]
    }
    autoMitigate: true
    actions: [{ actionGroupId: actionGroupId }]
  }
}]

resource memoryPressure 'Microsoft.Insights/metricAlerts@2018-03-01' = [for item in watched: {
  name: 'memory-${name}-${item.name}'
  location: 'global'
  tags: tags
  properties: {
    description: 'docs/runbook.md#memory'
    severity: 2
    enabled: true
    scopes: [item.id]
    evaluationFrequency: 'PT1M'
    windowSize: window
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'memory'
          criterionType: 'StaticThresholdCriterion'
          metricName: memory.metric
          timeAggregation: 'Average'
          operator: 'GreaterThan'
          threshold: memory.threshold
        }
      ]
    }
    autoMitigate: true
    actions: [{ actionGroupId: actionGroupId }]
  }
}]
