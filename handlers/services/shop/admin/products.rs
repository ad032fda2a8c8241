//! Products, one at a time: made, shown, replaced, patched, taken off the shop and put back.

use http::header::LOCATION;
use http::{HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::draft::Draft;
use super::history::Deed;
use super::shelf::{Shelf, TURNS, busy};
use super::view::{StaffProduct, example, form_example, replacement_example};
use crate::catalogue::{Category, Product};
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function};
use crate::http::conditional::{if_match, with_etag};
use crate::http::{Request, Response, json, json_with, no_store};
use crate::identity::Permission;
use crate::ports::{Condition, ETag};
use crate::services::shop::store::{self, CATEGORY};
use crate::state::AppState;
use crate::types::{ProductId, Service, TenantId};

const ONE: &str = "v1/admin/products/{id}";

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let access = Access::May(Permission::ManageCatalogue);
    let changes = [Code::NotFound, Code::PreconditionFailed];
    vec![
        Function::http("ShopAdminProductsCreate", Service::Shop, Method::POST, "v1/admin/products", create)
            .access(access)
            .idempotent()
            .summary("Makes a product, which shoppers find at once; its id is new and its sku must be.")
            .takes::<Draft>("application/json", form_example())
            .answers::<StaffProduct>(StatusCode::CREATED, "The product; its `ETag` is needed to change it.", example())
            .fails(&[Code::Conflict])
            .into(),
        Function::http("ShopAdminProductsView", Service::Shop, Method::GET, ONE, view)
            .access(access)
            .summary("Shows a product to staff, also one that is archived.")
            .answers::<StaffProduct>(StatusCode::OK, "The product; its `ETag` is needed to change it.", example())
            .fails(&[Code::NotFound])
            .into(),
        Function::http("ShopAdminProductsReplace", Service::Shop, Method::PUT, ONE, replace)
            .access(access)
            .summary("Replaces what staff writes of a product; `If-Match` names the version that it replaces.")
            .takes::<Draft>("application/json", replacement_example())
            .answers::<StaffProduct>(StatusCode::OK, "The product as it is now.", example())
            .fails(&changes)
            .fails(&[Code::PreconditionRequired])
            .into(),
        Function::http("ShopAdminProductsPatch", Service::Shop, Method::PATCH, ONE, patch)
            .access(access)
            .summary(
                "Changes a product by a JSON merge patch (RFC 7396); `If-Match` names the version that it changes.",
            )
            .takes::<ProductPatch>("application/merge-patch+json", json!({ "pricePaise": 1_699_900 }))
            .takes::<ProductPatch>("application/json", json!({ "featured": true, "name": { "hi-IN": null } }))
            .answers::<StaffProduct>(StatusCode::OK, "The product as it is now.", example())
            .fails(&changes)
            .fails(&[Code::PreconditionRequired])
            .into(),
        Function::http(
            "ShopAdminProductsArchive",
            Service::Shop,
            Method::POST,
            "v1/admin/products/{id}/archive",
            archive,
        )
        .access(access)
        .summary("Takes a product off the shop; orders and carts that name it still show it. Again changes nothing.")
        .answers::<StaffProduct>(StatusCode::OK, "The product as it is now.", example())
        .fails(&changes)
        .into(),
        Function::http(
            "ShopAdminProductsRestore",
            Service::Shop,
            Method::POST,
            "v1/admin/products/{id}/restore",
            restore,
        )
        .access(access)
        .summary("Puts an archived product back into the shop. Again changes nothing.")
        .answers::<StaffProduct>(StatusCode::OK, "The product as it is now.", example())
        .fails(&changes)
        .into(),
    ]
}

/// Fields of a product form that are to be changed; null takes one away.
#[derive(Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
struct ProductPatch(Map<String, Value>);

/// What a write makes of a product, and what that is.
type Rule<'a> = Box<dyn Fn(&Product) -> Result<Product> + Send + Sync + 'a>;

async fn create(state: AppState, request: Request) -> Result<Response> {
    let form: Map<String, Value> = request.json()?;
    let shelf = Shelf::of(&state, &request)?;
    let draft = Draft::read(form, None, &categories(&state, shelf.tenant()).await?).map_err(Error::fields)?;
    let (product, etag) = shelf.create(draft).await?;
    let mut response = json_with(StatusCode::CREATED, &StaffProduct::of(&product))?;
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/admin/products/{}", product.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(no_store(with_etag(response, &etag)))
}

async fn view(state: AppState, request: Request) -> Result<Response> {
    let id: ProductId = request.param("id")?;
    let (product, etag) = Shelf::of(&state, &request)?.find(&id).await?;
    answer(&product, &etag)
}

async fn replace(state: AppState, request: Request) -> Result<Response> {
    let form: Map<String, Value> = request.json()?;
    let categories = categories(&state, request.caller.tenant()).await?;
    let rule = move |stored: &Product| {
        let draft = Draft::read(form.clone(), Some(stored), &categories).map_err(Error::fields)?;
        Ok(draft.onto(stored))
    };
    change(&state, &request, needed(&request)?, Deed::Changed, Box::new(rule)).await
}

async fn patch(state: AppState, request: Request) -> Result<Response> {
    let ProductPatch(patch) = request.json()?;
    let patch = Value::Object(patch);
    let categories = categories(&state, request.caller.tenant()).await?;
    let rule = move |stored: &Product| {
        let draft = Draft::read(patched(stored, &patch), Some(stored), &categories).map_err(Error::fields)?;
        Ok(draft.onto(stored))
    };
    change(&state, &request, needed(&request)?, Deed::Changed, Box::new(rule)).await
}

/// The form of a stored product with a merge patch upon it. A new price alone is no reduction where there was none.
pub fn patched(stored: &Product, patch: &Value) -> Map<String, Value> {
    let mut fields = StaffProduct::fields(stored);
    if stored.original_price_paise == stored.price_paise && patch.get("pricePaise").is_some() {
        fields.remove("originalPricePaise");
    }
    let mut form = Value::Object(fields);
    json_patch::merge(&mut form, patch);
    match form {
        Value::Object(form) => form,
        _ => Map::new(),
    }
}

async fn archive(state: AppState, request: Request) -> Result<Response> {
    let now = state.clock.now();
    let rule = move |stored: &Product| Ok(Product { archived_at: stored.archived_at.or(Some(now)), ..stored.clone() });
    change(&state, &request, if_match(&request)?, Deed::Archived, Box::new(rule)).await
}

async fn restore(state: AppState, request: Request) -> Result<Response> {
    let rule = |stored: &Product| Ok(Product { archived_at: None, ..stored.clone() });
    change(&state, &request, if_match(&request)?, Deed::Restored, Box::new(rule)).await
}

/// Writes what a rule makes of a product, where that is another one. The rule is asked again when somebody wrote
/// meanwhile, unless the caller named the version that is meant.
async fn change(
    state: &AppState,
    request: &Request,
    demanded: Condition,
    deed: Deed,
    rule: Rule<'_>,
) -> Result<Response> {
    let id: ProductId = request.param("id")?;
    let shelf = Shelf::of(state, request)?;
    for _ in 0..TURNS {
        let (before, etag) = shelf.find(&id).await?;
        if let Condition::IfMatch(version) = &demanded
            && *version != etag
        {
            let detail = "It was changed meanwhile; read it again and repeat.";
            return Err(Error::new(Code::PreconditionFailed, detail));
        }
        let after = rule(&before)?;
        if after == before {
            return answer(&before, &etag);
        }
        if let Some((after, etag)) = shelf.replace(&before, etag, after, deed).await? {
            return answer(&after, &etag);
        }
    }
    Err(busy())
}

/// The condition of a write that needs one.
///
/// # Errors
/// [`Code::PreconditionRequired`] without one.
pub fn needed(request: &Request) -> Result<Condition> {
    if request.header("if-match").is_none() {
        let detail = "Send in If-Match the entity tag that it was read with, or * to replace any.";
        return Err(Error::new(Code::PreconditionRequired, detail));
    }
    if_match(request)
}

/// The categories of a tenant as they are stored.
///
/// # Errors
/// Those of the queries.
pub async fn categories(state: &AppState, tenant: &TenantId) -> Result<Vec<Category>> {
    let documents = store::entries(state.documents.as_ref(), tenant, CATEGORY).await?;
    documents.iter().map(|document| Ok(document.read()?)).collect()
}

fn answer(product: &Product, etag: &ETag) -> Result<Response> {
    Ok(no_store(with_etag(json(&StaffProduct::of(product))?, etag)))
}

/// A page of products.
#[derive(Serialize, ToSchema)]
pub struct StaffProducts {
    pub items: Vec<StaffProduct>,
    pub next: Option<String>,
}
