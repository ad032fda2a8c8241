//! What a stranger put into a cart goes to the account that they sign in to.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::api::{example, show};
use super::guest::GuestCartId;
use super::store::{self, ID, Owner};
use super::view::CartView;
use crate::containers::{CUSTOMERS, customer};
use crate::error::{Error, Result};
use crate::function::{Access, Function};
use crate::http::{Request, Response};
use crate::ordering::cart::{Cart, Done};
use crate::ports::documents::{NewDocument, PartitionKey, Ttl};
use crate::ports::{Condition, PortErrorKind};
use crate::state::AppState;
use crate::types::{Service, UserId};

/// How long a cart that is being taken over lies there, if nobody ends it: a day.
const UNFINISHED: u32 = 86_400;
const TURNS: usize = 10;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::http("ShopCartMerge", Service::Shop, Method::POST, "v1/cart/merge", merge)
            .access(Access::SignedIn)
            .summary("Takes what is in a stranger's cart into the account's, once. The stranger's cart is gone then.")
            .takes::<MergeCart>(
                "application/json",
                json!({ "guestCartId": "gct_q1bGmQ0o1JkYh2gBqkJt0s8cU2bQh8r9s5w2s6o3xYk" }),
            )
            .answers::<CartView>(StatusCode::OK, "The account's cart as it now is.", example())
            .into(),
    ]
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MergeCart {
    guest_cart_id: String,
}

async fn merge(state: AppState, request: Request) -> Result<Response> {
    let asked: MergeCart = request.json()?;
    let guest: GuestCartId =
        asked.guest_cart_id.parse().map_err(|expected: &str| Error::field("guestCartId", expected))?;
    let principal = request.principal()?;
    let (tenant, user) = (&principal.tenant, &principal.user);
    let owner = Owner::Customer { tenant: tenant.clone(), user: user.clone() };
    let partition = customer(tenant, &guest.owner());
    let read = match take(&state, user, &partition).await? {
        None => store::read(&state, &owner).await?,
        Some(taken) => {
            // Remembered in the account's cart, so that a process that dies before the other is gone does no harm.
            let done = Done { key: guest.owner(), content: String::new() };
            let (_, read) = store::change(&state, owner.clone(), &Condition::None, |cart| {
                if cart.done_before(&done.key).is_none() {
                    let left_out = cart.absorb(&taken);
                    if left_out > 0 {
                        tracing::info!(left_out, "a merged cart had more than there is room for");
                    }
                    cart.remember(done.clone());
                }
                Ok(())
            })
            .await?;
            match state.documents.delete(&CUSTOMERS, &partition, ID, Condition::None).await {
                Err(error) if error.kind() != PortErrorKind::NotFound => return Err(error.into()),
                _ => read,
            }
        }
    };
    show(&state, &request, Some(&owner), &read).await
}

/// Takes a stranger's cart over, from which on nobody changes it; `None` when there is none, or another took
/// it.
async fn take(state: &AppState, user: &UserId, partition: &PartitionKey) -> Result<Option<Cart>> {
    for _ in 0..TURNS {
        let Some(found) = state.documents.read(&CUSTOMERS, partition, ID).await? else { return Ok(None) };
        let mut cart: Cart = found.read()?;
        match &cart.taken_by {
            Some(taker) if taker == user => return Ok(Some(cart)),
            Some(_) => return Ok(None),
            None => cart.taken_by = Some(user.clone()),
        }
        let document = NewDocument::new(ID, &cart)?.with_ttl(Ttl::Seconds(UNFINISHED));
        match state.documents.replace(&CUSTOMERS, partition, document, Condition::IfMatch(found.etag)).await {
            Ok(_) => return Ok(Some(cart)),
            Err(error) if matches!(error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(store::busy())
}
