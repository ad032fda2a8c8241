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

/// Writes documents 00 to 19 of as many people.
pub async fn twenty(store: &dyn DocumentStore) {
    for n in 0..20 {
        store.create(&PEOPLE, &person(n), document(&format!("{n:02}"), json!({ "n": n }))).await.unwrap();
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
