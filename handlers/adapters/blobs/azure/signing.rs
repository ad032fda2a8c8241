//! Shared access signatures: URLs that give one client one right on one blob for a short time. With an
//! identity they are signed by a user delegation key, which the service lends for days and which is renewed
//! before it ends; with an account key by that key, as it then is
//! (<https://learn.microsoft.com/rest/api/storageservices/delegate-access-with-shared-access-signature>).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use azure_core::http::{RequestContent, XmlFormat};
use azure_core::time::OffsetDateTime;
use azure_storage_blob::models::KeyInfo;
use azure_storage_sas::{SasBuilder, SasProtocol};
use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use moka::future::Cache;
use moka::ops::compute::Op;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::Service;
use crate::adapters::blobs::rules;
use crate::adapters::storage_account::{Access, AccountKey, StorageAccount};
use crate::ports::blobs::{BlobName, SignedUrl};
use crate::ports::clock::Clock;
use crate::ports::{PortError, PortResult};

/// The longest life of a signed URL: somewhat less than that of a delegation key, which is 7 days.
pub const MAX_URL_LIFETIME: TimeDelta = TimeDelta::days(6);
/// How long a delegation key is asked for, and how long before its end it is renewed.
const KEY_LIFETIME: TimeDelta = TimeDelta::hours(7 * 24 - 1);
const KEY_MARGIN: TimeDelta = TimeDelta::hours(1);
/// Clocks differ: a key is good from a while before it was asked for.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);

/// The version of the service whose rules a service SAS follows; any since 2020-12-06 has the same.
const SERVICE_SAS_VERSION: &str = "2025-07-05";

/// All but the unreserved characters of RFC 3986 §2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// What a URL allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    Read,
    /// To create the blob or overwrite it, at once or in blocks.
    Write,
}

/// What is signed.
struct Grant<'a> {
    blob: &'a BlobName,
    right: Right,
    expires_at: DateTime<Utc>,
}

/// Signs for one account.
pub(super) struct Signer {
    endpoint: Url,
    account: String,
    access: Signing,
    clock: Arc<dyn Clock>,
}

enum Signing {
    Key(Arc<AccountKey>),
    Delegation { service: Arc<Service>, keys: Cache<(), Arc<Delegation>> },
}

/// Gives the query of the URL for a grant; the second argument is whether it is for https alone.
type Sign = Box<dyn Fn(&Grant<'_>, bool) -> PortResult<String> + Send + Sync>;

/// A user delegation key, within the one thing that is done with it.
struct Delegation {
    expires_at: DateTime<Utc>,
    sign: Sign,
}

impl Signer {
    pub fn new(account: &StorageAccount, service: Arc<Service>, clock: Arc<dyn Clock>) -> Self {
        let access = match &account.access {
            Access::Key(key) => Signing::Key(key.clone()),
            Access::Token(_) => Signing::Delegation { service, keys: Cache::new(1) },
        };
        Self { endpoint: account.blob_endpoint.clone(), account: account.name.clone(), access, clock }
    }

    /// # Errors
    /// `InvalidRequest` for a lifetime beyond [`MAX_URL_LIFETIME`]; with an identity those of the service,
    /// when a new key is needed.
    pub async fn sign(&self, blob: &BlobName, right: Right, valid_for: Duration) -> PortResult<SignedUrl> {
        rules::check_name(blob)?;
        let valid_for = TimeDelta::from_std(valid_for).ok().filter(|valid_for| *valid_for <= MAX_URL_LIFETIME);
        let valid_for = valid_for.ok_or_else(|| PortError::invalid("a signed URL lives for at most 6 days"))?;
        let expires_at = (self.clock.now() + valid_for).trunc_subsecs(0);
        let grant = Grant { blob, right, expires_at };
        let tls = self.endpoint.scheme() == "https";
        let query = match &self.access {
            Signing::Key(key) => service_sas(&self.account, key, &grant, tls).await?,
            Signing::Delegation { service, keys } => {
                (self.delegation(service, keys, expires_at).await?.sign)(&grant, tls)?
            }
        };
        let endpoint = self.endpoint.as_str().trim_end_matches('/');
        let path = utf8_percent_encode(&blob.path, RESERVED_IN_PATH);
        let url = format!("{endpoint}/{}/{path}?{query}", blob.container);
        Ok(SignedUrl { url, headers: BTreeMap::new(), expires_at })
    }

    /// A key that is good until `needed_until`. Of many that ask at once, one calls the service.
    async fn delegation(
        &self,
        service: &Service,
        keys: &Cache<(), Arc<Delegation>>,
        needed_until: DateTime<Utc>,
    ) -> PortResult<Arc<Delegation>> {
        let now = self.clock.now();
        let good = |key: &Delegation| key.expires_at > now + KEY_MARGIN && key.expires_at >= needed_until;
        if let Some(key) = keys.get(&()).await.filter(|key| good(key)) {
            return Ok(key);
        }
        let renewed = keys.entry(()).and_try_compute_with(|present| async {
            match present {
                Some(entry) if good(entry.value()) => Ok(Op::Nop),
                _ => Ok::<_, PortError>(Op::Put(Arc::new(delegation(service, &self.account, now).await?))),
            }
        });
        let entry = renewed.await?.into_entry();
        entry
            .map(moka::Entry::into_value)
            .ok_or_else(|| PortError::unavailable("the user delegation key went while it was renewed"))
    }
}

/// Asks the service for a user delegation key.
async fn delegation(service: &Service, account: &str, now: DateTime<Utc>) -> PortResult<Delegation> {
    let expires_at = (now + KEY_LIFETIME).trunc_subsecs(0);
    let asked = async {
        let info =
            KeyInfo { start: Some(offset(now - CLOCK_SKEW)?), expiry: Some(offset(expires_at)?), ..Default::default() };
        let info: RequestContent<KeyInfo, XmlFormat> = info.try_into()?;
        service.client.get_user_delegation_key(info, None).await?.into_model()
    };
    let key = service.call("delegation_key", asked).await?;
    let account = account.to_owned();
    let sign = move |grant: &Grant<'_>, tls: bool| {
        // Nothing of the error: it could name the key.
        let unusable = |_: azure_core::Error| PortError::corrupt("the user delegation key cannot be used");
        let protocol = if tls { SasProtocol::Https } else { SasProtocol::HttpsAndHttp };
        let sas = SasBuilder::new(&account, &key, offset(grant.expires_at).map_err(unusable)?).map_err(unusable)?;
        let sas = sas.protocol(protocol).blob(grant.blob.container, &grant.blob.path);
        Ok(match grant.right {
            Right::Read => sas.read().build(),
            Right::Write => sas.create().write().build(),
        })
    };
    Ok(Delegation { expires_at, sign: Box::new(sign) })
}

fn offset(time: DateTime<Utc>) -> azure_core::Result<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(time.timestamp())
        .map_err(|error| azure_core::Error::new(azure_core::error::ErrorKind::DataConversion, error))
}

/// A service SAS for a blob (<https://learn.microsoft.com/rest/api/storageservices/create-service-sas>).
async fn service_sas(account: &str, key: &AccountKey, grant: &Grant<'_>, tls: bool) -> PortResult<String> {
    let permissions = match grant.right {
        Right::Read => "r",
        Right::Write => "cw",
    };
    let expiry = grant.expires_at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let protocol = if tls { "https" } else { "https,http" };
    let signature = key.sign(&service_sas_text(account, grant.blob, permissions, &expiry, protocol)).await?;
    let escape = |value: &str| utf8_percent_encode(value, RESERVED).to_string();
    Ok(format!(
        "sv={SERVICE_SAS_VERSION}&spr={}&se={}&sr=b&sp={permissions}&sig={}",
        escape(protocol),
        escape(&expiry),
        escape(&signature)
    ))
}

fn service_sas_text(account: &str, blob: &BlobName, permissions: &str, expiry: &str, protocol: &str) -> String {
    let BlobName { container, path } = blob;
    // In this order: permissions, start, expiry, resource, policy, addresses, protocol, version, kind of
    // resource, snapshot, encryption scope, and five headers of answers.
    format!(
        "{permissions}\n\n{expiry}\n/blob/{account}/{container}/{path}\n\n\n{protocol}\n{SERVICE_SAS_VERSION}\nb\n\n\n\n\n\n\n"
    )
}
