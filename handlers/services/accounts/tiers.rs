//! The tier table of a boutique: read by staff, written by administrators.

use http::{Method, StatusCode};
use serde_json::json;

use crate::caching::News;
use crate::containers::CATALOGUE;
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function};
use crate::http::conditional::{if_match, with_etag};
use crate::http::{Request, Response, json, no_store};
use crate::identity::Permission;
use crate::ports::documents::NewDocument;
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::services::news;
use crate::state::AppState;
use crate::tiers::{TierTable, partition};
use crate::types::{Service, TenantId};

/// The entity tag of the table that holds where a tenant has none of its own.
const BUILT_IN: &str = "built-in";

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let example = || json!(TierTable::built_in());
    vec![
        Function::http("AccountsTiersGet", Service::Accounts, Method::GET, "v1/admin/tiers", get)
            .access(Access::May(Permission::ReadTiers))
            .summary("Shows what each tier allows.")
            .answers::<TierTable>(StatusCode::OK, "The table; its `ETag` is needed to write it.", example())
            .into(),
        Function::http("AccountsTiersPut", Service::Accounts, Method::PUT, "v1/admin/tiers", put)
            .access(Access::May(Permission::ManageTiers))
            .summary("Replaces the tier table; `If-Match` names the version that it replaces.")
            .takes::<TierTable>("application/json", example())
            .answers::<TierTable>(StatusCode::OK, "The table as it now is.", example())
            .fails(&[Code::PreconditionFailed, Code::PreconditionRequired])
            .into(),
    ]
}

async fn get(state: AppState, request: Request) -> Result<Response> {
    let (partition, id) = partition(request.caller.tenant());
    let (table, etag) = match state.documents.read(&CATALOGUE, &partition, id).await? {
        Some(document) => (document.read()?, document.etag),
        None => (TierTable::built_in().clone(), ETag(BUILT_IN.into())),
    };
    Ok(no_store(with_etag(json(&table)?, &etag)))
}

async fn put(state: AppState, request: Request) -> Result<Response> {
    let table: TierTable = request.json()?;
    table.check()?;
    if request.header("if-match").is_none() {
        let detail = "Send in If-Match the entity tag that the table was read with, or * to replace any.";
        return Err(Error::new(Code::PreconditionRequired, detail));
    }
    let condition = if_match(&request)?;
    let tenant = request.caller.tenant();
    let etag = write(&state, tenant, &table, condition).await?;
    news::tell(&state, News::TiersChanged(tenant.clone())).await;
    Ok(no_store(with_etag(json(&table)?, &etag)))
}

async fn write(state: &AppState, tenant: &TenantId, table: &TierTable, condition: Condition) -> Result<ETag> {
    let (partition, id) = partition(tenant);
    let document = NewDocument::new(id, table)?;
    let written = match condition {
        Condition::IfMatch(etag) if etag.0 == BUILT_IN => {
            state.documents.create(&CATALOGUE, &partition, document).await
        }
        Condition::IfMatch(_) => state.documents.replace(&CATALOGUE, &partition, document, condition).await,
        _ => state.documents.upsert(&CATALOGUE, &partition, document).await,
    };
    match written {
        Ok(written) => Ok(written.etag),
        Err(error)
            if matches!(
                error.kind(),
                PortErrorKind::Conflict | PortErrorKind::NotFound | PortErrorKind::PreconditionFailed
            ) =>
        {
            Err(Error::new(Code::PreconditionFailed, "The table was changed meanwhile; read it again and repeat."))
        }
        Err(error) => Err(error.into()),
    }
}
