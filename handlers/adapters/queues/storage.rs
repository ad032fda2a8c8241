//! Azure Storage queues. Bodies travel in base64, as `messageEncoding` in `host.json` says, so that what this
//! sends fires queue triggers, and what other senders that follow it send is read.

use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::{RequestContent, XmlFormat};
use azure_core::time::OffsetDateTime;
use azure_storage_queue::models::{
    QueueClientGetPropertiesResultHeaders, QueueClientReceiveMessagesOptions, QueueMessage as Envelope, ReceivedMessage,
};
use azure_storage_queue::{QueueClient, QueueServiceClient};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::rules;
use crate::adapters::dependency::Dependency;
use crate::adapters::storage_account::{StorageAccount, failure};
use crate::ports::queues::{QueueMessage, Queues};
use crate::ports::{PortError, PortResult};
use crate::settings::SettingError;

/// How long a call may take, with its retries.
const TIME_LIMIT: Duration = Duration::from_secs(15);
/// Messages of one sending that are on their way at once.
const SENT_AT_ONCE: usize = 8;

/// The queues of one storage account, to be shared by any number of tasks.
pub struct StorageQueues {
    client: QueueServiceClient,
    dependency: Dependency,
}

impl StorageQueues {
    /// Opens no connection.
    ///
    /// # Errors
    /// For an endpoint that cannot be one.
    pub fn new(account: &StorageAccount) -> Result<Self, SettingError> {
        let client = account
            .queues()
            .map_err(|_| SettingError::new("QUEUE_SERVICE_URI", "expected the address of a queue service"))?;
        Ok(Self { client, dependency: Dependency::new("queues", TIME_LIMIT) })
    }

    fn queue(&self, name: &str) -> PortResult<QueueClient> {
        let name = rules::valid_name(name)?;
        self.client.queue_client(name).map_err(|_| PortError::invalid(format!("{name:?} cannot name a queue")))
    }

    async fn call<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, azure_core::Error>>,
    ) -> PortResult<T> {
        self.dependency.call(operation, async { work.await.map_err(|error| explained(operation, &error)) }).await
    }

    /// The same, where a queue that was never made is an answer.
    async fn look<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, azure_core::Error>>,
    ) -> PortResult<Option<T>> {
        self.call(operation, async {
            match work.await {
                Err(error) if failure::code(&error) == Some("QueueNotFound") => Ok(None),
                other => other.map(Some),
            }
        })
        .await
    }

    /// Sends a message to a queue, which is made when it is missing; gives its id.
    async fn send_one(&self, queue: &QueueClient, body: &str) -> PortResult<String> {
        let text = STANDARD.encode(body);
        if let Some(id) = self.look("send", put(queue, &text)).await? {
            return Ok(id);
        }
        let created = async {
            match queue.create(None).await {
                Err(error) if failure::code(&error) == Some("QueueAlreadyExists") => Ok(()),
                other => other.map(drop),
            }
        };
        self.call("create_queue", created).await?;
        self.call("send", put(queue, &text)).await
    }

    /// Sets when a message is seen again; gives the receipt that replaces the one used.
    async fn set_visibility(&self, queue: &str, message: &QueueMessage, time: Duration) -> PortResult<String> {
        let client = self.queue(queue)?;
        let seconds = seconds(time)?;
        let updated = async {
            let answer = client.update_message(&message.id, &message.pop_receipt, seconds, None).await?;
            Ok(answer.headers().get_optional_string(&"x-ms-popreceipt".into()))
        };
        let receipt = self.call("update", updated).await?;
        receipt.ok_or_else(|| unreadable("update"))
    }
}

async fn put(queue: &QueueClient, text: &str) -> azure_core::Result<String> {
    let envelope = Envelope { message_text: Some(text.to_owned()) };
    let envelope: RequestContent<Envelope, XmlFormat> = envelope.try_into()?;
    let sent = queue.send_message(envelope, None).await?.into_model()?;
    let id = sent.items.and_then(|items| items.into_iter().next()).and_then(|message| message.message_id);
    Ok(id.unwrap_or_default())
}

#[async_trait]
impl Queues for StorageQueues {
    async fn send(&self, queue: &str, bodies: Vec<String>) -> PortResult<Vec<String>> {
        let client = self.queue(queue)?;
        rules::check_bodies(&bodies)?;
        let client = &client;
        let sending = bodies.into_iter().map(|body| async move { self.send_one(client, &body).await });
        stream::iter(sending).buffered(SENT_AT_ONCE).try_collect().await
    }

    /// A message that is not the base64 of a text is given as it is, as the Functions host does.
    async fn receive(&self, queue: &str, max: usize, visibility: Duration) -> PortResult<Vec<QueueMessage>> {
        let client = self.queue(queue)?;
        rules::check_delivery(max, visibility)?;
        let options = QueueClientReceiveMessagesOptions {
            number_of_messages: i32::try_from(max).ok(),
            visibility_timeout: Some(seconds(visibility)?),
            ..Default::default()
        };
        let received = async { client.receive_messages(Some(options)).await?.into_model() };
        let Some(received) = self.look("receive", received).await? else { return Ok(Vec::new()) };
        received.items.unwrap_or_default().into_iter().map(message).collect()
    }

    async fn delete(&self, queue: &str, message: &QueueMessage) -> PortResult<()> {
        let client = self.queue(queue)?;
        self.call("delete", client.delete_message(&message.id, &message.pop_receipt, None)).await.map(drop)
    }

    async fn release(&self, queue: &str, message: &QueueMessage, after: Duration) -> PortResult<()> {
        self.set_visibility(queue, message, after).await.map(drop)
    }

    async fn extend(&self, queue: &str, message: &QueueMessage, visibility: Duration) -> PortResult<String> {
        self.set_visibility(queue, message, visibility).await
    }

    /// The message is held a little longer first, so that a delivery that is over poisons nothing.
    async fn move_to_poison(&self, queue: &str, message: &QueueMessage) -> PortResult<()> {
        let poison = self.queue(&rules::poison_name(queue)?)?;
        let pop_receipt = self.set_visibility(queue, message, 2 * TIME_LIMIT).await?;
        self.send_one(&poison, &message.body).await?;
        self.delete(queue, &QueueMessage { pop_receipt, ..message.clone() }).await
    }

    /// Roughly: the service counts so.
    async fn len(&self, queue: &str) -> PortResult<u64> {
        let client = self.queue(queue)?;
        let counted = async { client.get_properties(None).await?.approximate_messages_count() };
        let counted = self.look("count", counted).await?;
        Ok(counted.flatten().and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
    }
}

/// A failure, where a receipt that is not the present one is no malformed request.
fn explained(operation: &str, error: &azure_core::Error) -> PortError {
    let failure = failure::explained(&format!("queues {operation}"), error);
    match failure::code(error) {
        Some("PopReceiptMismatch") => PortError::precondition_failed(failure.to_string()),
        _ => failure,
    }
}

fn unreadable(operation: &str) -> PortError {
    PortError::corrupt(format!("queues {operation}: the answer lacks what it must have"))
}

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> PortResult<i32> {
    let time = rules::visibility(time)?;
    let seconds = time.num_seconds() + i64::from(time.subsec_nanos() > 0);
    i32::try_from(seconds).map_err(|_| PortError::invalid("a message is invisible for at most 7 days"))
}

fn message(received: ReceivedMessage) -> PortResult<QueueMessage> {
    let read = || {
        let text = received.message_text.unwrap_or_default();
        let body = STANDARD.decode(&text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        Some(QueueMessage {
            id: received.message_id?,
            body: body.unwrap_or(text),
            dequeue_count: received.dequeue_count.and_then(|count| u32::try_from(count).ok())?,
            inserted_at: time(received.insertion_time)?,
            expires_at: time(received.expiration_time)?,
            next_visible_at: time(received.time_next_visible)?,
            pop_receipt: received.pop_receipt?,
        })
    };
    read().ok_or_else(|| unreadable("receive"))
}

fn time(told: Option<OffsetDateTime>) -> Option<DateTime<Utc>> {
    told.and_then(|time| DateTime::from_timestamp(time.unix_timestamp(), time.nanosecond()))
}
