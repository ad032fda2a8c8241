//! What of an account is read again and again, out of the caches. What decides over access is not here: sessions
//! and accounts that ended are known by [`LiveSessions`](crate::identity::LiveSessions).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::auth::UserView;
use super::model::User;
use super::profile::{PREFERENCES, Stored};
use super::store::user;
use crate::caching::{CacheStatus, Cached, Change, Owner, PerCaller, table};
use crate::containers::{CUSTOMERS, customer};
use crate::error::Result;
use crate::function::{DocumentsChanged, Function, Outcome};
use crate::ports::ETag;
use crate::services::dedicated;
use crate::state::AppState;
use crate::types::{Service, TenantId, UserId};

/// A profile or a link, about.
const VIEW_BYTES: usize = 512;

static PROFILES: Cached<PerCaller, UserView> = Cached::in_process(&table::PROFILES, |_| VIEW_BYTES);
static KEPT: Cached<PerCaller, Kept> = Cached::in_process(&table::PREFERENCES, |kept| kept.bytes);

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::change_feed("AccountsAccountChanged", Service::Accounts, &CUSTOMERS, changed),
        dedicated::pulled("AccountsAccountPull", Service::Accounts, &CUSTOMERS, changed),
    ]
}

/// Preferences with the version that they are of.
pub(super) struct Kept {
    pub stored: Stored,
    /// `None` while there are none.
    pub etag: Option<ETag>,
    bytes: usize,
}

/// What an open account shows of itself, `None` when it is closed.
pub(super) async fn profile(state: &AppState, owner: Owner<'_>) -> Result<(Option<Arc<UserView>>, CacheStatus)> {
    let (app, tenant, id) = (state.clone(), owner.tenant.clone(), owner.user.clone());
    let read = move || async move {
        let found = user(&app, &tenant, &id).await?.filter(|user| user.active);
        Ok(found.as_ref().map(UserView::of))
    };
    state.caches.find_or_load(&PROFILES, owner, "", read).await
}

/// The preferences of an account.
pub(super) async fn preferences(state: &AppState, owner: Owner<'_>) -> Result<(Arc<Kept>, CacheStatus)> {
    let (documents, partition) = (state.documents.clone(), customer(owner.tenant, owner.user.as_str()));
    let read = move || async move {
        let Some(document) = documents.read(&CUSTOMERS, &partition, PREFERENCES).await? else {
            return Ok(Kept { stored: Stored::default(), etag: None, bytes: 0 });
        };
        // Parsed, a small value takes several times its text.
        let bytes = document.body.get().len() * 4;
        Ok(Kept { stored: document.read()?, etag: Some(document.etag), bytes })
    };
    state.caches.get_or_load(&KEPT, owner, "", read).await
}

/// Has every instance read an account anew that was just changed. Where that cannot be told, the change feed
/// tells it a moment later.
pub(in crate::services) async fn forget(state: &AppState, tenant: &TenantId, user: &UserId) {
    if let Err(error) = state.caches.changed(&[Change::account(Owner { tenant, user })]).await {
        tracing::warn!(error = %error.chain(), "a changed account is told of later");
    }
}

/// Has every instance forget the accounts that changed. When it cannot be told, the changes come again.
async fn changed(state: AppState, changed: DocumentsChanged) -> Result<Outcome> {
    let accounts: BTreeSet<(TenantId, UserId)> = changed.documents.iter().filter_map(account).collect();
    let changes: Vec<Change> = accounts.iter().map(|(tenant, user)| Change::account(Owner { tenant, user })).collect();
    if !changes.is_empty() {
        state.caches.changed(&changes).await?;
    }
    Ok(Outcome::of(format!("{} accounts changed", accounts.len())))
}

/// The account whose profile or preferences a document holds.
fn account(document: &Value) -> Option<(TenantId, UserId)> {
    let text = |field: &str| document.get(field)?.as_str();
    matches!(text("kind")?, User::KIND | PREFERENCES)
        .then(|| Some((text("tenantId")?.parse().ok()?, text("userId")?.parse().ok()?)))?
}
