using '../main.bicep'

param environment = 'staging'
param regions = [
  { location: 'centralindia', code: 'cin' }
]
// As in production, so that what is tried here is what is delivered there.
param apps = [
  { name: 'shop', services: ['shop', 'ops'] }
  { name: 'accounts', services: ['accounts'] }
  { name: 'voice', services: ['voice'] }
  { name: 'analytics', services: ['analytics'] }
]
param corsOrigins = ['https://staging.pravis.example']
param sqlAdministrator = { login: 'pravis-sql-admins', objectId: readEnvironmentVariable('SQL_ADMIN_GROUP_ID') }
param deliveryPrincipalId = readEnvironmentVariable('DELIVERY_PRINCIPAL_ID')
param alertEmails = ['operations@pravis.example']
param monthlyBudget = 90000
param budgetStart = readEnvironmentVariable('BUDGET_START', '2026-12-01')
param costCentre = 'engineering'
param maximumInstances = 10
