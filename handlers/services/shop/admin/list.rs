//! The list of all products for staff. It comes from the catalogue in memory, which every write has read anew.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::products::StaffProducts;
use super::view::{StaffProduct, Status, example};
use crate::catalogue::Product;
use crate::error::{Error, Result};
use crate::function::{Access, Function};
use crate::http::{ListQuery, Request, Response, cursor_of, json, no_store};
use crate::identity::Permission;
use crate::ports::Continuation;
use crate::services::shop::snapshot;
use crate::state::AppState;
use crate::types::{ProductId, Service};

const MAX_TEXT_CHARS: usize = 200;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::http("ShopAdminProductsList", Service::Shop, Method::GET, "v1/admin/products", list)
            .access(Access::May(Permission::ManageCatalogue))
            .summary("Lists all products by id, archived ones among them.")
            .query::<Asked>()
            .answers::<StaffProducts>(
                StatusCode::OK,
                "A page of products.",
                json!({ "items": [example()], "next": null }),
            )
            .into(),
    ]
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// `active` or `archived`; both where nothing is said.
    #[param(inline)]
    status: Option<Status>,
    /// The id of a category.
    category: Option<String>,
    /// Words that must all occur in the sku or in the name in some language.
    q: Option<String>,
    /// Products a page, 1 to 100; 20 where nothing is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let asked: Asked = request.query()?;
    let place = ListQuery { limit: asked.limit, cursor: asked.cursor.clone() };
    let limit = place.limit(20)?;
    let after = place.continuation()?.map(|after| after.0.parse::<ProductId>().map_err(|_| wrong_cursor()));
    let after = after.transpose()?;
    let text = asked.q.as_deref().unwrap_or_default();
    if text.chars().count() > MAX_TEXT_CHARS {
        return Err(Error::field("q", format!("expected at most {MAX_TEXT_CHARS} characters")));
    }
    let words: Vec<String> = text.to_lowercase().split_whitespace().map(str::to_owned).collect();
    let catalogue = snapshot(&state, request.caller.tenant()).await?;
    let mut found: Vec<&Product> = catalogue
        .products()
        .iter()
        .chain(catalogue.archived())
        .filter(|product| asked.status.is_none_or(|status| Status::of(product) == status))
        .filter(|product| asked.category.as_ref().is_none_or(|category| product.category == *category))
        .filter(|product| after.as_ref().is_none_or(|after| product.id > *after))
        .filter(|product| words.is_empty() || says(product, &words))
        .collect();
    found.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    let page = found.get(..limit).unwrap_or(&found);
    let last = page.last().filter(|_| found.len() > limit);
    let next = last.and_then(|last| cursor_of(Some(Continuation(last.id.to_string()))));
    let items = page.iter().map(|product| StaffProduct::of(product)).collect();
    Ok(no_store(json(&StaffProducts { items, next })?))
}

fn says(product: &Product, words: &[String]) -> bool {
    let name = &product.name;
    let text = [&product.sku, &name.english, &name.hindi, &name.telugu].map(|text| text.to_lowercase()).join(" ");
    words.iter().all(|word| text.contains(word.as_str()))
}

fn wrong_cursor() -> Error {
    Error::field("cursor", "expected the `next` of a page of this same list")
}
