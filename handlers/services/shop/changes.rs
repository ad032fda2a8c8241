//! What follows when the catalogue's documents change.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::caching::Change;
use crate::containers::CATALOGUE;
use crate::error::Result;
use crate::function::{DocumentsChanged, Function, Outcome};
use crate::services::dedicated;
use crate::services::shop::media;
use crate::state::AppState;
use crate::types::{Service, TenantId};

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::change_feed("ShopCatalogueChanged", Service::Shop, &CATALOGUE, changed),
        dedicated::pulled("ShopCataloguePull", Service::Shop, &CATALOGUE, changed),
    ]
}

/// Has every instance forget the catalogues that changed. Told twice, they are read twice. When it cannot
/// be told, the changes come again.
async fn changed(state: AppState, changed: DocumentsChanged) -> Result<Outcome> {
    // How far a picture is shows in no catalogue; once it is ready, its product changes.
    let shown = changed.documents.iter().filter(|document| !media::is_picture(document));
    let tenants: BTreeSet<TenantId> = shown.filter_map(tenant).collect();
    let changes: Vec<Change> = tenants.iter().map(Change::catalogue).collect();
    state.caches.changed(&changes).await?;
    Ok(Outcome::of(format!("{} catalogues changed", tenants.len())))
}

fn tenant(document: &Value) -> Option<TenantId> {
    document.get("tenantId")?.as_str()?.parse().ok()
}
