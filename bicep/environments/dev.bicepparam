using '../main.bicep'

param environment = 'dev'
param regions = [
  { location: 'centralindia', code: 'cin' }
]
param apps = [
  { name: 'all', services: ['shop', 'accounts', 'voice', 'analytics', 'ops'] }
]
param corsOrigins = ['https://dev.pravis.example']
param sqlAdministrator = { login: 'pravis-sql-admins', objectId: readEnvironmentVariable('SQL_ADMIN_GROUP_ID') }
param deliveryPrincipalId = readEnvironmentVariable('DELIVERY_PRINCIPAL_ID')
param alertEmails = ['operations@pravis.example']
param monthlyBudget = 60000
param budgetStart = readEnvironmentVariable('BUDGET_START', '2026-12-01')
param costCentre = 'engineering'
param wafMode = 'Detection'
param cosmosMaxThroughput = 1000
param storageSku = 'Standard_LRS'
param maximumInstances = 5
