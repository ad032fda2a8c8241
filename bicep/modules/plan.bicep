// A dedicated plan that grows with the processors' load, and is larger in the evening, when people shop.
param name string
param location string
param tags object
param sku string
param zoneRedundant bool
@description('`scaling` of slo.json.')
param scaling object

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'linux'
  sku: { name: sku, capacity: scaling.minimumInstances }
  properties: { reserved: true, zoneRedundant: zoneRedundant }
}

// Out by two at once and soon, in by one and late: too few instances are felt, too many are only paid for.
var rules = [
  {
    metricTrigger: {
      metricName: 'CpuPercentage'
      metricResourceUri: plan.id
      timeGrain: 'PT1M'
      statistic: 'Average'
      timeWindow: 'PT5M'
      timeAggregation: 'Average'
      operator: 'GreaterThan'
      threshold: scaling.cpuPercent
    }
    scaleAction: { direction: 'Increase', type: 'ChangeCount', value: '2', cooldown: 'PT5M' }
  }
  {
    metricTrigger: {
      metricName: 'CpuPercentage'
      metricResourceUri: plan.id
      timeGrain: 'PT1M'
      statistic: 'Average'
      timeWindow: 'PT15M'
      timeAggregation: 'Average'
      operator: 'LessThan'
      threshold: scaling.scaleInCpuPercent
    }
    scaleAction: { direction: 'Decrease', type: 'ChangeCount', value: '1', cooldown: 'PT15M' }
  }
]
var everyDay = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']

resource autoscale 'Microsoft.Insights/autoscaleSettings@2022-10-01' = {
  name: 'scale-${name}'
  location: location
  tags: tags
  properties: {
    enabled: true
    targetResourceUri: plan.id
    profiles: [
      {
        name: 'evening'
        capacity: {
          minimum: string(scaling.minimumInstances * 2)
          maximum: string(scaling.maximumInstances)
          default: string(scaling.minimumInstances * 2)
        }
        rules: rules
        recurrence: {
          frequency: 'Week'
          schedule: { timeZone: 'India Standard Time', days: everyDay, hours: [18], minutes: [0] }
        }
      }
      {
        // The name that ends the profile before it: a recurring one needs its counterpart.
        name: '{"name":"otherwise","for":"evening"}'
        capacity: {
          minimum: string(scaling.minimumInstances)
          maximum: string(scaling.maximumInstances)
          default: string(scaling.minimumInstances)
        }
        rules: rules
        recurrence: {
          frequency: 'Week'
          schedule: { timeZone: 'India Standard Time', days: everyDay, hours: [23], minutes: [0] }
        }
      }
    ]
  }
}

output id string = plan.id
