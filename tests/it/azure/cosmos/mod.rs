//! Azure Cosmos DB.

mod faults;
mod hosted;
mod listings;
mod migrations;
mod spending;
mod topology;

use std::sync::Arc;

use azure_data_cosmos::fault_injection::{
    FaultInjectionConditionBuilder, FaultInjectionErrorType, FaultInjectionResultBuilder, FaultInjectionRule,
    FaultInjectionRuleBuilder, FaultOperationType,
};
use pravis::ports::documents::{Container, DocumentStore, Indexing, NewDocument, PartitionKey};
use serde_json::{Value, json};

pub static PEOPLE: Container = Container {
    name: "people",
    partition_key: &["tenantId", "userId"],
    default_ttl: None,
    indexing: Indexing::Everything,
};
pub static CONTAINERS: &[&Container] = &[&PEOPLE];

pub fn person(user: impl ToString) -> PartitionKey {
    PartitionKey(vec!["t1".to_owned(), user.to_string()])
}

pub fn document(id: &str, body: Value) -> NewDocument {
    NewDocument::new(id, &body).unwrap()
}

/// A partition that may lie in another physical partition than the next one's: that goes by the tenant.
pub fn elsewhere(tenant: usize) -> PartitionKey {
    PartitionKey(vec![format!("t{tenant}"), "usr_1".to_owned()])
}

/// Writes documents 00 to 19 of as many tenants.
pub async fn twenty(store: &dyn DocumentStore) {
    for n in 0..20 {
        store.create(&PEOPLE, &elsewhere(n), document(&format!("{n:02}"), json!({ "n": n }))).await.unwrap();
    }
}

/// Every request of an operation fails.
pub fn fault(operation: FaultOperationType, error: FaultInjectionErrorType) -> FaultInjectionRuleBuilder {
    let condition = FaultInjectionConditionBuilder::new().with_operation_type(operation).build();
    let result = FaultInjectionResultBuilder::new().with_error(error).build();
    FaultInjectionRuleBuilder::new(format!("{operation} {error}"), result).with_condition(condition)
}

pub fn rule(builder: FaultInjectionRuleBuilder) -> Arc<FaultInjectionRule> {
    Arc::new(builder.build())
}
