//! The cart over HTTP.

use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::explain;
use super::guest::GuestCartId;
use super::store::{self, Owner, Read};
use super::view::{CartView, view_of};
use crate::catalogue::{Product, Snapshot};
use crate::error::{Code, Error, Result};
use crate::function::Function;
use crate::http::conditional::{content_etag, if_match, with_etag};
use crate::http::idempotency::{Idempotency, fingerprint};
use crate::http::{Body, Request, Response, json, no_store};
use crate::ordering::cart::{Cart, Choice, Done, MAX_PIECES};
use crate::ports::{Condition, ETag};
use crate::services::shop::{query, snapshot};
use crate::state::AppState;
use crate::types::{CartLineId, ProductId, Service};

/// What a product comes in is told up to this length.
const MAX_LISTED_CHARS: usize = 240;
/// Between the version of the document and the hash of what is shown of it, in an entity tag.
const TAG_SEPARATOR: char = '~';

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::http("ShopCartGet", Service::Shop, Method::GET, "v1/cart", get)
            .summary("Shows the cart: of the account, or of the stranger who sends `X-Cart-Id`.")
            .headers::<CartHeaders>()
            .answers::<CartView>(StatusCode::OK, "The cart; its `ETag` can be sent as `If-Match`.", example())
            .into(),
        Function::http("ShopCartClear", Service::Shop, Method::DELETE, "v1/cart", clear)
            .summary("Empties the cart.")
            .headers::<CartHeaders>()
            .answers::<CartView>(StatusCode::OK, "The cart as it now is.", example())
            .fails(&[Code::PreconditionFailed])
            .into(),
        Function::http("ShopCartItemsAdd", Service::Shop, Method::POST, "v1/cart/items", add)
            .summary("Puts pieces of a product into the cart, to those of the same size and colour.")
            .headers::<CartHeaders>()
            .headers::<OnceHeader>()
            .takes::<AddItem>(
                "application/json",
                json!({ "productId": "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "size": "M", "color": "red", "quantity": 1 }),
            )
            .answers::<CartView>(
                StatusCode::OK,
                "The cart as it now is; a stranger finds `guestCartId` in it.",
                example(),
            )
            .fails(&[Code::NotFound, Code::Conflict, Code::PreconditionFailed, Code::IdempotencyKeyReused])
            .into(),
        Function::http("ShopCartItemsSet", Service::Shop, Method::PUT, "v1/cart/items/{id}", set)
            .summary("Sets how many pieces of a line are wanted; none takes it out.")
            .headers::<CartHeaders>()
            .takes::<SetItem>("application/json", json!({ "quantity": 2 }))
            .answers::<CartView>(StatusCode::OK, "The cart as it now is.", example())
            .fails(&[Code::PreconditionFailed])
            .into(),
        Function::http("ShopCartItemsRemove", Service::Shop, Method::DELETE, "v1/cart/items/{id}", remove)
            .summary("Takes a line out of the cart.")
            .headers::<CartHeaders>()
            .answers::<CartView>(StatusCode::OK, "The cart as it now is.", example())
            .fails(&[Code::PreconditionFailed])
            .into(),
    ]
}

pub(super) fn example() -> Value {
    json!({
        "items": [{
            "id": "itm_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "productId": "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "name": "Khadi Kurta Set in Indigo",
            "image": "/media/products/2.webp", "size": "M", "color": "indigo", "quantity": 2, "pricePaise": 399_900, "price": 3999.0,
            "subtotalPaise": 799_800, "subtotal": 7998.0, "seenPricePaise": 399_900, "available": 7, "inStock": true, "problem": null
        }],
        "itemCount": 2, "subtotalPaise": 799_800, "shippingPaise": 0, "totalPaise": 799_800, "subtotal": 7998.0, "shipping": 0.0,
        "tax": 0.0, "total": 7998.0, "currency": "INR", "canCheckOut": true
    })
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes headers")]
pub struct CartHeaders {
    /// The cart of a stranger, as `guestCartId` of an earlier answer. Not looked at of who has signed in.
    #[param(rename = "X-Cart-Id")]
    cart: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes headers")]
struct OnceHeader {
    /// Sent again with the same key, the request is done once, as long as it is among the last eight of the cart.
    #[param(rename = "Idempotency-Key", max_length = 255)]
    key: Option<String>,
}

/// `id` is the same as `productId`; one of them is needed. Prices and names are the catalogue's.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AddItem {
    product_id: Option<String>,
    id: Option<String>,
    /// One of the product's sizes.
    size: Option<String>,
    /// One of the product's colours.
    color: Option<String>,
    /// 1 by default; 20 of a line at most.
    #[schema(minimum = 1, maximum = 20)]
    quantity: Option<u32>,
}

#[derive(Deserialize, ToSchema)]
struct SetItem {
    #[schema(maximum = 20)]
    quantity: u32,
}

async fn get(state: AppState, request: Request) -> Result<Response> {
    let owner = Owner::of(&request)?;
    let read = store::read(&state, &owner).await?;
    // An id of nothing is not confirmed.
    let owner = if read.version.is_none() { None } else { Some(&owner) };
    show(&state, &request, owner, &read).await
}

async fn add(state: AppState, request: Request) -> Result<Response> {
    let asked: AddItem = request.json()?;
    let id = asked.product_id.or(asked.id).ok_or_else(|| Error::field("productId", "expected a product's id"))?;
    let catalogue = snapshot(&state, request.caller.tenant()).await?;
    let product = find(&catalogue, &id)?;
    let choice = choose(product, asked.size, asked.color)?;
    let quantity = asked.quantity.unwrap_or(1);
    if !(1..=MAX_PIECES).contains(&quantity) {
        return Err(Error::field("quantity", format!("expected 1 to {MAX_PIECES}")));
    }
    let once = once(&request)?;
    let price = product.price_paise;
    let mut replayed = false;
    let (owner, read) = store::change(&state, Owner::of(&request)?, &expected(&request)?, |cart| {
        if let Some(once) = &once {
            replayed = is_done(cart, once)?;
            if replayed {
                return Ok(());
            }
            cart.remember(once.clone());
        }
        cart.add(choice.clone(), quantity, price).map_err(explain)
    })
    .await?;
    let mut response = show(&state, &request, Some(&owner), &read).await?;
    if replayed {
        response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

async fn set(state: AppState, request: Request) -> Result<Response> {
    let id: CartLineId = request.param("id")?;
    let asked: SetItem = request.json()?;
    if asked.quantity > MAX_PIECES {
        return Err(Error::field("quantity", format!("expected at most {MAX_PIECES}")));
    }
    alter(state, request, |cart| cart.set_quantity(&id, asked.quantity).map_err(explain)).await
}

async fn remove(state: AppState, request: Request) -> Result<Response> {
    let id: CartLineId = request.param("id")?;
    alter(state, request, |cart| cart.set_quantity(&id, 0).map_err(explain)).await
}

async fn clear(state: AppState, request: Request) -> Result<Response> {
    let owner = Owner::of(&request)?;
    let read = store::read(&state, &owner).await?;
    // There is nothing to empty, and nothing to be made for it.
    if read.version.is_none() {
        return show(&state, &request, None, &read).await;
    }
    alter(state, request, |cart| {
        cart.clear();
        Ok(())
    })
    .await
}

async fn alter(
    state: AppState,
    request: Request,
    change: impl FnMut(&mut Cart) -> Result<()> + Send,
) -> Result<Response> {
    let (owner, read) = store::change(&state, Owner::of(&request)?, &expected(&request)?, change).await?;
    show(&state, &request, Some(&owner), &read).await
}

/// The product with an id that a client sent.
///
/// # Errors
/// [`Code::NotFound`].
pub fn find<'a>(catalogue: &'a Snapshot, id: &str) -> Result<&'a Product> {
    let product = id.parse::<ProductId>().ok().and_then(|id| catalogue.get(&id));
    product.ok_or_else(|| Error::not_found("There is no such product."))
}

/// What is wanted of a product, in the catalogue's words. Where there is one size or colour only, it is that.
///
/// # Errors
/// A field error for what the product does not come in.
pub fn choose(product: &Product, size: Option<String>, color: Option<String>) -> Result<Choice> {
    let size = option("size", size, &product.sizes)?;
    let color = option("color", color, &product.colors)?;
    Ok(Choice { product_id: product.id.clone(), size, color })
}

fn option(field: &str, asked: Option<String>, offered: &[String]) -> Result<Option<String>> {
    let Some(asked) = asked.filter(|text| !text.trim().is_empty()) else {
        return Ok(if let [only] = offered { Some(only.clone()) } else { None });
    };
    let found = offered.iter().find(|offered| offered.eq_ignore_ascii_case(asked.trim()));
    found.cloned().map(Some).ok_or_else(|| {
        let listed: String = offered.join(", ").chars().take(MAX_LISTED_CHARS).collect();
        Error::field(field, format!("expected one of {listed}"))
    })
}

/// The request as the cart remembers it, when it carries an `Idempotency-Key`.
///
/// # Errors
/// A field error for what is no key.
pub fn once(request: &Request) -> Result<Option<Done>> {
    let key = Idempotency::key_of(request)?;
    Ok(key.map(|key| Done { key: fingerprint(&[key.as_bytes()]), content: fingerprint(&[&request.body]) }))
}

/// Whether a request was done before.
///
/// # Errors
/// [`Code::IdempotencyKeyReused`] when it was another one.
pub(super) fn is_done(cart: &Cart, once: &Done) -> Result<bool> {
    match cart.done_before(&once.key) {
        None => Ok(false),
        Some(done) if done == once => Ok(true),
        Some(_) => Err(Error::new(
            Code::IdempotencyKeyReused,
            "This Idempotency-Key came with another request before; use a new key.",
        )),
    }
}

/// The version of the document that `If-Match` names.
fn expected(request: &Request) -> Result<Condition> {
    Ok(match if_match(request)? {
        Condition::IfMatch(ETag(tag)) => {
            let version = tag.rsplit_once(TAG_SEPARATOR).map_or(tag.as_str(), |(version, _)| version);
            Condition::IfMatch(ETag(version.to_owned()))
        }
        other => other,
    })
}

/// The answer with a cart. Its entity tag is that of the document and of what the catalogue makes of it.
pub(super) async fn show(state: &AppState, request: &Request, owner: Option<&Owner>, read: &Read) -> Result<Response> {
    let catalogue = snapshot(state, request.caller.tenant()).await?;
    let mut view = view_of(&read.cart, &catalogue, query::language(request, None)?);
    let guest = owner.and_then(Owner::guest);
    view.guest_cart_id = guest.map(|id| id.text().to_owned());
    let mut response = json(&view)?;
    if let Some(value) = guest.and_then(|id| HeaderValue::from_str(id.text()).ok()) {
        response.headers_mut().insert(GuestCartId::HEADER, value);
    }
    let Body::Full(body) = response.body() else { return Ok(response) };
    let tag = ETag(format!("{}{TAG_SEPARATOR}{}", read.tag(), content_etag(body)));
    Ok(no_store(with_etag(response, &tag)))
}
