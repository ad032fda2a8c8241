//! Writes, one by one and in batches.

use azure_core::http::Etag;
use azure_data_cosmos::TransactionalBatch;
use azure_data_cosmos::error::CosmosError;
use azure_data_cosmos::models::{TransactionalBatchOperationResult, TransactionalBatchResponse};
use azure_data_cosmos::options::{BatchDeleteOptions, BatchReplaceOptions, ItemWriteOptions, Precondition};

use super::super::rules::Step;
use super::connection::Account;
use super::{errors, item, wire_key};
use crate::ports::documents::{BatchError, Container, Document, PartitionKey};
use crate::ports::{ETag, PortError, PortResult};

/// An operation that was not looked at because another one of its batch failed.
const FAILED_DEPENDENCY: u16 = 424;

/// The operation, in metrics.
pub(super) fn name(step: &Step) -> &'static str {
    match step {
        Step::Create(_) => "create",
        Step::Upsert(_) => "upsert",
        Step::Replace(..) => "replace",
        Step::Delete(..) => "delete",
    }
}

/// Does one write; gives the written document, `None` for a deletion.
pub(super) async fn apply(
    account: &Account,
    container: &'static Container,
    partition: &PartitionKey,
    step: Step,
) -> PortResult<Option<Document>> {
    let key = wire_key(&partition.0)?;
    let write = account.with_container(name(&step), container, |client| {
        let (key, step) = (key.clone(), &step);
        async move {
            let response = match step {
                Step::Create(new) => client.create_item(key, &new.id, &new.body, None).await?,
                Step::Upsert(new) => client.upsert_item(key, &new.id, &new.body, None).await?,
                Step::Replace(new, version) => {
                    let options = version.as_ref().map(only);
                    client.replace_item(key, &new.id, &new.body, options).await?
                }
                Step::Delete(id, version) => client.delete_item(key, id, version.as_ref().map(only)).await?,
            };
            Ok(response.into_body())
        }
    });
    let answer = write.await?;
    match step {
        Step::Create(sent) | Step::Upsert(sent) | Step::Replace(sent, _) => {
            let answer = answer.single().map_err(|error| errors::failed("write", &error))?;
            item::written(partition, sent, &answer).map(Some)
        }
        Step::Delete(..) => Ok(None),
    }
}

/// Only that version.
fn only(version: &ETag) -> ItemWriteOptions {
    ItemWriteOptions::default().with_precondition(if_match(version))
}

fn if_match(version: &ETag) -> Precondition {
    Precondition::if_match(Etag::from(item::quoted(version)))
}

/// Sends a batch; the answer tells of each operation, also where the batch was refused.
pub(super) async fn batch(
    account: &Account,
    container: &'static Container,
    partition: &PartitionKey,
    steps: &[Step],
) -> PortResult<TransactionalBatchResponse> {
    let key = wire_key(&partition.0)?;
    let send = account.with_container("batch", container, |client| {
        let prepared = steps.iter().try_fold(TransactionalBatch::new(key.clone()), add);
        async move { client.execute_transactional_batch(prepared?, None).await?.into_model() }
    });
    send.await
}

fn add(batch: TransactionalBatch, step: &Step) -> Result<TransactionalBatch, CosmosError> {
    match step {
        Step::Create(new) => batch.create_item(&new.body),
        Step::Upsert(new) => batch.upsert_item(&new.body, None),
        Step::Replace(new, version) => {
            let only = |version| BatchReplaceOptions::default().with_precondition(if_match(version));
            batch.replace_item(new.id.clone(), &new.body, version.as_ref().map(only))
        }
        Step::Delete(id, version) => {
            let only = |version| BatchDeleteOptions::default().with_precondition(if_match(version));
            Ok(batch.delete_item(id.clone(), version.as_ref().map(only)))
        }
    }
}

/// The written documents of a batch, or the operation that was its end.
pub(super) fn outcome(
    partition: &PartitionKey,
    steps: Vec<Step>,
    answer: &TransactionalBatchResponse,
) -> Result<Vec<Option<Document>>, BatchError> {
    let results = answer.results();
    let culprit =
        |result: &TransactionalBatchOperationResult| !result.is_success() && result.status_code() != FAILED_DEPENDENCY;
    if let Some((index, result)) = results.iter().enumerate().find(|(_, result)| culprit(result)) {
        let sub_status = result.substatus_code().and_then(|code| u16::try_from(code).ok()).unwrap_or(0);
        let message = format!("Cosmos DB batch: operation {index} was answered with {}", result.status_code());
        let error = errors::of_status(result.status_code(), sub_status, message, result.retry_after());
        return Err(BatchError { index, error });
    }
    if results.len() != steps.len() || !results.iter().all(TransactionalBatchOperationResult::is_success) {
        let error = PortError::corrupt(format!("a batch of {} with {} results", steps.len(), results.len()));
        return Err(BatchError { index: 0, error });
    }
    let document = |(index, (step, result)): (usize, (Step, &TransactionalBatchOperationResult))| match step {
        Step::Delete(..) => Ok(None),
        Step::Create(sent) | Step::Upsert(sent) | Step::Replace(sent, _) => {
            let body = result.resource_body().map_or("", |body| body.get());
            let written = item::written(partition, sent, body.as_bytes());
            written.map(Some).map_err(|error| BatchError { index, error })
        }
    };
    steps.into_iter().zip(results).enumerate().map(document).collect()
}
