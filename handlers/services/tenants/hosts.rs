//! Hosts of storefronts: each belongs to one boutique, by a claim in the directory.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use super::store::Tenancy;
use crate::containers::DIRECTORY;
use crate::error::{Error, Result};
use crate::ports::documents::{NewDocument, PartitionKey};
use crate::ports::{Condition, PortErrorKind};
use crate::state::AppState;
use crate::types::TenantId;

/// A claim whose host is not in its boutique's record after this time was left by a process that died.
const UNFINISHED: Duration = Duration::minutes(1);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claim {
    tenant_id: TenantId,
    claimed_at: DateTime<Utc>,
}

/// Whether a text is the name of a host (RFC 1123 §2.1), as people write it.
pub fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// In lower case, in order, each once.
pub fn normal(mut hosts: Vec<String>) -> Vec<String> {
    hosts.iter_mut().for_each(|host| host.make_ascii_lowercase());
    hosts.sort();
    hosts.dedup();
    hosts
}

fn claim_id(host: &str) -> String {
    format!("host:{host}")
}

/// Claims hosts for a boutique; those that are its own stay.
///
/// # Errors
/// A field error for one that belongs to another boutique.
pub async fn claim(state: &AppState, tenant: &TenantId, hosts: &[String]) -> Result<()> {
    for (n, host) in hosts.iter().enumerate() {
        if !claim_one(state, tenant, host).await? {
            return Err(Error::field(format!("hosts[{n}]"), format!("{host} is the host of another boutique")));
        }
    }
    Ok(())
}

async fn claim_one(state: &AppState, tenant: &TenantId, host: &str) -> Result<bool> {
    let id = claim_id(host);
    let partition = PartitionKey::of([&id]);
    let claim = Claim { tenant_id: tenant.clone(), claimed_at: state.clock.now() };
    let document = NewDocument::new(id.as_str(), &claim)?;
    match state.documents.create(&DIRECTORY, &partition, document.clone()).await {
        Ok(_) => return Ok(true),
        Err(error) if error.kind() == PortErrorKind::Conflict => {}
        Err(error) => return Err(error.into()),
    }
    let Some(found) = state.documents.read(&DIRECTORY, &partition, &id).await? else { return Ok(false) };
    let present: Claim = found.read()?;
    if present.tenant_id == *tenant {
        return Ok(true);
    }
    let tenancy = Tenancy::new(state.documents.clone(), state.invalidations.clone());
    let holder = tenancy.find(&present.tenant_id).await?;
    let is_used = holder.is_some_and(|(holder, _)| holder.hosts.iter().any(|held| held == host));
    if is_used || state.clock.now() - present.claimed_at < UNFINISHED {
        return Ok(false);
    }
    match state.documents.replace(&DIRECTORY, &partition, document, Condition::IfMatch(found.etag)).await {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::NotFound) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Gives hosts back that a boutique no longer has; what fails can be claimed by others after a minute.
pub async fn release(state: &AppState, tenant: &TenantId, hosts: impl Iterator<Item = &String>) {
    for host in hosts {
        if let Err(error) = release_one(state, tenant, host).await {
            tracing::warn!(error = %error.chain(), %host, "host not given back");
        }
    }
}

async fn release_one(state: &AppState, tenant: &TenantId, host: &str) -> Result<()> {
    let id = claim_id(host);
    let partition = PartitionKey::of([&id]);
    let Some(found) = state.documents.read(&DIRECTORY, &partition, &id).await? else { return Ok(()) };
    if found.read::<Claim>()?.tenant_id == *tenant {
        state.documents.delete(&DIRECTORY, &partition, &id, Condition::IfMatch(found.etag)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names() {
        for good in ["a", "shop.example", "xn--p1b.example", "Shop-1.Example"] {
            assert!(is_host(good), "{good}");
        }
        for bad in ["", ".", "a..b", "-a", "a-", "a b", "a:80", "a/b", "http://a", "दुकान", &"a".repeat(64)] {
            assert!(!is_host(bad), "{bad}");
        }
        assert_eq!(normal(vec!["B".into(), "a".into(), "b".into()]), ["a", "b"]);
    }
}
