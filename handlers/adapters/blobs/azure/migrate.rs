//! Making what the account must have.

use azure_storage_blob::models::{BlobServiceProperties, CorsRule};

use super::AzureBlobs;
use crate::adapters::storage_account::failure;
use crate::ports::PortResult;

/// How long a browser may remember an answer to a preflight.
const CORS_MAX_AGE_SECONDS: i32 = 3600;

impl AzureBlobs {
    /// Makes the containers that are missing and, where `cors_origins` are given, lets browsers from there
    /// (`*` for all) use signed URLs. In Azure the deployment sets the rules, and the identity of this
    /// process has no right to: give none there. With none, the rules stay as they are.
    ///
    /// # Errors
    /// Those of the service; may be repeated.
    pub async fn migrate(&self, containers: &[&'static str], cors_origins: &[String]) -> PortResult<()> {
        for container in containers {
            let client = self.service.client.blob_container_client(container);
            let created = async {
                match client.create(None).await {
                    Err(error) if failure::code(&error) == Some("ContainerAlreadyExists") => Ok(()),
                    other => other.map(drop),
                }
            };
            self.service.call("create_container", created).await?;
        }
        if cors_origins.is_empty() {
            return Ok(());
        }
        let rule = CorsRule {
            allowed_origins: Some(cors_origins.join(",")),
            allowed_methods: Some("GET,HEAD,PUT,OPTIONS".to_owned()),
            allowed_headers: Some("*".to_owned()),
            exposed_headers: Some("etag,content-length,content-range,x-ms-request-id,x-ms-error-code".to_owned()),
            max_age_in_seconds: Some(CORS_MAX_AGE_SECONDS),
        };
        // What is not named stays as it is.
        let properties = BlobServiceProperties { cors: Some(vec![rule]), ..Default::default() };
        let client = &self.service.client;
        let set = async { client.set_properties(properties.try_into()?, None).await.map(drop) };
        self.service.call("set_cors", set).await
    }
}
