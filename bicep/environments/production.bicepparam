using '../main.bicep'

param environment = 'production'
// The first region writes; the second one is its pair in India.
param regions = [
  { location: 'centralindia', code: 'cin' }
  { location: 'southindia', code: 'sin' }
]
param apps = [
  { name: 'shop', services: ['shop', 'ops'] }
  { name: 'accounts', services: ['accounts'] }
  { name: 'voice', services: ['voice'] }
  { name: 'analytics', services: ['analytics'] }
]
param publicHost = 'api.pravis.example'
param corsOrigins = ['https://pravis.example', 'https://www.pravis.example']
param sqlAdministrator = { login: 'pravis-sql-admins', objectId: readEnvironmentVariable('SQL_ADMIN_GROUP_ID') }
param deliveryPrincipalId = readEnvironmentVariable('DELIVERY_PRINCIPAL_ID')
param alertEmails = ['operations@pravis.example']
param monthlyBudget = 450000
param budgetStart = readEnvironmentVariable('BUDGET_START', '2026-12-01')
param costCentre = 'boutique'
param cosmosMaxThroughput = 10000
param sqlSku = { name: 'BC_Gen5', tier: 'BusinessCritical', family: 'Gen5', capacity: 2 }
param redisSku = 'Balanced_B3'
param storageSku = 'Standard_RAGRS'
param alwaysReadyInstances = 2
param maximumInstances = 100
