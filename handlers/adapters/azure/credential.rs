//! Who this process is to Microsoft Entra ID.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_identity::{
    ClientAssertionCredentialOptions, DeveloperToolsCredential, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use super::AzureTransport;
use super::tokens::SharedTokens;
use crate::settings::{CredentialKind, CredentialSettings, SettingError};

/// The credential that all adapters share. Nothing is asked for until a token is needed: an identity
/// endpoint that does not answer is a failure of that call.
///
/// # Errors
/// When the platform lacks what the kind of credential needs.
pub fn credential(
    settings: &CredentialSettings,
    transport: &AzureTransport,
) -> Result<Arc<dyn TokenCredential>, SettingError> {
    let source = match settings.kind {
        CredentialKind::ManagedIdentity => managed_identity(settings, transport)?,
        CredentialKind::WorkloadIdentity => workload_identity(settings, transport)?,
        CredentialKind::Developer => developer()?,
    };
    Ok(Arc::new(SharedTokens::new(source)))
}

/// That of App Service and Functions where `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` are set
/// (<https://learn.microsoft.com/azure/app-service/overview-managed-identity>), else that of a virtual
/// machine.
fn managed_identity(
    settings: &CredentialSettings,
    transport: &AzureTransport,
) -> Result<Arc<dyn TokenCredential>, SettingError> {
    let options = ManagedIdentityCredentialOptions {
        user_assigned_id: settings.client_id.clone().map(UserAssignedId::ClientId),
        client_options: transport.client_options(),
    };
    match ManagedIdentityCredential::new(Some(options)) {
        Ok(credential) => Ok(credential),
        Err(_) => Err(SettingError::new(
            "AZURE_CREDENTIAL",
            "managed-identity needs the identity endpoint of App Service, Functions or a virtual machine",
        )),
    }
}

/// <https://learn.microsoft.com/azure/aks/workload-identity-overview>
fn workload_identity(
    settings: &CredentialSettings,
    transport: &AzureTransport,
) -> Result<Arc<dyn TokenCredential>, SettingError> {
    let options = WorkloadIdentityCredentialOptions {
        credential_options: ClientAssertionCredentialOptions { client_options: transport.client_options() },
        client_id: settings.client_id.clone(),
        ..Default::default()
    };
    match WorkloadIdentityCredential::new(Some(options)) {
        Ok(credential) => Ok(credential),
        Err(_) => Err(SettingError::new(
            "AZURE_CREDENTIAL",
            "workload-identity needs AZURE_CLIENT_ID, AZURE_TENANT_ID, a readable AZURE_FEDERATED_TOKEN_FILE and, \
             if AZURE_AUTHORITY_HOST is set, an https address in it",
        )),
    }
}

fn developer() -> Result<Arc<dyn TokenCredential>, SettingError> {
    match DeveloperToolsCredential::new(None) {
        Ok(credential) => Ok(credential),
        Err(_) => {
            Err(SettingError::new("AZURE_CREDENTIAL", "developer needs the Azure CLI or the Azure Developer CLI"))
        }
    }
}
