// One page for operators: traffic, latency, errors, the error budget, both colours side by side.
param name string
param location string
param tags object
param workspaceId string

var slo = loadJsonContent('../slo.json')
var queries = [
  {
    title: 'Requests, p95 and failures by app'
    query: 'AppRequests | where isnotempty(Url) | summarize requests = count(), p95 = percentile(DurationMs, 95), failures = countif(toint(ResultCode) >= 500) by AppRoleName, bin(TimeGenerated, 5m)'
    picture: 'timechart'
  }
  {
    title: 'Error budget used, percent of ${slo.windowDays} days'
    query: 'AppRequests | where TimeGenerated > ago(${slo.windowDays}d) and isnotempty(Url) | summarize bad = countif(toint(ResultCode) >= 500), total = count() | project used = 100.0 * (1.0 * bad / total) / (1.0 - ${slo.objectivePercent} / 100.0)'
    picture: 'table'
  }
  {
    title: 'Slowest functions'
    query: 'AppRequests | summarize p95 = percentile(DurationMs, 95), calls = count() by OperationName | top 20 by p95'
    picture: 'table'
  }
  {
    title: 'What the firewall stopped'
    query: 'AzureDiagnostics | where Category == "FrontDoorWebApplicationFirewallLog" and action_s == "Block" | summarize count() by ruleName_s'
    picture: 'table'
  }
]

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'operations')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Pravis: ${name}'
    category: 'workbook'
    sourceId: workspaceId
    serializedData: string({
      version: 'Notebook/1.0'
      items: map(queries, item => {
        type: 3
        name: item.title
        content: {
          version: 'KqlItem/1.0'
          title: item.title
          query: item.query
          queryType: 0
          resourceType: 'microsoft.operationalinsights/workspaces'
          visualization: item.picture
          timeContext: { durationMs: 86400000 }
        }
      })
      fallbackResourceIds: [workspaceId]
    })
  }
}
