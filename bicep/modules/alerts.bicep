// What shoppers feel: latency, errors, and how fast the error budget of slo.json burns.
param name string
param location string
param tags object
param workspaceId string
param actionGroupId string

var slo = loadJsonContent('../slo.json')
// Requests as the Functions host books them; its other invocations have no address.
var requests = 'AppRequests | where isnotempty(Url)'
var failed = 'toint(ResultCode) >= 500'

resource latency 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'latency-${name}'
  location: location
  tags: tags
  properties: {
    displayName: 'Requests are slow'
    description: 'docs/runbook.md#latency'
    severity: 2
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT${slo.alerts.windowMinutes}M'
    criteria: {
      allOf: [
        {
          query: '${requests} | summarize p95 = percentile(DurationMs, 95) by bin(TimeGenerated, ${slo.alerts.windowMinutes}m)'
          metricMeasureColumn: 'p95'
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: slo.alerts.latencyP95Ms
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: true
    actions: { actionGroups: [actionGroupId] }
  }
}

resource errors 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'errors-${name}'
  location: location
  tags: tags
  properties: {
    displayName: 'Requests fail'
    description: 'docs/runbook.md#errors'
    severity: 1
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT${slo.alerts.windowMinutes}M'
    criteria: {
      allOf: [
        {
          query: '${requests} | summarize percent = 100.0 * countif(${failed}) / count() by bin(TimeGenerated, ${slo.alerts.windowMinutes}m)'
          metricMeasureColumn: 'percent'
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: slo.alerts.errorPercent
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: true
    actions: { actionGroups: [actionGroupId] }
  }
}

// A burn rate of 1 uses the budget up in just the window of the objective. The long window says that it matters,
// the short one that it goes on (https://sre.google/workbook/alerting-on-slos/).
resource burn 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rate in slo.burnRates: {
  name: 'burn-${rate.name}-${name}'
  location: location
  tags: tags
  properties: {
    displayName: 'The error budget burns (${rate.name})'
    description: 'docs/runbook.md#burn-rate'
    severity: rate.severity
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT${rate.longMinutes}M'
    criteria: {
      allOf: [
        {
          query: '${requests} | summarize total = count(), bad = countif(${failed}), lately = countif(TimeGenerated > ago(${rate.shortMinutes}m)), badLately = countif(${failed} and TimeGenerated > ago(${rate.shortMinutes}m)) | where lately > 0 | extend budget = 1.0 - ${slo.objectivePercent} / 100.0 | where (1.0 * bad / total) / budget > ${rate.factor} and (1.0 * badLately / lately) / budget > ${rate.factor}'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: true
    actions: { actionGroups: [actionGroupId] }
  }
}]
