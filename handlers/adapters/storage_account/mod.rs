//! An Azure Storage account: where it is, and how this process makes itself known to it. Blobs and queues
//! are two services of one account.

pub mod failure;
mod key;

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_core::http::{ClientOptions, ExponentialRetryOptions, RetryOptions};
use azure_storage_blob::{BlobServiceClient, BlobServiceClientOptions};
use azure_storage_queue::{QueueServiceClient, QueueServiceClientOptions};
use url::Url;

pub use self::key::AccountKey;
use self::key::SharedKey;
use crate::adapters::azure::AzureTransport;
use crate::ports::secrets::SecretSource;
use crate::settings::SettingError;
use crate::settings::StorageSettings;

/// How long a call goes on with retries; the [`super::dependency::Dependency`] around it has the last word.
const MAX_RETRIES: u32 = 3;
const RETRYING: azure_core::time::Duration = azure_core::time::Duration::seconds(8);

/// Who this process is to the account.
#[derive(Clone)]
pub enum Access {
    /// Knows an account key, which may be replaced while it runs.
    Key(Arc<AccountKey>),
    /// Has tokens of Microsoft Entra ID.
    Token(Arc<dyn TokenCredential>),
}

/// A storage account. Opens no connection.
#[derive(Clone)]
pub struct StorageAccount {
    pub(super) name: String,
    pub(super) blob_endpoint: Url,
    pub(super) queue_endpoint: Url,
    pub(super) access: Access,
    transport: AzureTransport,
}

impl StorageAccount {
    /// `key` is that of the settings, with where secrets come from; `credential` is used without one.
    ///
    /// # Errors
    /// For an endpoint without TLS when tokens would travel to it.
    pub fn new(
        settings: &StorageSettings,
        key: Option<SecretSource>,
        credential: Arc<dyn TokenCredential>,
        transport: &AzureTransport,
    ) -> Result<Self, SettingError> {
        let access = match key {
            Some(key) => Access::Key(Arc::new(AccountKey::new(settings.account.clone(), key))),
            None => Access::Token(credential),
        };
        for (name, endpoint) in
            [("BLOB_SERVICE_URI", &settings.blob_endpoint), ("QUEUE_SERVICE_URI", &settings.queue_endpoint)]
        {
            if matches!(access, Access::Token(_)) && endpoint.scheme() != "https" {
                return Err(SettingError::new(name, "expected an https address where no STORAGE_KEY is set"));
            }
        }
        Ok(Self {
            name: settings.account.clone(),
            blob_endpoint: without_trailing_slash(&settings.blob_endpoint),
            queue_endpoint: without_trailing_slash(&settings.queue_endpoint),
            access,
            transport: transport.clone(),
        })
    }

    /// The blob service; `retry` is whether a call whose outcome is unknown is repeated.
    pub(super) fn blobs(&self, retry: bool) -> azure_core::Result<BlobServiceClient> {
        let (credential, client_options) = self.client(retry);
        let options = BlobServiceClientOptions { client_options, ..Default::default() };
        BlobServiceClient::new(self.blob_endpoint.clone(), credential, Some(options))
    }

    /// The queue service. Its calls are repeated: delivery is at least once anyway.
    pub(super) fn queues(&self) -> azure_core::Result<QueueServiceClient> {
        let (credential, client_options) = self.client(true);
        let options = QueueServiceClientOptions { client_options, ..Default::default() };
        QueueServiceClient::new(self.queue_endpoint.clone(), credential, Some(options))
    }

    fn client(&self, retry: bool) -> (Option<Arc<dyn TokenCredential>>, ClientOptions) {
        let retry = match retry {
            true => RetryOptions::exponential(ExponentialRetryOptions {
                max_retries: MAX_RETRIES,
                max_total_elapsed: RETRYING,
                ..Default::default()
            }),
            false => RetryOptions::none(),
        };
        let mut options = ClientOptions { retry, ..self.transport.client_options() };
        match &self.access {
            Access::Key(key) => {
                options.per_try_policies.push(Arc::new(SharedKey::new(key.clone())));
                (None, options)
            }
            Access::Token(credential) => (Some(credential.clone()), options),
        }
    }
}

fn without_trailing_slash(endpoint: &Url) -> Url {
    let mut endpoint = endpoint.clone();
    if let Ok(mut segments) = endpoint.path_segments_mut() {
        segments.pop_if_empty();
    }
    endpoint
}
