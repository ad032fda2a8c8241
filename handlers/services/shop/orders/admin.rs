//! Orders for the staff, who may look through all customers of their boutique.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::api::reason;
use super::moves::{self, Wanted, no_order};
use super::store::{Customer, Found, found_in};
use super::view::{OrderList, OrderView, example, show};
use crate::containers::CUSTOMERS;
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function};
use crate::http::conditional::if_match;
use crate::http::{ListQuery, Request, Response, cursor_of, json, no_store};
use crate::identity::Permission;
use crate::ordering::order::{By, Move, Note, Order, Status};
use crate::ports::documents::Order as Sorted;
use crate::ports::documents::{Filter, Query, Scope};
use crate::state::AppState;
use crate::types::{OrderId, Service, TenantId};

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let route = "v1/admin/orders/{id}";
    vec![
        Function::http("ShopAdminOrdersList", Service::Shop, Method::GET, "v1/admin/orders", list)
            .access(Access::May(Permission::ManageOrders))
            .summary("Lists the orders of the boutique, the newest first.")
            .query::<OrdersQuery>()
            .answers::<OrderList>(StatusCode::OK, "A page of orders.", json!({ "items": [example()], "next": null }))
            .into(),
        Function::http("ShopAdminOrdersView", Service::Shop, Method::GET, route, view)
            .access(Access::May(Permission::ManageOrders))
            .summary("Shows an order of any customer.")
            .answers::<OrderView>(StatusCode::OK, "The order.", example())
            .into(),
        Function::http(
            "ShopAdminOrdersMove",
            Service::Shop,
            Method::POST,
            "v1/admin/orders/{id}/transitions",
            transition,
        )
        .access(Access::May(Permission::ManageOrders))
        .summary("Moves an order on: confirmed, packed, shipped, delivered; or cancelled, returned.")
        .takes::<Transition>("application/json", json!({ "to": "packed" }))
        .answers::<OrderView>(StatusCode::OK, "The order as it now is.", example())
        .fails(&[Code::Conflict, Code::PreconditionFailed])
        .into(),
    ]
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OrdersQuery {
    /// Only those that are `placed`, `confirmed`, `packed`, `shipped`, `delivered`, `cancelled` or `returned`.
    #[param(value_type = Option<String>)]
    status: Option<Status>,
    /// Items a page, 1 to 100; 20 where nothing is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
}

#[derive(Deserialize, ToSchema)]
struct Transition {
    to: Target,
    #[schema(max_length = 200)]
    reason: Option<String>,
}

/// The state that the staff brings an order to.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum Target {
    Confirmed,
    Packed,
    Shipped,
    Delivered,
    Cancelled,
    Returned,
}

impl Target {
    fn step(self) -> Move {
        match self {
            Self::Confirmed => Move::Confirm,
            Self::Packed => Move::Pack,
            Self::Shipped => Move::Ship,
            Self::Delivered => Move::Deliver,
            Self::Cancelled => Move::Cancel,
            Self::Returned => Move::Return,
        }
    }
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let asked: OrdersQuery = request.query()?;
    let paging = ListQuery { limit: asked.limit, cursor: asked.cursor };
    let mut filters = vec![Filter::Equal("kind", json!(Order::KIND))];
    filters.extend(asked.status.map(|status| Filter::Equal("status", json!(status))));
    let query = Query {
        filters,
        order: Some(Sorted::Descending("createdAt")),
        limit: paging.limit(20)?,
        continuation: paging.continuation()?,
    };
    let tenant = [request.caller.tenant().to_string()];
    let page = state.documents.query(&CUSTOMERS, Scope::Prefix(&tenant), query).await.map_err(ListQuery::explain)?;
    let view = |document| Ok(OrderView::of(&state.settings, &found_in(document)?.order));
    let items = page.items.iter().map(view).collect::<Result<_>>()?;
    Ok(no_store(json(&OrderList { items, next: cursor_of(page.next) })?))
}

async fn view(state: AppState, request: Request) -> Result<Response> {
    let id: OrderId = request.param("id")?;
    show(&state.settings, &find(&state, request.caller.tenant(), &id).await?.1)
}

async fn transition(state: AppState, request: Request) -> Result<Response> {
    let id: OrderId = request.param("id")?;
    let asked: Transition = request.json()?;
    let actor = Some(request.principal()?.actor().to_owned());
    let note = Note { actor, reason: reason(asked.reason)? };
    let (customer, _) = find(&state, request.caller.tenant(), &id).await?;
    let wanted = Wanted { step: asked.to.step(), by: By::Staff, note, condition: if_match(&request)? };
    show(&state.settings, &moves::advance(&state, &customer, &id, wanted).await?)
}

/// The order of this id, whoever's it is. Asks all customers of the boutique.
async fn find(state: &AppState, tenant: &TenantId, id: &OrderId) -> Result<(Customer, Found)> {
    let filters = vec![Filter::Equal("id", json!(id)), Filter::Equal("kind", json!(Order::KIND))];
    let prefix = [tenant.to_string()];
    let mut continuation = None;
    loop {
        let query = Query { filters: filters.clone(), limit: 1, continuation, ..Query::default() };
        let page = state.documents.query(&CUSTOMERS, Scope::Prefix(&prefix), query).await?;
        if let Some(document) = page.items.first() {
            let [_, user] = document.partition.0.as_slice() else { return Err(no_order()) };
            let customer = Customer { tenant: tenant.clone(), user: user.parse().map_err(Error::internal)? };
            return Ok((customer, found_in(document)?));
        }
        continuation = page.next;
        if continuation.is_none() {
            return Err(no_order());
        }
    }
}
